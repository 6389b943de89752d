"""Daemons as operating-system processes, started with `weft serve`, killed and started again by tests."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from connector.settings import Settings

ROOT = Path(__file__).parents[1]
TEST_SETTINGS = {"WEFT_PRODUCTION": "false", "WEFT_RETRY_FIRST_S": "0.1", "WEFT_RETRY_LIMIT_S": "1"}


class Process:
    """One daemon in its own process, on the ports of its settings."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.environment = {**TEST_SETTINGS, **environment}
        self.settings = Settings.load(directory)
        self.url = f"http://127.0.0.1:{self.settings.management_port}"
        self.key_file = self.settings.management_key
        self.child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start and wait until it answers."""
        log = (self.directory / "serve.log").open("ab")
        self.child = subprocess.Popen(
            [sys.executable, "-m", "connector.cli.main", "serve", "--dir", str(self.directory)],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        health = self.settings.dsp.removesuffix("/dsp/2025-1") + "/health"
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(health) as answer:
                        if answer.status == 200:
                            return
                if self.child.poll() is not None:
                    raise AssertionError((self.directory / "serve.log").read_text())
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: no line of the program runs after this."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM; returns the exit code. Raises TimeoutExpired when the stop takes longer."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout_s)

    def end(self) -> None:
        """Whatever happened, nothing is left."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
