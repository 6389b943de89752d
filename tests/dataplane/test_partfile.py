"""The file of a delivery on its way in: only verified bytes, taken up after a crash, rows counted on the way."""

import csv
import io
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dataplane.partfile import PartFile, RowCounter
from connector.errors import VerificationError
from contracts.evidence.manifest import build_manifest
from contracts.evidence.merkle import leaf_hash

CHUNK = 4096


def leaves_of(data):
    return [leaf_hash(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]


def manifest_for(data, rows=None):
    digest = "sha-256:" + "a" * 64
    return build_manifest(
        agreement=digest,
        transfer="urn:uuid:1",
        dataset="d",
        version=digest,
        consumer="did:web:c",
        policy=digest,
        decision="1",
        size=len(data),
        chunk=CHUNK,
        leaves=leaves_of(data),
        iat=1,
        rows=rows,
    )


def part_of(tmp_path, data, rows=None):
    part = PartFile(tmp_path / "data.csv", manifest_for(data, rows), b"".join(leaves_of(data)))
    part.open()
    return part


def fill(part, data, first=0, last=None):
    for at in range(first * CHUNK, len(data) if last is None else last * CHUNK, CHUNK):
        part.append([memoryview(data)[at : at + CHUNK]], 1)


DATA = os.urandom(10 * CHUNK + 77)


def test_a_complete_file_gets_its_name_and_no_other(tmp_path):
    """Until it is finished there is a `.part` only; then there is the file only."""
    part = part_of(tmp_path, DATA)
    fill(part, DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv.part"]
    part.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]
    assert (tmp_path / "data.csv").read_bytes() == DATA
    assert (tmp_path / "data.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(12))
@pytest.mark.parametrize("torn", [0, 1, CHUNK - 1])
def test_a_crash_costs_no_verified_chunk_and_keeps_no_other_byte(tmp_path, kept, torn):
    """Whatever lies behind the last whole, true chunk is cut off; what is before is not fetched again."""
    part = part_of(tmp_path, DATA)
    fill(part, DATA, last=min(kept, 10))
    part.close()
    with part.part.open("ab") as file:
        file.write(os.urandom(torn))
    again = part_of(tmp_path, DATA)
    assert again.chunks == min(kept, 10)
    fill(again, DATA, first=again.chunks)
    again.finish()
    assert again.path.read_bytes() == DATA


def test_a_damaged_chunk_is_fetched_again(tmp_path):
    """A byte that changed on disk takes its chunk and those behind it away."""
    part = part_of(tmp_path, DATA)
    fill(part, DATA)
    part.close()
    with part.part.open("r+b") as file:
        file.seek(3 * CHUNK + 5)
        file.write(b"\x00" if DATA[3 * CHUNK + 5] else b"\x01")
    assert part_of(tmp_path, DATA).chunks == 3


def test_a_file_renamed_before_a_crash_is_taken_up(tmp_path):
    """The name was given, but nothing recorded: the same bytes are verified again and nothing is fetched."""
    part = part_of(tmp_path, DATA)
    fill(part, DATA)
    part.finish()
    again = part_of(tmp_path, DATA)
    assert again.complete
    again.finish()
    assert again.path.read_bytes() == DATA


def test_a_wrong_chunk_is_named_and_nothing_of_it_is_written(tmp_path):
    """The error carries the number of the chunk; the file holds what was verified before."""
    part = part_of(tmp_path, DATA)
    fill(part, DATA, last=4)
    wrong = bytearray(DATA[4 * CHUNK : 6 * CHUNK])
    wrong[CHUNK + 1] ^= 1
    with pytest.raises(VerificationError) as caught:
        part.append([memoryview(wrong)], 2)
    assert (caught.value.code, caught.value.facts["chunk"]) == ("chunk-differs", 5)
    assert part.part.read_bytes() == DATA[: 4 * CHUNK]


@given(st.lists(st.integers(1, len(DATA) - 1), max_size=12), st.lists(st.integers(1, 4), min_size=11, max_size=11))
def test_any_pieces_of_the_same_bytes_make_the_same_file(tmp_path_factory, cuts, counts):
    """Batches of any number of chunks in pieces of any size: the file and the tree are the same."""
    part = part_of(tmp_path_factory.mktemp("pieces"), DATA)
    for count in counts:
        whole = min(count, part.manifest.chunks - part.chunks)
        if whole == 0:
            break
        first, last = part.verified, part.verified + part.batch_length(whole)
        edges = [first, *sorted({cut for cut in cuts if first < cut < last}), last]
        part.append([memoryview(DATA)[begin:end] for begin, end in pairwise(edges)], whole)
    assert part.complete
    assert part.tree.root().hex() == part.manifest.root.removeprefix("sha-256:")
    part.finish()
    assert part.path.read_bytes() == DATA


def test_rows_that_differ_from_the_manifest_leave_no_file(tmp_path):
    """The consumer counts for itself; a manifest that says another number is not believed."""
    data = b"a,b\n1,2\n"
    part = part_of(tmp_path, data, rows=2)
    fill(part, data)
    with pytest.raises(VerificationError, match="rows-differ"):
        part.finish()
    assert not part.path.exists()


CELL = st.lists(st.sampled_from(["a", "1", ",", '"', "\n", "\r\n", "钢", " "]), max_size=6).map("".join)


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 9),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_rows_are_those_that_a_csv_reader_counts(rows, end, closed, step, encoding):
    """Line ends inside quotes are no rows, in pieces of any size, in both encodings, with and without a last line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows(rows)
    data = text.getvalue().encode(encoding)
    data = data if closed else data.removesuffix(end.encode())
    counter = RowCounter()
    for at in range(0, len(data), step):
        counter.feed(memoryview(data)[at : at + step])
    assert counter.rows == len(rows) - 1
