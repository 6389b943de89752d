"""What a manifest must say before a byte is asked for, and the stream whose chunks are verified as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from connector.dataplane.partfile import PartFile
from connector.dataplane.remote import Remote
from connector.dispatch.transport import Download
from connector.errors import VerificationError
from connector.exchange.decide import named_transforms, plan_of
from connector.exchange.node import Node
from connector.store.agreement import Agreement
from contracts.errors import ContractError
from contracts.evidence.manifest import Manifest, check_leaves, check_manifest, parse_manifest, unpack_leaves
from contracts.signing import verify_document
from contracts.transfer.model import Transfer
from policies.canonical import JsonValue, parse_json
from policies.columns import parse_list
from policies.errors import JsonError
from policies.vocabulary import USE

DEPTH = 8
# Below this a thread costs more than the hash.
THREAD_BYTES = 64 * 1024
# Read ahead while a batch is verified; two chunks where a chunk is larger.
AHEAD_BYTES = 4 * 1024 * 1024
LAST_SECOND = 253_402_300_799

Verified = Callable[[int], None]


def read_manifest(
    node: Node, transfer: Transfer, agreement: Agreement, columns: str, data: bytes
) -> tuple[Manifest, dict[str, JsonValue]]:
    """The manifest in an answer of the provider, and its signed form.

    Signed by an evidence key of the provider that was valid when it says so, about this agreement, transfer, policy,
    transform, purpose and these columns. Raises VerificationError `manifest-invalid`.
    """
    try:
        signed = parse_json(data, max_depth=DEPTH)
        if not isinstance(signed, dict):
            raise VerificationError("manifest-invalid", problem="not a signed document")
        document = signed.get("document")
        iat = document.get("iat") if isinstance(document, dict) else None
        at = datetime.fromtimestamp(iat if isinstance(iat, int) and 0 <= iat <= LAST_SECOND else 0, UTC)
        verify = node.members.current().verifier(transfer.counterparty, "evidence", at)
        manifest = parse_manifest(verify_document(signed, verify=verify, typ="tm/1"))
        transforms = named_transforms(plan_of(node, agreement), USE)
        check_manifest(
            manifest,
            agreement=agreement.digest,
            transfer=transfer.peer_pid,
            dataset=transfer.dataset,
            consumer=node.participant,
            policy=agreement.policy,
            transform=transforms[0] if transforms else None,
            columns=None,
            purpose=transfer.purpose or None,
        )
    except (JsonError, ContractError) as error:
        raise VerificationError("manifest-invalid", problem=str(error)) from error
    # The provider answers in the dataset's order, so the columns asked for are compared as a set.
    if columns and set(manifest.columns or ()) != set(parse_list(columns)):
        raise VerificationError("manifest-invalid", problem=f"columns are {manifest.columns}, asked for {columns}")
    return manifest, signed


def read_leaves(manifest: Manifest, data: bytes) -> bytes:
    """The leaf list of a manifest, checked against its root; raises VerificationError `manifest-invalid`. For threads."""
    try:
        check_leaves(manifest, unpack_leaves(data))
    except ContractError as error:
        raise VerificationError("manifest-invalid", problem=str(error)) from error
    return data


async def fetch_bytes(remote: Remote, part: PartFile, verified: Verified) -> None:
    """Fetch what is missing of a delivery; `verified` hears how many bytes hold, after every batch.

    Returns when every chunk is verified. Raises UnreachableError when the stream breaks off, VerificationError when
    bytes are wrong, missing or too many.
    """
    start, etag = part.verified, f'"{part.manifest.root}"'
    headers = {"If-Match": etag} | ({"Range": f"bytes={start}-"} if start else {})
    async with remote.stream(headers) as download:
        await take_bytes(download.chunks(), part, verified, skip=_skip(download, start))


async def take_bytes(pieces: AsyncIterator[bytes], part: PartFile, verified: Verified, *, skip: int) -> None:
    """Take what is missing of a delivery from pieces as they come, of which the first `skip` bytes are here already.

    Raises like `fetch_bytes`, and what the pieces raise.
    """
    flow = _Flow(part, verified)
    reading = asyncio.create_task(flow.read(pieces, skip))
    checking = asyncio.create_task(flow.check())
    try:
        await asyncio.wait({reading, checking}, return_when=asyncio.FIRST_EXCEPTION)
        if checking.done():
            checking.result()
        await reading
        await checking
    finally:
        reading.cancel()
        # A batch in a thread cannot be called back: it ends before the file is closed.
        await flow.stop()
        checking.cancel()
        await asyncio.gather(reading, checking, return_exceptions=True)
    if not part.complete:
        raise VerificationError("bytes-missing", chunk=part.chunks, size=part.verified, expected=part.manifest.size)


def _skip(download: Download, start: int) -> int:
    """Bytes at the head of an answer that we have already: none, or all of them when the range was not served."""
    if download.status == HTTPStatus.OK:
        return start
    served = download.headers.get("content-range", "")
    if not served.startswith(f"bytes {start}-"):
        raise VerificationError("range-differs", expected=start, found=served[:60])
    return 0


class _Flow:
    """Bytes between the network and the file: read ahead up to a bound, verified in batches of whole chunks, in order.

    They wait in one ring of memory that is never given back: the buffers of the network are copied and freed at once, which
    costs less than handing a gigabyte of fresh memory from one thread to another.
    """

    def __init__(self, part: PartFile, verified: Verified) -> None:
        self._part = part
        self._verified = verified
        chunk = part.manifest.chunk
        # A whole number of chunks, so that a batch is one piece of the ring, or two that meet between chunks.
        self._ring = memoryview(bytearray(max(AHEAD_BYTES // chunk, 2) * chunk))
        self._end = 0  # where the next byte goes
        self._held = 0  # bytes before it that are not in the file yet
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False
        self._stopped = False

    async def read(self, pieces: AsyncIterator[bytes], skip: int) -> None:
        """Take pieces as they come; wait while the ring is full."""
        left = self._part.manifest.size - self._part.verified
        async for piece in pieces:
            fresh = memoryview(piece)[skip:]
            skip = max(skip - len(piece), 0)
            left -= len(fresh)
            if left < 0:
                raise VerificationError("bytes-extra", expected=self._part.manifest.size)
            while fresh := fresh[self._put(fresh) :]:
                self._room.clear()
                await self._room.wait()
        self._ended = True
        self._arrived.set()

    async def check(self) -> None:
        """Verify and write whatever whole chunks are there, until the delivery is complete or nothing more comes."""
        part = self._part
        while not (part.complete or self._stopped):
            count = self._whole()
            if count == 0:
                if self._ended:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            length = part.batch_length(count)
            batch = self._batch(length)
            self._idle.clear()
            try:
                if length < THREAD_BYTES:
                    part.append(batch, count)
                else:
                    await asyncio.to_thread(part.append, batch, count)
            finally:
                self._idle.set()
            self._held -= length
            self._room.set()
            self._verified(part.verified)

    async def stop(self) -> None:
        """Begin no further batch, and wait until no thread works on the file."""
        self._stopped = True
        await self._idle.wait()

    def _put(self, fresh: memoryview) -> int:
        """Copy what fits into the ring; returns how much that was."""
        size, taken = len(self._ring), 0
        while fresh and self._held < size:
            step = min(len(fresh), size - self._held, size - self._end)
            self._ring[self._end : self._end + step] = fresh[:step]
            fresh, taken = fresh[step:], taken + step
            self._end = (self._end + step) % size
            self._held += step
        if taken:
            self._arrived.set()
        return taken

    def _whole(self) -> int:
        """Chunks that are there whole, the short last one included."""
        part = self._part
        if self._held and part.verified + self._held == part.manifest.size:
            return part.manifest.chunks - part.chunks
        return self._held // part.manifest.chunk

    def _batch(self, length: int) -> list[memoryview]:
        """The oldest bytes of the ring, in one piece or two."""
        size = len(self._ring)
        start = (self._end - self._held) % size
        first = min(length, size - start)
        return [self._ring[start : start + first]] + ([self._ring[: length - first]] if first < length else [])
