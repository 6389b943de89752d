"""Closing a period: our consent, and everything that follows from it by itself (revenue-share.md 7).

`close` says once that we want the statements of a period computed, proposed and signed. `progress` then moves every closed one as
far as it goes; it changes nothing when there is nothing to do, and runs after whatever may have moved something: a close, a ledger,
a stated input, a word of another member. What it says leaves by the outbox, so a crash at any point leads to the same end.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.errors import RefusedError
from connector.exchange import bilateral, pool, standing
from connector.exchange.accounts import Account, Pot, Subject, account_of, accounts, held_bundle, pot, pots
from connector.exchange.bundles import missing_of
from connector.exchange.node import Node
from connector.store import settlement
from connector.store.database import Tx
from connector.store.outbox import Outgoing
from connector.store.settlement import Kept, Key, State
from contracts.errors import PeriodError
from contracts.settlement.period import Period, period_of
from policies.canonical import JsonValue

# -- our consent -------------------------------------------------------------------------------------------------------


async def close(node: Node, label: str, only: Sequence[str] = ()) -> None:
    """Close the statements of a period, or `only` those of these refs. Closing again says again what was not agreed yet.

    Nothing is closed when one of them cannot be: raises RefusedError `period-open` before the end and its grace,
    `signatures-missing` for a bundle that somebody has not signed, `nothing-to-close`. A refusal is on record.
    """
    refused = await node.db.transact(lambda tx: _close(tx, node, label, tuple(dict.fromkeys(only)), node.clock.now()))
    if refused is not None:
        raise refused


def _close(tx: Tx, node: Node, label: str, only: tuple[str, ...], now: datetime) -> RefusedError | None:
    """Close, or why not: the refusal is returned, so that its record is kept."""
    subjects = [each for each in subjects_of(tx, node, label) if not only or each.ref in only]
    unknown = [ref for ref in only if ref not in {each.ref for each in subjects}]
    refused = (
        RefusedError("nothing-to-close", label=label, refs=", ".join(unknown) or "-")
        if unknown or not subjects
        else _too_early(tx, subjects, label, now)
    )
    if refused is not None:
        facts: dict[str, JsonValue] = {name: str(value) for name, value in refused.facts.items()}
        node.audit.append(tx, "settlement.refused", reason=refused.code, details={"period": label, **facts})
        return refused
    for subject in subjects:
        kept = settlement.get(tx, subject.key(label))
        if kept is None:
            kept = Kept(subject.key(label), subject.kind, subject.agreement, subject.booked, State.OPEN, stamp(now))
            standing.become(tx, node, kept, State.CLOSED, now)
        elif isinstance(subject, Pot):
            pool.renew(tx, node, subject, kept, now)
            pool.again(tx, node, subject, kept, now)
        else:
            bilateral.again(tx, node, subject, kept, now)
    progress(tx, node, label, now)
    return None


def _too_early(tx: Tx, subjects: Iterable[Subject], label: str, now: datetime) -> RefusedError | None:
    """Why these cannot be closed now: the period is not over, or a bundle of theirs is not in force."""
    for subject in subjects:
        until = closable(subject, label)
        if now < until:
            return RefusedError("period-open", label=label, ref=subject.ref, until=until.isoformat(timespec="seconds"))
        missing = missing_of(tx, subject.bundle) if subject.bundle is not None else ()
        if subject.bundle is not None and missing:
            return RefusedError(
                "signatures-missing",
                bundle=subject.bundle.id,
                label=label,
                missing=", ".join(missing),
                signatories=list(missing),
            )
    return None


def closable(subject: Subject, label: str) -> datetime:
    """From when on a period can be closed: its end and the grace that the terms give to late records."""
    return period_of(subject.terms, label).end + subject.terms.grace


def subjects_of(tx: Tx, node: Node, label: str) -> list[Subject]:
    """Everything of ours that has a period of this name, by ref: accounts, then bundles."""
    found: list[Subject] = []
    for account in accounts(tx, node):
        period = _period(account, label)
        if period is not None and (account.until is None or period.start <= account.until):
            found.append(account)
    found.sort(key=lambda each: each.ref)
    return [*found, *(each for each in pots(tx, node) if _period(each, label) is not None)]


def _period(subject: Subject, label: str) -> Period | None:
    """The period of this name under the subject's terms, None where there is none."""
    try:
        return period_of(subject.terms, label)
    except PeriodError:
        return None


# -- what follows ------------------------------------------------------------------------------------------------------


def progress(tx: Tx, node: Node, label: str, now: datetime) -> None:
    """Move every closed statement of this period as far as it goes; bundles after what flows into them."""
    for kept in settlement.of_label(tx, label):
        if kept.state is not State.AGREED:
            _move(tx, node, kept, now)


def _move(tx: Tx, node: Node, kept: Kept, now: datetime, *, answering: bool = False) -> None:
    """Move one statement; what waits for it follows."""
    if kept.kind == "bundle":
        bundle = held_bundle(tx, kept.key.terms)
        if bundle is not None:
            pool.move(tx, node, pot(tx, node, bundle), kept, now, answering=answering)
        return
    account = account_of(tx, node, kept.agreement)
    if account is None:
        return
    moved = bilateral.move(tx, node, account, kept, now, answering=answering)
    if account.bundle is not None and moved != kept:
        waiting = settlement.get(tx, Key(account.bundle.digest, account.bundle.id, kept.key.label))
        if waiting is not None and waiting.state is not State.AGREED:
            _move(tx, node, waiting, now)


# -- what the others say -----------------------------------------------------------------------------------------------


def receive_statement(
    tx: Tx, node: Node, sender: str, agreement: str, label: str, said: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The counterparty's digests; returns ours, `{}` while we have none.

    Raises RefusedError `agreement-unknown` and `message-invalid`, PeriodError.
    """
    account = _account(tx, node, sender, agreement)
    key = account.key(period_of(account.terms, label).label)
    bilateral.hear(tx, account, key, said, now)
    kept = settlement.get(tx, key)
    if kept is None:
        return {}
    _move(tx, node, kept, now, answering=True)
    kept = settlement.get(tx, key)
    return bilateral.answer(tx, node, account, kept) if kept is not None else {}


def receive_statement_seal(
    tx: Tx, node: Node, sender: str, agreement: str, label: str, signed: dict[str, Any], now: datetime
) -> None:
    """The counterparty's seal on the statement we have; raises as `standing.accept_seal` does."""
    account = _account(tx, node, sender, agreement)
    key = account.key(period_of(account.terms, label).label)
    kept = _known(tx, key)
    standing.accept_seal(tx, node, kept, sender, signed, now)
    # A seal says the digest too, where the message that said it was lost.
    bilateral.hear(tx, account, key, {"usageRoot": kept.usage_root, "statement": kept.digest}, now)
    _move(tx, node, kept, now)


def receive_period(
    tx: Tx, node: Node, sender: str, terms: str, label: str, said: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """The operator's record, or a member's word on ours; returns our word.

    Raises RefusedError `bundle-unknown`, `message-invalid`; InputError with the member of the record that is wrong; PeriodError.
    """
    subject = _pot(tx, node, sender, terms)
    key = subject.key(period_of(subject.bundle, label).label)
    if node.participant == subject.bundle.operator:
        pool.hear(tx, key, sender, said, now)
    else:
        pool.accept_record(tx, node, subject.bundle, label, said, now)
    kept = settlement.get(tx, key)
    if kept is not None:
        _move(tx, node, kept, now, answering=True)
    if node.participant == subject.bundle.operator:
        return {}
    return pool.answer(tx, node, subject, settlement.get(tx, key))


def receive_period_seal(
    tx: Tx, node: Node, sender: str, terms: str, label: str, signed: dict[str, Any], now: datetime
) -> None:
    """A signatory's seal on the bundle statement we have; raises as `standing.accept_seal` does."""
    subject = _pot(tx, node, sender, terms)
    kept = _known(tx, subject.key(period_of(subject.bundle, label).label))
    standing.accept_seal(tx, node, kept, sender, signed, now)
    _move(tx, node, kept, now)


def record_for(tx: Tx, terms: str, label: str, reader: str) -> bytes:
    """The signed record of a bundle's period, for a signatory; raises RefusedError `bundle-unknown`, `input-unknown`."""
    bundle = held_bundle(tx, terms)
    if bundle is None or reader not in bundle.signatories:
        raise RefusedError("bundle-unknown", bundle=terms[:100])
    record = settlement.newest_input(tx, terms, label)
    if record is None:
        raise RefusedError("input-unknown", bundle=bundle.id, label=label[:40])
    return record.body


def answered(tx: Tx, node: Node, sent: Outgoing, answer: Mapping[str, Any], now: datetime) -> None:
    """What the other side said to a message of ours: its own digests, or its word on a record."""
    if sent.trigger not in ("statement", "record"):
        return
    folder, subject, _, label = sent.url.rsplit("/", 3)
    try:
        if folder.endswith("/agreements"):
            receive_statement(tx, node, sent.destination, subject, label, answer, now)
        else:
            receive_period(tx, node, sent.destination, subject, label, dict(answer), now)
    except RefusedError as error:
        refused(tx, node, sent, (error.code, str(error)), now)


def refused(tx: Tx, node: Node, sent: Outgoing, refusal: tuple[str, str], now: datetime) -> None:
    """The other side did not take a message of ours, or could not be reached: that is on record, and shown."""
    key = _key_of(tx, node, sent)
    if key is None:
        return
    code, text = refusal
    settlement.opine(
        tx, key, sent.destination, "refused", now, facts={"code": code, "text": text, "said": sent.trigger}
    )
    kept = settlement.get(tx, key)
    if kept is not None:
        standing.record(
            tx, node, kept, "statement.unheard", reason=code, by=sent.destination, said=sent.trigger, text=text
        )


def _key_of(tx: Tx, node: Node, sent: Outgoing) -> Key | None:
    """What a message of ours was about."""
    folder, subject, _, label = sent.url.removesuffix("/seals").rsplit("/", 3)
    if folder.endswith("/agreements"):
        account = account_of(tx, node, subject)
        return account.key(label) if account is not None else None
    bundle = held_bundle(tx, subject)
    return Key(bundle.digest, bundle.id, label) if bundle is not None else None


def _account(tx: Tx, node: Node, sender: str, agreement: str) -> Account:
    found = account_of(tx, node, agreement)
    if found is None or found.counterparty != sender:
        raise RefusedError("agreement-unknown", agreement=agreement[:100])
    return found


def _pot(tx: Tx, node: Node, sender: str, terms: str) -> Pot:
    bundle = held_bundle(tx, terms)
    if bundle is None or sender not in bundle.signatories or node.participant not in bundle.signatories:
        raise RefusedError("bundle-unknown", bundle=terms[:100])
    return pot(tx, node, bundle)


def _known(tx: Tx, key: Key) -> Kept:
    kept = settlement.get(tx, key)
    if kept is None:
        raise RefusedError("statement-unknown", ref=key.ref, label=key.label)
    return kept
