"""From the command to the line that says the daemon is ready, and the memory it then rests in.

The floor is a Python that imports what a connector cannot do without. Both take turns; the first start of each is not counted,
for it writes byte code and makes the database.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median

from benchmarks.children import Child, child
from benchmarks.pair import PROVIDER, SERVE, found
from benchmarks.report import Row
from benchmarks.sizes import Sizes

IMPORTS = "import aiohttp, pydantic"
FLOOR = f"{IMPORTS}; print('ready', flush=True); import time; time.sleep(60)"
# A daemon rests when its first look at the other members is over.
REST_S = 1.0


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    folder = found(root)[PROVIDER]

    def daemon() -> AbstractAsyncContextManager[Child]:
        return child([*SERVE, str(folder)], ready="stderr")

    def floor() -> AbstractAsyncContextManager[Child]:
        return child(["-c", FLOOR])

    for start in (daemon, floor):
        await _started(start())
    daemons: list[tuple[float, float]] = []
    floors: list[tuple[float, float]] = []
    for _ in range(sizes.starts):
        daemons.append(await _started(daemon()))
        floors.append(await _started(floor()))
    (ours_s, ours_mb), (floor_s, floor_mb) = _medians(daemons), _medians(floors)
    return [
        Row(
            "start to ready",
            f"{ours_s * 1000:.0f} ms",
            f"{floor_s * 1000:.0f} ms",
            ours_s / floor_s,
            3,
            at_most=True,
            beside=(f'the floor of both is python -c "{IMPORTS}"',),
        ),
        Row(
            "idle memory beyond the floor's",
            f"{ours_mb:.0f} MB",
            f"{floor_mb:.0f} MB",
            ours_mb - floor_mb,
            45,
            at_most=True,
            unit=" MB",
        ),
    ]


async def _started(starting: AbstractAsyncContextManager[Child]) -> tuple[float, float]:
    """Seconds until it was ready, and its memory in MB when it rests."""
    began = time.perf_counter()
    async with starting as running:
        took = time.perf_counter() - began
        await asyncio.sleep(REST_S)
        return took, running.resident_mb


def _medians(found_: list[tuple[float, float]]) -> tuple[float, float]:
    return median(seconds for seconds, _ in found_), median(memory for _, memory in found_)
