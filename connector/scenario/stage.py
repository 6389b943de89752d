"""What all acts share: the package, where things lie, who runs, how to speak to whom, what was checked."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from connector.client import Agreement, AuditRecord, Client
from connector.scenario.checks import Checks
from connector.scenario.package import Package
from connector.scenario.tell import Teller
from connector.scenario.weft import Daemon
from connector.scenario.wire import HOST, Tap

MANAGEMENT_KEY = "management.key"
LOOKS, PAUSE_S = 200, 0.1
LISTENING = range(10_000, 32_768)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a connector must not lose: its agreements, what is counted under them, and the newest record of its log."""

    agreements: tuple[str, ...]
    counted: int
    newest: AuditRecord


@dataclass(slots=True)
class Stage:
    """One run. `agreements` are those made so far, by their name in the package; `files` what was last received under each.

    `signed` are those who have signed the bundle, `unanswered` are agreements and transfers whose request nobody has answered yet.
    """

    package: Package
    root: Path
    tell: Teller
    http: aiohttp.ClientSession
    closing: contextlib.AsyncExitStack
    checks: Checks = field(default_factory=Checks)
    taps: dict[str, Tap] = field(default_factory=dict)
    ports: dict[str, tuple[int, int]] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    remembered: dict[str, Memory] = field(default_factory=dict)
    signed: list[str] = field(default_factory=list)
    unanswered: list[tuple[str, str]] = field(default_factory=list)
    space_key: str = ""
    offset_s: float = 0

    # -- where ---------------------------------------------------------------------------------------------------------

    def folder(self, participant: str) -> Path:
        return self.root / participant

    @property
    def space(self) -> Path:
        """The desk of the space authority."""
        return self.folder(self.package.authority) / "space"

    @property
    def members(self) -> Path:
        return self.space / "members.json"

    def received(self, agreement: str, mark: str = "") -> Path:
        """Where a delivered file is saved."""
        file = self.package.data(self.package.agreements[agreement].dataset)
        return self.root / "received" / f"{agreement}-{file.stem}{mark}{file.suffix}"

    def made(self, dataset: str) -> Path:
        """Where a derived product is written."""
        return self.root / "made" / self.package.data(dataset).name

    def log(self, participant: str) -> Path:
        """Where an exported log is written."""
        return self.root / "logs" / f"{participant}.jsonl"

    def shown(self, path: Path) -> str:
        """A path as a person would type it here."""
        return os.path.relpath(path)

    # -- who -----------------------------------------------------------------------------------------------------------

    def name(self, participant: str) -> str:
        return self.tell.name(self.package.participants[participant].name)

    def consumer(self, agreement: str) -> Client:
        return self.clients[self.package.agreements[agreement].consumer]

    def provider(self, agreement: str) -> Client:
        return self.clients[self.package.provider(agreement)]

    def open_client(self, participant: str) -> Client:
        return Client(f"http://{HOST}:{self.ports[participant][1]}", key_file=self.folder(participant) / MANAGEMENT_KEY)

    def settings(self, participant: str) -> Mapping[str, object]:
        """The test-only settings of a connector: the clock of the story, the keys of its pseudonyms."""
        keys = dict(self.package.participants[participant].pseudonym_keys)
        settings: dict[str, object] = {
            "production": False,
            "test_clock_offset_s": self.offset_s,
            "language": self.tell.lang,
        }
        return settings | ({"test_pseudonym_keys": keys} if keys else {})

    def now(self) -> datetime:
        """The time of the story."""
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.offset_s, self.package.clock.tzinfo)

    # -- what was seen -------------------------------------------------------------------------------------------------

    def check(
        self, identifier: str, expected: object, got: object, *, ok: bool | None = None, **values: object
    ) -> None:
        """One check, told at once; `identifier` is its sentence among the player's words."""
        self.tell.check(self.checks.add(self.tell.word(f"check.{identifier}", **values), expected, got, ok=ok))

    @property
    def running(self) -> list[Client]:
        """The clients of those who run."""
        return [client for name, client in self.clients.items() if self.daemons[name].running]

    async def quiet(self) -> None:
        """Wait until nobody has anything left to send: what one has recorded, the other has then too.

        Who is down gets nothing, and nobody waits for that.
        """
        if len(self.running) < len(self.clients):
            return
        for _ in range(LOOKS):
            statuses = await asyncio.gather(*(client.status() for client in self.running))
            if not any(status.outbox.get("depth", 0) for status in statuses):
                return
            await asyncio.sleep(PAUSE_S)

    async def used(self, agreement: str) -> int:
        """How many deliveries the provider has counted in the running window of an agreement."""
        found = await self.provider(agreement).agreement(self.agreements[agreement].digest)
        return max((int(window["used"]) for window in found.remaining), default=0)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different.

    They lie below those that systems give to outgoing connections: one of a daemon that runs already could take what the next is
    to listen on.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            each, port = stack.enter_context(socket.socket()), LISTENING[secrets.randbelow(len(LISTENING))]
            with contextlib.suppress(OSError):
                each.bind((HOST, port))
                found.append(port)
    return found
