"""A delivery: the bytes of one transfer, verified chunk by chunk by the daemon and again on their way to the program."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import orjson
from pydantic import Field

from connector.client.errors import DeliveryFailedError, EndedError, InvalidRequestError, VerificationError
from connector.client.models import Words
from connector.client.processes import WAIT_S, Handle
from connector.client.waiting import reach, snapshots
from contracts.evidence.manifest import as_digest
from contracts.evidence.merkle import Frontier, leaf_hash
from policies.canonical import parse_json

# More than this in memory is a mistake: `save` or `stream` take any size.
WHOLE_BYTES = 256 * 1024 * 1024
SILENCE_S = 60.0
VERIFIED, RECEIVED, FAILED = "verified", "received", "failed"


class Delivery(Handle):
    """A delivery. `state` is fetching, waiting (its transfer is suspended), received or failed for what comes to us.

    `verified_bytes` of `size` are here and checked. `manifest` and `receipt` are signed documents, None before there is one.
    """

    id: str
    role: str = "consumer"
    transfer: str
    agreement: str
    counterparty: str
    counterparty_name: Words = Field(default_factory=dict)
    dataset: str
    purpose: str = ""
    columns: tuple[str, ...] | None = None
    state: str
    size: int = 0
    verified_bytes: int = 0
    rows: int | None = None
    path: str = ""
    manifest: Mapping[str, Any] | None = None
    receipt: Mapping[str, Any] | None = None
    code: str = ""
    reason: str = ""
    created: datetime
    updated: datetime

    # What `fetch` did to get here: one line per step, and whether the agreement had been there before.
    trace: tuple[Mapping[str, Any], ...] = ()
    reused: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether every byte is here and checked; the final receipt may still be on its way."""
        return self.state in (VERIFIED, RECEIVED)

    async def wait(self, *, timeout_s: float = WAIT_S) -> "Delivery":
        """This delivery once it is whole, true and receipted; raises DeliveryFailedError, StillWaitingError."""
        raw = await reach(
            self.client.session,
            "delivery",
            self.id,
            reached=lambda raw: raw["state"] == RECEIVED,
            missed=lambda raw: failure(raw) if raw["state"] == FAILED else None,
            timeout_s=timeout_s,
        )
        return Delivery.of(self.client, raw)

    async def progress(self) -> AsyncIterator["Delivery"]:
        """This delivery now and after each change, until it has ended."""
        async for raw in snapshots(self.client.session, "delivery", self.id):
            yield Delivery.of(self.client, raw)
            if raw["state"] in (RECEIVED, FAILED):
                return

    async def refresh(self) -> "Delivery":
        return await self.client.delivery(self.id)

    async def stream(self, chunk: int = 1 << 20, *, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes from `start` on, in pieces of at most `chunk`; raises VerificationError before it is verified."""
        if not self.verified:
            raise VerificationError("not-verified", id=self.id, state=self.state)
        headers = {"Range": f"bytes={start}-"} if start else {}
        path = f"/v1/deliveries/{quote(self.id, safe='')}/content"
        async with self.client.session.stream("GET", path, headers=headers, silence_s=SILENCE_S) as answer:
            async for piece in answer.content.iter_chunked(chunk):
                yield piece

    async def bytes(self, limit: int = WHOLE_BYTES) -> bytes:
        """Everything at once, verified again; raises InvalidRequestError beyond `limit` bytes."""
        if self.size > limit:
            raise InvalidRequestError("too-large-for-memory", size=self.size, limit=limit)
        check, pieces = _Check(self), []
        async for piece in self.stream():
            check.add(piece)
            pieces.append(piece)
        check.finish()
        return b"".join(pieces)

    async def text(self, encoding: str = "utf-8") -> str:
        return (await self.bytes()).decode(encoding)

    async def value(self) -> Any:
        """The JSON that was delivered; raises policies.errors.JsonError."""
        return parse_json(await self.bytes())

    async def save(self, path: str | Path) -> Path:
        """Write the file: whole and true, or not at all (temporary name, fsync, rename). Evidence is put beside it.

        The bytes are hashed on the way and compared with the manifest; raises VerificationError, InvalidRequestError.
        """
        target = Path(path)
        check = _Check(self)
        try:
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        except OSError as error:
            raise _unwritable(target, error) from error
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                async for piece in self.stream():
                    # Off the event loop: hashing and writing a mebibyte take a millisecond each.
                    await asyncio.to_thread(_keep, file, check, piece)
                check.finish()
                await asyncio.to_thread(_settle, file, partial, target)
        except OSError as error:
            raise _unwritable(target, error) from error
        finally:
            _forget(partial)
        for suffix, evidence in (("manifest", self.manifest), ("receipt", self.receipt)):
            if evidence is not None:
                _write(target.with_name(f"{target.name}.{suffix}.json"), evidence)
        return target


class _Check:
    """The tree over the bytes that pass, against the root of the manifest; without a manifest only the size."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        document = (delivery.manifest or {}).get("document")
        self._document: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        self._chunk = int(self._document.get("chunk", 0))
        self._tree, self._rest, self._size = Frontier(), bytearray(), 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if not self._chunk:
            return
        self._rest += piece
        whole = len(self._rest) - len(self._rest) % self._chunk
        view = memoryview(self._rest)
        self._tree = self._tree.extend(leaf_hash(view[at : at + self._chunk]) for at in range(0, whole, self._chunk))
        view.release()
        del self._rest[:whole]

    def finish(self) -> None:
        if self._rest:
            self._tree = self._tree.append(leaf_hash(bytes(self._rest)))
        wanted = self._document.get("root")
        found = as_digest(self._tree.root())
        if self._size != self._delivery.size:
            raise VerificationError(
                "size-differs", id=self._delivery.id, expected=self._delivery.size, actual=self._size
            )
        if wanted is not None and wanted != found:
            raise VerificationError("bytes-differ", id=self._delivery.id, expected=wanted, actual=found)


def failure(raw: Mapping[str, Any]) -> EndedError:
    """The error of a delivery that was given up."""
    return DeliveryFailedError(
        "delivery-failed",
        id=raw.get("id", ""),
        state=raw.get("state", ""),
        peer_code=raw.get("code", ""),
        reason=raw.get("reason", "") or raw.get("code", "") or "-",
    )


def _keep(file: BinaryIO, check: _Check, piece: bytes) -> None:
    check.add(piece)
    file.write(piece)


def _settle(file: BinaryIO, partial: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    partial.chmod(0o644)
    partial.replace(target)


def _forget(partial: Path) -> None:
    with suppress(FileNotFoundError):
        partial.unlink()


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def _unwritable(path: Path, error: OSError) -> InvalidRequestError:
    return InvalidRequestError("file-unwritable", path=str(path), cause=error.strerror or str(error))


def sha256_of(path: Path) -> str:
    """The digest of a file, in the form of our documents."""
    with path.open("rb") as file:
        return "sha-256:" + hashlib.file_digest(file, "sha256").hexdigest()
