"""Two daemons as processes with a proxy in front of each, and one course between them: from a request to a counted file."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.client import Client
from connector.client.errors import ClientError, EndedError
from connector.identity.keys import verify_ed25519
from connector.store import audit, counter, usage
from connector.store.database import Database
from contracts.evidence.findings import compare
from contracts.evidence.pack import verify_export
from tests.faults.proxy import Proxy, undisturbed
from tests.offers import OFFER, free_offer
from tests.pair import did, eventually, found_space, free_ports
from tests.processes import Process

PROVIDER, CONSUMER = "p-steel", "s-zhengshu"
DATASET = "coil-quality"
ZONE = "https://w3id.org/weft/policy/v1#timeZone"
TEXT = "coil,torque\n" + "".join(f"C{number:05d},{number * 7919 % 100003}\n" for number in range(8000))
SETTINGS = {"WEFT_RETRY_FIRST_S": "0.05", "WEFT_RETRY_LIMIT_S": "0.2", "WEFT_CHUNK_BYTES": "16384"}
MOVED = [
    "negotiation.requested",
    "negotiation.agreed",
    "negotiation.verified",
    "negotiation.finalized",
    "transfer.requested",
    "transfer.started",
    "transfer.completed",
]
WITHIN_S = 40


def counted_offer():
    """Anybody may use it, so often a day that each delivery is counted and none is refused."""
    parts = (("odrl:count", "lteq", "100000"), ("odrl:timeInterval", "eq", "P1D"), (ZONE, "eq", "Asia/Shanghai"))
    day = {
        "and": [{"leftOperand": left, "operator": operator, "rightOperand": right} for left, operator, right in parts]
    }
    return free_offer(
        OFFER,
        profile=["https://w3id.org/weft/policy/v1"],
        permission=[{"action": "odrl:use", "constraint": [day]}],
    )


async def patient(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call that a death may break, as a person would; what has ended is not asked for again."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await call()
            except EndedError:
                raise
            except ClientError:
                await asyncio.sleep(0.02)


@dataclass
class Side:
    """One daemon, the proxy in front of it, a client of it, and its store to look into."""

    name: str
    process: Process
    proxy: Proxy
    client: Client
    store: Database


@dataclass
class Outcome:
    """What both sides hold once everything has come to rest, in words of one side each."""

    states: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    agreement: str = ""
    text: bytes = b""
    moved: dict[str, list[str]] = field(default_factory=dict)
    used: dict[str, list[int]] = field(default_factory=dict)
    counted: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    seals: dict[str, int] = field(default_factory=dict)


class Course:
    """The two sides of a space; `run` goes the whole way once, whatever dies on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sides: dict[str, Side] = {}
        self.runs = 0
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        numbers = free_ports(6)
        ports = {PROVIDER: numbers[:3], CONSUMER: numbers[3:]}
        found_space(
            self.root, list(ports), ports={name: (outer, management) for name, (outer, _, management) in ports.items()}
        )
        for name, (outer, inner, _) in ports.items():
            proxy = Proxy(outer, inner)
            await proxy.open()
            self._stack.push_async_callback(proxy.close)
            process = Process(self.root / name, WEFT_PROTOCOL_PORT=str(inner), **SETTINGS)
            self._stack.callback(process.end)
            await process.start()
            client = Client(process.url, key_file=process.key_file)
            await self._stack.enter_async_context(client)
            store = Database(process.settings.data_dir / "weft.db")
            await store.open_to_read()
            self._stack.push_async_callback(store.close)
            self.sides[name] = Side(name, process, proxy, client, store)
        source = self.root / "coil.csv"
        source.write_text(TEXT, encoding="utf-8")
        await self.sides[PROVIDER].client.publish(
            source,
            id=DATASET,
            title={"en": "Coil quality", "zh": "钢卷质量"},
            offers=[counted_offer()],
            visible_to="all",
        )

    async def close(self) -> None:
        await self._stack.aclose()

    def calm(self) -> None:
        """Nothing more happens on the way."""
        for side in self.sides.values():
            side.proxy.hook = undisturbed

    async def run(self) -> Outcome:
        """Negotiate, transfer, receive; then wait until both sides have said all they had to say."""
        self.runs += 1
        key = f"run-{self.runs}"
        provider, consumer = self.sides[PROVIDER].client, self.sides[CONSUMER].client
        negotiation = await patient(
            lambda: consumer.negotiate(OFFER, provider=did(PROVIDER), dataset=DATASET, idempotency_key=f"{key}-n")
        )
        negotiation = await patient(lambda: negotiation.wait("FINALIZED", timeout_s=WITHIN_S))
        digest = negotiation.agreement
        delivery = await patient(lambda: consumer.deliver(agreement=digest, idempotency_key=f"{key}-d"))
        delivery = await patient(lambda: delivery.wait(timeout_s=WITHIN_S))
        theirs = await patient(lambda: provider.agreement(digest))
        transfer = await patient(lambda: provider.transfers(agreement=digest).first())
        for client, found, sold in (
            (consumer, negotiation.id, delivery.transfer),
            (provider, theirs.negotiation, transfer.id),
        ):
            await patient(lambda client=client, found=found: _finalized(client, found))
            await patient(lambda client=client, sold=sold: _completed(client, sold))
        await patient(self._silent)
        # A side that dies at the very last may be starting just now.
        return await patient(lambda: self._outcome(digest, negotiation.id, theirs.negotiation, delivery, transfer.id))

    async def _silent(self) -> None:
        """Both outboxes are empty."""
        for side in self.sides.values():
            await eventually(
                lambda side=side: side.store.read(lambda tx: tx.one("outbox.depth")["n"] == 0), timeout_s=WITHIN_S
            )

    async def _outcome(self, digest: str, ours: str, theirs: str, delivery: Any, sold: str) -> Outcome:
        outcome = Outcome(agreement=digest, text=Path(delivery.path).read_bytes())
        names = {CONSUMER: (ours, delivery.transfer), PROVIDER: (theirs, sold)}
        for name, (negotiation, transfer) in names.items():
            side = self.sides[name]
            outcome.states[name] = (
                (await side.client.negotiation(negotiation)).state,
                (await side.client.transfer_process(transfer)).state,
            )
            outcome.seals[name] = len((await side.client.agreement(digest)).seals)

            def look(tx, pids=(negotiation, transfer)):
                moved = [
                    str(record.record["type"])
                    for record in audit.after(tx, -1, 100_000)
                    if str(record.record["type"]) in MOVED and (record.details or {}).get("pid") in pids
                ]
                used = [used for _, _, used in counter.of_agreement(tx, digest)]
                counted = [
                    (row.id, row.transfer, row.epoch, row.accepted, row.bytes, row.manifest, row.receipt)
                    for row in usage.page(tx, agreement=digest)
                ]
                # Process by process: the consumer's first word about a transfer may arrive before its last one is known.
                return sorted(moved, key=lambda kind: kind.partition(".")[0]), used, counted

            outcome.moved[name], outcome.used[name], outcome.counted[name] = await side.store.read(look)
        return outcome

    async def logs(self) -> list[Any]:
        """What a stranger finds in the exported logs of both sides: their reports; divergences raise."""
        reports = []
        for name, side in self.sides.items():
            path = self.root / f"{name}.jsonl"
            with path.open("wb") as file:
                async for piece in side.client.audit_export():
                    file.write(piece)
            with path.open("rb") as file:
                reports.append(verify_export(file, verify=verify_ed25519))
        assert compare(reports) == ()
        return reports


async def _finalized(client: Client, pid: str) -> None:
    await (await client.negotiation(pid)).wait("FINALIZED", timeout_s=WITHIN_S)


async def _completed(client: Client, pid: str) -> None:
    await (await client.transfer_process(pid)).wait("COMPLETED", timeout_s=WITHIN_S)
