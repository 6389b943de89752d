"""Profiles: what a file is, in one pass."""

import hashlib
from fractions import Fraction

import pytest

from connector.dataplane.profile import profile, profile_now
from connector.dataplane.table import Table, TableError
from tests.deliveries import SCENARIO, expected, scenario_file
from tests.shared import shared


def test_the_files_of_the_scenario_are_as_described():
    """SHA-256, rows and columns of every sample table are those of expected.json."""
    for name, facts in expected()["files"].items():
        if not name.startswith("data/") or not name.endswith(".csv"):
            continue
        found = profile_now(shared(f"{SCENARIO}/{name}"))
        assert (found.sha256, found.rows, list(found.names)) == (facts["sha256"], facts["rows"], facts["columns"]), name


def test_the_export_in_gb18030_has_the_rows_of_its_twin():
    """The ERP export is recognised, its four-byte character read, its rows equal to those of the UTF-8 file."""
    export, twin = shared(f"{SCENARIO}/data/coil_quality_gb18030.csv"), scenario_file("A-D1")
    found = profile_now(export)
    assert (found.encoding, found.rows) == ("gb18030", 240)
    with export.open("rb") as one, twin.open("rb") as other:
        rows = list(Table(one, encoding="gb18030").rows())
        assert rows == list(Table(other, encoding="utf-8").rows())
    assert found.columns[0].name == "钢卷号"


def test_types_and_completeness():
    """A column has the narrowest type that all its values have; blanks count as missing, not as text."""
    stamping = {column.name: column for column in profile_now(scenario_file("A-D2")).columns}
    assert (stamping["produced_qty"].type, stamping["finished_at"].type) == ("integer", "dateTime")
    assert stamping["operator_id"].completeness(600) == Fraction(99, 100)
    shipment = {column.name: column for column in profile_now(scenario_file("A-D4")).columns}
    assert shipment["actual_arrive"].completeness(600) == Fraction(98, 100)


async def test_what_is_no_table_has_a_version_only(tmp_path):
    """Another kind of file is published as it is: bytes and digest, no columns."""
    path = tmp_path / "drawing.pdf"
    path.write_bytes(b"%PDF" + bytes(range(256)) * 9000)
    found = await profile(path)
    assert (found.sha256, found.names, found.rows) == (hashlib.sha256(path.read_bytes()).hexdigest(), (), None)


def test_a_damaged_utf8_file_is_not_taken_for_gb18030(tmp_path):
    """One wrong byte in Chinese UTF-8 is an error with its place, although GB18030 could read meaning into it."""
    path = tmp_path / "t.csv"
    text = "号,名\n1,钢卷\n2,质保书\n".encode()
    path.write_bytes(text[:-4] + b"\xff" + text[-3:])
    with pytest.raises(TableError) as caught:
        profile_now(path)
    assert (caught.value.code, caught.value.facts["line"], caught.value.facts["encoding"]) == (
        "table-encoding",
        3,
        "utf-8",
    )
