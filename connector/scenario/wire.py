"""A tap on the wire: a relay in front of a connector that keeps every byte that passes, in both directions.

The member list names the tap as the connector's address, so whatever the companies say to each other goes through it. What is
said to be absent on the wire can so be looked for on the wire.
"""

import asyncio
import contextlib
import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
READ_BYTES = 64 * 1024
_HEAD = re.compile(rb"(?:^|(?<=[\r\n}]))([A-Z]{3,7}) (/\S*) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was seen; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Tap:
    """A relay to a port of this machine. `port` is where it listens."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._asked: list[bytearray] = []
        self._answered: list[bytearray] = []
        self._relays: set[asyncio.Task[None]] = set()
        self._accepted: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)
        for writer in self._accepted:
            writer.close()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def holds(self, text: str) -> bool:
        """Whether a text was on the wire, as it is or as JSON escapes it."""
        return any(form in stream for form in _forms(text) for stream in self._streams())

    def found(self, texts: Iterable[str]) -> list[str]:
        return [text for text in texts if self.holds(text)]

    def requests(self, method: str, beginning: str) -> list[Request]:
        """The requests with this method and beginning of path, connection by connection."""
        seen = (_request(*match.groups()) for stream in self._asked for match in _HEAD.finditer(stream))
        return [each for each in seen if each.method == method and each.path.startswith(beginning)]

    def _streams(self) -> Iterator[bytearray]:
        yield from self._asked
        yield from self._answered

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of ours: asyncio would call it a fault that it is cancelled at the end.
        self._accepted.add(writer)
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, downstream = await asyncio.open_connection(HOST, self._target)
        except OSError:
            # The connector is down: so is its address.
            writer.transport.abort()
            return
        asked, answered = bytearray(), bytearray()
        self._asked.append(asked)
        self._answered.append(answered)
        ways = {
            asyncio.create_task(_pump(reader, downstream, asked)),
            asyncio.create_task(_pump(upstream, writer, answered)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, downstream):
                end.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(READ_BYTES):
            kept += piece
            target.write(piece)
            await target.drain()


def _request(method: bytes, path: bytes, head: bytes) -> Request:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return Request(method.decode(), path.decode(), {name.lower(): value.strip() for name, _, value in lines})


def _forms(text: str) -> tuple[bytes, ...]:
    plain = text.encode()
    escaped = text.encode("ascii", "backslashreplace")
    return (plain,) if plain == escaped else (plain, escaped)
