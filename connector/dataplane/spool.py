"""Transformed deliveries, made once and kept in bounded room: hashed while written, then files like any other.

An entry is `<key>.data` and, written last, `<key>.json`: what has no JSON is unfinished and goes at the next start. The
entry used least recently leaves first; one that is being sent, or written, never does.
"""

import asyncio
import errno
import io
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from connector.dataplane.files import put_in_place, write_whole
from connector.dataplane.transforms.apply import Written
from connector.errors import StoreError
from contracts.evidence.merkle import LEAF_PREFIX

WRITE_BYTES = 1024 * 1024

# Writes the content into the file it is given; runs in a worker thread.
Build = Callable[[BinaryIO], Written]


@dataclass(frozen=True, slots=True)
class Spooled:
    """A finished entry: `size` and `chunk` in bytes, `sha256` of the whole as 64 hex digits."""

    key: str
    size: int
    chunk: int
    sha256: str
    rows: int
    columns: tuple[str, ...]


class Spool:
    """The folder of finished entries. Its book is kept under a lock: builders are threads."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Open the folder, remove what is unfinished, and bring it within its bounds."""
        self.directory = directory
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: dict[str, Spooled] = {}  # least recently used first
        self._in_use: dict[str, int] = {}
        self._bytes = 0
        self._building: dict[str, asyncio.Task[Spooled]] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._open()

    @property
    def taken(self) -> int:
        """Room taken, what is being written included."""
        return self._bytes

    def path(self, key: str) -> Path:
        return self.directory / f"{key}.data"

    @asynccontextmanager
    async def lease(
        self, key: str, chunk: int, build: Build, keep_leaves: Callable[[bytes], None]
    ) -> AsyncIterator[Spooled]:
        """The entry of a key, built if there is none; it stays while the block runs. Concurrent askers share one build.

        `keep_leaves` gets the leaf hashes of a fresh entry, in the thread that built it. Raises StoreError `spool-full` when
        what is in use leaves no room, and whatever `build` raises.
        """
        with self._lock:
            self._in_use[key] = self._in_use.get(key, 0) + 1
        try:
            yield await self._entry(key, chunk, build, keep_leaves)
        finally:
            with self._lock:
                self._in_use[key] -= 1
                if not self._in_use[key]:
                    del self._in_use[key]

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._building.values(), return_exceptions=True)

    async def _entry(self, key: str, chunk: int, build: Build, keep_leaves: Callable[[bytes], None]) -> Spooled:
        with self._lock:
            if (found := self._entries.pop(key, None)) is not None:
                self._entries[key] = found
        if found is not None:
            await asyncio.to_thread(os.utime, self.path(key))
            return found
        task = self._building.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._build, key, chunk, build, keep_leaves))
            self._building[key] = task
            task.add_done_callback(lambda done: self._built(key, done))
        # Shielded: a reader that goes away leaves the build to those who wait with it.
        return await asyncio.shield(task)

    def _built(self, key: str, task: "asyncio.Task[Spooled]") -> None:
        del self._building[key]
        if not task.cancelled():
            task.exception()  # whoever still waits is told; nobody waiting is no fault

    def _build(self, key: str, chunk: int, build: Build, keep_leaves: Callable[[bytes], None]) -> Spooled:
        temporary = self.directory / f"{key}.tmp"
        with temporary.open("wb", buffering=0) as stream:
            writer = HashingWriter(stream, chunk, self._take)
            try:
                buffered = io.BufferedWriter(writer, WRITE_BYTES)
                written = build(cast("BinaryIO", buffered))
                buffered.flush()
                os.fsync(stream.fileno())
            except BaseException as error:
                self._give_back(writer.size)
                temporary.unlink(missing_ok=True)
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise StoreError("spool-unwritable", path=str(self.directory), problem=error.strerror) from error
                raise
        entry = Spooled(key, writer.size, chunk, writer.sha256(), written.rows, written.columns)
        keep_leaves(writer.leaves())
        put_in_place(temporary, self.path(key))
        write_whole(self.directory / f"{key}.json", json.dumps(asdict(entry)).encode())
        with self._lock:
            self._entries[key] = entry
        return entry

    def _take(self, count: int) -> None:
        """Room for more bytes, made by removing entries that nobody uses."""
        with self._lock:
            self._bytes += count
            for key in [key for key in self._entries if key not in self._in_use]:
                if self._bytes <= self.max_bytes:
                    return
                self._remove(key)
            if self._bytes > self.max_bytes:
                self._bytes -= count
                raise StoreError("spool-full", path=str(self.directory), limit=self.max_bytes)

    def _give_back(self, count: int) -> None:
        with self._lock:
            self._bytes -= count

    def _remove(self, key: str) -> None:
        # The JSON goes first: an entry without it is unfinished.
        (self.directory / f"{key}.json").unlink(missing_ok=True)
        self.path(key).unlink(missing_ok=True)
        self._bytes -= self._entries.pop(key).size

    def _open(self) -> None:
        found: list[tuple[int, Spooled]] = []
        for described in self.directory.glob("*.json"):
            values: dict[str, Any] = json.loads(described.read_bytes())
            entry = Spooled(**values | {"columns": tuple(values["columns"])})
            data = self.path(entry.key)
            if data.exists() and data.stat().st_size == entry.size:
                found.append((data.stat().st_mtime_ns, entry))
        for _, entry in sorted(found, key=lambda item: item[0]):
            self._entries[entry.key] = entry
            self._bytes += entry.size
        for file in self.directory.iterdir():
            if file.suffix == ".tmp" or file.name.split(".")[0] not in self._entries:
                file.unlink()
        self._take(0)


# What a disk says that takes no more: full, the file too large for it, the quota used up.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


class HashingWriter(io.RawIOBase):
    """Counts, hashes whole and by chunk, and writes; `take` is asked for room first."""

    def __init__(self, stream: Any, chunk: int, take: Callable[[int], None]) -> None:
        self.size = 0
        self._stream = stream
        self._chunk = chunk
        self._take = take
        self._whole = sha256()
        self._leaf = sha256(LEAF_PREFIX)
        self._left = chunk
        self._leaves = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        self._take(len(view))
        self.size += len(view)
        self._whole.update(view)
        taken = 0
        while taken < len(view):
            piece = view[taken : taken + self._left]
            self._leaf.update(piece)
            taken, self._left = taken + len(piece), self._left - len(piece)
            if self._left == 0:
                self._leaves += self._leaf.digest()
                self._leaf, self._left = sha256(LEAF_PREFIX), self._chunk
        written = 0
        while written < len(view):
            written += self._stream.write(view[written:])
        return len(view)

    def sha256(self) -> str:
        return self._whole.hexdigest()

    def leaves(self) -> bytes:
        """The leaf hashes, the last chunk as short as it is."""
        last = self._leaf.digest() if self._left < self._chunk else b""
        return bytes(self._leaves) + last
