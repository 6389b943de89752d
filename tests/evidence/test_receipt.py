"""Receipts: cumulative, each one consistent with the leaves and with the one before."""

import pytest

from contracts.errors import ReceiptError, UnjudgedError
from contracts.evidence.manifest import parse_manifest
from contracts.evidence.merkle import Frontier
from contracts.evidence.receipt import build_receipt, check_receipt, parse_receipt
from policies.canonical import digest, digest_of
from tests.evidence.samples import CHUNK, DATA, IAT, LEAVES, manifest

MANIFEST = manifest()
FIRST = build_receipt(MANIFEST, seq=1, verified=Frontier().extend(LEAVES[:2]), ts=IAT, rejected=[3, 1, 3])
FINAL = build_receipt(MANIFEST, seq=2, verified=Frontier().extend(LEAVES), ts=IAT + 5, rows=530)


def test_a_receipt_covers_the_first_chunks_and_the_next_one_more():
    assert (FIRST.upto, FIRST.bytes, FIRST.rejected) == (2, 2 * CHUNK, (1, 3))
    tree = check_receipt(FIRST, MANIFEST, LEAVES)
    assert tree.size == 2
    assert check_receipt(FINAL, MANIFEST, LEAVES, FIRST, known=tree) == check_receipt(FINAL, MANIFEST, LEAVES, FIRST)


def test_the_final_receipt_is_over_all_chunks_and_carries_what_is_settled():
    assert (FINAL.final(MANIFEST), FIRST.final(MANIFEST)) == (True, False)
    assert (FINAL.bytes, FINAL.rows, FINAL.purpose) == (len(DATA), 530, "quality-control")
    assert not FIRST.document().keys() & {"rows", "purpose"}


def test_an_empty_delivery_is_received_by_one_final_receipt():
    empty = manifest(size=0, leaves=[], rows=0)
    receipt = build_receipt(empty, seq=1, verified=Frontier(), ts=IAT, rows=0)
    check_receipt(receipt, empty, [])
    assert receipt.final(empty)


def test_reading_keeps_unknown_members_and_so_the_digest():
    document = FINAL.document() | {"note": "later"}
    view = parse_receipt(document)
    assert (view.document(), view.digest()) == (document, digest_of(document))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("transfer", "urn:uuid:another"),
        ("epoch", 1),
        ("seq", 1),
        ("upto", 6),
        ("upto", 1),
        ("bytes", len(DATA) - 1),
        ("root_so_far", digest(b"x")),
        ("rejected", [5]),
        ("rows", 529),
        ("rows", None),
        ("purpose", "another"),
        ("purpose", None),
    ],
)
def test_the_member_that_differs_is_named(member, value):
    with pytest.raises(ReceiptError) as caught:
        check_receipt(parse_receipt(FINAL.document() | {member: value}), MANIFEST, LEAVES, FIRST)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("member", "value"), [("typ", "rc/2"), ("seq", 0), ("upto", -1), ("ts", 1.5), ("rejected", None)]
)
def test_a_member_without_a_valid_value_is_named(member, value):
    with pytest.raises(ReceiptError) as caught:
        parse_receipt(FINAL.document() | {member: value})
    assert caught.value.member == member


def test_a_receipt_must_not_go_back_behind_the_one_before():
    with pytest.raises(ReceiptError) as caught:
        check_receipt(parse_receipt(FIRST.document() | {"seq": 3}), MANIFEST, LEAVES, FINAL)
    assert caught.value.member == "upto"


def test_a_receipt_over_other_chunks_than_the_first_is_refused():
    with pytest.raises(ReceiptError) as caught:
        check_receipt(build_receipt(MANIFEST, seq=1, verified=Frontier().extend(LEAVES[1:3]), ts=IAT), MANIFEST, LEAVES)
    assert caught.value.member == "root_so_far"


def test_a_tree_kept_from_a_later_receipt_is_not_used_for_an_earlier_one():
    assert check_receipt(FIRST, MANIFEST, LEAVES, known=Frontier().extend(LEAVES)).size == 2


def test_a_receipt_for_ciphertext_is_not_judged():
    encrypted = parse_manifest(MANIFEST.document() | {"croot": digest(b"x")})
    with pytest.raises(UnjudgedError):
        check_receipt(FIRST, encrypted, LEAVES)
