"""A run from outside: read the package, clear the folder, play until the end or a signal.

Exit codes: 0 every check holds, 1 one does not, 128 + n interrupted by signal n.
"""

import asyncio
import io
import signal
import sys
from pathlib import Path

from connector.scenario.errors import PackageError
from connector.scenario.package import FILE, Package
from connector.scenario.play import cleared, play
from connector.scenario.tell import Teller


def shipped() -> Path:
    """The folder of the package that comes with Weft: inside the wheel, else in the checkout."""
    here = Path(__file__).resolve()
    for place in (here.with_name("packages"), here.parents[2] / "examples"):
        for found in sorted(place.glob(f"*/{FILE}")):
            return found.parent
    raise PackageError("file-missing", path=here.with_name("packages"))


async def run(folder: Path, build: Path, lang: str, *, keep: bool) -> int:
    """Play the package of a folder in another one, and return the exit code; raises PackageError before anything starts.

    Ctrl-C, SIGTERM and a terminal that goes away cancel it, so that everything it started is ended on the way out.
    """
    package, root, tell = Package.read(folder), cleared(build), Teller(lang)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the story is followed through a pipe too
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
