"""A delivery on its way in: bytes are written only after their chunk was verified, so the file never holds a wrong one.

`NAME.part` grows by whole chunks. After a crash it is hashed again and cut back to the chunks that hold. It gets its name
only when it is complete and durable: a file without `.part` is a verified one. Rows are counted on the way.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from connector.dataplane.files import put_in_place
from connector.errors import VerificationError
from contracts.evidence.manifest import Manifest
from contracts.evidence.merkle import HASH_BYTES, LEAF_PREFIX, Frontier

READ_BYTES = 1024 * 1024
# Buffers handed to one system call; Linux takes 1,024.
BUFFERS_MOST = 512


class RowCounter:
    """Counts the rows of a CSV text given in pieces: line ends outside quotes, and a last line without one.

    Quotes and line feeds are never part of another character, in UTF-8 and in GB18030.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._quoted = False
        self._last = b"\n"

    def feed(self, piece: bytes | memoryview) -> None:
        data = bytes(piece) if isinstance(piece, memoryview) else piece
        if not data:
            return
        if b'"' in data:
            parts = data.split(b'"')
            outside = parts[1::2] if self._quoted else parts[::2]
            self._lines += sum(part.count(b"\n") for part in outside)
            self._quoted ^= len(parts) % 2 == 0
        elif not self._quoted:
            self._lines += data.count(b"\n")
        self._last = data[-1:]

    @property
    def rows(self) -> int:
        """Data rows so far: the header line is none."""
        return max(self._lines + (self._last != b"\n") - 1, 0)


class PartFile:
    """The file of one delivery while it is received. Its methods block: they run in threads, one at a time."""

    def __init__(self, path: Path, manifest: Manifest, leaves: bytes) -> None:
        """`path` is the final name; `leaves` is the leaf list, checked against the manifest's root."""
        self.path = path
        self.part = part_of(path)
        self.manifest = manifest
        self.tree = Frontier()
        self._leaves = leaves
        self._rows = RowCounter() if manifest.rows is not None else None
        self._descriptor = -1

    @property
    def chunks(self) -> int:
        """Chunks verified so far, from the first one on without a gap."""
        return self.tree.size

    @property
    def verified(self) -> int:
        """Bytes verified so far."""
        return min(self.chunks * self.manifest.chunk, self.manifest.size)

    @property
    def complete(self) -> bool:
        return self.chunks == self.manifest.chunks

    @property
    def rows(self) -> int | None:
        return self._rows.rows if self._rows is not None else None

    def open(self) -> None:
        """Take up what is there: verified again, cut back to its last good chunk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self.part.exists():
            self.path.rename(self.part)  # renamed before a crash, but never recorded as received
        self._descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT, 0o600)
        while not self.complete and (data := self._read(self.chunks)) is not None:
            self._grow([self._leaf(self.chunks)], [data])
        os.ftruncate(self._descriptor, self.verified)
        os.lseek(self._descriptor, self.verified, os.SEEK_SET)

    def append(self, pieces: Sequence[memoryview], count: int) -> None:
        """Verify `count` chunks that these pieces hold exactly, then write them.

        Raises VerificationError `chunk-differs` with the number of the first wrong chunk; nothing of the batch is written.
        """
        found: list[bytes] = []
        hashing, left = sha256(LEAF_PREFIX), self._length(self.chunks)
        for piece in pieces:
            taken = 0
            while taken < len(piece):
                if left == 0:
                    raise ValueError("the pieces hold more than the delivery")
                step = min(left, len(piece) - taken)
                hashing.update(piece[taken : taken + step])
                taken, left = taken + step, left - step
                if left == 0:
                    found.append(self._match(self.chunks + len(found), hashing.digest()))
                    hashing, left = sha256(LEAF_PREFIX), self._length(self.chunks + len(found))
        if len(found) != count:
            raise ValueError(f"the pieces hold {len(found)} chunks, not {count}")
        self._write(pieces)
        self._grow(found, pieces)

    def finish(self) -> None:
        """Make the complete file durable and give it its name; raises VerificationError `rows-differ`."""
        if self.rows != self.manifest.rows:
            raise VerificationError("rows-differ", found=self.rows, expected=self.manifest.rows)
        os.fsync(self._descriptor)
        self.close()
        put_in_place(self.part, self.path)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Remove what arrived: a delivery that failed leaves nothing that looks like data."""
        self.close()
        self.part.unlink(missing_ok=True)

    def batch_length(self, count: int) -> int:
        """Bytes of the next `count` chunks."""
        return min((self.chunks + count) * self.manifest.chunk, self.manifest.size) - self.verified

    def _length(self, index: int) -> int:
        start = index * self.manifest.chunk
        return max(min(self.manifest.chunk, self.manifest.size - start), 0)

    def _leaf(self, index: int) -> bytes:
        return self._leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def _match(self, index: int, leaf: bytes) -> bytes:
        if leaf != self._leaf(index):
            raise VerificationError("chunk-differs", chunk=index, expected=self._leaf(index).hex(), found=leaf.hex())
        return leaf

    def _read(self, index: int) -> memoryview | None:
        """Chunk `index` of the file, None when it is not there whole or does not hold."""
        length, start = self._length(index), index * self.manifest.chunk
        buffer = memoryview(bytearray(length))
        read = 0
        while read < length and (count := os.preadv(self._descriptor, [buffer[read:]], start + read)):
            read += count
        hashing = sha256(LEAF_PREFIX)
        hashing.update(buffer)
        return buffer if read == length and hashing.digest() == self._leaf(index) else None

    def _write(self, pieces: Sequence[memoryview]) -> None:
        waiting = list(pieces)
        while waiting:
            written = os.writev(self._descriptor, waiting[:BUFFERS_MOST])
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = waiting[0][written:]

    def _grow(self, leaves: Sequence[bytes], pieces: Sequence[memoryview]) -> None:
        if self._rows is not None:
            for piece in pieces:
                self._rows.feed(piece)
        self.tree = self.tree.extend(leaves)


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")
