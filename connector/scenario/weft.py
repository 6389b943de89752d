"""The `weft` command line as other programs use it: commands that end, and `weft serve` as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The Weft that this module belongs to, installed or not; a person types `weft`.
HOME = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "connector.cli.main")
START_S = 30.0
STOP_S = 10.0
LOOK_S = 0.02


class CommandError(Exception):
    """A command that had to succeed did not."""

    def __init__(self, words: tuple[str, ...], ran: "Ran") -> None:
        super().__init__(f"weft {' '.join(words)} ended with {ran.code}:\n{ran.err or ran.out}")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def environment(settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """Our environment with these settings for `weft`, and none that happen to be set outside."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("WEFT_")}
    return kept | {f"WEFT_{name.upper()}": _text(value) for name, value in (settings or {}).items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def run(*words: str, codes: tuple[int, ...] = (0,)) -> Ran:
    """Run `weft` with these words to its end; raises CommandError for an exit code that is not among `codes`."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        cwd=HOME,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    finally:
        _end_group(process.pid)
    ran = Ran(process.returncode or 0, out.decode(), err.decode())
    if ran.code not in codes:
        raise CommandError(words, ran)
    return ran


async def run_json(*words: str, codes: tuple[int, ...] = (0,)) -> Any:
    """Like `run`, and the JSON that it printed."""
    return (await run(*words, "--json", codes=codes)).value


class Daemon:
    """`weft serve` of one folder: a process, and a log file that survives its restarts."""

    def __init__(self, folder: Path, health: str) -> None:
        """`health` is the address that answers once it serves."""
        self.folder = folder
        self.log = folder / "serve.log"
        self._health = health
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, settings: Mapping[str, object]) -> None:
        """Start it and return once it answers; raises CommandError with the end of its log."""
        words = ("-C", str(self.folder), "serve", "--log-format", "json")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *words,
                cwd=HOME,
                env=environment(settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C reaches the player only, which then stops everybody in order.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_S):
                while not await answers(self._health):
                    if self._process.returncode is not None:
                        raise CommandError(words, Ran(self._process.returncode, "", self._tail()))
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise CommandError(words, Ran(-1, "", self._tail())) from None

    async def stop(self) -> int:
        """SIGTERM, and its exit code: -9 when it had to be killed because it took longer than it may."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                await self.kill()
        return process.returncode or 0

    async def kill(self) -> None:
        """SIGKILL: no warning, no last word."""
        if self._process is not None:
            _end_group(self._process.pid)
            await self._process.wait()

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


@contextlib.asynccontextmanager
async def ended(daemons: Mapping[str, Daemon]) -> AsyncIterator[None]:
    """Whatever happens in the block: afterwards none of them runs, nor anything that they started."""
    try:
        yield
    finally:
        try:
            await asyncio.gather(*(daemon.stop() for daemon in daemons.values()))
        finally:  # also when somebody loses patience and interrupts the waiting
            for daemon in daemons.values():
                if daemon.pid:
                    _end_group(daemon.pid)


async def answers(url: str) -> bool:
    """Whether somebody serves there."""
    host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
    path = "/" + url.partition("//")[2].partition("/")[2]
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()


def alive(pid: int) -> bool:
    """Whether anything of a process group is left."""
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
