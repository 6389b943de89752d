"""`python -m benchmarks [name…] [--quick]`: measure, print each row as it comes, then the table and the machine.

Names: negotiation, pull, catalog, commits, start, decision, settlement, mesh; all of them when none is given. `--quick` only shows
that they run.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks import browsing, deciding, machine, meshing, negotiating, pulling, settling, starting, storing
from benchmarks.report import Row, table
from benchmarks.sizes import FULL, TINY, Sizes

PARTS: dict[str, Callable[[Path, Sizes], Awaitable[list[Row]]]] = {
    "negotiation": negotiating.measure,
    "pull": pulling.measure,
    "catalog": browsing.measure,
    "commits": storing.measure,
    "start": starting.measure,
    "decision": deciding.measure,
    "settlement": settling.measure,
    "mesh": meshing.measure,
}
# On the disk of the checkout: a temporary folder may lie in memory, where nothing has to be synced.
PLACE = Path(__file__).resolve().parent.parent / "build"


async def run(names: Sequence[str], sizes: Sizes) -> list[Row]:
    """Measure the parts in order and print what comes of it; returns the rows."""
    PLACE.mkdir(exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=PLACE) as folder:
        for line in (facts := machine.facts(Path(folder), sizes.syncs)):
            _say(line)
        for name in names:
            root = Path(folder) / name
            root.mkdir()
            began = time.monotonic()
            found = await PARTS[name](root, sizes)
            rows += found
            _say(f"\n{name} ({time.monotonic() - began:.0f} s)")
            for row in found:
                _say("  " + "  ".join(row.cells))
                for fact in row.beside:
                    _say(f"    {fact}")
    _say(f"\n{table(rows)}\n")
    for line in facts:
        _say(f"- {line}")
    return rows


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Weft against the bare machine.")
    parser.add_argument("names", nargs="*", choices=[[], *PARTS], metavar="name", help=", ".join(PARTS))
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that the benchmarks run, measures nothing"
    )
    given = parser.parse_args()
    asyncio.run(run(given.names or list(PARTS), TINY if given.quick else FULL))


if __name__ == "__main__":
    main()
