"""Processes of a benchmark: started, waited for until they are ready, measured from outside, ended.

Memory and processor time are read from `/proc`: the benchmarks run on Linux.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Child:
    """A running process; `greeting` is the line it was ready with."""

    def __init__(self, process: asyncio.subprocess.Process, greeting: str) -> None:
        self._process = process
        self.greeting = greeting

    @property
    def cpu_s(self) -> float:
        """Processor time so far, of all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def resident_mb(self) -> float:
        """Memory in use."""
        return self._memory_mb("VmRSS")

    @property
    def resident_most_mb(self) -> float:
        """The most memory that was ever in use."""
        return self._memory_mb("VmHWM")

    def _memory_mb(self, name: str) -> float:
        for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(name)

    async def stop(self) -> None:
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(arguments: Sequence[str], *, ready: str = "stdout") -> AsyncIterator[Child]:
    """A Python process, ready with the first line it writes on `ready`; ended with the block.

    Raises RuntimeError when it ends before that.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE if ready == "stdout" else None,
        stderr=asyncio.subprocess.PIPE if ready == "stderr" else None,
    )
    stream = process.stdout or process.stderr
    if stream is None:
        raise AssertionError
    running = Child(process, "")
    passing: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            running.greeting = (await stream.readline()).decode().strip()
        if not running.greeting:
            raise RuntimeError(f"{' '.join(arguments)} ended before it was ready")
        passing = asyncio.create_task(_pass_on(stream))
        yield running
    finally:
        if passing is not None:
            passing.cancel()
        await running.stop()


async def _pass_on(stream: asyncio.StreamReader) -> None:
    """Whatever the process has to say after it is ready is for the person at the terminal."""
    while line := await stream.readline():
        sys.stderr.write(line.decode())
