"""A contract from the first request to FINALIZED on both sides: how long one takes, and how many a second 64 at once make.

The driver is a third process: it posts to the consumer's management side and hears the event streams of both. The floor is
two processes that exchange four messages of the same size and make as many durable commits as the daemons were counted to
make for one negotiation: those that the messages wait for in their way, the others beside it.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import orjson

from benchmarks.children import Child
from benchmarks.pair import PROVIDER, Side, daemons, floors, settled
from benchmarks.report import Row
from benchmarks.sizes import Sizes
from benchmarks.stock import dataset_id, datasets, offer_id
from connector.client.models import Offer

SIDES = 2
# One commit opens a negotiation; each of its four messages has one where it arrives and one where it is acknowledged.
ON_THE_WAY = 9
TIMEOUT_S = 120
# Between two negotiations that are timed alone: what the first leaves to be done beside (its seals) is over.
REST_S = 0.05
FINALIZED = "negotiation.finalized"


@dataclass(slots=True)
class _End:
    sides: int = 0
    both: asyncio.Event = field(default_factory=asyncio.Event)


class Course:
    """Runs negotiations; `begin` starts one and returns what its ends are called by."""

    def __init__(self, begin: Callable[[], Awaitable[str]], *, sides: int = SIDES) -> None:
        self._begin = begin
        self._sides = sides
        self._ends: defaultdict[str, _End] = defaultdict(_End)

    def hear(self, identifier: str) -> None:
        """One side has ended."""
        end = self._ends[identifier]
        end.sides += 1
        if end.sides == self._sides:
            end.both.set()

    async def one(self) -> float:
        """Seconds from the request until both sides have ended."""
        began = time.perf_counter()
        identifier = await self._begin()
        async with asyncio.timeout(TIMEOUT_S):
            await self._ends[identifier].both.wait()
        del self._ends[identifier]
        return time.perf_counter() - began

    async def many(self, count: int, at_once: int) -> float:
        """Seconds for so many, so many of them at once."""
        numbers = iter(range(count))

        async def worker() -> None:
            for _ in numbers:
                await self.one()

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        return time.perf_counter() - began


@dataclass(slots=True)
class _Measured:
    """What the rounds of one contender came to."""

    course: Course
    children: tuple[Child, ...]
    times: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    async def burst(self, sizes: Sizes) -> None:
        """One burst: its rate, and how busy the driver and the two processes were, as shares of one core."""
        own, theirs = time.process_time(), sum(child.cpu_s for child in self.children)
        took = await self.course.many(sizes.burst, sizes.at_once)
        self.rates.append(sizes.burst / took)
        self.driver.append((time.process_time() - own) / took)
        self.busy.append((sum(child.cpu_s for child in self.children) - theirs) / took)


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    async with daemons(root, datasets(1)) as (provider, consumer), driven(provider, consumer) as course:
        weft = _Measured(course, (provider.child, consumer.child))
        await course.many(sizes.warm_up, 1)
        commits = await _commits(provider, consumer, course, sizes)
        async with bare(root, max(0, round((commits - ON_THE_WAY) / SIDES))) as (bare_course, bare_children):
            floor = _Measured(bare_course, bare_children)
            await bare_course.many(sizes.warm_up, 1)
            for _ in range(sizes.rounds):
                for each in (weft, floor):
                    for _ in range(sizes.negotiations):
                        each.times.append(await each.course.one())
                        await asyncio.sleep(REST_S)
            for _ in range(sizes.rounds):
                for each in (weft, floor):
                    await each.burst(sizes)
                await settled(consumer.client)
    return _rows(weft, floor, commits, sizes)


def _rows(weft: _Measured, floor: _Measured, commits: float, sizes: Sizes) -> list[Row]:
    ours, theirs = median(weft.times), median(floor.times)
    rate, floor_rate = median(weft.rates), median(floor.rates)
    return [
        Row(
            "negotiation to FINALIZED on both sides, p50",
            f"{ours * 1000:.1f} ms",
            f"{theirs * 1000:.1f} ms",
            ours / theirs,
            3,
            at_most=True,
            beside=(f"{commits:.1f} commits per negotiation on both sides together, counted; the floor makes as many",),
        ),
        Row(
            f"negotiations per second, {sizes.at_once} at once",
            f"{rate:.0f} /s",
            f"{floor_rate:.0f} /s",
            rate / floor_rate,
            1 / 3,
            at_most=False,
            beside=(
                (
                    f"busy, in cores: the driver {median(weft.driver):.2f} and the two daemons {median(weft.busy):.2f}; "
                    f"with the floor {median(floor.driver):.2f} and {median(floor.busy):.2f}"
                ),
            ),
        ),
    ]


@asynccontextmanager
async def driven(provider: Side, consumer: Side, *, seen: bool = False) -> AsyncIterator[Course]:
    """Negotiations between two daemons, begun on the consumer's management side, heard to end on both.

    With `seen` the caller hands over the offer as the catalog has shown it, as callers of other connectors do, and a
    negotiation ends where it ends for the consumer.
    """
    asked: dict[str, Any] = {"provider": PROVIDER, "dataset": dataset_id(0), "offer": offer_id(0)}
    if seen:
        asked["seen"] = dict((await _shown(consumer)).policy)
    async with consumer.http() as ask, provider.http() as other:

        async def begin() -> str:
            async with ask.post("/v1/negotiations", json=asked) as answer:
                return str(orjson.loads(await answer.read())["id"])

        course = Course(begin, sides=1 if seen else SIDES)
        heard = [_events(ask, "pid", course.hear)]
        heard += [] if seen else [_events(other, "peerPid", course.hear)]
        async with _running(*heard):
            yield course


async def _shown(consumer: Side) -> Offer:
    """The provider's offer, as its catalog shows it now."""
    (offer,) = await consumer.client.offers(dataset_id(0), provider=PROVIDER)
    return offer


async def _events(http: aiohttp.ClientSession, name: str, hear: Callable[[str], None]) -> None:
    """Pass on `details.<name>` of every negotiation that is finalized."""
    async with http.get("/v1/events", params={"types": FINALIZED}, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                hear(str(orjson.loads(line[6:])["details"][name]))


@asynccontextmanager
async def bare(root: Path, beside: int) -> AsyncIterator[tuple[Course, tuple[Child, ...]]]:
    """The same between two floor processes, each of which makes `beside` commits that no message waits for."""
    async with floors(root) as (opener, answerer, http):
        message = {"to": answerer.url, "from": opener.url, "beside": beside}
        numbers = iter(range(1_000_000))

        async def begin() -> str:
            identifier = str(next(numbers))
            async with http.post(f"{opener.url}/open", json=message | {"id": identifier}) as answer:
                await answer.read()
            return identifier

        course = Course(begin)

        async def ended(url: str) -> None:
            async with http.get(f"{url}/ended", timeout=aiohttp.ClientTimeout(total=None)) as answer:
                async for line in answer.content:
                    course.hear(line.decode().strip())

        async with _running(ended(opener.url), ended(answerer.url)):
            yield course, (opener.child, answerer.child)


@asynccontextmanager
async def _running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Listeners beside the block; they have begun to listen when it begins."""
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def _commits(provider: Side, consumer: Side, course: Course, sizes: Sizes) -> float:
    """Commits that one negotiation costs both sides together, when it is alone."""
    before = [await side.commits() for side in (provider, consumer)]
    await course.many(sizes.negotiations, 1)
    await settled(consumer.client)
    after = [await side.commits() for side in (provider, consumer)]
    return (sum(after) - sum(before)) / sizes.negotiations
