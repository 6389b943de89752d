"""A bundle's period: the operator's signed record, one statement computed by all, seals of all (revenue-share.md 7.2).

Ours: the operator seals when all others have told it the digest that it has itself, and the others seal when they have seen that
seal. So nobody has signed anything while somebody still contradicts the record, and until then it can be replaced. A member that
closes after the record came tells its digest, or the rows that differ, to the same address.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from connector.errors import RefusedError
from connector.exchange import beside, standing, statements
from connector.exchange.accounts import Pot
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.exchange.statements import Draft
from connector.store import settlement
from connector.store.database import Tx
from connector.store.settlement import Kept, KeptInput, Key, State
from contracts.errors import InputError, SignatureError
from contracts.settlement.bundle import check_input
from contracts.settlement.inputs import PeriodInput, read_input
from contracts.settlement.period import period_of
from contracts.settlement.terms import Bundle
from contracts.signing import sign_document, verify_document
from policies.canonical import digest_of, is_digest

KIND = "period-input"
ROWS_MOST = 1000
TEXT_MOST = 200


def move(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime, *, answering: bool = False) -> Kept:
    """Take the statement of a bundle's period as far as it goes."""
    if kept.state not in settlement.SIGNED:
        if node.participant == pot.bundle.operator:
            kept = _conduct(tx, node, pot, kept, now)
        else:
            kept = _follow(tx, node, pot, kept, now, answering=answering)
    if kept.state is State.MATCHED and set(pot.bundle.signatories) <= settlement.seals(tx, kept.digest).keys():
        kept = standing.become(tx, node, kept, State.AGREED, now)
    return kept


def _conduct(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime) -> Kept:
    """The operator: make the record once everything for it is there, then wait for equal digests of all."""
    bundle, label = pot.bundle, kept.key.label
    period = period_of(bundle, label)
    record = settlement.newest_input(tx, bundle.digest, label)
    if record is None:
        made = statements.record_of(tx, node, pot, period)
        if isinstance(made, tuple):
            return standing.computed(tx, node, kept, Draft(problems=made), State.CLOSED, now)
        record = _sign(tx, node, pot, kept, made, now)
    draft = statements.of_pot(tx, node, pot, period, read_input(record.document))
    if draft.problems:
        return standing.computed(tx, node, kept, draft, State.CLOSED, now)
    said = settlement.opinions(tx, kept.key)
    answered = [said[other] for other in _others(pot, node) if other in said]
    state = State.PROPOSED
    if draft.differences or any(
        each.word == "diverged" or (each.word == "said" and each.digest != draft.digest) for each in answered
    ):
        state = State.DIVERGED
    elif [each.digest for each in answered if each.word == "said"] == [draft.digest] * len(_others(pot, node)):
        state = State.MATCHED
    kept = standing.computed(tx, node, kept, draft, state, now)
    if kept.told != record.digest:
        send_record(tx, node, pot, record, now)
        kept = standing.become(tx, node, kept, state, now, told=record.digest)
    if state is State.MATCHED:
        send_seal(tx, node, pot, kept, now)
    return kept


def _follow(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime, *, answering: bool) -> Kept:
    """A member: compute from the operator's record, tell it, and seal once the operator has."""
    bundle, label = pot.bundle, kept.key.label
    record = settlement.newest_input(tx, bundle.digest, label)
    read = read_input(record.document) if record is not None else None
    draft = statements.of_pot(tx, node, pot, period_of(bundle, label), read)
    if draft.problems or record is None:
        return standing.computed(tx, node, kept, draft, State.CLOSED, now)
    state = State.DIVERGED if draft.differences else State.PROPOSED
    if state is State.PROPOSED and bundle.operator in settlement.seals(tx, draft.digest):
        state = State.MATCHED
    kept = standing.computed(tx, node, kept, draft, state, now)
    answer = reply(draft, record)
    told = digest_of(answer)
    if kept.told != told:
        if not answering:
            beside.unsay(tx, _subject(kept.key), bundle.operator)
            _say(tx, node, pot, kept.key, bundle.operator, "answer", "", answer, now)
        kept = standing.become(tx, node, kept, state, now, told=told)
    if state is State.MATCHED:
        send_seal(tx, node, pot, kept, now)
    return kept


def reply(draft: Draft, record: KeptInput) -> dict[str, Any]:
    """What a member answers to a record: its digest, or the rows that its own books contradict. `input` says to which record."""
    if draft.differences:
        rows = [asdict(each) for each in draft.differences]
        return {"state": "DIVERGED", "input": record.digest, "rows": rows}
    return {"statement": draft.digest, "input": record.digest}


def answer(tx: Tx, node: Node, pot: Pot, kept: Kept | None) -> dict[str, Any]:
    """Our word on the record we have, to its operator: `{"state": "OPEN"}` while we have not closed or lack something."""
    record = settlement.newest_input(tx, pot.bundle.digest, kept.key.label) if kept is not None else None
    if kept is None or record is None or kept.state is State.CLOSED:
        return {"state": "OPEN"}
    if kept.state is not State.DIVERGED:
        return {"statement": kept.digest, "input": record.digest}
    period = period_of(pot.bundle, kept.key.label)
    return reply(statements.of_pot(tx, node, pot, period, read_input(record.document)), record)


def renew(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime) -> None:
    """The operator closes again: a record that its books now contradict is replaced by a new one that cites it."""
    bundle, label = pot.bundle, kept.key.label
    record = settlement.newest_input(tx, bundle.digest, label)
    if node.participant != bundle.operator or record is None or kept.state in settlement.SIGNED:
        return
    period = period_of(bundle, label)
    before = read_input(record.document).replaces
    if statements.record_of(tx, node, pot, period, replaces=before) == read_input(record.document):
        return
    made = statements.record_of(tx, node, pot, period, replaces=record.digest)
    if isinstance(made, PeriodInput):
        _sign(tx, node, pot, kept, made, now)


def again(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime) -> None:
    """Say once more what we have said: the others may have been away for longer than we try."""
    record = settlement.newest_input(tx, pot.bundle.digest, kept.key.label)
    if kept.state in settlement.SIGNED:
        send_seal(tx, node, pot, kept, now)  # see bilateral.again
    elif record is not None and node.participant == pot.bundle.operator:
        send_record(tx, node, pot, record, now)
    elif record is not None and kept.digest:
        _say(tx, node, pot, kept.key, pot.bundle.operator, "answer", "", answer(tx, node, pot, kept), now)


def _sign(tx: Tx, node: Node, pot: Pot, kept: Kept, record: PeriodInput, now: datetime) -> KeptInput:
    kid = node.ring.kid("evidence")
    signed = sign_document(record.document(), kid=kid, sign=lambda data: node.ring.sign("evidence", data))
    return _keep(tx, node, pot.bundle, kept.key.label, signed, node.participant, now)


def _keep(
    tx: Tx, node: Node, bundle: Bundle, label: str, signed: dict[str, Any], actor: str, now: datetime
) -> KeptInput:
    found = digest_of(signed["document"])
    settlement.add_input(tx, bundle.digest, label, found, to_bytes(signed), now)
    node.audit.append(
        tx,
        "settlement.input",
        actor=actor,
        peer=actor if actor != node.participant else None,
        refs=[f"terms:{bundle.digest}", f"input:{found}"],
        details={"bundle": bundle.id, "period": label, "replaces": signed["document"].get("replaces", "")},
    )
    kept = settlement.newest_input(tx, bundle.digest, label)
    if kept is None:
        raise ValueError("a record that was just written is not there")
    return kept


def accept_record(tx: Tx, node: Node, bundle: Bundle, label: str, signed: dict[str, Any], now: datetime) -> None:
    """Keep a record of the operator; the same one again changes nothing.

    Raises InputError with the member that is wrong: `jws` for what its evidence key did not sign as it stands, `replaces` for a
    second record that does not cite the first, or comes after we have signed.
    """
    verify = node.members.current().verifier(bundle.operator, "evidence", now)
    try:
        document = verify_document(signed, verify=verify)
    except SignatureError as error:
        raise InputError(
            "jws", f"{error.reason}; only {bundle.operator} may sign it, and nobody may change it"
        ) from error
    record = read_input(document)
    if record.period != label:
        raise InputError("period", f"is {record.period[:40]} and must be {label}")
    check_input(bundle, record)
    known = settlement.newest_input(tx, bundle.digest, label)
    if known is not None and known.digest == record.digest:
        return
    kept = settlement.get(tx, Key(bundle.digest, bundle.id, label))
    if kept is not None and kept.state in settlement.SIGNED:
        raise InputError(
            "replaces", f"the statement {kept.digest} of {label} is signed; it is corrected in the next period"
        )
    if record.replaces != (known.digest if known is not None else None):
        expected = known.digest if known is not None else "absent"
        raise InputError("replaces", f"is {record.replaces or 'absent'} and must be {expected}")
    _keep(tx, node, bundle, label, signed, bundle.operator, now)


def hear(tx: Tx, key: Key, participant: str, said: Mapping[str, Any], now: datetime) -> None:
    """The operator keeps what a member answers; an answer to a record that was replaced meanwhile is nothing.

    Raises RefusedError `message-invalid` with the member that has another shape.
    """
    state, found = said.get("state"), said.get("statement")
    record = settlement.newest_input(tx, key.terms, key.label)
    if state == "OPEN":
        settlement.opine(tx, key, participant, "open", now)
        return
    if record is None or said.get("input", record.digest) != record.digest:
        return
    if state == "DIVERGED":
        settlement.opine(tx, key, participant, "diverged", now, facts={"rows": _rows(said.get("rows"))})
        return
    if not is_digest(found):
        raise RefusedError("message-invalid", path="statement", problem="is no digest")
    settlement.opine(tx, key, participant, "said", now, digest=str(found))


def _rows(found: object) -> list[dict[str, str]]:
    """Rows of a record that a member contradicts, as far as they have the shape."""
    names = ("ref", "member", "recorded", "own")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return [{name: str(row.get(name, "-"))[:TEXT_MOST] for name in names} for row in rows[:ROWS_MOST]]


def send_record(tx: Tx, node: Node, pot: Pot, record: KeptInput, now: datetime) -> None:
    for other in _others(pot, node):
        key = pot.key(record.label)
        beside.unsay(tx, _subject(key), other)
        _say(tx, node, pot, key, other, "record", "", record.body, now)


def send_seal(tx: Tx, node: Node, pot: Pot, kept: Kept, now: datetime) -> None:
    signed = standing.seal(tx, node, kept, sorted(pot.agreements.values()), now)
    for other in _others(pot, node):
        _say(tx, node, pot, kept.key, other, "seal", "/seals", signed, now)


def _say(
    tx: Tx,
    node: Node,
    pot: Pot,
    key: Key,
    to: str,
    trigger: str,
    suffix: str,
    document: dict[str, Any] | bytes,
    now: datetime,
) -> None:
    beside.say(
        tx,
        node,
        kind=KIND,
        subject=_subject(key),
        trigger=trigger,
        to=to,
        path=f"bundles/{pot.bundle.digest}/periods/{key.label}{suffix}",
        body=document,
        now=now,
    )


def _subject(key: Key) -> str:
    return f"period:{key.terms}:{key.label}"


def _others(pot: Pot, node: Node) -> list[str]:
    return [party for party in pot.bundle.signatories if party != node.participant]
