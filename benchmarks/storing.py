"""How many transactions share a commit when many writers wait: a daemon's store alone, fully durable."""

import asyncio
import time
from pathlib import Path

from benchmarks.report import Row
from benchmarks.sizes import Sizes
from connector.store.database import Database, Tx


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    store = Database(root / "weft.db")
    await store.open()
    try:
        groups, functions = store.groups, store.functions
        began = time.perf_counter()
        await asyncio.gather(*(_writer(store, number, sizes.writes) for number in range(sizes.writers)))
        took = time.perf_counter() - began
        grouped = (store.functions - functions) / (store.groups - groups)
        rate = (store.functions - functions) / took
        groups = store.groups
        began = time.perf_counter()
        await _writer(store, 0, sizes.writes)
        alone = (store.groups - groups) / (time.perf_counter() - began)
    finally:
        await store.close()
    return [
        Row(
            f"transactions per commit, {sizes.writers} writers",
            f"{grouped:.1f}",
            "1",
            grouped,
            16,
            at_most=False,
            unit="",
            beside=(f"{rate:.0f} durable transactions a second; a writer alone makes {alone:.0f}",),
        )
    ]


async def _writer(store: Database, number: int, count: int) -> None:
    for step in range(count):

        def work(tx: Tx, value: str = str(step)) -> None:
            tx.run("fact.set", name=f"writer-{number}", value=value)

        await store.transact(work)
