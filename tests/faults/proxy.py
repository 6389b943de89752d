"""A proxy in front of a daemon: it sees every request and every answer, and may cut the connection at each point.

It speaks as much HTTP/1.1 as daemons do between them: bodies with a length or in chunks, connections that are kept alive.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

from tests.faults.accepting import HEAD_LIMIT_BYTES, Accepting

# Method and path of what daemons say to each other, by the name of the message.
LABELS = (
    ("request", "POST", r"/negotiations/request"),
    ("agreement", "POST", r"/negotiations/[^/]+/agreement"),
    ("verification", "POST", r"/negotiations/[^/]+/agreement/verification"),
    ("finalized", "POST", r"/negotiations/[^/]+/events"),
    ("seal", "PUT", r"/agreements/[^/]+/seals"),
    ("transfer-request", "POST", r"/transfers/request"),
    ("start", "POST", r"/transfers/[^/]+/start"),
    ("completion", "POST", r"/transfers/[^/]+/completion"),
    ("manifest", "GET", r"/data/[^/]+/manifest"),
    ("chunks", "GET", r"/data/[^/]+/chunks"),
    ("data", "GET", r"/data/[^/]+"),
    ("receipt", "POST", r"/data/[^/]+/receipts"),
    ("catalog", "POST", r"/catalog/request"),
    ("dataset", "GET", r"/catalog/datasets/[^/]+"),
    ("look", "GET", r"/(negotiations|transfers)/[^/]+"),
    ("termination", "POST", r"/(negotiations|transfers)/[^/]+/termination"),
)


class Point(Enum):
    """Where a message is."""

    ARRIVED = auto()  # the request is here, the other side has not seen it
    ANSWERED = auto()  # the other side has answered, the sender has not heard it
    HALFWAY = auto()  # the sender has half of the answer


@dataclass(frozen=True)
class Passing:
    """A message on its way to the daemon behind the proxy; `status` is 0 until it has answered."""

    label: str
    method: str
    path: str
    status: int = 0


class CutError(Exception):
    """Raised by a hook: both connections end here."""


class InsteadError(Exception):
    """Raised by a hook: the sender gets what `answer` writes, and the connections end."""

    def __init__(self, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        super().__init__()
        self.answer = answer


Hook: TypeAlias = Callable[[Passing, Point], Awaitable[None]]


async def undisturbed(_passing: Passing, _point: Point) -> None:
    """A hook that lets everything pass."""


class Proxy:
    """Listens on `port` and forwards to `target`; `hook` sees every message at each point."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.hook: Hook = undisturbed
        self._listener = Accepting(self._serve)

    async def open(self) -> None:
        await self._listener.open(self.port)

    async def close(self) -> None:
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self.target, limit=HEAD_LIMIT_BYTES)
            ends.append(here)
            while await self._pass(reader, writer, there, here):
                pass
        except InsteadError as error:
            with contextlib.suppress(OSError):
                await error.answer(writer)
        except (OSError, EOFError, CutError):
            pass  # whoever is at the other end sees its connection end, too
        finally:
            for end in ends:
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        here: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]
        passing = Passing(label_of(method, path), method, path)
        body = await body_of(reader, head, answer_to="")
        await self.hook(passing, Point.ARRIVED)
        here.write(head + body)
        await here.drain()
        head = await there.readuntil(b"\r\n\r\n")
        body = await body_of(there, head, answer_to=method)
        passing = replace(passing, status=int(head.split(b" ", 2)[1]))
        await self.hook(passing, Point.ANSWERED)
        half = len(body) // 2
        writer.write(head + body[:half])
        await writer.drain()
        if half:
            await self.hook(passing, Point.HALFWAY)
        writer.write(body[half:])
        await writer.drain()
        return b"\r\nconnection: close" not in head.lower()


def label_of(method: str, path: str) -> str:
    """The name of a message, "" for what is none."""
    plain = path.partition("?")[0].removeprefix("/dsp/2025-1")
    return next((name for name, verb, form in LABELS if verb == method and re.fullmatch(form, plain)), "")


async def body_of(reader: asyncio.StreamReader, head: bytes, *, answer_to: str) -> bytes:
    """The body that follows a head, as it stands on the wire; `answer_to` is the method of the request for an answer."""
    fields = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if answer_to == "HEAD" or (answer_to and head.split(b" ", 2)[1] in (b"204", b"304")):
        return b""
    if fields.get(b"transfer-encoding") == b"chunked":
        whole = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            piece = await reader.readexactly(int(size, 16) + 2)
            whole += size + piece
            if int(size, 16) == 0:
                return whole
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))
