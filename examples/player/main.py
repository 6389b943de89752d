"""The entry point of every example: `main(folder of the package)`.

KEEP=1 in the environment leaves the connectors running until Ctrl-C. Exit codes: 0 every check holds, 1 one does not, 2 the package
or the folder cannot be used, 128 + n interrupted by signal n.
"""

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.player.package import Package, PackageError
from examples.player.play import FolderError, cleared, play
from examples.player.tell import Teller
from examples.player.weft import ROOT

KEEP = "KEEP"
BUILD = ROOT / "build" / "demo"


def main(folder: Path, argv: Sequence[str] | None = None) -> int:
    """Play the package in a folder; returns the exit code."""
    parser = argparse.ArgumentParser(description="Plays a scenario with real connectors and checks what happens.")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the story")
    parser.add_argument("--build", type=Path, default=BUILD, help="folder to play in; an earlier run in it is replaced")
    given = parser.parse_args(argv)
    try:
        package, root = Package.read(folder), cleared(given.build.absolute())
    except (PackageError, FolderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the story is followed through a pipe too
    keep = os.environ.get(KEEP, "") not in ("", "0")
    return asyncio.run(_until_signalled(package, root, Teller(given.lang), keep=keep))


async def _until_signalled(package: Package, root: Path, tell: Teller, *, keep: bool) -> int:
    """Play; Ctrl-C, SIGTERM and a terminal that goes away cancel it, so that everything it started is ended on the way out."""
    playing = asyncio.ensure_future(play(package, root, tell, keep=keep))
    received: list[int] = []

    def cancel(number: int) -> None:
        received.append(number)
        playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    try:
        return await playing
    except asyncio.CancelledError:
        tell.commands("interrupted", ())
        return 128 + received[0] if received else 1
