"""A space of daemons in one process, on free loopback ports, for tests of behaviour.

    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu): ...

Every daemon is real: its own folder, keys, SQLite file (without fsync), HTTP on loopback.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.authority import space
from connector.daemon import Daemon
from connector.dispatch.guard import Guard
from connector.dispatch.transport import HttpTransport, Transport
from connector.identity.setup import initialise
from connector.settings import Settings
from connector.store.database import Tx
from tests.faulty import FaultyTransport, Script

START = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)
REGIONS = {"p-oem": "CN-31"}
LISTENING = range(10_000, 32_768)
_TURN = itertools.count(os.getpid() * 1009)  # each process of the tests looks elsewhere first


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different.

    They lie below those that the system gives to outgoing connections: one of a daemon that runs already could take what the
    next is to listen on.
    """
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            item = socket.socket()
            try:
                item.bind(("127.0.0.1", LISTENING[next(_TURN) % len(LISTENING)]))
            except OSError:
                item.close()
            else:
                sockets.append(item)
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def did(name: str) -> str:
    return f"did:web:{name}.example"


def found_space(root: Path, names: Sequence[str], *, ports: Mapping[str, tuple[int, int]] | None = None) -> None:
    """Folders for the authority (`root/space`) and for each participant (`root/<name>`), listed and signed."""
    key = space.create_space(root / "space", "test-space")
    numbers = free_ports(2 * len(names))
    for index, name in enumerate(names):
        protocol, management = (ports or {}).get(name, (numbers[2 * index], numbers[2 * index + 1]))
        member = initialise(
            root / name,
            participant=did(name),
            names={"zh": name, "en": name},
            region=REGIONS.get(name, "CN-32"),
            dsp=f"http://127.0.0.1:{protocol}/dsp/2025-1",
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=datetime(2026, 1, 1, tzinfo=UTC),
            protocol_port=protocol,
            management_port=management,
        )
        space.add_member(root / "space", member.read_bytes(), datetime(2026, 1, 1, tzinfo=UTC))
    space.sign(root / "space", "P3650D", datetime(2026, 1, 1, tzinfo=UTC))


def settings(root: Path, name: str, **changes: Any) -> Settings:
    """Settings for a test: the clock of the scenario, no fsync, quick retries, no crawling unless asked."""
    test = {
        "production": False,
        "test_clock_start": START,
        "test_synchronous": "OFF",
        "retry_first_s": 0.05,
        "retry_limit_s": 1,
        "crawl_interval_s": 3600,
        "concurrency_per_destination": 16,
    }
    return Settings.load(root / name, {**test, **changes})


@contextlib.asynccontextmanager
async def community(
    root: Path, *names: str, script: Script | None = None, **changes: Any
) -> AsyncIterator[tuple[Daemon, ...]]:
    """Started daemons of a fresh space, stopped at the end; `script` hurts what every one of them sends."""
    found_space(root, names)

    def faulty(guard: Guard) -> Transport:
        assert script is not None
        return FaultyTransport(HttpTransport(guard.check), script)

    async with contextlib.AsyncExitStack() as stack:
        yield tuple(
            [
                await stack.enter_async_context(
                    Daemon(settings(root, name, **changes), transport=faulty if script else None)
                )
                for name in names
            ]
        )


async def until(daemon: Daemon, topic: str, check: Callable[[Tx], Any], *, timeout_s: float = 10) -> Any:
    """Wait for a condition on the store: look, and look again at each commit that wakes the topic. No sleeping."""
    woken = asyncio.Event()
    stop = daemon.node.db.subscribe(topic, woken.set)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                woken.clear()
                found = await daemon.node.db.read(check)
                if found:
                    return found
                await woken.wait()
    finally:
        stop()


async def eventually(check: Callable[[], Awaitable[Any]], *, timeout_s: float = 10) -> Any:
    """Wait for a condition that no topic announces, by looking again in short steps."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = await check()
            if found:
                return found
            await asyncio.sleep(0.01)


def types(daemon: Daemon) -> Callable[[Tx], list[str]]:
    """The types of all audit records so far, in order."""

    def work(tx: Tx) -> list[str]:
        return [json.loads(row["body"])["type"] for row in tx.all("audit.after", after=-1, limit=10_000)]

    return work
