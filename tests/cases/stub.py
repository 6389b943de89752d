"""A member without a connector: its keys, its listed port, and a server whose answers a test writes down."""

import asyncio
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from aiohttp import web

from connector.identity.keys import KeyRing
from connector.settings import Settings


@dataclass
class Heard:
    """One request that arrived: method, path as sent, parsed body."""

    method: str
    path: str
    body: Any


@dataclass
class Stub:
    """Use as `async with Stub(folder) as stub`. `statuses` answers one message of a type each, then 200.

    `busy` are types and pids (`consumerPid` or `providerPid`) of messages it never takes. `speaks_as` goes into a Speaker.
    """

    folder: Any
    statuses: dict[str, list[int]] = field(default_factory=dict)
    busy: set[tuple[str, str]] = field(default_factory=set)
    heard: list[Heard] = field(default_factory=list)

    async def __aenter__(self):
        self.settings = Settings.load(self.folder)
        self.ring = KeyRing.load(self.settings.keys_dir, self.settings.participant)
        self.base = self.settings.dsp.rstrip("/")
        self.root = self.base.removesuffix("/dsp/2025-1")
        self.speaks_as = SimpleNamespace(node=SimpleNamespace(ring=self.ring, base=self.base))
        self._arrived = asyncio.Condition()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        port = int(self.root.rpartition(":")[2])
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _handle(self, request):
        body = await request.read()
        said = orjson.loads(body) if body else {}
        async with self._arrived:
            self.heard.append(Heard(request.method, request.raw_path, said))
            self._arrived.notify_all()
        if request.method != "POST" or said.get("@type") == "CatalogRequestMessage":
            return web.Response(status=404)
        kind, pids = said.get("@type"), {name: said[name] for name in ("consumerPid", "providerPid") if name in said}
        if any((kind, pid) in self.busy for pid in pids.values()):
            return web.Response(status=503)
        waiting = self.statuses.get(kind, [])
        # The pid of our own process where the message opens one; the state is of no interest to whoever sent it.
        ours = f"urn:uuid:{uuid.uuid4()}"
        acknowledged = {"consumerPid": ours, "providerPid": ours, **pids, "state": "REQUESTED"}
        return web.json_response(acknowledged, status=waiting.pop(0) if waiting else 200)

    def received(self, type_):
        """The messages of this type that arrived so far."""
        return [each for each in self.heard if each.body.get("@type") == type_]

    async def until(self, type_, count=1, *, timeout_s=10):
        """Wait until so many messages of this type arrived; returns them."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received(type_)) >= count)
        return self.received(type_)
