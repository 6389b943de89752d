"""A listener that leaves no connection behind, whatever it is doing when it closes."""

import asyncio
from collections.abc import Awaitable, Callable

HEAD_LIMIT_BYTES = 64 * 1024
# Of the event loop: an accepted connection needs two to reach its handler.
TURNS = 3

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Accepting:
    """Hands each connection to `serve`, in a task of its own."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, port: int) -> None:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", port, limit=HEAD_LIMIT_BYTES)

    async def close(self) -> None:
        """End every connection: those being accepted just now, and those whose task has not begun, too."""
        assert self._server is not None
        self._server.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.ensure_future(self._run(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer)
        self._writers.discard(writer)
