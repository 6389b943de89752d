"""A large file from one daemon to the other: asked for, sent, verified chunk by chunk, synced, named, receipted.

The floor is aiohttp's way to send a file to another process, which writes and syncs it. The source lies in the page cache for
both. The first pull hashes the file once at the provider; later ones find its leaves.
"""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.pair import PROVIDER, Bare, Side, daemons, floors
from benchmarks.report import Row
from benchmarks.sizes import Sizes
from benchmarks.stock import PURPOSE, dataset_id, file, offer_id, write_random
from connector.client import Agreement

GB = 1e9
TIMEOUT_S = 300


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    source = root / "source.bin"
    write_random(source, sizes.file_bytes)
    async with daemons(root, file(source)) as (provider, consumer), floors(root) as (sender, receiver, http):
        agreement = await _agreement(consumer)
        idle = provider.child.resident_mb, consumer.child.resident_mb
        floor = await _times(sizes, partial(_stream, http, sender, receiver, source))
        cold = await _times(sizes, partial(_pull, consumer, agreement, forget=provider))
        warm = await _times(sizes, partial(_pull, consumer, agreement))
        most = provider.child.resident_most_mb, consumer.child.resident_most_mb
    memory = ", ".join(
        f"{name} {before:.0f} MB idle, {peak:.0f} MB at most"
        for name, before, peak in zip(("provider", "consumer"), idle, most, strict=True)
    )
    size = sizes.file_bytes
    return [
        _row("pull of 1 GB to a verified file", size, cold, floor, 0.4, (f"memory: {memory}",)),
        _row("the same with cached leaves", size, warm, floor, 0.6, ()),
    ]


def _row(what: str, size: int, ours: list[float], floor: list[float], limit: float, beside: tuple[str, ...]) -> Row:
    figure, baseline = size / median(ours) / GB, size / median(floor) / GB
    return Row(
        what, f"{figure:.2f} GB/s", f"{baseline:.2f} GB/s", figure / baseline, limit, at_most=False, beside=beside
    )


async def _agreement(consumer: Side) -> Agreement:
    negotiation = await consumer.client.negotiate(offer_id(0), provider=PROVIDER, dataset=dataset_id(0))
    done = await negotiation.wait("FINALIZED")
    return await consumer.client.agreement(done.agreement)


async def _times(sizes: Sizes, run: Callable[[], Awaitable[float]]) -> list[float]:
    """What the runs took but for the first: it works in memory that its predecessor has used otherwise, or nobody yet."""
    return [await run() for _ in range(sizes.rounds + 1)][1:]


async def _pull(consumer: Side, agreement: Agreement, *, forget: Side | None = None) -> float:
    """Seconds from the request for a transfer to the receipted file, which is removed again.

    `forget` is a provider that is to hash the file anew.
    """
    if forget is not None:
        for kept in (forget.settings.data_dir / "leaves").glob("*"):
            kept.unlink()
    began = time.perf_counter()
    transfer = await consumer.client.transfer(agreement, purpose=PURPOSE)
    delivery = await consumer.client.deliver(transfer=transfer)
    done = await delivery.wait(timeout_s=TIMEOUT_S)
    took = time.perf_counter() - began
    if not done.verified:
        raise AssertionError(done)
    for received in (consumer.settings.data_dir / "received").rglob("*.bin"):
        received.unlink()
    return took


async def _stream(http: aiohttp.ClientSession, sender: Bare, receiver: Bare, source: Path) -> float:
    began = time.perf_counter()
    async with http.post(f"{receiver.url}/fetch", json={"url": f"{sender.url}/file?path={source}"}) as answer:
        if (await answer.json())["size"] != source.stat().st_size:
            raise AssertionError("the floor lost bytes")
    return time.perf_counter() - began
