"""The manifest: every member that differs is named, chunks are verified one by one, unknown members survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ManifestError, UnjudgedError
from contracts.evidence.manifest import (
    CHUNK_MAX,
    CHUNK_MIN,
    Manifest,
    check_chunk,
    check_follows,
    check_leaves,
    check_manifest,
    chunk_bounds,
    chunk_count,
    chunks_within,
    pack_leaves,
    parse_manifest,
    unpack_leaves,
)
from contracts.evidence.merkle import EMPTY_ROOT, leaf_hash
from policies.canonical import digest, digest_of
from tests.evidence.samples import ASKED, CHUNK, CHUNKS, DATA, LEAVES, manifest

GOOD = manifest()
DOCUMENT = GOOD.document()


def test_the_manifest_of_what_was_asked_for_is_accepted():
    check_manifest(GOOD, **ASKED)
    check_leaves(GOOD, LEAVES)
    for index, chunk in enumerate(CHUNKS):
        check_chunk(GOOD, LEAVES, index, memoryview(chunk))


def test_members_that_do_not_apply_are_absent_and_prev_is_null():
    plain = manifest(transform=None, columns=None, purpose=None, rows=None).document()
    assert not plain.keys() & {"transform", "columns", "purpose", "rows", "croot", "enc"}
    assert (plain["prev"], plain["epoch"]) == (None, 0)


def test_reading_keeps_unknown_members_and_so_the_digest():
    document = DOCUMENT | {"signature-of-tomorrow": {"alg": "ML-DSA-44"}}
    view = parse_manifest(document)
    assert view.document() == document
    assert view.digest() == digest_of(document)


@pytest.mark.parametrize(
    "member", ["agreement", "transfer", "dataset", "consumer", "policy", "transform", "columns", "purpose"]
)
def test_the_member_that_differs_from_what_was_asked_is_named(member):
    other = {
        "columns": ["thickness", "coil_no"],
        "transfer": "urn:uuid:of-another-transfer",
        "dataset": "another",
        "consumer": "did:web:another.example",
        "purpose": "another",
    }.get(member, digest(b"another"))
    with pytest.raises(ManifestError) as caught:
        check_manifest(parse_manifest(DOCUMENT | {member: other}), **ASKED)
    assert caught.value.member == member


@pytest.mark.parametrize("member", ["transform", "columns", "purpose"])
def test_what_was_asked_for_must_not_be_left_out(member):
    document = {name: value for name, value in DOCUMENT.items() if name != member}
    with pytest.raises(ManifestError) as caught:
        check_manifest(parse_manifest(document), **ASKED)
    assert (member, None) == (caught.value.member, caught.value.found)


@pytest.mark.parametrize(("member", "value"), [("transform", None), ("purpose", None)])
def test_what_was_not_asked_for_must_not_be_added(member, value):
    with pytest.raises(ManifestError) as caught:
        check_manifest(GOOD, **(ASKED | {member: value}))
    assert caught.value.member == member


def test_without_a_request_for_columns_the_manifest_may_list_those_of_the_dataset():
    check_manifest(GOOD, **(ASKED | {"columns": None}))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("typ", "tm/2"),
        ("agreement", "sha-256:A"),
        ("agreement", digest(b"x") + "\n"),
        ("root", digest(b"x").upper()),
        ("size", -1),
        ("size", "16960"),
        ("size", True),
        ("size", 2**53),
        ("chunk", CHUNK_MIN - 1),
        ("chunk", CHUNK_MAX + 1),
        ("epoch", None),
        ("rows", 1.0),
        ("columns", "coil_no"),
        ("iat", "2026-11-10"),
    ],
)
def test_a_member_without_a_valid_value_is_named(member, value):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(DOCUMENT | {member: value})
    assert caught.value.member == member


@pytest.mark.parametrize("member", [name for name, field in Manifest.model_fields.items() if field.is_required()])
def test_a_required_member_that_is_missing_is_named(member):
    with pytest.raises(ManifestError) as caught:
        parse_manifest({name: value for name, value in DOCUMENT.items() if name != member})
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("member", "value"),
    [("leaf", "blake3"), ("croot", digest(b"x")), ("enc", {"alg": "A256GCM-STREAM"})],
)
def test_what_we_do_not_know_is_neither_valid_nor_wrong(member, value):
    with pytest.raises(UnjudgedError) as caught:
        check_manifest(parse_manifest(DOCUMENT | {member: value}), **ASKED)
    assert caught.value.member == member


# -- bytes ---------------------------------------------------------------------------------------------------------------


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_one_altered_byte_is_found_in_its_chunk(place, change):
    index = place // CHUNK
    altered = bytearray(CHUNKS[index])
    altered[place % CHUNK] ^= change
    with pytest.raises(ManifestError) as caught:
        check_chunk(GOOD, LEAVES, index, bytes(altered))
    assert caught.value.member == f"chunk {index}"


@pytest.mark.parametrize(
    ("index", "data", "member"),
    [
        (0, CHUNKS[1], "chunk 0"),
        (4, CHUNKS[4][:-1], "chunk 4: length"),
        (4, CHUNKS[4] + b"\0", "chunk 4: length"),
        (4, CHUNKS[3], "chunk 4: length"),
        (3, CHUNKS[4], "chunk 3: length"),
        (5, b"", "chunk 5"),
        (-1, CHUNKS[4], "chunk -1"),
    ],
    ids=["swapped", "cut", "longer", "duplicated", "dropped", "beyond the end", "before the start"],
)
def test_bytes_that_are_not_the_chunk_are_refused(index, data, member):
    with pytest.raises(ManifestError) as caught:
        check_chunk(GOOD, LEAVES, index, data)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("leaves", "member"),
    [
        (LEAVES[:-1], "leaves"),
        ([*LEAVES, LEAVES[0]], "leaves"),
        ([LEAVES[1], LEAVES[0], *LEAVES[2:]], "root"),
        ([*LEAVES[:-1], LEAVES[0]], "root"),
        ([LEAVES[0][:-1], LEAVES[0][-1:] + LEAVES[1], *LEAVES[2:]], "leaves"),
    ],
    ids=["dropped", "added", "swapped", "one replaced", "shifted"],
)
def test_a_leaf_list_that_is_not_the_signed_one_is_refused(leaves, member):
    with pytest.raises(ManifestError) as caught:
        check_leaves(GOOD, leaves)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [("size", len(DATA) - CHUNK, "leaves"), ("chunk", CHUNK * 2, "leaves"), ("root", digest(b"x"), "root")],
)
def test_size_chunk_and_root_are_bound_to_the_leaves(member, value, named):
    with pytest.raises(ManifestError) as caught:
        check_leaves(parse_manifest(DOCUMENT | {member: value}), LEAVES)
    assert caught.value.member == named


def test_a_size_that_keeps_the_number_of_chunks_is_found_by_the_last_chunk():
    shorter = parse_manifest(DOCUMENT | {"size": len(DATA) - 1})
    check_leaves(shorter, LEAVES)
    with pytest.raises(ManifestError, match="length"):
        check_chunk(shorter, LEAVES, 4, CHUNKS[4])


def test_leaves_that_cannot_belong_to_the_size_are_refused_when_building():
    with pytest.raises(ManifestError) as caught:
        manifest(leaves=LEAVES[:-1])
    assert caught.value.member == "leaves"


def test_an_empty_delivery_has_no_chunks_and_the_root_of_nothing():
    empty = manifest(size=0, leaves=[])
    assert (empty.chunks, empty.root) == (0, f"sha-256:{EMPTY_ROOT.hex()}")
    check_leaves(empty, [])


# -- streams -------------------------------------------------------------------------------------------------------------


def test_epochs_of_a_stream_are_chained_by_digest():
    second = manifest(previous=GOOD)
    check_follows(GOOD, None)
    check_follows(second, GOOD)
    assert (second.epoch, second.prev) == (1, GOOD.digest())


@pytest.mark.parametrize(
    ("following", "member"),
    [
        (GOOD, "epoch"),
        (parse_manifest(manifest(previous=GOOD).document() | {"prev": digest(b"x")}), "prev"),
        (parse_manifest(manifest(previous=GOOD).document() | {"prev": None}), "prev"),
        (manifest(previous=GOOD, transfer="urn:uuid:another"), "transfer"),
    ],
    ids=["replayed", "broken prev", "no prev", "of another transfer"],
)
def test_an_epoch_that_does_not_follow_is_refused(following, member):
    with pytest.raises(ManifestError) as caught:
        check_follows(following, GOOD)
    assert caught.value.member == member


# -- arithmetic ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 40), st.data())
def test_chunks_cover_every_byte_once_and_a_range_yields_those_whole_within_it(size, chunk, data):
    bounds = [chunk_bounds(index, size, chunk) for index in range(chunk_count(size, chunk))]
    assert [byte for start, end in bounds for byte in range(start, end)] == list(range(size))
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    whole = [index for index, (first, last) in enumerate(bounds) if start <= first and last <= end]
    assert list(chunks_within(start, end, size, chunk)) == whole


def test_the_sidecar_is_the_hashes_one_after_another():
    assert unpack_leaves(pack_leaves(LEAVES)) == LEAVES
    assert pack_leaves(LEAVES)[32:64] == leaf_hash(CHUNKS[1])
    with pytest.raises(ManifestError, match="multiple of 32"):
        unpack_leaves(b"x" * 33)
