"""The Merkle tree of RFC 6962 and 9162, over leaf hashes: roots, growth, proofs and their verification.

A tree is a list of 32-byte leaf hashes. Its left subtree holds the largest power of two that is smaller than its size; the
root of no leaves is the hash of the empty string. Leaves and nodes are hashed under different prefixes, so that a node can
never be passed off as a leaf. The same tree proves chunks of a delivery (signed-data.md 2.3) and audit records
(audit-log.md 3).

A proof does not bind sizes: whoever verifies one takes them from a signed checkpoint or manifest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

PAIR_BYTES = 64

# The root over leaves [start, end): where it comes from, a list or a database, is the caller's matter.
Subtree: TypeAlias = Callable[[int, int], bytes]
# Told of every perfect subtree as it is finished: height (2^height leaves), index among those of its height, hash.
Finished: TypeAlias = Callable[[int, int, bytes], None]


def leaf_hash(data: bytes | bytearray | memoryview) -> bytes:
    hashing = sha256(LEAF_PREFIX)
    hashing.update(data)
    return hashing.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(NODE_PREFIX + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, level by level: a node without a sibling moves up as it is."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [sha256(NODE_PREFIX + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def packed_root(leaves: bytes) -> bytes:
    """The root over leaf hashes that stand one after the other: the lowest level is hashed where it lies."""
    pairs = len(leaves) - len(leaves) % PAIR_BYTES
    level = [sha256(NODE_PREFIX + leaves[at : at + PAIR_BYTES]).digest() for at in range(0, pairs, PAIR_BYTES)]
    return root([*level, leaves[pairs:]] if pairs < len(leaves) else level)


@dataclass(frozen=True, slots=True)
class Frontier:
    """A growing tree, kept as the roots of its perfect subtrees, largest first: log2(size) hashes, never changed in place.

    Growing returns a new frontier, so whoever keeps the old one can go back to it.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "Frontier":
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes], finished: Finished | None = None) -> "Frontier":
        """The tree with these leaf hashes added; `finished` hears of every perfect subtree of two or more leaves."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            grown, height, index = leaf, 0, size
            while index & 1:
                grown = sha256(NODE_PREFIX + peaks.pop() + grown).digest()
                height, index = height + 1, index >> 1
                if finished is not None:
                    finished(height, index, grown)
            peaks.append(grown)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        return fold(self.peaks)


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees given from left to right, largest first."""
    if not peaks:
        return EMPTY_ROOT
    folded = peaks[-1]
    for peak in reversed(peaks[:-1]):
        folded = node_hash(peak, folded)
    return folded


def over(leaves: Sequence[bytes]) -> Subtree:
    """Subtrees of a list of leaf hashes."""
    return lambda start, end: root(leaves[start:end])


# -- proofs ------------------------------------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 2.1.1, from the sibling of the leaf up to the child of the root."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 2.1.2; empty when the sizes are equal."""
    if not 1 <= old <= new:
        raise ValueError(f"no consistency of a tree of {old} with one of {new}")
    proof: list[bytes] = []
    start, end = 0, new
    while end > old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    if start > 0:  # the old tree is no node of the new one by itself: its last perfect subtree is named
        proof.append(subtree(start, end))
    proof.reverse()
    return proof


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], tree_root: bytes) -> bool:
    """RFC 9162 2.1.3.2: whether `leaf` is leaf `index` of the tree of `size` with this root."""
    if not 0 <= index < size or not _hashes(leaf, tree_root, *proof):
        return False
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and computed == tree_root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 2.1.4.2: whether the tree of `new` leaves continues the tree of `old` leaves.

    False for an empty old tree: everything continues it, so a yes would prove nothing.
    """
    if not 1 <= old <= new or not _hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    # An old tree of a power of two is a node of the new one, and its root is not repeated in the proof.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    # The final position check: without it one proof verifies for several sizes.
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
