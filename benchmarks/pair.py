"""The daemons of a fresh space, and two floor processes: each a process of its own, started as anybody would start them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks.children import Child, child
from connector.authority import space
from connector.client import Client
from connector.identity.setup import initialise
from connector.scenario.stage import free_ports
from connector.settings import FILE_NAME, Settings

PROVIDER, CONSUMER = "did:web:provider.example", "did:web:consumer.example"
NAMES = {PROVIDER: "provider", CONSUMER: "consumer"}
TIMEOUT_S = 600
SERVE = ("-m", "connector.cli.main", "serve", "--dir")


@dataclass(frozen=True, slots=True)
class Side:
    """One running daemon, and a client of it."""

    participant: str
    child: Child
    client: Client
    settings: Settings

    def http(self) -> aiohttp.ClientSession:
        """The management side without a client between: what the driver does must cost little."""
        key = self.settings.management_key.read_text(encoding="utf-8").strip()
        return aiohttp.ClientSession(
            management_url(self.settings),
            headers={"Authorization": f"Bearer {key}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def commits(self) -> int:
        """Commits of its store so far."""
        store = (await self.client.session.get("/v1/status"))["store"]
        return int(store["commits"])


def found(root: Path, names: Mapping[str, str] = NAMES) -> dict[str, Path]:
    """A signed space of these members under `root`; returns their folders. Production settings, warnings logged."""
    now = datetime.now(UTC)
    key = space.create_space(root / "space", "benchmark")
    ports = free_ports(2 * len(names))
    folders = {participant: root / name for participant, name in names.items()}
    for number, (participant, folder) in enumerate(folders.items()):
        member = initialise(
            folder,
            participant=participant,
            names={"en": names[participant]},
            region="CN-32",
            dsp=f"http://127.0.0.1:{ports[2 * number]}/dsp/2025-1",
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=now,
            management_port=ports[2 * number + 1],
        )
        with (folder / FILE_NAME).open("a", encoding="utf-8") as file:
            file.write('log_level = "warning"\n')
        space.add_member(root / "space", member.read_bytes(), now)
    space.sign(root / "space", "P30D", now)
    return folders


@asynccontextmanager
async def daemons(
    root: Path, prepare: Callable[[Settings], Awaitable[None]] | None = None
) -> AsyncIterator[tuple[Side, Side]]:
    """Provider and consumer, serving; `prepare` fills the provider's store before it starts."""
    folders = found(root)
    if prepare is not None:
        await prepare(Settings.load(folders[PROVIDER]))
    async with contextlib.AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(serving(*entry)) for entry in folders.items()]
        yield sides[0], sides[1]


@asynccontextmanager
async def serving(participant: str, folder: Path) -> AsyncIterator[Side]:
    """One daemon, and a client of it."""
    settings = Settings.load(folder)
    client = Client(management_url(settings), key_file=settings.management_key, timeout_s=TIMEOUT_S)
    async with child([*SERVE, str(folder)], ready="stderr") as running, client:
        yield Side(participant, running, client, settings)


def management_url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.management_port}"


@dataclass(frozen=True, slots=True)
class Bare:
    """One floor process."""

    child: Child
    url: str


@asynccontextmanager
async def floors(root: Path) -> AsyncIterator[tuple[Bare, Bare, aiohttp.ClientSession]]:
    """The two floor processes on the same disk, and the driver's session to them."""
    async with contextlib.AsyncExitStack() as stack:
        bare: list[Bare] = []
        for name in ("floor-a", "floor-b"):
            (root / name).mkdir()
            running = await stack.enter_async_context(child(["-m", "benchmarks.floor", str(root / name)]))
            bare.append(Bare(running, f"http://127.0.0.1:{running.greeting}"))
        http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), connector=aiohttp.TCPConnector(limit=0)
        )
        yield bare[0], bare[1], await stack.enter_async_context(http)


async def settled(client: Client) -> None:
    """Wait until nothing waits in the outbox: what one part measured must not lean on the next."""
    while (await client.status()).outbox["depth"]:
        await asyncio.sleep(0.05)
