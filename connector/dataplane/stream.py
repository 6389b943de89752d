"""Sending the bytes of a reserved delivery: slices of a file, cut, paused and paced between them, and cut inside them.

`loop.sendfile` needs the response's headers on the wire first: `StreamResponse.prepare` writes them, and `sendfile` waits
for the transport's buffer to be empty, as aiohttp's own FileResponse relies on.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import structlog
from aiohttp import web

from connector.dataplane.gate import Gate, Judged
from connector.dataplane.http import Part
from connector.dataplane.permit import RECHECK_S, CutError, Permit, record_cut
from connector.dataplane.receipts import Receipts
from connector.dataplane.watch import watch
from connector.errors import StoreError
from connector.exchange.node import Node
from connector.store.delivery import Delivery

_log = structlog.get_logger("weft.data")

SLICE_BYTES = 8 * 1024 * 1024
# Under TLS a slice goes through our memory.
TLS_SLICE_BYTES = 1024 * 1024
# With a test-only rate limit, so many slices make a second.
SLICES_PER_S = 10


class Sender:
    """Sends what the gate has let through, for one node."""

    def __init__(self, node: Node, gate: Gate, receipts: Receipts) -> None:
        self._node = node
        self._gate = gate
        self._receipts = receipts

    async def send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        judged: Judged,
        delivery: Delivery,
        part: Part,
        *,
        sealed: bool,
    ) -> None:
        """Send bytes [start, end) after the headers. With `sealed` the reader owes receipts and is paused without them.

        Raises nothing for a reader that goes away, nor for a cut: the connection ends, and it cannot look complete.
        """
        sent = 0
        with watch(self._node.db, f"transfer:{delivery.transfer}") as changed:
            if delivery.size == 0:
                await self._gate.release(delivery)
            response.content_length = part.end - part.start
            await response.prepare(request)
            running = _Running(self._node, self._gate, self._receipts, request, judged, delivery, changed)
            try:
                for start, end in _slices(part, self._step(request)):
                    if sealed:
                        await running.credit(end)
                    if end == delivery.size:
                        await self._gate.release(delivery)
                    await running.slice(start, end)
                    sent += end - start
                    self._node.counters.add("weft_data_bytes_sent_total", end - start)
                    await self._pace(changed, end - start)
                await response.write_eof()
            except (ConnectionError, StoreError) as error:
                _log.info("delivery.interrupted", delivery=delivery.id, sent=sent, cause=type(error).__name__)
                _abort(request)
            except CutError as cut:
                _abort(request)
                await record_cut(self._node, delivery, str(cut), part.start + sent)

    def _step(self, request: web.Request) -> int:
        transport, rate = request.transport, self._node.settings.test_rate_limit_bytes_s
        secure = transport is not None and transport.get_extra_info("sslcontext") is not None
        step = TLS_SLICE_BYTES if secure else SLICE_BYTES
        return step if rate is None else max(1, min(step, rate // SLICES_PER_S))

    async def _pace(self, changed: asyncio.Event, count: int) -> None:
        if rate := self._node.settings.test_rate_limit_bytes_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(count / rate):
                    await changed.wait()


class _Running:
    """One response under way."""

    def __init__(
        self,
        node: Node,
        gate: Gate,
        receipts: Receipts,
        request: web.Request,
        judged: Judged,
        delivery: Delivery,
        changed: asyncio.Event,
    ) -> None:
        self._node = node
        self._receipts = receipts
        self._request = request
        self._judged = judged
        self._delivery = delivery
        self._changed = changed
        self._permit = Permit(node, gate, judged, changed)

    async def slice(self, start: int, end: int) -> None:
        """Send one slice; raises CutError within a second of a reason to stop, ConnectionError when the reader is gone."""
        await self._permit.check()
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        file = self._judged.content.file
        sending = asyncio.ensure_future(asyncio.get_running_loop().sendfile(transport, file, start, end - start))
        try:
            while not sending.done():
                waiting = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({sending, waiting}, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if not sending.done():
                    await self._permit.check()
        finally:
            if not sending.done():
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await sending
        if sending.result() != end - start:
            raise CutError("source-changed")

    async def credit(self, end: int) -> None:
        """Wait until byte `end` is within the window of what was receipted; a reader that never signs is let go."""
        settings = self._node.settings
        least = end - settings.credit_window_bytes
        if self._receipts.reach(self._delivery) < least:
            try:
                await self._receipts.wait(self._delivery, least, settings.data_timeout_s)
            except TimeoutError:
                raise CutError("receipts-missing") from None


def _slices(part: Part, step: int) -> Iterator[tuple[int, int]]:
    for start in range(part.start, part.end, step):
        yield start, min(start + step, part.end)


def _abort(request: web.Request) -> None:
    """End the connection now: what is still in its buffer must not arrive, and the answer must not look complete."""
    if request.transport is not None:
        request.transport.abort()
