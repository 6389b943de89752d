"""A participant that is no daemon: it stands at a member's listed address, takes messages and bytes, and keeps what came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from connector.daemon import Daemon


@dataclass
class Post:
    """What came by one POST to the sink: headers, and bytes as far as they came."""

    path: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False


class Listener:
    """Answers messages with 200 and a transfer process, and POSTs to `/sink` with the next of `statuses` (200 when none is left).

    `gate` holds back the reading of bodies while it is cleared.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.posts: list[Post] = []
        self.statuses: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.came = asyncio.Condition()

    async def until(self, check: Any, *, timeout_s: float = 20) -> Any:
        """Wait until something that came makes `check()` true."""
        async with asyncio.timeout(timeout_s), self.came:
            await self.came.wait_for(lambda: bool(check()))
        return check()

    def said(self, type_: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["@type"] == type_]

    async def _message(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.messages.append(body)
        async with self.came:
            self.came.notify_all()
        opens = request.path.endswith("/request")
        pids = {name: body.get(name) or "urn:uuid:0d0b1e00-0000-4000-8000-000000000001" for name in _PIDS}
        answer = {"@context": body["@context"], "@type": "TransferProcess", **pids, "state": "REQUESTED"}
        return web.json_response(answer, status=201 if opens else 200)

    async def _sink(self, request: web.Request) -> web.Response:
        post = Post(request.path_qs, dict(request.headers))
        self.posts.append(post)
        status = self.statuses.pop(0) if self.statuses else 200
        await self._tell()
        if status in EARLY:
            return web.Response(status=status)  # before a byte is read, as a door does
        try:
            while piece := await request.content.read(16 * 1024):
                post.body += piece
                await self._tell()
                await self.gate.wait()
        except ConnectionError:
            await self._tell()
            raise
        post.whole = len(post.body) == request.content_length
        await self._tell()
        return web.Response(status=status)

    async def _tell(self) -> None:
        async with self.came:
            self.came.notify_all()


_PIDS = ("consumerPid", "providerPid")
# Statuses that are answered without reading: the last one says yes to what it has not seen.
EARLY = (401, 403, 299)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Listener]:
    """A listener on a port, whose daemon must have been closed."""
    listener = Listener()
    app = web.Application()
    app.router.add_post("/dsp/2025-1/transfers/{tail:.*}", listener._message)
    app.router.add_post("/sink{tail:.*}", listener._sink)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        yield listener
    finally:
        listener.gate.set()
        await runner.cleanup()


@asynccontextmanager
async def in_place_of(daemon: Daemon) -> AsyncIterator[Listener]:
    """The daemon stops, and a listener stands where it was."""
    await daemon.close()
    async with listening(daemon.protocol_port) as listener:
        yield listener
