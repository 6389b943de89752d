"""A peer that behaves like an Eclipse EDC 0.15.1 on the wire, without Java: its statuses, bodies, races and refusals.

It stores a new state after it has read the answer to its own message; what comes before that is refused with 409 and counted
in `early`, and makes it say its own message once more, under another id. `twice` names messages that it says twice in any case, `busy` those after which it takes so long that our next one always comes too early. It compares agreements by meaning, keeps its user's `profile` to itself, opens a negotiation for each
contract request, and agrees at once. What it does follows `edc-peer.md` sections 3 to 9; it checks nothing else.
"""

import asyncio
import base64
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aiohttp
from aiohttp import web

from tests.pair import free_ports
from tests.wire.edc_words import (
    CONTEXT,
    IN_FORCE,
    NO_PULL,
    OVER,
    TAKES,
    UNEQUAL,
    Process,
    catalog,
    dataset,
    html,
    meaning,
    refusal,
    shown,
)


class EdcDouble:
    """One such peer at its listed address; `assets` are what it offers, by id: their rules."""

    def __init__(self, participant: str, port: int) -> None:
        self.participant, self.dsp = participant, f"http://127.0.0.1:{port}/dsp/2025-1"
        self.busy, self.twice, self.lost = set[str](), set[str](), set[str]()
        self.trouble: list[int] = []
        self.again_s = 0.01
        self.keeps_last = False
        self.header: dict[str, Any] = {"region": "eu", "audience": "http://peer/dsp/2025-1"}
        self.start_address = False
        self.assets: dict[str, dict[str, Any]] = {"asset-1": {"permission": [{"action": "use"}]}}
        self.processes: dict[str, Process] = {}
        self.kept: dict[str, Process] = {}
        self.early: list[str] = []
        self.pauses: list[float] = []
        self.heard: list[tuple[str, str, int]] = []
        self.moved, self.gate = asyncio.Condition(), asyncio.Event()
        self._said_at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.session: aiohttp.ClientSession

    # -- what its user does --------------------------------------------------------------------------------------------

    async def negotiate(self, peer: str, dsp: str, target: str, offer: dict[str, Any]) -> Process:
        """Ask for a contract as its user has copied the offer; its `profile` stays here."""
        policy = {**offer, "assigner": peer, "target": target}
        process = self._new("negotiations", "consumer", peer, dsp, "REQUESTING", policy=policy)
        said = {name: value for name, value in policy.items() if name != "profile"}
        self._go(self._open(process, {"@type": "ContractRequestMessage", "offer": said}))
        return process

    async def transfer(self, peer: str, dsp: str, agreement: str, **more: Any) -> Process:
        process = self._new("transfers", "consumer", peer, dsp, "REQUESTING")
        asked = {"@type": "TransferRequestMessage", "agreementId": agreement, "format": "HttpData-PULL", **more}
        self._go(self._open(process, asked))
        return process

    async def suspend(self, process: Process) -> None:
        await self._say(process, "suspension", "TransferSuspensionMessage", "SUSPENDED", reason=["pause"])

    async def resume(self, process: Process) -> None:
        """Say that it wants to go on, without an address: it stays RESUMED until the provider starts."""
        await self._move(process, "RESUMING")
        await self._say(process, "start", "TransferStartMessage", "RESUMED")

    async def end(self, process: Process, **members: Any) -> None:
        name = "ContractNegotiation" if process.kind == "negotiations" else "Transfer"
        await self._say(process, "termination", f"{name}TerminationMessage", "TERMINATED", **members)

    async def until(self, process: Process, *states: str, timeout_s: float = 10) -> Process:
        """The process once it is in one of these states; fails when it has ended in another."""
        async with asyncio.timeout(timeout_s), self.moved:
            await self.moved.wait_for(lambda: process.state in {*states, *OVER})
        assert process.state in states, (process.state, process.detail)
        return process

    # -- what it says --------------------------------------------------------------------------------------------------

    def _new(self, kind: str, side: str, peer: str, address: str, state: str, **more: Any) -> Process:
        process = Process(kind, side, peer, address, state, **more)
        self.processes[process.pid] = process
        return process

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _move(self, process: Process, state: str, detail: str = "") -> None:
        async with self.moved:
            process.state, process.detail = state, detail or process.detail
            self.moved.notify_all()

    async def _post(self, process: Process, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": json.dumps({**self.header, "clientId": self.participant})}
        document = {"@id": str(uuid.uuid4()), **body, "@context": CONTEXT}
        url = f"{process.address}/{process.kind}/{path}"
        self._said_at[process.pid] = asyncio.get_running_loop().time()
        async with self.session.post(url, json=document, headers=headers) as answer:
            text = await answer.read()
        return answer.status, json.loads(text) if text else {}

    async def _open(self, process: Process, body: dict[str, Any]) -> None:
        said, early = {"consumerPid": process.pid, "callbackAddress": self.dsp, **body}, process.early
        for _ in range(2):
            status, answer = await self._post(process, "request", said)
            if status >= 400:
                await self._move(process, "TERMINATED", json.dumps(answer))
                return
            assert {"@context", "@type", "providerPid"} <= set(answer), answer
            await self._stored(process, "request", early)
            if process.early == early and "request" not in self.twice:
                break
            await asyncio.sleep(self.again_s)
        process.peer_pid = answer["providerPid"]
        await self._move(process, "REQUESTED")

    async def _say(
        self, process: Process, path: str, type_: str, state: str, *, times: int = 2, **members: Any
    ) -> None:
        """Send one message, again if ours came too early after it; its own state follows, and a refusal ends the process."""
        pids = (process.pid, process.peer_pid)
        consumer, provider = pids if process.side == "consumer" else pids[::-1]
        said = {"@type": type_, "consumerPid": consumer, "providerPid": provider, **members}
        early = process.early
        for _ in range(times):
            status, answer = await self._post(process, f"{process.peer_pid}/{path}", said)
            if status >= 400:
                await self._move(process, "TERMINATED", json.dumps(answer))
                return
            await self._stored(process, path, early)
            if process.early == early and path not in self.twice:
                break
            await asyncio.sleep(self.again_s)
        if process.state not in OVER:  # else the other side has ended it meanwhile
            await self._move(process, state)

    async def _stored(self, process: Process, path: str, early: int) -> None:
        """Storing takes 2 ms; where it is busy, as long as it takes until the peer's next message has come too early."""
        if path in self.busy:
            async with self.moved:
                await self.moved.wait_for(lambda: process.early > early)
        await asyncio.sleep(0.002)

    async def _agree(self, process: Process) -> None:
        """Agree while the gate is open; once more under another id, when our next message came before it had stored the first."""
        await self.gate.wait()
        while True:
            early, agreement = process.early, {k: v for k, v in process.policy.items() if k != "profile"}
            made = {"@id": str(uuid.uuid4()), "@type": "Agreement", "timestamp": "2026-11-25T01:27:18Z"}
            parties = {"assigner": self.participant, "assignee": process.peer}
            process.agreements.append(made["@id"])
            said = {"agreement": {**agreement, **made, **parties}}
            await self._say(process, "agreement", "ContractAgreementMessage", "AGREED", times=1, **said)
            if process.early == early or len(process.agreements) > 1:
                break
            process.state = "AGREEING"
            await asyncio.sleep(self.again_s)
        self.kept[process.agreements[-1 if self.keeps_last else 0]] = process

    async def _serve(self, process: Process, asked: dict[str, Any]) -> None:
        """Start a push, with or without the address that it was given, and complete it; a pull it cannot serve."""
        if asked.get("format") != "HttpData-PUSH":
            reason = NO_PULL if asked.get("format") == "HttpData-PULL" else "No dataplane found"
            await self.end(process, reason=[reason])
            return
        address = {"dataAddress": asked["dataAddress"]} if self.start_address else {}
        await self._say(process, "start", "TransferStartMessage", "STARTED", **address)
        url = next(p["value"] for p in asked["dataAddress"]["endpointProperties"] if p["name"] == IN_FORCE + "baseUrl")
        async with self.session.post(url, data=b"a,b\n1,2\n") as answer:
            assert answer.status == 200, await answer.text()
        await self._say(process, "completion", "TransferCompletionMessage", "COMPLETED")

    # -- what it answers -----------------------------------------------------------------------------------------------

    async def take(self, request: web.Request) -> web.Response:
        """Answer a request: first with the statuses of `trouble`, one each; answers to messages in `lost` never arrive, once."""
        path = request.path.removeprefix("/dsp/2025-1/").split("/")
        said = request.method == "POST" and path[0] != "catalog"
        answer = html(self.trouble.pop(0)) if said and self.trouble else await self._answer(request, path)
        self.heard.append((request.method, request.path, answer.status))
        if path[-1] in self.lost and said and request.transport is not None:
            self.lost.remove(path[-1])
            request.transport.abort()
        return answer

    async def _answer(self, request: web.Request, path: list[str]) -> web.Response:
        try:
            speaker = json.loads(request.headers["Authorization"])
            who, _ = speaker["clientId"], speaker["region"]
        except (KeyError, ValueError):
            return html(500)
        if request.method == "POST" and request.content_type != "application/json":
            return html(415)
        body = await request.json() if request.method == "POST" else {}
        if path[0] == "catalog":
            return self._listed(path)
        if path[1] in ("request", "offers"):
            return self._opened(path, body, who)
        process = self.processes.get(path[1])
        if process is None or process.peer != who:
            return refusal(path[0], 404, "Not found.")
        return await self._taken(process, path[-1], body) if body else web.json_response(shown(process))

    def _listed(self, path: list[str]) -> web.Response:
        if path[1] == "request":
            return web.json_response(catalog(self.participant, self.assets, self.dsp))
        if path[2] not in self.assets:
            return refusal("catalog", 404, "Not found.")
        return web.json_response(dataset(path[2], self.assets[path[2]], self.dsp))

    def _opened(self, path: list[str], body: dict[str, Any], who: str) -> web.Response:
        if path[1] == "offers" or "callbackAddress" not in body:
            return html(500)
        if path[0] == "transfers":
            return self._transfer(body, who)
        try:
            asset = base64.b64decode(body["offer"]["@id"].split(":")[1], validate=True).decode()
        except (IndexError, ValueError):
            return refusal(path[0], 404, "Not found.")
        if asset not in self.assets:
            return refusal(path[0], 400, f"Contract offer is not valid: Invalid target: {asset}")
        policy = {**self.assets[asset], "target": asset}
        process = self._new(path[0], "provider", who, body["callbackAddress"], "AGREEING", policy=policy)
        process.peer_pid = body["consumerPid"]
        self._go(self._agree(process))
        return web.json_response(shown(process))

    def _transfer(self, body: dict[str, Any], who: str) -> web.Response:
        if body["agreementId"] not in self.kept:
            return refusal("transfers", 404, "Not found.")
        known = [p for p in self.processes.values() if (p.kind, p.peer_pid) == ("transfers", body["consumerPid"])]
        if not known:
            process = self._new("transfers", "provider", who, body["callbackAddress"], "REQUESTED")
            process.peer_pid = body["consumerPid"]
            self._go(self._serve(process, body))
            known = [process]
        return web.json_response(shown(known[0]))

    async def _taken(self, process: Process, name: str, body: dict[str, Any]) -> web.Response:
        """A message in a process: refused where it comes before the state that it follows has been stored."""
        arrived = asyncio.get_running_loop().time()
        if process.pid in self._said_at and not process.early:
            self.pauses.append(arrived - self._said_at.pop(process.pid))
        states, becomes = TAKES.get((name, process.side), (set(), "TERMINATED"))
        if name == "termination" and process.state not in OVER:
            states = {process.state}
        if process.state not in states:
            self.early.append(name)
            async with self.moved:
                process.early += 1
                self.moved.notify_all()
            return refusal(process.kind, 409, "Conflict.")
        if name == "agreement":
            agreement, edc = body["agreement"], CONTEXT[1] in body["@context"]
            if meaning(agreement, edc=edc) != meaning(process.policy, edc=True):
                return refusal(process.kind, 400, UNEQUAL)
            process.agreements.append(agreement["@id"])
            self._go(self._say(process, "agreement/verification", "ContractAgreementVerificationMessage", "VERIFIED"))
        elif name == "verification":
            self._go(
                self._say(process, "events", "ContractNegotiationEventMessage", "FINALIZED", eventType="FINALIZED")
            )
        elif name == "start" and (address := body.get("dataAddress")) is not None:
            if "endpointType" not in address or any("@type" not in p for p in address.get("endpointProperties", [])):
                return html(500)
            process.starts.append(address)
        await self._move(process, becomes)
        return web.Response(content_type="application/json")


@contextlib.asynccontextmanager
async def edc_double(participant: str = "acme") -> AsyncIterator[EdcDouble]:
    """A double that listens on a free port; what it still does ends with it."""
    (port,) = free_ports(1)
    double = EdcDouble(participant, port)
    double.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", double.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    async with aiohttp.ClientSession() as double.session:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield double
        finally:
            await double.stop()
            await runner.cleanup()
