"""The kit's callback server: handlers that appear late, serve once, and answer as little as they can.

A handler is found by the shape of the path alone (a trailing slash is tolerated, the pid in it is not read). Where none is
registered the answer is 404 with a text; where a handler trips over a message the connection is dropped, and the handler is used up.
No answer has a Content-Type.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import web

from tests.conformance.client import FailedError

Handler = Callable[[bytes], tuple[int, Mapping[str, Any] | None]]
NOT_REGISTERED = "No handler registered on this endpoint"


class Callbacks:
    """Listens on the kit's address; the player of a script registers and clears the handlers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._handlers: dict[str, tuple[Handler, bool]] = {}
        self.notes: Counter[str] = Counter()
        """What was turned away during a test, and how often."""

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        application.on_response_prepare.append(_without_content_type)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        parts = urlsplit(self.address)
        await web.TCPSite(self._runner, parts.hostname, parts.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def register(self, path: str, handler: Handler, *, stays: bool) -> None:
        """Serve `path`, in which `{pid}` stands for any one segment; `stays` for a handler that is not used up."""
        pattern = re.escape(path).replace(re.escape("{pid}"), "[^/]+")
        self._handlers[pattern] = (handler, stays)

    def clear(self) -> None:
        """The end of a test: its handlers and notes are gone."""
        self._handlers.clear()
        self.notes = Counter()

    def told(self) -> tuple[str, ...]:
        """The notes, each once."""
        return tuple(note if times == 1 else f"{note}, {times} times" for note, times in self.notes.items())

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        path = request.path.removesuffix("/")
        pattern = next((item for item in self._handlers if re.fullmatch(item, path)), None)
        if request.method != "POST" or pattern is None:
            self.notes[f"{request.method} {path} came where no handler was registered (404)"] += 1
            return web.Response(status=404, text=NOT_REGISTERED)
        handler, stays = self._handlers[pattern]
        if not stays:
            del self._handlers[pattern]
        try:
            status, document = handler(body)
        except FailedError as error:
            self.notes[f"POST {path} was dropped: {error}"] += 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if status != 200:
            self.notes[f"POST {path} was answered with {status}"] += 1
        return web.Response(status=status, body=b"" if document is None else json.dumps(document).encode())


async def _without_content_type(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall("Content-Type", None)
