"""The tree and its proofs: RFC 6962 vectors, growth, every pair of small sizes, and proofs that must be refused."""

import base64
import json
import time
from hashlib import sha256

import pytest

from contracts.evidence.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    over,
    root,
    verify_consistency,
    verify_inclusion,
)
from tests.shared import shared

# The leaves and roots that implementations of Certificate Transparency test with, sizes 1 to 8.
VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]
LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(1025)]
PAIRS = 64


def recursive_root(leaves):
    """RFC 6962 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


def test_roots_are_those_of_certificate_transparency():
    leaves = [leaf_hash(bytes.fromhex(data)) for data, _ in VECTORS]
    for size, (_, expected) in enumerate(VECTORS, start=1):
        assert expected == root(leaves[:size]).hex()
    assert root([]) == EMPTY_ROOT == Frontier().root()


def test_a_growing_tree_has_the_root_of_the_definition_at_every_size():
    tree = Frontier()
    for size in range(1025):
        assert (size, recursive_root(LEAVES[:size])) == (tree.size, tree.root())
        assert tree.root() == root(LEAVES[:size])
        tree = tree.append(LEAVES[size])


def test_growing_leaves_the_smaller_tree_as_it_was():
    tree = Frontier().extend(LEAVES[:100])
    before = tree.root()
    tree.extend(LEAVES[100:200])
    assert (100, before) == (tree.size, tree.root())


def test_growing_tells_every_perfect_subtree_once_with_its_hash():
    told = {}
    Frontier().extend(LEAVES[:37]).extend(
        LEAVES[37:300], lambda height, index, hashed: told.update({(height, index): hashed})
    )
    assert told == {
        (height, index): root(LEAVES[index << height : (index + 1) << height])
        for height in range(1, 9)
        for index in range(300 >> height)
        if (index + 1) << height > 37
    }


def test_inclusion_is_proven_for_every_leaf_of_every_small_tree_and_for_no_other_place():
    for size in range(1, PAIRS + 1):
        whole = root(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, over(LEAVES))
            assert verify_inclusion(index, size, LEAVES[index], proof, whole)
            assert not verify_inclusion(index, size, LEAVES[index + 1], proof, whole)
            assert not verify_inclusion(index, size, LEAVES[index], [*proof, LEAVES[0]], whole)
            assert not verify_inclusion(index, size, LEAVES[index], proof, LEAVES[-1])
            if proof:
                assert not verify_inclusion(index, size, LEAVES[index], proof[:-1], whole)
                assert not any(
                    verify_inclusion(other, size, LEAVES[index], proof, whole)
                    for other in range(size)
                    if other != index
                )
        assert not verify_inclusion(size, size, LEAVES[0], [], whole)


def test_consistency_is_proven_for_every_pair_of_small_trees():
    roots = [root(LEAVES[:size]) for size in range(PAIRS + 1)]
    for new in range(1, PAIRS + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, over(LEAVES))
            assert verify_consistency(old, new, roots[old], roots[new], proof)
            assert not verify_consistency(old, new, roots[old], roots[new], [*proof, roots[1]])
            assert not verify_consistency(old, new, roots[old - 1], roots[new], proof)
            if proof:
                assert not verify_consistency(old, new, roots[old], roots[new], proof[:-1])
                assert not verify_consistency(old, new, roots[old], roots[new - 1], proof)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (0, 0)])
def test_there_is_no_consistency_proof_of_such_sizes(old, new):
    with pytest.raises(ValueError, match="no consistency"):
        consistency_proof(old, new, over(LEAVES))


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_there_is_no_inclusion_proof_of_such_a_leaf(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, over(LEAVES))


def test_hashes_of_another_length_are_refused():
    assert not verify_inclusion(0, 2, LEAVES[0], [LEAVES[1] + b"\0"], root(LEAVES[:2]))
    assert not verify_consistency(1, 1, b"", b"", [])


def test_case_34_proofs_are_accepted_exactly_where_they_are_right():
    """Verifiers elsewhere said yes to an empty proof from size 0, and to one proof for several sizes."""
    case = json.loads(shared("cases/inputs/34-consistency.json").read_text())
    decode = base64.b64decode
    assert decode(case["empty_tree_root"]) == EMPTY_ROOT
    leaves = [leaf_hash(text.encode()) for text in case["leaves_utf8"]]
    assert root(leaves[:7]) == decode(case["cases"][0]["root2"])
    for one in case["cases"]:
        proof = [decode(hashed) for hashed in one["proof"]]
        verdict = verify_consistency(one["size1"], one["size2"], decode(one["root1"]), decode(one["root2"]), proof)
        assert one["accept"] is verdict, one["name"]


def test_a_gigabyte_in_the_smallest_chunks_takes_well_under_a_second_per_root():
    leaves = [number.to_bytes(32, "big") for number in range(262_144)]
    started = time.perf_counter()
    assert root(leaves) == Frontier().extend(leaves).root()
    assert time.perf_counter() - started < 5  # about 0.3 s on one quiet core
