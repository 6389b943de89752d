"""Leaf hashes of files: computed off the event loop in pieces of 1 MiB, kept on disk for content that has not changed."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from connector.dataplane.files import write_whole
from contracts.evidence.manifest import chunk_count, unpack_leaves
from contracts.evidence.merkle import LEAF_PREFIX
from contracts.evidence.merkle import root as tree_root

READ_BYTES = 1024 * 1024
# Two threads hash about 1.7 times as fast as one; below this size a second thread costs more than it saves.
STRIPE_BYTES = 16 * 1024 * 1024
STRIPES = 2
# Leaf lists kept: 32 bytes per chunk, so a gigabyte in chunks of 1 MiB takes 32 KiB.
KEPT_BYTES = 256 * 1024 * 1024
DIGEST = "sha-256:"


async def hash_leaves(descriptor: int, size: int, chunk: int) -> bytes:
    """The leaf hashes of a file, one after another; `size` and `chunk` in bytes. Raises EOFError when the file is shorter."""
    count = chunk_count(size, chunk)
    stripes = min(STRIPES, max(1, size // STRIPE_BYTES), max(1, count))
    bounds = [count * number // stripes for number in range(stripes + 1)]
    stop = threading.Event()
    try:
        parts = await asyncio.gather(
            *(
                asyncio.to_thread(_hash_range, descriptor, first, last, size, chunk, stop)
                for first, last in pairwise(bounds)
            )
        )
    finally:
        stop.set()
    return b"".join(parts)


def _hash_range(descriptor: int, first: int, last: int, size: int, chunk: int, stop: threading.Event) -> bytes:
    """Leaves of the chunks [first, last), read sequentially through one buffer."""
    leaves = bytearray()
    buffer = memoryview(bytearray(max(READ_BYTES - READ_BYTES % chunk, min(chunk, READ_BYTES))))
    position, end = first * chunk, min(last * chunk, size)
    hashing, left = sha256(LEAF_PREFIX), min(chunk, end - position)
    while position < end and not stop.is_set():
        read = os.preadv(descriptor, [buffer[: min(len(buffer), end - position)]], position)
        if read == 0:
            raise EOFError(f"the file ends before byte {end}")
        taken = 0
        while taken < read:
            piece = min(left, read - taken)
            hashing.update(buffer[taken : taken + piece])
            taken, left = taken + piece, left - piece
            if left == 0:
                leaves += hashing.digest()
                hashing, left = sha256(LEAF_PREFIX), min(chunk, end - position - taken)
        position += read
    return bytes(leaves)


class LeafCache:
    """Leaf lists on disk, `<root>.leaves`, and for each content that was hashed `<key>.root`, which says what its root is.

    A key names content that never changes: a version and a chunk size, or an entry of the spool.
    """

    def __init__(self, directory: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._directory = directory
        self._kept_bytes = kept_bytes
        self._running: dict[str, asyncio.Task[bytes]] = {}
        directory.mkdir(parents=True, exist_ok=True)

    async def get(self, key: str, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        """The leaves of a content, computed once however many ask at the same time."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._get(key, compute))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    async def of_root(self, root: str) -> bytes | None:
        """The leaves under a root (`sha-256:…`), None when they are not kept any more."""
        return await asyncio.to_thread(self._load, root.removeprefix(DIGEST))

    def keep(self, key: str, leaves: bytes) -> None:
        """Write the leaves of a content; for threads."""
        root = tree_root(unpack_leaves(leaves)).hex()
        write_whole(self._leaves_path(root), leaves)
        write_whole(self._root_path(key), root.encode())
        self._prune()

    async def close(self) -> None:
        """Wait for what is being computed."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _get(self, key: str, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        leaves = await asyncio.to_thread(self._find, key)
        if leaves is None:
            leaves = await compute()
            await asyncio.to_thread(self.keep, key, leaves)
        return leaves

    def _finished(self, key: str, task: "asyncio.Task[bytes]") -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # whoever still waits is told; nobody waiting is no fault

    def _leaves_path(self, root: str) -> Path:
        return self._directory / f"{root}.leaves"

    def _root_path(self, key: str) -> Path:
        return self._directory / f"{key}.root"

    def _find(self, key: str) -> bytes | None:
        try:
            return self._load(self._root_path(key).read_text())
        except FileNotFoundError:
            return None

    def _load(self, root: str) -> bytes | None:
        path = self._leaves_path(root)
        try:
            leaves = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        return leaves

    def _prune(self) -> None:
        """Forget the lists used least recently, down to the bound, and what points to them."""
        found = sorted(
            (entry.stat().st_mtime_ns, entry.stat().st_size, entry) for entry in self._directory.glob("*.leaves")
        )
        excess = sum(size for _, size, _ in found) - self._kept_bytes
        if excess <= 0:
            return
        for _, size, entry in found[:-1]:
            if excess > 0:
                entry.unlink(missing_ok=True)
                excess -= size
        for pointer in self._directory.glob("*.root"):
            if not self._leaves_path(pointer.read_text()).exists():
                pointer.unlink(missing_ok=True)
