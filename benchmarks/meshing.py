"""Everybody with everybody: all catalogs fresh, then one contract and one delivery for each pair of members, in both directions.

The floor is the smallest mesh of the same run: what a pair costs must not grow with the number of members. The work of a pair is
the same in each mesh and so are the machine and the number of pairs under way, so the time is divided by the pairs.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pair import Side, found, serving, settled
from benchmarks.report import Row
from benchmarks.sizes import Sizes
from benchmarks.stock import PURPOSE, dataset_id, file, write_random
from connector.settings import Settings

# Pairs under way at a time, in every mesh alike: the two cores are busy with fewer.
AT_ONCE = 6
TIMEOUT_S = 300
FLAT = 1.5


@dataclass(frozen=True, slots=True)
class _Mesh:
    """What one pair took, in seconds: to be fresh, and to trade."""

    members: int
    fresh_s: float
    trade_s: float
    resident_mb: float

    @property
    def pairs(self) -> int:
        return self.members * (self.members - 1)


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    meshes = []
    for members in sizes.meshes:
        place = root / str(members)
        place.mkdir()
        meshes.append(await _mesh(place, members, sizes.pair_bytes))
    first, *larger = meshes
    return [row for mesh in larger for row in _rows(first, mesh, sizes.pair_bytes)]


def _rows(first: _Mesh, mesh: _Mesh, size: int) -> Iterable[Row]:
    beside = (
        f"{mesh.pairs} pairs beside {first.pairs}; {mesh.resident_mb:.0f} MB a daemon beside {first.resident_mb:.0f} MB",
    )
    fresh = ("catalogs fresh", mesh.fresh_s, first.fresh_s)
    trade = (f"a contract and a delivery of {size / 1e6:g} MB", mesh.trade_s, first.trade_s)
    for what, took, floor in (fresh, trade):
        yield Row(
            f"mesh of {mesh.members}, {what}, per pair",
            f"{took * 1000:.1f} ms",
            f"{floor * 1000:.1f} ms",
            took / floor,
            FLAT,
            at_most=True,
            beside=beside,
        )


async def _mesh(root: Path, members: int, size: int) -> _Mesh:
    async with _running(root, members, size) as sides:
        began = time.perf_counter()
        parts = await asyncio.gather(*(side.client.refresh() for side in sides))
        fresh_s = time.perf_counter() - began
        if any(part.state != "fresh" for each in parts for part in each):
            raise AssertionError(parts)
        pairs = [(consumer, provider) for consumer in sides for provider in sides if consumer is not provider]
        began = time.perf_counter()
        await _all(pairs, _trade)
        await asyncio.gather(*(settled(side.client) for side in sides))
        trade_s = time.perf_counter() - began
        resident_mb = max(side.child.resident_mb for side in sides)
        return _Mesh(members, fresh_s / len(pairs), trade_s / len(pairs), resident_mb)


async def _all(pairs: list[tuple[Side, Side]], work: Callable[[Side, Side], Awaitable[None]]) -> None:
    waiting = iter(pairs)

    async def worker() -> None:
        for consumer, provider in waiting:
            await work(consumer, provider)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _trade(consumer: Side, provider: Side) -> None:
    """A contract, a transfer, the verified file and its receipt."""
    async with asyncio.timeout(TIMEOUT_S):
        identifier = dataset_id(0)
        [offer] = await consumer.client.offers(identifier, provider=provider.participant)
        negotiation = await consumer.client.negotiate(offer)
        done = await negotiation.wait("FINALIZED")
        transfer = await consumer.client.transfer(done.agreement, purpose=PURPOSE)
        delivery = await consumer.client.deliver(transfer=transfer)
        received = await delivery.wait(timeout_s=TIMEOUT_S)
    if not received.verified:
        raise AssertionError(received)


@contextlib.asynccontextmanager
async def _running(root: Path, members: int, size: int) -> AsyncIterator[list[Side]]:
    """So many daemons, each with a dataset of its own bytes."""
    names = {f"did:web:member-{number:02d}.example": f"member-{number:02d}" for number in range(members)}
    folders = found(root, names)
    for folder in folders.values():
        source = folder / "source.bin"
        write_random(source, size)
        await file(source)(Settings.load(folder))
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(*entry)) for entry in folders.items()]
