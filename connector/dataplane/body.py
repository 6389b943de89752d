"""The bytes of one attempt to push, on their way out: read in blocks, cut and rechecked between small pieces."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from connector.dataplane.gate import Gate, Judged
from connector.dataplane.permit import RECHECK_S, CutError, Permit
from connector.errors import UnreachableError
from connector.exchange.node import Node
from connector.store.delivery import Delivery

READ_BYTES = 1024 * 1024
# What is written at a time is what a cut cannot call back any more.
PIECE_BYTES = 256 * 1024
# With a test-only rate limit, so many pieces make a second.
PIECES_PER_S = 10


class Body:
    """One attempt. `sent` were handed to the connection, `whole` when all were."""

    def __init__(self, node: Node, gate: Gate, judged: Judged, delivery: Delivery, permit: Permit) -> None:
        self._node = node
        self._gate = gate
        self._judged = judged
        self._delivery = delivery
        self._permit = permit
        self._moved_at = node.clock.monotonic()
        self._cut: CutError | None = None
        self.sent = 0

    @property
    def whole(self) -> bool:
        return self.sent == self._delivery.size

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """The content in order; the last piece comes only after the release is durable."""
        try:
            async for piece in self._read():
                yield piece
        except CutError as cut:
            self._cut = cut
            raise

    async def watched(self, upload: "asyncio.Task[Any]", changed: asyncio.Event) -> None:
        """Wait for the upload while it may go on; raises CutError, UnreachableError for a receiver that takes nothing."""
        while not upload.done():
            waiting = asyncio.ensure_future(changed.wait())
            await asyncio.wait({upload, waiting}, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if upload.done():
                break
            await self._permit.check()
            silence_s = self._node.clock.monotonic() - self._moved_at
            if silence_s > self._node.settings.data_timeout_s * (2 if self.whole else 1):
                cause = "the receiver does not come to an answer" if self.whole else "the receiver takes no more bytes"
                raise UnreachableError("unreachable", url="-", cause=cause)
        if self._cut is not None:
            raise self._cut

    async def _read(self) -> AsyncIterator[memoryview]:
        size, rate = self._delivery.size, self._node.settings.test_rate_limit_bytes_s
        step = PIECE_BYTES if rate is None else max(1, min(PIECE_BYTES, rate // PIECES_PER_S))
        descriptor = self._judged.content.file.fileno()
        for start in range(0, size, READ_BYTES):
            block = memoryview(await asyncio.to_thread(os.pread, descriptor, READ_BYTES, start))
            if len(block) != min(READ_BYTES, size - start):
                raise CutError("source-changed")
            while block:
                piece, block = block[:step], block[step:]
                await self._permit.check()
                if self.sent + len(piece) == size:
                    await self._gate.release(self._delivery)
                yield piece
                self.sent += len(piece)
                self._moved_at = self._node.clock.monotonic()
                self._node.counters.add("weft_data_bytes_sent_total", len(piece))
                if rate is not None:
                    await asyncio.sleep(len(piece) / rate)
