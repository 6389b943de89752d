"""What a person states for a period: grades, days without service, declared income; nothing of it is ever inferred.

A provider states the grade of its own product, the payee the days without service, a bundle's operator all grades and its income.
The last word counts until the statement that it goes into is signed (revenue-share.md 4.11, 7.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connector.errors import RefusedError
from connector.exchange import settlement
from connector.exchange.accounts import Account, Pot, accounts, pots
from connector.exchange.books import DECLARED_INCOME, QUALITY
from connector.exchange.node import Node
from connector.store import metering
from connector.store import settlement as statements
from connector.store.database import Tx
from connector.store.settlement import SIGNED, Key
from contracts.errors import InputError, PeriodError
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.lines import days_in
from contracts.settlement.period import period_of
from policies.canonical import MAX_SAFE_INTEGER, JsonValue


@dataclass(frozen=True, slots=True)
class Word:
    """What is stated at once: grades and days without service by ref, a bundle's net income in minor units (None = nothing)."""

    grades: Mapping[str, str] = field(default_factory=dict)
    days: Mapping[str, Sequence[str]] = field(default_factory=dict)
    income: int | None = None


async def state(node: Node, label: str, word: Word, *, bundle: str = "") -> None:
    """State everything in `word` for a period, or nothing; `bundle` is an id or digest where several could be meant.

    Raises RefusedError `ref-unknown`, `not-yours-to-state`, `stated-invalid`, `period-closed`.
    """

    def work(tx: Tx) -> None:
        for ref, grade in word.grades.items():
            _quality(tx, node, label, _pot(tx, node, bundle, ref), ref, grade)
        for ref, days in word.days.items():
            _days(tx, node, label, _account(tx, node, ref), days)
        if word.income is not None:
            _income(tx, node, label, _pot(tx, node, bundle), word.income)
        settlement.progress(tx, node, label, node.clock.now())

    await node.db.transact(work)


def _quality(tx: Tx, node: Node, label: str, pot: Pot, ref: str, grade: str) -> None:
    slot = pot.bundle.slots[ref]
    if node.participant not in (slot.provider, pot.bundle.operator):
        raise RefusedError("not-yours-to-state", ref=ref, name=QUALITY, participant=slot.provider)
    if grade not in pot.bundle.points.quality_factor:
        defined = ", ".join(pot.bundle.points.quality_factor)
        raise RefusedError("stated-invalid", name=QUALITY, ref=ref, problem=f"{grade[:40]} is none of {defined}")
    _keep(tx, node, pot, label, ref, QUALITY, grade)


def _days(tx: Tx, node: Node, label: str, account: Account, days: Sequence[str]) -> None:
    payee = account.terms.payee or "-"
    if payee != node.participant:
        raise RefusedError("not-yours-to-state", ref=account.ref, name=DAYS_WITHOUT_SERVICE, participant=payee)
    _keep(tx, node, account, label, account.ref, DAYS_WITHOUT_SERVICE, list(days))


def _income(tx: Tx, node: Node, label: str, pot: Pot, amount: int) -> None:
    operator = pot.bundle.operator
    if operator != node.participant:
        raise RefusedError("not-yours-to-state", ref=pot.ref, name=DECLARED_INCOME, participant=operator)
    if not 0 <= amount <= MAX_SAFE_INTEGER:
        problem = f"{amount} is no amount of minor units from 0 to {MAX_SAFE_INTEGER}"
        raise RefusedError("stated-invalid", name=DECLARED_INCOME, ref=pot.ref, problem=problem)
    _keep(tx, node, pot, label, pot.ref, DECLARED_INCOME, amount)


def _keep(tx: Tx, node: Node, subject: Account | Pot, label: str, ref: str, name: str, value: JsonValue) -> None:
    """Check the period, keep it and put it on record."""
    try:
        period = period_of(subject.terms, label)
    except PeriodError as error:
        raise RefusedError(
            "stated-invalid", name=name, ref=ref, problem=f"{label[:40]} {error.facts['problem']}"
        ) from error
    if isinstance(value, list):
        try:
            value = list(days_in(period, [str(day) for day in value]))
        except InputError as error:
            raise RefusedError("stated-invalid", name=name, ref=ref, problem=error.facts["problem"]) from error
    kept = statements.get(tx, Key(subject.terms.digest, subject.ref, label))
    if kept is not None and kept.state in SIGNED:
        raise RefusedError("period-closed", label=label, ref=subject.ref, row=0)
    metering.state(tx, subject.terms.digest, ref, label, name, value, node.clock.now())
    details: dict[str, JsonValue] = {"period": label, "ref": ref, "name": name, "value": value}
    node.audit.append(tx, "settlement.stated", refs=[f"terms:{subject.terms.digest}"], details=details)


def _pot(tx: Tx, node: Node, bundle: str, ref: str | None = None) -> Pot:
    """The bundle of this id or digest, or the only one; with `ref` one that has this slot as an input."""
    found = [
        pot
        for pot in pots(tx, node)
        if bundle in ("", pot.bundle.id, pot.bundle.digest) and (ref is None or ref in pot.bundle.pool.refs)
    ]
    if len(found) != 1:
        raise RefusedError("ref-unknown", ref=ref or bundle or "-", number=len(found))
    return found[0]


def _account(tx: Tx, node: Node, ref: str) -> Account:
    found = [account for account in accounts(tx, node) if account.ref == ref and account.terms.credits_days]
    if len(found) != 1:
        raise RefusedError("ref-unknown", ref=ref, number=len(found))
    return found[0]
