"""Six companies of scenario A that settle: agreements, ledgers, stated inputs, and the figures that must come out.

Everything but the demo's files is real: daemons on loopback, negotiations, ledgers imported from the shared data.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog.model import Dataset, Offer
from connector.daemon import Daemon
from connector.exchange import bundles, command, metering
from connector.exchange import settlement as closing
from connector.exchange.accounts import accounts, pots
from connector.management.native import statement_views
from connector.store import bundle as signatures
from connector.store import catalog, settlement
from connector.store import metering as books
from connector.store import negotiation as negotiations
from connector.store.database import Tx
from connector.store.settlement import Kept, Key, State
from contracts.negotiation.table import State as NegotiationState
from tests.pair import did, until
from tests.shared import shared

NAMES = ("p-steel", "p-stamp", "p-seat", "p-logistics", "p-oem", "s-zhengshu")
OCTOBER, NOVEMBER = "2026-10", "2026-11"
IN_DECEMBER = datetime(2026, 12, 4, 1, 0, tzinfo=UTC)
GRADES = {"A1": "A", "A2": "B", "A3": "A", "A4": "C"}
OUTAGES = ["2026-10-14", "2026-10-22"]
AGREEMENTS = ("A1", "A2", "A3", "A4", "A5", "A6", "A7")


def scenario(path: str) -> Path:
    return shared("scenarios/supply-chain-control") / path


def expected() -> dict[str, Any]:
    """The figures of the scenario."""
    found: dict[str, Any] = json.loads(scenario("expected.json").read_bytes())
    return found


def terms(name: str) -> bytes:
    return scenario(f"contracts/terms/{name}.json").read_bytes()


def bundle_digest() -> str:
    found: str = expected()["contracts"]["terms"]["RISK-2026"]
    return found


async def conclude(daemons: Mapping[str, Daemon], refs: Sequence[str] = AGREEMENTS) -> None:
    """Publish the offers of these agreements and negotiate them, all at once, until they are in force on both sides."""
    figures = expected()
    about = {each["id"]: each for each in figures["agreements"] if each["id"] in refs}
    for product in {each["product"] for each in about.values()}:
        owner = daemons[figures["products"][product]["owner"]]
        await _publish(
            owner, figures["products"][product]["product_id"], [r for r, a in about.items() if a["product"] == product]
        )

    async def one(ref: str) -> None:
        provider, consumer = about[ref]["provider"], daemons[about[ref]["consumer"]]
        dataset = figures["products"][about[ref]["product"]]["product_id"]
        pid = await command.request(consumer.node, provider=did(provider), dataset=dataset, offer=_offer(ref)["@id"])
        ours = await until(consumer, f"negotiation:{pid}", _finalized(pid), timeout_s=30)
        await until(daemons[provider], f"negotiation:{ours.peer_pid}", _finalized(ours.peer_pid), timeout_s=30)

    await asyncio.gather(*(one(ref) for ref in refs))


def _finalized(pid: str) -> Any:
    def check(tx: Tx) -> Any:
        found = negotiations.get(tx, pid)
        return found if found and found.state is NegotiationState.FINALIZED else None

    return check


def _offer(ref: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scenario(f"contracts/offers/{ref}.json").read_bytes())
    return found


async def _publish(owner: Daemon, dataset: str, refs: Sequence[str]) -> None:
    record = Dataset(
        id=dataset,
        owner=owner.node.participant,
        title={"en": dataset, "zh": dataset},
        description={"en": dataset, "zh": dataset},
        columns=(),
        media_type="text/csv",
        rows=1,
        bytes=10,
        sha256="0" * 64,
        modified=datetime(2026, 11, 10, tzinfo=UTC),
        offers=tuple(Offer(id=_offer(ref)["@id"], document=_offer(ref), decision="automatic") for ref in refs),
    )

    def work(tx: Tx) -> None:
        for path in scenario("contracts/transforms").glob("*.json"):
            catalog.put_document(tx, "transform", path.read_bytes())
        for ref in [*refs, "RISK-2026"]:
            if scenario(f"contracts/terms/{ref}.json").exists():
                catalog.put_document(tx, "terms", terms(ref))
        catalog.publish(tx, record, at=owner.clock.now())

    await owner.node.db.transact(work)


async def sign_all(daemons: Mapping[str, Daemon], *, but: Sequence[str] = ()) -> None:
    """The operator signs the terms document, the others fetch it from the operator; all wait until they have all signatures."""
    signing = [name for name in daemons if name not in but]
    await bundles.sign(daemons["s-zhengshu"].node, document=json.loads(terms("RISK-2026")))
    for name in signing:
        if name != "s-zhengshu":
            await bundles.sign(daemons[name].node, terms=bundle_digest(), source=did("s-zhengshu"))
    for name in signing:
        await until(daemons[name], "audit", lambda tx: len(_signed(tx)) >= len(signing))


def _signed(tx: Tx) -> set[str]:
    return set(signatures.seals(tx, bundle_digest()))


def names() -> dict[str, str]:
    """What the short names of the ledger stand for."""
    products = {name: each["product_id"] for name, each in expected()["products"].items()}
    return {name: did(name) for name in NAMES} | products


async def ledgers(daemons: Mapping[str, Daemon], label: str = OCTOBER, paths: Mapping[str, Path] | None = None) -> None:
    """Everybody imports the ledger of a period, or another file of its own."""
    for name, daemon in daemons.items():
        path = (paths or {}).get(name, scenario(f"data/metering_{label}.csv"))
        await metering.import_ledger(daemon.node, path, label, names())


async def state(daemon: Daemon, label: str, ref: str, name: str, value: Any) -> None:
    """State an input straight in the books, and let what waits for it go on."""

    def work(tx: Tx) -> None:
        terms_digest = bundle_digest()
        for account in accounts(tx, daemon.node):
            if account.ref == ref and name == "fullDaysWithoutService":
                terms_digest = account.terms.digest
        books.state(tx, terms_digest, ref, label, name, value, daemon.clock.now())
        closing.progress(tx, daemon.node, label, daemon.clock.now())

    await daemon.node.db.transact(work)


async def state_all(daemons: Mapping[str, Daemon], label: str = OCTOBER) -> None:
    """Every provider states its grade, the operator all grades and the outages."""
    about = {each["id"]: each["provider"] for each in expected()["agreements"]}
    for ref, grade in GRADES.items():
        for name in (about[ref], "s-zhengshu"):
            await state(daemons[name], label, ref, "quality", grade)
    if label == OCTOBER:
        await state(daemons["s-zhengshu"], label, "A5", "fullDaysWithoutService", OUTAGES)


def key_of(daemon: Daemon, ref: str, label: str = OCTOBER) -> Any:
    """A reader of the statement of this ref."""

    def check(tx: Tx) -> Kept | None:
        for subject in [*accounts(tx, daemon.node), *pots(tx, daemon.node)]:
            if subject.ref == ref:
                return settlement.get(tx, Key(subject.terms.digest, ref, label))
        return None

    return check


async def reaches(daemon: Daemon, ref: str, *states: State, label: str = OCTOBER, timeout_s: float = 20) -> Kept:
    """Wait until our statement of this ref is in one of these states."""

    def check(tx: Tx) -> Kept | None:
        found: Kept | None = key_of(daemon, ref, label)(tx)
        return found if found is not None and found.state in states else None

    found: Kept = await until(daemon, "audit", check, timeout_s=timeout_s)
    return found


async def view(daemon: Daemon, label: str = OCTOBER) -> dict[str, Any]:
    """The period as the native API shows it."""
    found: dict[str, Any] = await daemon.node.db.read(lambda tx: statement_views.period(tx, daemon.node, label))
    return found
