"""What a statement of ours would be now: computed from our own books, or the reasons why it cannot be (revenue-share.md 7.1).

Nothing here changes anything: a preview before closing, and what is proposed after it, come from the same functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connector.exchange import books
from connector.exchange.accounts import Account, Pot, account_of
from connector.exchange.bundles import missing_of
from connector.exchange.node import Node
from connector.store import settlement
from connector.store.database import Tx
from connector.store.settlement import SIGNED, Kept, Key, State
from contracts.errors import AmountError, InputError
from contracts.settlement.bundle import Books, Difference, bundle_statement, differences, period_input
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.inputs import PeriodInput
from contracts.settlement.lines import Document
from contracts.settlement.metering import metered
from contracts.settlement.period import Period
from contracts.settlement.statement import statement
from contracts.settlement.terms import Bundle
from policies.canonical import digest_of


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a statement cannot be computed yet, or not be agreed; its sentence is `settlement.problem.<code>`."""

    code: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement as our books give it: nothing charged where there is no document and no problem.

    `stated` goes to the counterparty beside the digests; `differences` are rows of a record that our books contradict.
    """

    document: Document | None = None
    usage_root: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.document) if self.document is not None else ""


def of_account(tx: Tx, node: Node, account: Account, period: Period) -> Draft:
    """The statement between the two parties of an account."""
    terms, key = account.terms, account.key(period.label)
    problems = _unsigned(tx, account.bundle, period) + _before(tx, key)
    usage, days = metered(()), None
    if terms.meter is not None:
        usage = books.usage(tx, account.booked, account.ref, period)
        problems += _ledgers(tx, node, account.booked, account.ref, period.label, account.counterparty)
    if terms.credits_days:
        days = books.days(tx, account, period.label)
        if days is None and not account.we_provide:
            days = _told_days(tx, account, key)
        if days is None:
            problems += (Problem("days-unstated", {"ref": account.ref, "participant": terms.payee or ""}),)
    if problems:
        return Draft(usage_root=usage.root, problems=problems)
    try:
        document = statement(
            terms,
            ref=account.ref,
            period=period,
            usage=usage if terms.meter is not None else None,
            days=days,
            settled_in=account.bundle.id if account.bundle is not None else None,
            previous=previous(tx, key),
        )
    except (InputError, AmountError) as error:
        return Draft(usage_root=usage.root, problems=(_invalid(account.ref, error),))
    stated = {DAYS_WITHOUT_SERVICE: list(days)} if days is not None and account.we_provide else {}
    return Draft(document, usage.root, stated)


def record_of(
    tx: Tx, node: Node, pot: Pot, period: Period, *, replaces: str | None = None, preview: bool = False
) -> PeriodInput | tuple[Problem, ...]:
    """The period input record as the operator's books give it now, or what is missing.

    Income are statements that both sides have signed; a `preview` takes what our own books give.
    """
    bundle, label = pot.bundle, period.label
    problems = _unsigned(tx, bundle, period) + _before(tx, pot.key(label))
    declared = books.declared(tx, bundle, label)
    income: dict[str, Document] = {}
    for ref in bundle.income.refs if declared is None else ():
        found = _income(tx, node, pot, ref, period, preview=preview)
        if isinstance(found, Problem):
            problems += (found,)
        elif found is not None:
            income[ref] = found
    own = own_books(tx, node, pot, period)
    problems += _pool_problems(tx, node, pot, period, own)
    if not problems and not income and declared is None:
        problems = (Problem("income-unstated", {"bundle": bundle.id, "participant": bundle.operator}),)
    if problems:
        return problems
    try:
        return period_input(bundle, period, books=replace(own, statements=income), declared=declared, replaces=replaces)
    except (InputError, AmountError) as error:
        return (_invalid(bundle.id, error),)


def of_pot(tx: Tx, node: Node, pot: Pot, period: Period, record: PeriodInput | None) -> Draft:
    """The statement of a bundle from the operator's record, once it has been compared with our own books."""
    bundle, key = pot.bundle, pot.key(period.label)
    problems = _unsigned(tx, bundle, period) + _before(tx, key)
    if record is None:
        return Draft(problems=(*problems, Problem("record-missing", {"participant": bundle.operator})))
    own = own_books(tx, node, pot, period)
    problems += _pool_problems(tx, node, pot, period, own) + _unsettled(tx, node, pot, period)
    if problems:
        return Draft(problems=problems)
    try:
        document = bundle_statement(bundle, record, previous=previous(tx, key))
        return Draft(document, differences=differences(bundle, record, member=node.participant, books=own))
    except (InputError, AmountError) as error:
        return Draft(problems=(_invalid(bundle.id, error),))


def own_books(tx: Tx, node: Node, pot: Pot, period: Period) -> Books:
    """Our usage, grades and closed statements of a bundle's period: as the operator all, else of the slots we are a party of."""
    refs = _own_refs(node, pot)
    grades = {ref: books.grade(tx, pot.bundle, ref, period.label) for ref in refs}
    closed = _closed(tx, node, pot, period)
    return Books(
        usage={ref: books.usage(tx, pot.bundle.digest, ref, period) for ref in refs},
        quality={ref: grade for ref, grade in grades.items() if grade is not None},
        statements={ref: kept.document for ref, kept in closed.items() if kept.document is not None},
    )


def _pool_problems(tx: Tx, node: Node, pot: Pot, period: Period, own: Books) -> tuple[Problem, ...]:
    """What is missing about the contributions that we answer for."""
    problems: tuple[Problem, ...] = ()
    for ref in _own_refs(node, pot):
        slot = pot.bundle.slots[ref]
        other = slot.consumer if slot.provider == node.participant else slot.provider
        if node.participant in (slot.provider, slot.consumer):
            problems += _ledgers(tx, node, pot.bundle.digest, ref, period.label, other)
        if ref not in own.quality:
            problems += (Problem("quality-unstated", {"ref": ref, "participant": node.participant}),)
    return problems


def _unsettled(tx: Tx, node: Node, pot: Pot, period: Period) -> tuple[Problem, ...]:
    """Income slots of ours that were closed and have no statement yet."""
    slots = pot.bundle.slots
    return tuple(
        Problem("income-open", {"ref": ref, "participant": slots[ref].consumer})
        for ref, kept in _closed(tx, node, pot, period).items()
        if kept.state is State.CLOSED
    )


def _closed(tx: Tx, node: Node, pot: Pot, period: Period) -> dict[str, Kept]:
    """Our rows of the income slots, by ref."""
    found: dict[str, Kept] = {}
    for ref in pot.bundle.income.refs:
        account = account_of(tx, node, pot.agreements[ref]) if ref in pot.agreements else None
        kept = settlement.get(tx, account.key(period.label)) if account is not None else None
        if kept is not None:
            found[ref] = kept
    return found


def _ledgers(tx: Tx, node: Node, terms: str, ref: str, label: str, counterparty: str) -> tuple[Problem, ...]:
    """A ledger that one of the two parties of an account lacks: what counts is not known before both hold it."""
    lacks = books.lacking(tx, terms, ref, label, counterparty)
    if lacks is None:
        return ()
    who, whose = (counterparty, node.participant) if lacks == "them" else (node.participant, counterparty)
    return (Problem("ledger-lacking", {"ref": ref, "participant": who, "holder": whose, "label": label}),)


def _own_refs(node: Node, pot: Pot) -> list[str]:
    """The slots of the pool whose rows we answer for."""
    ours, bundle = node.participant, pot.bundle
    return [ref for ref in bundle.pool.refs if ours in (bundle.operator, bundle.slots[ref].provider)]


def _income(tx: Tx, node: Node, pot: Pot, ref: str, period: Period, *, preview: bool) -> Document | Problem | None:
    """The statement of an income slot; nothing where there is no agreement, or nothing was charged."""
    account = account_of(tx, node, pot.agreements[ref]) if ref in pot.agreements else None
    if account is None:
        return None
    kept = settlement.get(tx, account.key(period.label))
    if kept is not None and kept.state is State.EMPTY:
        return None
    if kept is not None and kept.state in SIGNED:
        return kept.document
    if preview and kept is None:
        draft = of_account(tx, node, account, period)
        return draft.problems[0] if draft.problems else draft.document
    return Problem("income-open", {"ref": ref, "participant": account.counterparty})


def _told_days(tx: Tx, account: Account, key: Key) -> list[str] | None:
    """The days that the provider told us; a consumer who has stated none of its own takes them."""
    said = settlement.opinions(tx, key).get(account.counterparty)
    days = said.facts.get(DAYS_WITHOUT_SERVICE) if said is not None else None
    return [str(day) for day in days] if isinstance(days, list) else None


def _unsigned(tx: Tx, bundle: Bundle | None, period: Period) -> tuple[Problem, ...]:
    if bundle is None or not (missing := missing_of(tx, bundle)):
        return ()
    return (Problem("signatures-missing", {"bundle": bundle.id, "label": period.label, "missing": ", ".join(missing)}),)


def _before(tx: Tx, key: Key) -> tuple[Problem, ...]:
    """A statement cites the one before it, so that one must be signed first."""
    before = settlement.before(tx, key)
    if before is None or before.state in SIGNED:
        return ()
    return (Problem("previous-open", {"ref": key.ref, "label": before.key.label}),)


def previous(tx: Tx, key: Key) -> str | None:
    """The digest of the statement before, which this one cites."""
    before = settlement.before(tx, key)
    return before.digest if before is not None else None


def _invalid(ref: str, error: InputError | AmountError) -> Problem:
    problem = error.facts.get("problem", str(error))
    return Problem("input-invalid", {"ref": ref, "member": error.facts.get("member", "amount"), "problem": problem})
