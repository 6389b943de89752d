"""Transforms: the golden deliveries of the scenario, exact rounding, strict documents."""

import copy
import hashlib
import io
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dataplane.profile import profile_now
from connector.dataplane.table import TableError
from connector.dataplane.transforms.apply import apply_transform, pseudonym, rounding
from connector.dataplane.transforms.model import TransformError, parse_transform
from policies.columns import parse_list
from tests.deliveries import expected, scenario_documents, scenario_file

NAMES = [f"A{number}" for number in range(1, 13)]


def by_digest():
    return {transform.digest: transform for transform in map(parse_transform, scenario_documents("transforms"))}


def applied(path, transform, columns=None, key=b""):
    found = profile_now(path)
    out = io.BytesIO()
    with path.open("rb") as source:
        written = apply_transform(
            source, transform, columns, key, out, encoding=found.encoding, delimiter=found.delimiter
        )
    return out.getvalue(), written


@pytest.mark.parametrize("name", NAMES)
def test_every_delivery_of_the_scenario_has_its_golden_digest(name):
    """Rows, bytes, columns and SHA-256 are those of expected.json; pseudonyms with the test keys."""
    figures = expected()
    golden = figures["deliveries"][name]
    key = golden.get("test_key", "").encode()
    data, written = applied(scenario_file(golden["product"]), by_digest().get(golden.get("transform")), key=key)
    assert hashlib.sha256(data).hexdigest() == golden["sha256"]
    assert (written.rows, len(data)) == (golden["rows"], golden["bytes"])
    assert list(written.columns) == figures["transforms"]["delivered_columns"][name]


def test_chosen_columns_keep_the_order_of_the_dataset():
    """`?columns=` selects after the transform; the answer has the dataset's order, whatever was asked first."""
    figures = expected()
    choice = figures["column_choice"]
    transform = by_digest()[figures["deliveries"]["A1"]["transform"]]
    asked = parse_list(choice["query"].removeprefix("columns="))
    data, written = applied(scenario_file("A-D1"), transform, asked)
    assert hashlib.sha256(data).hexdigest() == choice["sha256"]
    assert (list(written.columns), written.rows, len(data)) == (choice["columns"], choice["rows"], choice["bytes"])


def test_pseudonyms_of_two_agreements_cannot_be_joined():
    """The same plate under two keys gives two pseudonyms, and the ones of the scenario."""
    golden = expected()["transforms"]["keyed_pseudonym"]
    out = {name: pseudonym(golden[name]["test_key"].encode(), 16)(golden["value"]) for name in ("A4", "A12")}
    assert out == {name: golden[name]["out"] for name in ("A4", "A12")}
    assert len(set(out.values())) == 2


@pytest.mark.parametrize(
    ("value", "to", "decimals", "shown"),
    [
        ("0.082", "0.05", 2, "0.10"),
        ("0.075", "0.05", 2, "0.10"),
        ("0.0249999999999999999999999999", "0.05", 2, "0.00"),
        ("-0.075", "0.05", 2, "-0.10"),
        ("-0.01", "0.05", 2, "0.00"),
        ("12340", "100", 0, "12300"),
        ("12350", "100", 0, "12400"),
        ("12349.999999", "100", 0, "12300"),
        ("+7", "2.5", 1, "7.5"),
        ("6.25", "2.5", 1, "7.5"),
        ("007", "1", 3, "7.000"),
        ("12345678901234567890123456789012345.5", "1", 0, "12345678901234567890123456789012346"),
    ],
)
def test_rounding(value, to, decimals, shown):
    """To the nearest multiple, one half away from zero, exact at any length, decimals shown."""
    assert rounding(to, decimals)(value) == shown


@given(
    st.decimals(min_value=-(10**12), max_value=10**12, places=6),
    st.sampled_from([("0.05", 2), ("100", 0), ("0.001", 3), ("2.5", 1), ("7", 0), ("0.3", 4)]),
)
def test_rounding_agrees_with_exact_fractions(value, scale):
    """The integer arithmetic of the transform equals rational arithmetic with ties away from zero."""
    to, decimals = scale
    multiple = Fraction(value) / Fraction(to)
    whole = (abs(multiple) + Fraction(1, 2)).__floor__() * (-1 if multiple < 0 else 1)
    exact = (Decimal(whole) * Decimal(to)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    shown = rounding(to, decimals)(f"{value:f}")
    assert Decimal(shown) == exact
    assert not shown.startswith("-") or exact != 0


@pytest.mark.parametrize("cell", ["n/a", "1e3", "1,5", " 1", "1.", "٣"])
def test_a_cell_that_is_no_number_is_refused_with_its_place(tmp_path, cell):
    """What cannot be rounded leaves nothing; the error names line and column."""
    path = tmp_path / "t.csv"
    path.write_text(f'id,qty\nA,1\nB,"{cell}"\n')
    transform = parse_transform(
        {
            "id": "t",
            "product": "p",
            "version": "1",
            "input": ["id", "qty"],
            "output": ["id", "qty"],
            "steps": [{"op": "round", "columns": ["qty"], "to": "100", "mode": "half-up", "decimals": 0}],
        }
    )
    with pytest.raises(TableError) as caught:
        applied(path, transform)
    assert (caught.value.code, caught.value.facts) == ("table-cell-number", {"line": 3, "column": "qty"})


def test_another_header_lets_nothing_out(tmp_path):
    """The transform's input must be the header, name by name."""
    path = tmp_path / "t.csv"
    path.write_text("coil_no,heat\n1,2\n")
    transform = by_digest()[expected()["deliveries"]["A1"]["transform"]]
    with pytest.raises(TableError, match="table-header-differs"):
        applied(path, transform)


def test_output_is_utf8_with_lf_and_empty_cells_stay_empty(tmp_path):
    """A GB18030 source with CRLF comes out as UTF-8 with LF, its rows in order, its empty cells empty."""
    path = tmp_path / "t.csv"
    path.write_bytes("号,值,备注\r\n1,,甲\r\n2,5,\r\n".encode("gb18030"))
    transform = parse_transform(
        {
            "id": "t",
            "product": "p",
            "version": "1",
            "input": ["号", "值", "备注"],
            "output": ["号", "值"],
            "steps": [
                {"op": "drop", "columns": ["备注"]},
                {"op": "round", "columns": ["值"], "to": "10", "mode": "half-up", "decimals": 0},
            ],
        }
    )
    assert applied(path, transform)[0].decode() == "号,值\n1,\n2,10\n"


def _changed(path, value):
    document = copy.deepcopy(scenario_documents("transforms")[0])
    *parents, last = path
    place = document
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("extra",), 1, "extra"),
        (("input",), None, "input"),
        (("version",), "2", "version"),
        (("steps", 0, "op"), "encrypt", "steps.0.op"),
        (("steps", 0, "why"), "x", "steps.0.why"),
        (("steps", 0, "columns"), [], "steps.0.columns"),
        (("steps", 0, "columns"), ["nobody"], "steps.0.columns"),
        (("steps", 1, "columns"), ["inspector_name"], "steps.1.columns"),
        (("steps", 1, "to"), "0", "steps.1.to"),
        (("steps", 1, "to"), "5%", "steps.1.to"),
        (("steps", 1, "decimals"), 1, "steps.1"),
        (("steps", 1, "decimals"), "2", "steps.1.decimals"),
        (("steps", 1, "mode"), "half-even", "steps.1.mode"),
        (("output",), ["coil_no"], "output"),
    ],
)
def test_a_document_with_anything_unknown_is_refused_with_its_path(path, value, named):
    """Nothing is skipped: an unknown member, step, mode or column is an error that names its place."""
    with pytest.raises(TransformError) as caught:
        parse_transform(_changed(path, value))
    assert caught.value.facts["path"] == named
