"""The floor: an aiohttp process that does the bare work, without contracts, tokens, policies or proofs.

Two of them exchange the four messages of a negotiation and make as many durable one-row commits as two daemons do; one sends
a file that the other writes and syncs; one serves a body that never changes. Run as `python -m benchmarks.floor DIRECTORY`;
it prints its port.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

MESSAGES = 4
# Sizes of the bodies of a negotiation under the offer that the benchmark uses: request, agreement, verification, event.
BODY_BYTES = (1000, 1100, 300, 300)
BUFFER_BYTES = 1024 * 1024


class Commits:
    """Durable commits of one row each, one after another, on a thread of their own as in the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1)
        self._connection: sqlite3.Connection | None = None

    async def commit(self, body: bytes) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, body)

    def _commit(self, body: bytes) -> None:
        if self._connection is None:
            self._connection = open_durable(self._path)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO kept (body) VALUES (?)", (body,))
        self._connection.execute("COMMIT")


def open_durable(path: Path) -> sqlite3.Connection:
    """A database with one table, as durable as the store's: write-ahead log, `synchronous=FULL`."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    return connection


class Floor:
    """One of the two processes. Messages 1 and 3 leave the opener, 2 and 4 the answerer."""

    def __init__(self, directory: Path, http: aiohttp.ClientSession) -> None:
        self._directory = directory
        self._http = http
        self._commits = Commits(directory / "floor.db")
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: set[asyncio.Queue[str]] = set()
        self._body = b""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/open", self.open),
            web.post("/message", self.message),
            web.get("/ended", self.ended),
            web.get("/file", self.file),
            web.post("/fetch", self.fetch),
            web.put("/static", self.put_static),
            web.post("/static", self.static),
        ]

    # -- a negotiation -------------------------------------------------------------------------------------------------

    async def open(self, request: web.Request) -> web.Response:
        """`{id, to, from, beside}`: begin; `beside` is how many commits each side makes that no message waits for."""
        given = await request.json(loads=orjson.loads)
        await self._commits.commit(b"opened")
        self._start(self._say(given | {"number": 1}))
        return web.json_response({"id": given["id"]}, status=201)

    async def message(self, request: web.Request) -> web.Response:
        """Take a message: durable before the answer; then say the next one."""
        body = await request.read()
        given = orjson.loads(body)
        await self._commits.commit(body)
        if given["number"] == MESSAGES:
            self._end(given["id"])
        else:
            self._start(self._say(given | {"number": given["number"] + 1, "to": given["from"], "from": given["to"]}))
        return web.json_response({"id": given["id"]})

    async def _say(self, message: dict[str, Any]) -> None:
        number = message["number"]
        body = orjson.dumps(message | {"text": "x" * BODY_BYTES[number - 1]})
        async with self._http.post(f"{message['to']}/message", data=body) as answer:
            await answer.read()
        await self._commits.commit(b"acknowledged")
        if number == MESSAGES:
            self._end(message["id"])
        if number in (2, 3):
            for _ in range(message["beside"]):
                self._start(self._commits.commit(b"beside"))

    def _end(self, identifier: str) -> None:
        for stream in self._streams:
            stream.put_nowait(identifier)

    async def ended(self, request: web.Request) -> web.StreamResponse:
        """Identifiers of negotiations that have ended on this side, a line each, as they end."""
        response = web.StreamResponse()
        await response.prepare(request)
        stream: asyncio.Queue[str] = asyncio.Queue()
        self._streams.add(stream)
        try:
            while True:
                await response.write((await stream.get()).encode() + b"\n")
        except ConnectionError:
            return response
        finally:
            self._streams.discard(stream)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- a file --------------------------------------------------------------------------------------------------------

    async def file(self, request: web.Request) -> web.FileResponse:
        """`?path=`: aiohttp's own way to send a file, by the kernel."""
        return web.FileResponse(Path(request.query["path"]))

    async def fetch(self, request: web.Request) -> web.Response:
        """`{url}`: stream what is there into a file, and sync that before the answer."""
        given = await request.json()
        path = self._directory / "fetched"
        size = 0
        async with self._http.get(given["url"], read_bufsize=BUFFER_BYTES) as answer:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                async for piece in answer.content.iter_any():
                    size += os.write(descriptor, piece)
                await asyncio.to_thread(os.fsync, descriptor)
            finally:
                os.close(descriptor)
        path.unlink()
        return web.json_response({"size": size})

    # -- a page --------------------------------------------------------------------------------------------------------

    async def put_static(self, request: web.Request) -> web.Response:
        self._body = await request.read()
        return web.Response()

    async def static(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=self._body, content_type="application/json")


async def serve(directory: Path) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        app = web.Application(client_max_size=BUFFER_BYTES)
        app.add_routes(Floor(directory, http).routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
