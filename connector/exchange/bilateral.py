"""The statement between two parties: each computes it, they exchange two digests, equal ones are signed (revenue-share.md 7).

The provider states the days without service and sends them beside its digests (ours); a consumer who has stated none of its own
takes them, so that both compute from the same.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.errors import RefusedError
from connector.exchange import beside, standing, statements
from connector.exchange.accounts import Account
from connector.exchange.node import Node
from connector.store import settlement
from connector.store.database import Tx
from connector.store.settlement import Kept, Key, State
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.period import period_of
from policies.canonical import is_digest

KIND = "statement"
DAYS_MOST = 400
_DAYS = {DAYS_WITHOUT_SERVICE}


def move(tx: Tx, node: Node, account: Account, kept: Kept, now: datetime, *, answering: bool = False) -> Kept:
    """Take a closed statement as far as it goes; what becomes sayable is queued, unless we are `answering` the counterparty."""
    if kept.state not in settlement.SIGNED:
        kept = _compute(tx, node, account, kept, now, answering=answering)
    if kept.state is State.MATCHED and account.counterparty in settlement.seals(tx, kept.digest):
        kept = standing.become(tx, node, kept, State.AGREED, now)
    return kept


def _compute(tx: Tx, node: Node, account: Account, kept: Kept, now: datetime, *, answering: bool) -> Kept:
    draft = statements.of_account(tx, node, account, period_of(account.terms, kept.key.label))
    if draft.problems:
        return standing.computed(tx, node, kept, draft, State.CLOSED, now)
    said = settlement.opinions(tx, kept.key).get(account.counterparty)
    theirs = said.digest if said is not None and said.word == "said" else None
    if theirs is not None and theirs != draft.digest:
        state = State.DIVERGED
    elif not draft.digest:
        state = State.EMPTY
    else:
        state = State.MATCHED if theirs == draft.digest else State.PROPOSED
    kept = standing.computed(tx, node, kept, draft, state, now)
    if kept.told != draft.digest:
        if not answering:
            tell(tx, node, account, kept, draft.stated, now)
        kept = standing.become(tx, node, kept, state, now, told=draft.digest)
    if state is State.MATCHED:
        send_seal(tx, node, account, kept, now)
    return kept


def again(tx: Tx, node: Node, account: Account, kept: Kept, now: datetime) -> None:
    """Say once more what we have said: the other side may have been away for longer than we try."""
    if kept.state in settlement.SIGNED:
        send_seal(tx, node, account, kept, now)  # beside one that may still wait to leave: it must not be taken back
    elif kept.digest:
        draft = statements.of_account(tx, node, account, period_of(account.terms, kept.key.label))
        tell(tx, node, account, kept, draft.stated, now)


def answer(tx: Tx, node: Node, account: Account, kept: Kept) -> dict[str, Any]:
    """Our digests as the answer to theirs, `{}` while something is missing."""
    if kept.state is State.CLOSED:
        return {}
    draft = statements.of_account(tx, node, account, period_of(account.terms, kept.key.label))
    return body(kept, draft.stated)


def body(kept: Kept, stated: Mapping[str, Any]) -> dict[str, Any]:
    """What goes over the wire: two digests, and what the provider states."""
    said: dict[str, Any] = {"usageRoot": kept.usage_root, "statement": kept.digest}
    return said | ({"stated": dict(stated)} if stated else {})


def tell(tx: Tx, node: Node, account: Account, kept: Kept, stated: Mapping[str, Any], now: datetime) -> None:
    """Queue our digests; what was still to be said about this statement is out of date."""
    beside.unsay(tx, _subject(kept.key), account.counterparty)
    _say(tx, node, account, kept, "statement", "", body(kept, stated), now)


def send_seal(tx: Tx, node: Node, account: Account, kept: Kept, now: datetime) -> None:
    signed = standing.seal(tx, node, kept, account.agreements, now)
    _say(tx, node, account, kept, "seal", "/seals", signed, now)


def _say(
    tx: Tx, node: Node, account: Account, kept: Kept, trigger: str, suffix: str, document: dict[str, Any], now: datetime
) -> None:
    beside.say(
        tx,
        node,
        kind=KIND,
        subject=_subject(kept.key),
        trigger=trigger,
        to=account.counterparty,
        path=f"agreements/{account.agreement}/statements/{kept.key.label}{suffix}",
        body=document,
        now=now,
    )


def _subject(key: Key) -> str:
    return f"statement:{key.terms}:{key.ref}:{key.label}"


def hear(tx: Tx, account: Account, key: Key, said: Mapping[str, Any], now: datetime) -> None:
    """Keep what the counterparty said: its digests, or with `{}` that it has none yet. Days it stated stay stated.

    Raises RefusedError `message-invalid` with the member that has another shape.
    """
    known = settlement.opinions(tx, key).get(account.counterparty)
    facts = {DAYS_WITHOUT_SERVICE: known.facts[DAYS_WITHOUT_SERVICE]} if known and _DAYS & known.facts.keys() else {}
    if not said:
        settlement.opine(tx, key, account.counterparty, "open", now, facts=facts)
        return
    root, found, stated = said.get("usageRoot"), said.get("statement"), said.get("stated", {})
    if not is_digest(root):
        raise RefusedError("message-invalid", path="usageRoot", problem="is no digest")
    if found != "" and not is_digest(found):
        raise RefusedError("message-invalid", path="statement", problem="is no digest, nor empty for nothing charged")
    days = stated.get(DAYS_WITHOUT_SERVICE) if isinstance(stated, dict) else None
    if isinstance(days, list) and len(days) <= DAYS_MOST and all(isinstance(day, str) for day in days):
        facts = {DAYS_WITHOUT_SERVICE: [day[:10] for day in days]}
    settlement.opine(tx, key, account.counterparty, "said", now, digest=str(found), usage_root=str(root), facts=facts)
