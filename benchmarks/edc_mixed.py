"""A Weft daemon as consumer of a live EDC: how long a negotiation takes, and how much of that the EDC took.

Weft runs with the mock identity here, as that is all this EDC speaks; its commits are synced as ever. The offer was read
before, as in the pairs. What an EDC takes is the time between a state that our message brought and the one that its next
message brings, and the pause before our second message, which it needs to store its own state.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.edc_pair import PATIENCE_S, EndedOtherwiseError
from benchmarks.pair import Side, serving
from connector.authority import space
from connector.exchange.peer import PEERS
from connector.identity.setup import initialise
from connector.scenario.stage import free_ports
from connector.settings import FILE_NAME

WEFT, DATASET = "weft", "asset-000000"
# Between the state that our message brought and the state that EDC's next message brings, EDC has the turn.
TURNS = (("requested", "agreed"), ("verified", "finalized"))
_ENDED = ("finalized", "terminated")


@dataclass(slots=True)
class Mixed:
    """Negotiations of the daemon with the EDC; `shares` are EDC's parts of those that were finalized."""

    http: aiohttp.ClientSession
    asked: Mapping[str, Any]
    shares: list[float] = field(default_factory=list)
    _heard: defaultdict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)

    async def one(self) -> None:
        """One negotiation, from the API call to FINALIZED; raises EndedOtherwiseError."""
        began = time.perf_counter()
        async with self.http.post("/v1/negotiations", json=self.asked) as answer:
            answer.raise_for_status()
            pid = str((await answer.json())["id"])
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._end(pid).wait()
        except TimeoutError as error:
            raise EndedOtherwiseError(pid) from error
        took, heard = time.perf_counter() - began, self._heard.pop(pid)
        self._ends.pop(pid)
        if "finalized" not in heard:
            raise EndedOtherwiseError(pid)
        theirs = sum(heard[end] - heard[start] for start, end in TURNS) + PEERS["edc"].pause_s
        self.shares.append(theirs / took)

    def hear(self, event: Mapping[str, Any]) -> None:
        """A record of our audit log: when it was written, not when it reached us."""
        pid, what = str(event["details"]["pid"]), str(event["type"]).partition(".")[2]
        self._heard[pid][what] = datetime.fromisoformat(event["time"]).timestamp()
        if what in _ENDED:
            self._end(pid).set()

    def _end(self, pid: str) -> asyncio.Event:
        return self._ends.setdefault(pid, asyncio.Event())


@asynccontextmanager
async def mixed(root: Path, peer: Mapping[str, Any]) -> AsyncIterator[Mixed]:
    """A daemon that knows this EDC (as the recipe wrote it down), in a space of the two."""
    folder = _found(root, peer)
    async with serving(WEFT, folder) as side, side.http() as http:
        asked = {"provider": peer["participantId"], "dataset": DATASET}
        async with http.get("/v1/offers", params=asked) as answer:
            answer.raise_for_status()
            offer = (await answer.json())["items"][0]
        pair = Mixed(http, asked | {"offer": offer["id"], "seen": offer["policy"]})
        listening = asyncio.Event()
        task = asyncio.create_task(_listen(side, pair, listening))
        try:
            await listening.wait()
            yield pair
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _listen(side: Side, pair: Mixed, listening: asyncio.Event) -> None:
    forever = aiohttp.ClientTimeout(total=None)
    async with side.http() as http, http.get("/v1/events", params={"types": "negotiation"}, timeout=forever) as answer:
        listening.set()
        async for line in answer.content:
            if line.startswith(b"data: "):
                pair.hear(orjson.loads(line[6:]))


def _found(root: Path, peer: Mapping[str, Any]) -> Path:
    """The daemon's folder, in a signed space with the EDC; the keys that are listed for the EDC are never used."""
    now = datetime.now(UTC)
    key = space.create_space(root / "space", "benchmark")
    protocol, management = free_ports(2)
    names = {WEFT: f"http://127.0.0.1:{protocol}/dsp/2025-1", peer["participantId"]: peer["dsp"]}
    for name, dsp in names.items():
        member = initialise(
            root / name,
            participant=name,
            names={"en": name},
            region="CN-32",
            dsp=dsp,
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=now,
            protocol_port=protocol,
            management_port=management,
        )
        space.add_member(root / "space", member.read_bytes(), now)
    space.sign(root / "space", "P30D", now)
    file = root / WEFT / FILE_NAME
    given = {"production": False, "log_level": "error", "test_mock_identity": True, "crawl_interval_s": 86400}
    text = file.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in given]
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    file.write_text("\n".join([*lines, *kept]) + "\n", encoding="utf-8")
    return root / WEFT
