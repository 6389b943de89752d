"""A delivery from a peer without the extension: plain HTTP with what the standards give, a strong ETag and `Repr-Digest`.

Without a digest nothing can be verified; then the delivery says so (`unverified`).
"""

import os
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from connector.dataplane.files import put_in_place, settled
from connector.dataplane.http import read_repr_digest
from connector.dataplane.partfile import part_of
from connector.dataplane.remote import Remote
from connector.errors import VerificationError

WRITE_BYTES = 1024 * 1024


class PlainFile:
    """The file of a plain delivery while it is received. `etag` is that of the bytes so far, "" when there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = part_of(path)
        self.size = 0
        self.etag = ""
        self._hash = sha256()
        self._descriptor = -1

    def open(self) -> None:
        """Start empty: what an earlier run left was verified by nobody."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def restart(self, etag: str) -> None:
        """Throw away what came before: it is of other bytes."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size, self.etag, self._hash = 0, etag, sha256()

    def append(self, data: bytes) -> None:
        self._hash.update(data)
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def finish(self) -> None:
        os.fsync(self._descriptor)
        self.close()
        put_in_place(self.part, self.path)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        self.close()
        self.part.unlink(missing_ok=True)


async def fetch_plain(remote: Remote, file: PlainFile, received: Callable[[int, int], None]) -> bool:
    """Fetch all of it, or what is missing of the same version; returns whether a digest proved it.

    `received` hears bytes so far and in all (0 when that is not said). Raises UnreachableError, VerificationError.
    """
    headers = {"Range": f"bytes={file.size}-", "If-Range": file.etag} if file.size and file.etag else {}
    async with remote.stream(headers) as download:
        etag = download.headers.get("etag", "")
        resumed = download.status == HTTPStatus.PARTIAL_CONTENT and bool(headers)
        if not resumed:
            file.restart("" if etag.startswith("W/") else etag)
        digest = read_repr_digest(download.headers.get("repr-digest", ""))
        length = download.headers.get("content-length", "")
        total = file.size + int(length) if length.isdecimal() else 0
        buffer = bytearray()
        async for piece in download.chunks():
            buffer += piece
            if len(buffer) >= WRITE_BYTES:
                await settled(file.append, bytes(buffer))
                buffer.clear()
                received(file.size, total)
        await settled(file.append, bytes(buffer))
        received(file.size, file.size)
    if digest is not None and digest != file.sha256:
        raise VerificationError("digest-differs", expected=digest, found=file.sha256)
    return digest is not None
