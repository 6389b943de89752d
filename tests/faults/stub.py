"""A listed member that is no connector: a raw HTTP server with real keys, which answers as a test wants, and no better.

    async with Stub(folder) as stub:
        stub.answers["request"] = html
        await stub.until("request", 3)

What is not set is answered as a good peer would. An answer is a coroutine that is given the writer of the connection.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, TypeAlias
from urllib.parse import unquote

from connector.identity.keys import KeyRing
from connector.settings import Settings
from tests.faults.accepting import Accepting
from tests.faults.proxy import body_of, label_of
from tests.offers import DATASET, free_offer
from tests.speaker import CONTEXT, pid

PIECE = b"x" * 4096


@dataclass(frozen=True)
class Heard:
    """A request that arrived; `label` is the name of the message, `body` its parsed document."""

    label: str
    method: str
    path: str
    body: Any


Answer: TypeAlias = Callable[["Stub", Heard, asyncio.StreamWriter], Awaitable[None]]


def plainly(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """An answer that keeps its promises, as bytes."""
    lines = {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Because\r\n{head}\r\n".encode() + body


def says(status: int, body: Any = b"", content_type: str = "application/json", **headers: str) -> Answer:
    """Always this answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(_stub: "Stub", _heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(plainly(status, content, content_type, **headers))
        await writer.drain()

    return answer


def bytes_then_end(data: bytes) -> Answer:
    """These bytes, whatever they are, and the end of the connection."""

    async def answer(_stub: "Stub", _heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return answer


def endlessly(head: bytes, piece: bytes, pause_s: float = 0) -> Answer:
    """A head, then one piece after the other for as long as anybody listens."""

    async def answer(_stub: "Stub", _heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


async def silence(_stub: "Stub", _heard: Heard, _writer: asyncio.StreamWriter) -> None:
    """Nothing, for as long as the connection lives."""
    await asyncio.get_running_loop().create_future()


STATUS = b"HTTP/1.1 200 OK\r\n"
LONG = STATUS + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


class Stub:
    """The member of the folder `root/<name>`, while it runs. `answers` are by the label of the message."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.load(folder)
        self.ring = KeyRing.load(self.settings.keys_dir, self.settings.participant)
        self.participant = self.settings.participant
        self.base = self.settings.dsp
        self.root = self.base.removesuffix("/dsp/2025-1")
        self.answers: dict[str, Answer] = {}
        self.heard: list[Heard] = []
        # What it says its side of the last process is called.
        self.pid = pid()
        # What a Speaker wants to know of who speaks.
        self.speaks_as = SimpleNamespace(node=SimpleNamespace(ring=self.ring, base=self.base))
        self._arrived = asyncio.Condition()
        self._listener = Accepting(self._serve)

    async def __aenter__(self) -> Self:
        port = int(self.root.rpartition(":")[2])
        await self._listener.open(port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.close()

    def received(self, label: str) -> list[Heard]:
        return [each for each in self.heard if each.label == label]

    async def until(self, label: str, count: int = 1, *, timeout_s: float = 10) -> list[Heard]:
        """Wait until so many messages of this name have arrived; returns them."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received(label)) >= count)
        return self.received(label)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                method, path = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]
                body = await body_of(reader, head, answer_to="")
                heard = Heard(label_of(method, path), method, path, json.loads(body) if body else None)
                async with self._arrived:
                    self.heard.append(heard)
                    self._arrived.notify_all()
                await self.answers.get(heard.label, good)(self, heard, writer)
        except (OSError, EOFError):
            pass  # whoever asked has gone
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def good(stub: Stub, heard: Heard, writer: asyncio.StreamWriter) -> None:
    """What a good peer without extensions answers."""
    writer.write(plainly(*_good(stub, heard)))
    await writer.drain()


def _good(stub: Stub, heard: Heard) -> tuple[int, bytes]:
    told: Any = None
    if heard.label in ("request", "transfer-request"):
        kind = "ContractNegotiation" if heard.label == "request" else "TransferProcess"
        told = acknowledgement(stub, heard, kind)
    elif heard.label == "catalog":
        told = catalog(stub)
    elif heard.label == "dataset":
        told = dataset(stub, unquote(heard.path.rpartition("/")[2]))
    elif heard.method == "POST" and heard.label:
        return 200, b""
    if told is None:
        return 404, b""
    return 201 if heard.label.endswith("request") else 200, json.dumps(told).encode()


def acknowledgement(stub: Stub, heard: Heard, kind: str = "ContractNegotiation", **changes: Any) -> dict[str, Any]:
    """A process as it is shown after a request."""
    said = {"@context": CONTEXT, "@type": kind, "providerPid": stub.pid, "consumerPid": heard.body["consumerPid"]}
    return {**said, "state": "REQUESTED", **changes}


def dataset(stub: Stub, identifier: str = DATASET) -> dict[str, Any]:
    """Its only dataset, with one offer that anybody may take."""
    return {
        "@context": CONTEXT,
        "@id": identifier,
        "@type": "Dataset",
        "hasPolicy": [free_offer()],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "service"}],
    }


def catalog(stub: Stub) -> dict[str, Any]:
    """A catalog with that dataset."""
    listed = {name: value for name, value in dataset(stub).items() if name != "@context"}
    return {
        "@context": CONTEXT,
        "@id": "catalog",
        "@type": "Catalog",
        "participantId": stub.participant,
        "dataset": [listed],
        "service": [{"@id": "service", "@type": "DataService", "endpointURL": stub.base}],
    }
