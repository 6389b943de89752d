"""A ledger is read strictly: the first fault is named by line and column; the usage root does not depend on order."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import LedgerError
from contracts.settlement.metering import COLUMNS, Usage, metered, read_ledger
from policies.canonical import digest

HEADER = ",".join(COLUMNS)
ROW = "m-1,2026-11-03T08:00:00+01:00,I1,mill,did:web:owner.example,coils,part,25,3"
NAMES = {"mill": "did:web:mill.example", "coils": "product-7"}


def read(*lines, end="\n"):
    return read_ledger(end.join([HEADER, *lines, ""]).encode(), names=NAMES)


def with_cell(column, value):
    cells = ROW.split(",")
    cells[COLUMNS.index(column)] = value
    return ",".join(cells)


def test_short_names_stand_for_what_the_reader_says_and_full_ones_for_themselves():
    (row,) = read(ROW).rows
    assert row.usage == Usage("m-1", "I1", "2026-11-03T08:00:00+01:00", "part", 25, 3)
    assert (row.line, row.provider, row.consumer, row.product) == (
        2,
        "did:web:mill.example",
        "did:web:owner.example",
        "product-7",
    )
    assert row.moment.isoformat() == row.usage.occurred_at


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_digest_is_that_of_the_file(end):
    found = read(ROW, with_cell("meter_id", "m-2"), end=end)
    assert [row.line for row in found.rows] == [2, 3]
    assert found.digest == digest(end.join([HEADER, ROW, with_cell("meter_id", "m-2"), ""]).encode())
    assert read().rows == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("accepted", "-1"),
        ("accepted", "1.0"),
        ("accepted", "1e3"),
        ("accepted", "007"),
        ("accepted", "٣"),
        ("accepted", ""),
        ("rejected", str(2**53)),
        ("rejected", str(2**63)),
        ("occurred_at", "2026-11-31T08:00:00+01:00"),
        ("occurred_at", "2026-11-03T08:00:00"),
        ("occurred_at", "2026-11-03 08:00:00+01:00"),
        ("occurred_at", "2026-11-03T08:00:00.5+01:00"),
        ("meter_id", ""),
        ("meter_id", "two words"),
        ("agreement", ""),
        ("unit", "x" * 201),
        ("provider", "somebody"),
        ("consumer", "mill "),
    ],
)
def test_a_cell_that_cannot_be_is_named_by_line_and_column(column, value):
    with pytest.raises(LedgerError) as caught:
        read(with_cell("meter_id", "m-0"), with_cell(column, value))
    assert (caught.value.row, caught.value.facts["column"]) == (3, column)


@pytest.mark.parametrize("other", [ROW, with_cell("accepted", "26")])
def test_an_id_that_stands_there_twice_names_both_lines(other):
    with pytest.raises(LedgerError, match="m-1 stands in line 2 already") as caught:
        read(ROW, with_cell("meter_id", "m-2"), other)
    assert (caught.value.row, caught.value.facts["column"]) == (4, "meter_id")


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (b"", 1),
        (b"\xef\xbb\xbf" + HEADER.encode() + b"\n", 1),
        (HEADER.replace("unit", "units").encode(), 1),
        (f"{HEADER}\n{ROW},more\n".encode(), 2),
        (f"{HEADER}\n{ROW}\n\n".encode(), 3),
        (f'{HEADER}\n"m-1\n'.encode(), 2),
        (f"{HEADER}\n{ROW}\n".encode() + b"\xff", 3),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_with_the_line(data, row):
    with pytest.raises(LedgerError) as caught:
        read_ledger(data, names=NAMES)
    assert caught.value.row == row


RECORDS = [Usage(f"m-{number}", "I1", "2026-11-03T08:00:00+01:00", "part", number, 1) for number in range(3)]


def test_the_root_is_the_tree_hash_of_rfc_6962():
    leaves = [
        hashlib.sha256(
            b"\x00"
            + json.dumps(
                {
                    "accepted": each.accepted,
                    "id": each.id,
                    "occurredAt": each.occurred_at,
                    "ref": each.ref,
                    "rejected": each.rejected,
                    "unit": each.unit,
                },
                separators=(",", ":"),
            ).encode()
        ).digest()
        for each in RECORDS
    ]
    pair = hashlib.sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    found = metered(RECORDS)
    assert found.root == "sha-256:" + hashlib.sha256(b"\x01" + pair + leaves[2]).hexdigest()
    assert (found.records, found.accepted, found.rejected) == (3, 3, 3)
    assert metered([]).root == "sha-256:" + hashlib.sha256(b"").hexdigest()


@given(st.permutations(RECORDS))
def test_the_order_of_records_does_not_matter(shuffled):
    assert metered(shuffled) == metered(RECORDS)


@given(st.sampled_from(RECORDS), st.integers(min_value=0, max_value=10**6))
def test_any_other_quantity_gives_another_root(record, accepted):
    changed = Usage(record.id, record.ref, record.occurred_at, record.unit, accepted, record.rejected)
    others = [each for each in RECORDS if each != record]
    assert (metered([*others, changed]).root == metered(RECORDS).root) == (accepted == record.accepted)
