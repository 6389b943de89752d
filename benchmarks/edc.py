"""`make bench-edc`: a pair of Weft daemons beside pairs of live Eclipse EDC connectors, in one run on one machine.

Three EDC settings: as it comes, loops of 50 ms, loops of 10 ms; failures are counted and shown. EDC keeps its stores in memory
here, Weft syncs every commit to the disk. The driver is this process; it speaks each side's own API and is told by events.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import aiohttp

from benchmarks import machine
from benchmarks.__main__ import PLACE
from benchmarks.browsing import MESSAGE, TOKEN_LIFETIME_S
from benchmarks.edc_mixed import mixed
from benchmarks.edc_pair import EdcPair, EndedOtherwiseError, RecipeError, edc_pair
from benchmarks.negotiating import driven
from benchmarks.pair import CONSUMER, PROVIDER, Side, daemons, found, serving
from benchmarks.stock import PURPOSE, datasets
from connector.identity.keys import KeyRing
from connector.identity.tokens import make_token
from connector.settings import Settings

SETTINGS: dict[str, tuple[int | None, int]] = {"EDC": (None, 20), "EDC 50 ms": (50, 20), "EDC 10 ms": (10, 100)}
AT_ONCE = (1, 8, 64)
WEFT = "Weft"


REST_S = 1.0  # before memory is read: the first things that a fresh process does are over


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of each is done."""

    warm_up: int = 104
    alone: int = 60
    burst_s: float = 8
    pages: int = 100
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    transfers: int = 20


QUICK = Effort(warm_up=8, alone=5, burst_s=1, pages=5, sizes=(100,), transfers=3)


@dataclass(slots=True)
class Column:
    """What one contender came to: figures by row, failures, how busy the driver was."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)
    failures: int = 0
    done: int = 0
    driver: list[float] = field(default_factory=list)

    async def alone(self, row: str, count: int, one: Callable[[], Awaitable[object]]) -> None:
        """One at a time: p50 and p95 in milliseconds."""
        times = []
        for _ in range(count):
            began = time.perf_counter()
            if await self.counted(one):
                times.append((time.perf_counter() - began) * 1000)
        if len(times) > 1:
            self.figures[f"{row}, p50"] = median(times)
            self.figures[f"{row}, p95"] = quantiles(times, n=20, method="inclusive")[-1]

    async def burst(self, at_once: int, for_s: float, one: Callable[[], Awaitable[object]]) -> None:
        """As many a second as `at_once` workers make in that time."""
        began, own, finished = time.perf_counter(), time.process_time(), 0
        last = began

        async def worker() -> None:
            nonlocal finished, last
            while time.perf_counter() - began < for_s:
                ended = await self.counted(one)
                finished += ended
                last = time.perf_counter() if ended else last

        await asyncio.gather(*(worker() for _ in range(at_once)))
        # To the last that succeeded: whoever waits in vain for a lost one must not lower the rate of the others.
        took = max(last - began, for_s)
        self.figures[f"negotiations per second, {at_once} at once"] = finished / took
        self.driver.append((time.process_time() - own) / (time.perf_counter() - began))

    async def counted(self, one: Callable[[], Awaitable[object]]) -> bool:
        self.done += 1
        try:
            await one()
        except (EndedOtherwiseError, TimeoutError, aiohttp.ClientError):
            self.failures += 1
            return False
        return True


async def weft(root: Path, effort: Effort, name: str = WEFT) -> Column:
    """The two daemons, production settings, every commit synced."""
    column = Column(name)
    (root / "pair").mkdir(parents=True)
    async with (
        daemons(root / "pair", datasets(1)) as (provider, consumer),
        driven(provider, consumer, seen=True) as course,
    ):
        await asyncio.sleep(REST_S)
        column.figures["memory idle, MB"] = max(side.child.resident_mb for side in (provider, consumer))
        await course.many(effort.warm_up, 8)
        await column.alone("negotiation, ms", effort.alone, course.one)
        for at_once in AT_ONCE:
            await column.burst(at_once, effort.burst_s, course.one)
        column.figures["memory under load, MB"] = max(side.child.resident_mb for side in (provider, consumer))
        agreement = (await consumer.client.agreements().first()).digest
        await column.alone("transfer to STARTED, ms", effort.transfers, lambda: _start(consumer, agreement))
    for size in effort.sizes:
        await _weft_pages(column, root / str(size), size, effort.pages)
    _flatness(column, effort.sizes)
    return column


async def _start(consumer: Side, agreement: str) -> None:
    """One pull, from the API call to STARTED."""
    transfer = await consumer.client.transfer(agreement=agreement, purpose=PURPOSE)
    await transfer.wait("STARTED")


async def _weft_pages(column: Column, root: Path, size: int, pages: int) -> None:
    root.mkdir(parents=True)
    folder = found(root)[PROVIDER]
    settings = Settings.load(folder)
    await datasets(size)(settings)
    ring = KeyRing.load(root / "consumer" / "keys", CONSUMER)
    async with AsyncExitStack() as stack:
        started = time.perf_counter()
        side = await stack.enter_async_context(serving(PROVIDER, folder))
        if size == 1_000 or "start, s" not in column.figures:
            column.figures["start, s"] = time.perf_counter() - started
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def page() -> None:
            token = make_token(ring, PROVIDER, datetime.now(UTC), f"bench-{time.perf_counter_ns()}", TOKEN_LIFETIME_S)
            headers = {"Authorization": f"Bearer {token}"}
            async with http.post(f"{side.settings.dsp}/catalog/request", json=MESSAGE, headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()

        await page()
        await column.alone(f"catalog page of {size:,}, ms", pages, page)


def _flatness(column: Column, sizes: tuple[int, ...]) -> None:
    """How many times as long a page of the largest catalog takes as one of the smallest."""
    first, last = (column.figures.get(f"catalog page of {size:,}, ms, p50") for size in (sizes[0], sizes[-1]))
    if first and last and len(sizes) > 1:
        column.figures[f"catalog page of {sizes[-1]:,} to {sizes[0]:,}, times"] = last / first


async def edc(name: str, root: Path, effort: Effort) -> Column:
    """Two EDCs with one setting of their loops."""
    column = Column(name)
    wait_ms, batch = SETTINGS[name]
    async with edc_pair(root, wait_ms, batch) as pair:
        column.figures["start, s"] = pair.start_s
        await asyncio.sleep(REST_S)
        column.figures["memory idle, MB"] = max(pair.provider.resident_mb, pair.consumer.resident_mb)
        await pair.publish(1)
        await pair.look()
        alone = effort.alone if wait_ms else max(3, effort.alone // 10)
        for _ in range(0, effort.warm_up, 8):
            await asyncio.gather(*(column.counted(pair.negotiate) for _ in range(8)))
        column.failures = column.done = 0
        await column.alone("negotiation, ms", alone, pair.negotiate)
        for at_once in AT_ONCE:
            await column.burst(at_once, effort.burst_s if wait_ms else 2 * effort.burst_s, pair.negotiate)
        column.figures["memory under load, MB"] = max(pair.provider.resident_mb, pair.consumer.resident_mb)
        await column.alone("transfer to STARTED, ms", effort.transfers if wait_ms else 3, pair.start)
        await _mixed(column, root / f"mixed-{batch}-{wait_ms}", pair, alone)
        await _edc_pages(column, pair, effort)
        _flatness(column, effort.sizes)
    return column


async def _mixed(column: Column, root: Path, pair: EdcPair, count: int) -> None:
    """The same EDC as provider, Weft as its consumer."""
    async with mixed(root, pair.provider.peer) as ours:
        apart = Column(column.name)  # what fails between the two is not counted as EDC's alone
        await apart.counted(ours.one)
        ours.shares.clear()
        await apart.alone("Weft asks it, negotiation, ms", count, ours.one)
        column.figures |= apart.figures
        column.figures["Weft asks it, failed"] = apart.failures
        if ours.shares:
            column.figures["Weft asks it, EDC's share of it, %"] = 100 * median(ours.shares)


async def _edc_pages(column: Column, pair: EdcPair, effort: Effort) -> None:
    """Pages straight from its protocol side, as ours; the catalog grows from size to size."""
    header = json.dumps({"region": "eu", "audience": pair.provider.peer["dsp"], "clientId": "consumer"})
    url, have = f"{pair.provider.peer['dsp']}/catalog/request", 1

    async def page() -> None:
        async with pair.provider.http.post(url, json=MESSAGE, headers={"Authorization": header}) as answer:
            answer.raise_for_status()
            await answer.read()

    for size in effort.sizes:
        await pair.publish(size - have, after=have)
        have = size
        await page()
        await column.alone(f"catalog page of {size:,}, ms", effort.pages, page)


GOALS: dict[str, tuple[float, bool]] = {  # ratio of Weft's figure to EDC's best, and whether less is better
    "negotiation, ms, p50": (1 / 10, True),
    "negotiations per second, 1 at once": (10, False),
    "negotiations per second, 8 at once": (10, False),
    "negotiations per second, 64 at once": (5, False),
    "catalog page of 100, ms, p50": (1 / 10, True),
    "catalog page of 1,000, ms, p50": (1 / 10, True),
    "catalog page of 10,000, ms, p50": (1 / 10, True),
    "memory idle, MB": (1 / 2, True),
    "memory under load, MB": (1 / 4, True),
}


def table(columns: list[Column]) -> str:
    """The figures side by side, with the ratio of our best to EDC's best and the goal."""
    ours = [column for column in columns if column.name.startswith(WEFT)]
    others = [column for column in columns if column not in ours]
    lines = [["What", *(column.name for column in columns), "to EDC's best", "Goal", "Met"]]
    rows = dict.fromkeys(row for column in columns for row in column.figures)
    for row in rows:
        cells = [f"{column.figures[row]:.1f}" if row in column.figures else "-" for column in columns]
        goal, less = GOALS.get(row, (0.0, True))
        best = [column.figures[row] for column in others if row in column.figures]
        ratio = ""
        met = ""
        own = [column.figures[row] for column in ours if row in column.figures]
        if best and own:
            least = less or "ms" in row
            value = (min if least else max)(own) / (min if least else max)(best)
            ratio = f"{value:.2f}x"
            if goal:
                met = "yes" if (value <= goal if less else value >= goal) else "no"
        lines.append([row, *cells, ratio, f"{'at most' if less else 'at least'} {goal:.2g}x" if goal else "", met])
    lines.append(
        ["commits synced to the disk", *("yes" if each in ours else "no: memory" for each in columns), "", "", ""]
    )
    lines.append(["failed", *(f"{column.failures} of {column.done}" for column in columns), "", "", ""])
    busy = [f"{max(column.driver):.2f}" if column.driver else "-" for column in columns]
    lines.append(["the driver's share of a core, at most", *busy, "", "", ""])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


async def run(effort: Effort, *, with_edc: bool) -> None:
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=PLACE) as folder:
        root = Path(folder)
        for line in machine.facts(root, 100):
            print(f"- {line}")
        columns = [await weft(root / "weft", effort)]
        print(table(columns), flush=True)
        for name in SETTINGS if with_edc else ():
            try:
                columns.append(await edc(name, root, effort))
            except RecipeError as error:
                print(f"\nNo {name}: {error}")
                break
            print(f"\n{table(columns)}", flush=True)
        if len(columns) > 1:
            # A shared machine is not the same for ten minutes: ours is measured before and after.
            columns.append(await weft(root / "again", effort, f"{WEFT} again"))
            print(f"\n{table(columns)}", flush=True)
    print(
        "\nEDC keeps its stores in memory; Weft syncs every commit to the disk. Most of EDC's latency is the pause of its loops."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-edc", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing")
    given = parser.parse_args()
    with_edc = shutil.which("java") is not None and shutil.which("mvn") is not None
    if not with_edc:
        print("Without Java 17 and Maven there is no EDC: Weft alone. apt-get install openjdk-17-jre-headless maven")
    # Ended from outside, the connectors end too: they would outlive us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asyncio.run(run(QUICK if given.quick else Effort(), with_edc=with_edc))
    return 0


if __name__ == "__main__":
    sys.exit(main())
