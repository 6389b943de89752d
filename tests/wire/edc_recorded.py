"""Recorded exchanges with an Eclipse EDC, and what it takes to live through them again: a daemon of ours and a listed address.

What the EDC said is said again word for word, but for addresses, and for ids that we give; what we say is kept by a `Listed`.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import web

from connector.daemon import Daemon
from tests.dspschema import validate
from tests.interop.conftest import members
from tests.pair import START, free_ports
from tests.shared import shared

RECORDED_DSP = re.compile(r"http://localhost:2919\d/protocol/2025-1")
SCHEMAS = {
    "ContractRequestMessage": "negotiation/contract-request-message-schema.json",
    "ContractAgreementVerificationMessage": "negotiation/contract-agreement-verification-message-schema.json",
    "TransferRequestMessage": "transfer/transfer-request-message-schema.json",
    "ContractAgreementMessage": "negotiation/contract-agreement-message-schema.json",
    "ContractNegotiationEventMessage": "negotiation/contract-negotiation-event-message-schema.json",
    "ContractNegotiationTerminationMessage": "negotiation/contract-negotiation-termination-message-schema.json",
    "ContractNegotiation": "negotiation/contract-negotiation-schema.json",
    "ContractNegotiationError": "negotiation/contract-negotiation-error-schema.json",
    "TransferStartMessage": "transfer/transfer-start-message-schema.json",
    "TransferSuspensionMessage": "transfer/transfer-suspension-message-schema.json",
    "TransferCompletionMessage": "transfer/transfer-completion-message-schema.json",
    "TransferTerminationMessage": "transfer/transfer-termination-message-schema.json",
    "TransferProcess": "transfer/transfer-process-schema.json",
    "TransferError": "transfer/transfer-error-schema.json",
    "Catalog": "catalog/catalog-schema.json",
}


def recording(name: str) -> list[dict[str, Any]]:
    """The exchanges of one file, in order."""
    text = shared(f"data/edc-wire/{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def one(name: str, seq: int) -> dict[str, Any]:
    """The exchange of that number."""
    (found,) = [each for each in recording(name) if each["seq"] == seq]
    return found


def valid(document: dict[str, Any]) -> dict[str, Any]:
    """A document of ours, once the official schema of its type has passed it."""
    validate(document, SCHEMAS[document["@type"]])
    return document


@dataclass(frozen=True)
class Heard:
    """A message of ours: the path below the listed base, who it says it comes from, its document, when (loop time in seconds)."""

    path: str
    clients: dict[str, Any]
    body: dict[str, Any]
    at: float


@dataclass
class Listed:
    """What stands at a member's listed address: answers every message as an EDC does (200, nothing in it), unless told otherwise."""

    participant: str
    dsp: str
    heard: list[Heard] = field(default_factory=list)
    datasets: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Heard], web.Response] = lambda _: web.Response(content_type="application/json")
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def said(self, type_: str, count: int = 1, *, timeout_s: float = 10) -> dict[str, Any]:
        """Our message number `count` of that type, once it has come; it is valid by its schema."""

        def found() -> list[dict[str, Any]]:
            return [each.body for each in self.heard if each.body["@type"] == type_]

        async with asyncio.timeout(timeout_s), self.came:
            await self.came.wait_for(lambda: len(found()) >= count)
        return valid(found()[count - 1])

    async def take(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/dsp/2025-1")
        if not path.startswith(("/negotiations/", "/transfers/")):
            # The crawler asks for a catalog whenever it likes.
            found = self.datasets.get(path.rpartition("/")[2])
            return web.json_response(found) if found else web.Response(status=404)
        clients = json.loads(request.headers["Authorization"])
        heard = Heard(path, clients, await request.json(), asyncio.get_running_loop().time())
        async with self.came:
            self.heard.append(heard)
            self.came.notify_all()
        return self.answer(heard)


@contextlib.asynccontextmanager
async def listed(participant: str) -> AsyncIterator[Listed]:
    """A member of that name, listening on a free port."""
    (port,) = free_ports(1)
    member = Listed(participant, f"http://127.0.0.1:{port}/dsp/2025-1")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", member.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield member
    finally:
        await runner.cleanup()


class Replay:
    """A daemon with the mock identity, and an EDC's recorded words said to it again."""

    def __init__(self, daemon: Daemon, member: Listed, session: aiohttp.ClientSession) -> None:
        self.daemon, self.member = daemon, member
        self._session = session
        self._ids: dict[str, str] = {}

    def put(self, recorded: str, ours: str) -> None:
        """From now on the EDC says `ours` where it said `recorded`."""
        self._ids[recorded] = ours

    def told(self, value: Any) -> Any:
        """The same as the recorded, with the addresses and ids of this time."""
        text = RECORDED_DSP.sub(self.member.dsp, json.dumps(value, ensure_ascii=False))
        for recorded, ours in self._ids.items():
            text = text.replace(recorded, ours)
        return json.loads(text)

    async def say(self, exchange: dict[str, Any], *, header: str = "") -> tuple[int, dict[str, Any]]:
        """Say what the EDC said in this exchange: status and document of our answer."""
        path = self.told(exchange["path"]).split("/2025-1", 1)[1]
        mock = {"region": "eu", "audience": self.daemon.node.base, "clientId": self.member.participant}
        headers = {"Authorization": header or json.dumps(mock)}
        url = self.daemon.node.base + path
        async with self._session.request(
            exchange["method"], url, json=self.told(exchange["request"]), headers=headers
        ) as answer:
            body = await answer.read()
        document = json.loads(body) if body else {}
        return answer.status, valid(document) if document else document

    async def open(self, exchange: dict[str, Any]) -> str:
        """A recorded request for a process; returns our pid of it. Our answer has what an EDC needs."""
        status, body = await self.say(exchange)
        assert status == 201, body
        assert body["@context"] == ["https://w3id.org/dspace/2025/1/context.jsonld"]
        assert body["@type"] == exchange["response"]["@type"]
        assert body["consumerPid"] == exchange["request"]["consumerPid"]
        self.put(exchange["response"]["providerPid"], body["providerPid"])
        return str(body["providerPid"])

    async def move(self, exchange: dict[str, Any]) -> dict[str, Any]:
        """A recorded message in a process: it is acknowledged; returns what we answered."""
        status, body = await self.say(exchange)
        assert status == 200, body
        return body


@contextlib.asynccontextmanager
async def replay(
    root: Path, *, ours: str = "provider", theirs: str = "consumer", **changes: Any
) -> AsyncIterator[Replay]:
    """A daemon of that name beside an EDC of the other name; both are those of the recording."""
    async with contextlib.AsyncExitStack() as stack:
        member = await stack.enter_async_context(listed(theirs))
        peer: Any = SimpleNamespace(participant=theirs, dsp=member.dsp)
        daemon = await stack.enter_async_context(
            Daemon(members(root, [peer], participant=ours, **{"test_clock_start": START, **changes}))
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Replay(daemon, member, session)


def alike(ours: dict[str, Any], accepted: dict[str, Any], *, but: Iterable[str]) -> None:
    """Ours says what the EDC has accepted, member by member, but for what is new each time."""
    new = {"@id", *but}
    assert {name: value for name, value in ours.items() if name not in new} == {
        name: value for name, value in accepted.items() if name not in new
    }
