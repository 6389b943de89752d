"""The tree of the audit log as it is stored: leaves beside their records, and the root of every full tile of 256.

Proofs come from there and never read the log again: a subtree is put together from at most one tile per level.
"""

from dataclasses import dataclass

from connector.store.database import Tx
from contracts.evidence import merkle
from contracts.evidence.merkle import Frontier

TILE_HEIGHT = 8  # C2SP tlog-tiles: 256 hashes


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a record is leaf `index` of the tree that the checkpoint `note`, of `size` records, signs."""

    index: int
    size: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    note: str


def frontier(tx: Tx, size: int) -> Frontier:
    """The tree over the first `size` records, which must be sealed."""
    peaks, start = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            peaks.append(_perfect(tx, height, start >> height))
            start += 1 << height
    return Frontier(size, tuple(peaks))


def prove_inclusion(tx: Tx, seq: int) -> InclusionProof | None:
    """The proof of a record under the last checkpoint; nothing when there is no such record."""
    last = tx.one("audit.sealed")
    if last is None or not 0 <= seq < last["size"]:
        return None
    size = int(last["size"])
    hashes = merkle.inclusion_proof(seq, size, lambda start, end: _subtree(tx, start, end))
    return InclusionProof(seq, size, _perfect(tx, 0, seq), tuple(hashes), last["note"])


def prove_consistency(tx: Tx, old: int, new: int) -> list[bytes]:
    """That the tree of `new` records continues the tree of `old`; both must be sealed, `old` at least 1."""
    return merkle.consistency_proof(old, new, lambda start, end: _subtree(tx, start, end))


def _subtree(tx: Tx, start: int, end: int) -> bytes:
    """The root over records [start, end), where `start` is a multiple of the largest perfect subtree within."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(_perfect(tx, height, start >> height))
        start += 1 << height
    return merkle.fold(peaks)


def _perfect(tx: Tx, height: int, index: int) -> bytes:
    """The root of a perfect subtree, from the hashes of the tile level at or below it."""
    level, above = divmod(height, TILE_HEIGHT)
    start, end = index << above, (index + 1) << above
    of_level = {} if level == 0 else {"level": level}
    rows = tx.all("audit.nodes" if of_level else "audit.leaves", start=start, end=end, **of_level)
    if len(rows) != end - start:
        raise LookupError(f"the tree lacks hashes {start} to {end} of level {level}")
    return merkle.root([bytes.fromhex(row["hash"]) for row in rows])
