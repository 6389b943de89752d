"""A pair of live Eclipse EDC connectors as a benchmark drives it: through the Management API, its events told by callback."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

RECIPE = Path(__file__).resolve().parent.parent / "tests" / "interop" / "edc" / "edc_peer.py"
VOCAB = {"@vocab": "https://w3id.org/edc/v0.0.1/ns/"}
ODRL = "http://www.w3.org/ns/odrl.jsonld"
PROTOCOL = "dataspace-protocol-http:2025-1"
HEAP = "512m"
# What an EDC's user would wait at most; whatever has not ended then has failed.
PATIENCE_S = 60


class EndedOtherwiseError(Exception):
    """A process that ended otherwise, or not in time."""


class RecipeError(Exception):
    """Connectors that could not be started or stopped."""


@dataclass(slots=True)
class Edc:
    """One running EDC: what the recipe wrote about it, and its user's session."""

    peer: Mapping[str, Any]
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self.http.post(f"{self.peer['management']}/v3{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)

    @property
    def resident_mb(self) -> float:
        """Memory in use."""
        text = Path(f"/proc/{self.peer['pid']}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


@dataclass(slots=True)
class EdcPair:
    """Provider and consumer. `negotiate` and `start` return the seconds that one took; they raise EndedOtherwiseError."""

    provider: Edc
    consumer: Edc
    told: str
    waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    failures: int = 0
    offer: Mapping[str, Any] = field(default_factory=dict)
    agreement: str = ""

    @property
    def start_s(self) -> float:
        """Seconds from the start of the process until its APIs answered."""
        return float(self.consumer.peer["startSeconds"])

    async def publish(self, count: int, *, after: int = 0) -> None:
        """Offer datasets `after` to `after + count`, all under one definition."""
        if not after:
            policy = {"@context": ODRL, "@type": "Set", "permission": [{"action": "use"}]}
            await self.provider.post("/policydefinitions", {"@context": VOCAB, "@id": "free", "policy": policy})
            bound = {"accessPolicyId": "free", "contractPolicyId": "free", "assetsSelector": []}
            await self.provider.post("/contractdefinitions", {"@context": VOCAB, "@id": "all", **bound})
        address = {"type": "HttpData", "baseUrl": f"{self.told}/source"}
        numbers = iter(range(after, after + count))

        async def publisher() -> None:
            for number in numbers:
                made = {"@context": VOCAB, "@id": f"asset-{number:06d}", "properties": {}, "dataAddress": address}
                await self.provider.post("/assets", made)

        await asyncio.gather(*(publisher() for _ in range(8)))

    async def look(self) -> None:
        """Read the provider's catalog, and take the first offer of the first dataset."""
        found = await self.consumer.post("/catalog/request", {"@context": VOCAB} | self._party())
        dataset = next(each for each in found["dataset"] if each["@id"] == "asset-000000")
        offers = dataset["hasPolicy"]
        offer = offers[0] if isinstance(offers, list) else offers
        self.offer = {
            **offer,
            "@context": ODRL,
            "assigner": self.provider.peer["participantId"],
            "target": dataset["@id"],
        }

    async def negotiate(self) -> None:
        """One negotiation, from the API call to FINALIZED at the consumer."""
        events = ["contract.negotiation.finalized", "contract.negotiation.terminated"]
        asked = {"@context": VOCAB, "policy": self.offer, **self._told(events)} | self._party()
        pid = (await self.consumer.post("/contractnegotiations", asked))["@id"]
        if await self._ended(pid) != "ContractNegotiationFinalized":
            raise EndedOtherwiseError(pid)
        if not self.agreement:
            async with self.consumer.http.get(
                f"{self.consumer.peer['management']}/v3/contractnegotiations/{pid}"
            ) as answer:
                self.agreement = (await answer.json(content_type=None))["contractAgreementId"]

    async def start(self) -> None:
        """One transfer, from the API call to STARTED at the consumer (a push: this EDC serves no pull)."""
        events = ["transfer.process.started", "transfer.process.terminated"]
        sink = {"type": "HttpData", "baseUrl": f"{self.told}/sink"}
        asked = {"contractId": self.agreement, "transferType": "HttpData-PUSH", "dataDestination": sink}
        pid = (
            await self.consumer.post(
                "/transferprocesses", {"@context": VOCAB, **asked, **self._told(events)} | self._party()
            )
        )["@id"]
        if await self._ended(pid) != "TransferProcessStarted":
            raise EndedOtherwiseError(pid)

    def hear(self, event: Mapping[str, Any]) -> None:
        """An event that an EDC told: of one process, in its payload."""
        payload = event.get("payload", {})
        pid = payload.get("contractNegotiationId") or payload.get("transferProcessId") or ""
        future = self._of(pid)
        if not future.done():
            future.set_result(str(event.get("type", "")))

    def _of(self, pid: str) -> "asyncio.Future[str]":
        return self.waiting.setdefault(pid, asyncio.get_running_loop().create_future())

    async def _ended(self, pid: str) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._of(pid)
        except TimeoutError as error:
            raise EndedOtherwiseError(pid) from error
        finally:
            self.waiting.pop(pid, None)

    def _told(self, events: list[str]) -> dict[str, Any]:
        return {"callbackAddresses": [{"uri": f"{self.told}/events", "events": events, "transactional": False}]}

    def _party(self) -> dict[str, Any]:
        peer = self.provider.peer
        return {"counterPartyAddress": peer["dsp"], "counterPartyId": peer["participantId"], "protocol": PROTOCOL}


@asynccontextmanager
async def edc_pair(root: Path, wait_ms: int | None, batch: int) -> AsyncIterator[EdcPair]:
    """Two EDCs with these loops (None: as they come), stores in memory, and a listener for what they tell."""
    folder = root / f"edc-{uuid.uuid4().hex[:8]}"
    options = ["--names", "provider,consumer", "--xmx", HEAP]
    options += [] if wait_ms is None else ["--wait", str(wait_ms), "--batch", str(batch)]
    await _recipe("start", folder, *options)
    try:
        peers = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
        headers = {"x-api-key": peers[0]["apiKey"]}
        limits = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=limits) as http:
            pair = EdcPair(Edc(peers[0], http), Edc(peers[1], http), told="")
            async with _listener(pair):
                yield pair
    finally:
        await _recipe("stop", folder)


@asynccontextmanager
async def _listener(pair: EdcPair) -> AsyncIterator[None]:
    async def events(request: web.Request) -> web.Response:
        pair.hear(await request.json())
        return web.Response()

    async def source(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(18))

    async def sink(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/events", events), web.get("/source", source), web.post("/sink", sink)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pair.told = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


async def _recipe(command: str, folder: Path, *options: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(RECIPE), command, "--dir", str(folder), *options, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise RecipeError(f"the recipe could not {command} it")
