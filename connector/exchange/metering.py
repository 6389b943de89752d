"""Usage is booked: live from verified receipts, otherwise from ledgers that both parties hold (revenue-share.md 6).

A record belongs to an account: the terms under which it counts, and the ref of the agreement there. Both sides derive the account
from the agreement alone, so their books are the same. A ledger row counts once provider and consumer hold the same file.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.clock import moment, stamp
from connector.errors import RefusedError
from connector.exchange import beside, settlement
from connector.exchange.accounts import held_terms, pots
from connector.exchange.node import Node
from connector.store import agreement as agreements
from connector.store import metering
from connector.store import settlement as statements
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.metering import Booked, KeptLedger
from connector.store.outbox import Outgoing
from contracts.errors import LedgerError, PeriodError
from contracts.machine import Role
from contracts.settlement.metering import Ledger, LedgerRow, Usage, read_ledger
from contracts.settlement.period import Period, period_of
from contracts.settlement.terms import Bundle, Terms
from policies.canonical import JsonValue, is_digest
from policies.facts import terms_digests

KIND = "ledger"
# Free data is counted too, in what it is made of.
ROW = "row"
LEDGER_LIMIT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where the usage of an agreement is booked: terms (`""` = none are cited), ref, what one unit is called."""

    terms: str
    ref: str
    unit: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: `added` rows are new, `known` were there with the same content."""

    digest: str
    label: str
    rows: int
    added: int
    known: int


# -- live --------------------------------------------------------------------------------------------------------------


def place_of(tx: Tx, node: Node, agreed: Agreement) -> Place:
    """The slot of a bundle that the agreement cites and fills; else its own priced terms; else the agreement by itself."""
    cited = terms_digests(node.plans.get(agreed.policy, agreed.document).policy)
    found = [(digest, terms) for digest in cited if (terms := held_terms(tx, digest)) is not None]
    ours = node.participant
    parties = (ours, agreed.counterparty) if agreed.role is Role.PROVIDER else (agreed.counterparty, ours)
    own = next((terms for _, terms in found if isinstance(terms, Terms) and terms.meter is not None), None)
    unit = own.meter.unit if own is not None and own.meter is not None else None
    for digest, terms in found:
        slot = terms.slot_of(*parties, agreed.dataset) if isinstance(terms, Bundle) else None
        if isinstance(terms, Bundle) and slot is not None:
            booked = unit if slot.role == "income" else terms.points.meter.unit
            return Place(digest, slot.ref, booked or ROW)
    for digest, terms in found:
        if isinstance(terms, Terms) and (terms.payee, terms.payer, terms.product) == (*parties, agreed.dataset):
            return Place(digest, terms.id, unit or ROW)
    return Place(cited[0] if cited else "", agreed.digest, ROW)


def book_receipt(tx: Tx, node: Node, agreement: str, usage: str, occurred: str, accepted: int, receipt: str) -> None:
    """Book a verified delivery, in the transaction of its receipt: `usage` is the id that both sides give it."""
    agreed = agreements.get(tx, agreement)
    if agreed is None:
        return
    place = place_of(tx, node, agreed)
    record = Usage(usage, place.ref, occurred, place.unit, accepted, rejected=0)
    metering.add(tx, Booked(place.terms, record, moment(occurred), "receipt", receipt))


# -- ledgers -----------------------------------------------------------------------------------------------------------


async def import_ledger(node: Node, path: Path, label: str, names: Mapping[str, str]) -> Imported:
    """Import a ledger of a period, all or nothing; the same file again changes nothing.

    `names` says what its short names of parties and products stand for. Raises RefusedError `source-missing`,
    `ledger-too-large`, `period-closed`; LedgerError with the row that cannot be booked.
    """
    ledger = await asyncio.to_thread(_read, path, names)
    return await node.db.transact(lambda tx: _import(tx, node, str(path), label, ledger, node.clock.now()))


def _read(path: Path, names: Mapping[str, str]) -> Ledger:
    try:
        if path.stat().st_size > LEDGER_LIMIT_BYTES:
            raise RefusedError("ledger-too-large", path=str(path), limit=LEDGER_LIMIT_BYTES)
        data = path.read_bytes()
    except OSError as error:
        raise RefusedError("source-missing", path=str(path), problem=error.strerror or str(error)) from error
    return read_ledger(data, names=names)


def _import(tx: Tx, node: Node, path: str, label: str, ledger: Ledger, now: datetime) -> Imported:
    before = metering.ledger(tx, ledger.digest)
    if before is not None:
        _tell(tx, node, before, now)
        return Imported(ledger.digest, before.label, before.rows, 0, before.rows)
    if not ledger.rows:
        raise LedgerError(1, "-", "has a header and no row")
    places = _Places(tx, node, label)
    added = 0
    for row in ledger.rows:
        terms = places.of(row)
        if metering.add(tx, Booked(terms, row.usage, row.moment, "ledger", ledger.digest)):
            added += 1
        elif metering.get(tx, row.usage.id) != (terms, row.usage):
            raise LedgerError(row.line, "meter_id", f"{row.usage.id} is booked already, and says something else there")
    kept = KeptLedger(ledger.digest, label, path, len(ledger.rows), stamp(now))
    metering.add_ledger(tx, kept, places.used)
    details: dict[str, JsonValue] = {
        "period": label,
        "ledger": ledger.digest,
        "rows": len(ledger.rows),
        "added": added,
        "refs": sorted({ref for _, ref in places.used}),
    }
    node.audit.append(tx, "ledger.imported", refs=[f"ledger:{ledger.digest}"], details=details)
    _tell(tx, node, kept, now)
    settlement.progress(tx, node, label, now)
    return Imported(ledger.digest, label, len(ledger.rows), added, len(ledger.rows) - added)


class _Places:
    """Where the rows of one ledger are booked; what was looked up once is not looked up again."""

    def __init__(self, tx: Tx, node: Node, label: str) -> None:
        self._tx = tx
        self._node = node
        self._label = label
        self._slots: dict[tuple[str, str, str, str], str] = {}
        for terms, *account in _known_accounts(tx, node):
            ref, provider, consumer, product = account
            self._slots.setdefault((ref, provider, consumer, product), terms)
        self._refs = {key[0] for key in self._slots}
        self._periods: dict[str, Period] = {}
        self.used: set[tuple[str, str]] = set()

    def of(self, row: LedgerRow) -> str:
        """The digest of the terms that a row is booked under; raises LedgerError, RefusedError `period-closed`."""
        ref = row.usage.ref
        terms = self._slots.get((ref, row.provider, row.consumer, row.product))
        if terms is None:
            if ref in self._refs:
                raise LedgerError(row.line, "agreement", f"{ref} is not between these parties about this product")
            raise LedgerError(row.line, "agreement", f"{ref[:80]} is no agreement that is known here")
        if terms not in self._periods:
            self._periods[terms] = self._period(terms, row)
        if not self._periods[terms].holds(row.moment):
            raise LedgerError(row.line, "occurred_at", f"{row.usage.occurred_at} is not in {self._label}")
        if (terms, ref) not in self.used:
            if statements.closed(self._tx, terms, ref, self._label):
                raise RefusedError("period-closed", label=self._label, ref=ref, row=row.line)
            self.used.add((terms, ref))
        return terms

    def _period(self, digest: str, row: LedgerRow) -> Period:
        terms = held_terms(self._tx, digest)
        if terms is None:
            raise LedgerError(row.line, "agreement", "its terms are not held here")
        try:
            return period_of(terms, self._label)
        except PeriodError as error:
            raise LedgerError(row.line, "agreement", f"its terms have no period {self._label}") from error


def _known_accounts(tx: Tx, node: Node) -> Iterable[tuple[str, str, str, str, str]]:
    """What rows may name, as (terms, ref, provider, consumer, product).

    Slots of our bundles, those of our own only with an agreement; and our own priced terms.
    """
    for pot in pots(tx, node):
        for slot in pot.bundle.agreements:
            ours = node.participant in (slot.provider, slot.consumer)
            if not ours or slot.ref in pot.agreements:
                yield pot.bundle.digest, slot.ref, slot.provider, slot.consumer, slot.product
    for agreed in agreements.in_force(tx):
        place = place_of(tx, node, agreed)
        terms = held_terms(tx, place.terms) if place.terms else None
        if isinstance(terms, Terms) and place.ref == terms.id:
            yield terms.digest, terms.id, terms.payee or "", terms.payer or "", agreed.dataset


def _concerned(tx: Tx, node: Node, ledger: str) -> set[str]:
    """Whom a ledger concerns: signatories of the bundles and parties of the terms that it has rows of, but not us."""
    found: set[str] = set()
    for digest, _ in metering.accounts_of(tx, ledger):
        terms = held_terms(tx, digest)
        if isinstance(terms, Bundle):
            found |= set(terms.signatories)
        elif terms is not None:
            found |= {party for party in (terms.payee, terms.payer) if party}
    return found - {node.participant}


def _tell(tx: Tx, node: Node, kept: KeptLedger, now: datetime) -> None:
    """Say that we hold it, to everybody it concerns; who holds it too answers so."""
    for participant in sorted(_concerned(tx, node, kept.digest)):
        beside.say(
            tx,
            node,
            kind=KIND,
            subject=f"ledger:{kept.digest}",
            trigger="ledger",
            to=participant,
            path=f"ledgers/{kept.label}",
            body={"file": kept.digest, "rows": kept.rows},
            now=now,
            method="PUT",
        )


def receive_holder(
    tx: Tx, node: Node, sender: str, label: str, said: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """A member says which ledger it holds; returns ours of that period, `{}` for none. Raises RefusedError `message-invalid`."""
    _hear(tx, node, sender, label, said, now)
    same = metering.ledger(tx, str(said["file"]))
    ours = same if same is not None else next(iter(metering.ledgers(tx, label)), None)
    return {"file": ours.digest, "rows": ours.rows} if ours is not None else {}


def answered(tx: Tx, node: Node, sent: Outgoing, answer: Mapping[str, Any], now: datetime) -> None:
    """What the other side holds, in answer to what we hold."""
    if answer:
        try:
            _hear(tx, node, sent.destination, sent.url.rsplit("/", 1)[1], answer, now)
        except RefusedError as error:
            details: dict[str, JsonValue] = {"text": str(error)[:500]}
            node.audit.append(
                tx, "message.refused", actor=sent.destination, peer=sent.destination, reason=error.code, details=details
            )


def _hear(tx: Tx, node: Node, sender: str, label: str, said: Mapping[str, Any], now: datetime) -> None:
    file, rows = said.get("file"), said.get("rows")
    if not isinstance(file, str) or not is_digest(file):
        raise RefusedError("message-invalid", path="file", problem="is no digest of a file")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise RefusedError("message-invalid", path="rows", problem="is no number of rows")
    if metering.holds(tx, file, sender, label, rows, now):
        facts: dict[str, JsonValue] = {"period": label, "ledger": file, "rows": rows}
        node.audit.append(tx, "ledger.held", actor=sender, peer=sender, refs=[f"ledger:{file}"], details=facts)
        settlement.progress(tx, node, label, now)
