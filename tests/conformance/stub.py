"""The smallest connector that the kit lets pass: no store, no signatures, one policy table. The double is tried against it.

Tests spoil one thing about it, in a subclass or in the table, and see exactly the expected tests fail.
"""

import asyncio
import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from contracts.errors import IllegalTransitionError
from contracts.machine import Role
from contracts.negotiation.table import MACHINE as NEGOTIATION
from contracts.transfer.table import MACHINE as TRANSFER
from tests.conformance import bodies
from tests.conformance.tables import NEGOTIATION_PATHS, TRANSFER_PATHS
from tests.pair import free_ports

CONSUMER, PROVIDER = Role.CONSUMER, Role.PROVIDER
DOES = {
    "offer": "offer",
    "agree": "agreement",
    "finalize": "finalized",
    "accept": "accepted",
    "verify": "verification",
    "counter": "counter-request",
    "start": "start",
    "complete": "completion",
    "suspend": "suspension",
    "terminate": "termination",
}


@dataclass
class Process:
    """A negotiation or transfer of the stub."""

    negotiates: bool
    role: Role
    about: dict[str, str]
    address: str
    peer_pid: str = ""
    state: str | None = None
    pid: str = field(default_factory=lambda: f"urn:uuid:{uuid.uuid4()}")
    visits: Counter[str] = field(default_factory=Counter)

    @property
    def facts(self) -> bodies.Facts:
        mine = self.role is CONSUMER
        pids = (self.pid, self.peer_pid) if mine else (self.peer_pid, self.pid)
        return bodies.Facts("", "urn:connector:stub", *pids, **self.about)


class Stub:
    """Serves what the double needs of a connector, under the names of the harness."""

    agent = "urn:connector:stub"
    authorization = "Bearer fixed"
    delay_s = 0.25
    refuses_with = 400

    def __init__(self, scenarios: list[dict[str, Any]]) -> None:
        (port,) = free_ports(1)
        self.root = f"http://127.0.0.1:{port}"
        self.dsp = f"{self.root}/dsp/2025-1"
        self.negotiation_webhook = f"{self.root}/hooks/negotiations"
        self.transfer_webhook = f"{self.root}/hooks/transfers"
        self.port = port
        self.policies = {item.get("agreement", item.get("dataset")): item.get("policy", {}) for item in scenarios}
        self.processes: dict[str, Process] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._known])
        app.router.add_get("/.well-known/dspace-version", self.version)
        app.router.add_post("/hooks/{kind}", self.hook)
        app.router.add_post("/dsp/2025-1/catalog/request", self.catalog)
        app.router.add_get("/dsp/2025-1/catalog/datasets/{id}", self.dataset)
        app.router.add_get("/dsp/2025-1/{kind:negotiations|transfers}/{pid}", self.look)
        app.router.add_post("/dsp/2025-1/{kind:negotiations|transfers}/{rest:.+}", self.take)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.session.close()
        await self.runner.cleanup()

    @web.middleware
    async def _known(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != self.authorization:
            return web.json_response({}, status=401)
        return await handler(request)

    # -- what is asked of it -------------------------------------------------------------------------------------------

    async def version(self, _: web.Request) -> web.Response:
        entry = {"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS"}
        return web.json_response({"protocolVersions": [entry]})

    def advertised(self, dataset: str) -> dict[str, Any]:
        distribution = {"@type": "Distribution", "format": "HttpData-PULL", "accessService": "urn:service"}
        offer = {"@type": "Offer", "@id": f"CD123:{dataset}:456", "permission": bodies.RULES}
        return {"@id": dataset, "@type": "Dataset", "hasPolicy": [offer], "distribution": [distribution]}

    async def catalog(self, _: web.Request) -> web.Response:
        members = {"participantId": self.agent, "dataset": [self.advertised("CAT0101"), self.advertised("CAT0102")]}
        return web.json_response(bodies.enveloped("Catalog", **members))

    async def dataset(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in {"CAT0101", "CAT0102"}:
            return web.json_response(bodies.enveloped("CatalogError", code="404"), status=404)
        return web.json_response({"@context": [bodies.CONTEXT], **self.advertised(name)})

    async def look(self, request: web.Request) -> web.Response:
        process = self.processes.get(request.match_info["pid"])
        return web.Response(status=404) if process is None else web.json_response(self.shown(process))

    def shown(self, process: Process) -> dict[str, Any]:
        type_ = "ContractNegotiation" if process.negotiates else "TransferProcess"
        return bodies.enveloped(type_, **process.facts.pids, state=process.state)

    async def hook(self, request: web.Request) -> web.Response:
        asked = await request.json()
        about = {"dataset": asked.get("datasetId", ""), "offer": asked.get("offerId", "")}
        about |= {"agreement": asked.get("agreementId", ""), "format": asked.get("format", "")}
        negotiates = request.match_info["kind"] == "negotiations"
        process = Process(negotiates, CONSUMER, about, asked["connectorAddress"])
        self.processes[process.pid] = process
        self._later(self.say(process, "request"))
        return web.Response(status=202)

    async def take(self, request: web.Request) -> web.Response:
        message = await request.json()
        first, _, last = request.match_info["rest"].partition("/")
        process = self.opened(request.match_info["kind"], message) if first == "request" else self.processes.get(first)
        if process is None:
            return web.Response(status=404)
        trigger = {"offers": "offer", "agreement/verification": "verification", "": "request"}.get(last, last)
        trigger = message["eventType"].lower() if trigger == "events" else trigger
        try:
            state = self.next(process, trigger, process.role.other)
        except IllegalTransitionError:
            return web.json_response({"refused": trigger}, status=self.refuses_with)
        process.peer_pid = message["consumerPid" if process.role is PROVIDER else "providerPid"]
        self.move(process, state)
        return web.json_response(self.shown(process), status=200 if last else 201)

    def opened(self, kind: str, message: dict[str, Any]) -> Process:
        offer = message.get("offer", {})
        about = {"dataset": offer.get("target", ""), "offer": offer.get("@id", "")}
        about |= {"agreement": message.get("agreementId", ""), "format": message.get("format", "")}
        process = Process(kind == "negotiations", PROVIDER, about, message["callbackAddress"])
        self.processes[process.pid] = process
        return process

    # -- what it does --------------------------------------------------------------------------------------------------

    def next(self, process: Process, trigger: str, by: Role) -> str:
        """The state after a message; raises IllegalTransitionError."""
        machine: Any = NEGOTIATION if process.negotiates else TRANSFER
        state: str = machine.step(process.state, trigger, by)
        return state

    def move(self, process: Process, state: str) -> None:
        process.state = str(state)
        visit = process.visits[process.state]
        process.visits[process.state] += 1
        actions = self.policies.get(process.about["agreement"] or process.about["dataset"], {}).get(process.state, [])
        if visit < len(actions):
            self._later(self.react(process, process.state, DOES[actions[visit]]))

    async def react(self, process: Process, state: str, message: str) -> None:
        await asyncio.sleep(self.delay_s)
        if process.state == state:
            await self.say(process, message)

    def words(self, process: Process, message: str) -> dict[str, Any]:
        """The body of a message of ours."""
        said: dict[str, Any] = (bodies.NEGOTIATION if process.negotiates else bodies.TRANSFER)[message](process.facts)
        if "callbackAddress" in said:
            said["callbackAddress"] = self.dsp
        return said

    async def say(self, process: Process, message: str) -> None:
        paths = NEGOTIATION_PATHS if process.negotiates else TRANSFER_PATHS
        url = process.address + paths[message].replace("{pid}", process.peer_pid)
        async with self.session.post(url, json=self.words(process, message)) as answer:
            body = await answer.read()
            if answer.status != 200:
                return
        if message == "request":
            process.peer_pid = json.loads(body)["providerPid"]
        self.move(process, self.next(process, message.removeprefix("counter-"), process.role))

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _quietly(self, work: Any) -> None:
        """The kit drops connections on purpose."""
        try:
            await work
        except (aiohttp.ClientError, IllegalTransitionError):
            return
