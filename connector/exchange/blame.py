"""Why a process stands where it stands, and whose turn it is: from its state, its records and its outbox to causes.

The first cause is the one that matters; what explains it further (what a peer's words mean) follows it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from connector.clock import stamp
from connector.exchange.process import PROTOCOLS
from connector.exchange.told import LANGUAGES, Around, Cause, Fact, Process, loopback, message_of, own_sentence
from connector.exchange.translations import Meaning, read_decision, translate
from connector.store.audit import KeptRecord
from connector.store.story import Pending
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from policies.decision import REASONS, Decision, Outcome
from policies.identifiers import short

_HTTP = re.compile(r"HTTP (?P<status>[0-9]{3})(?: (?P<code>[^:\s]+))?(?:: (?P<text>.*))?", re.DOTALL)
_UNREACHABLE = re.compile(r"unreachable: .*cause=(?P<cause>.*)", re.DOTALL)
_UNAUTHORIZED = frozenset({401, 403})
_STOPPED = frozenset({"stopped-by-provider", "stopped-by-consumer"})
_ADDRESS = frozenset({"address-outside-list", "address-malformed"})
_REFUSED, _REFUSED_BY = "message.refused", "message.refused-by-counterparty"

Records = Sequence[KeptRecord]


def judge(around: Around, kind: str, process: Process, records: Records, pending: Sequence[Pending]) -> Iterator[Cause]:
    """The causes, the one that matters first."""
    state = process.state.value if process.state else ""
    ended = state in {each.value for each in PROTOCOLS[kind].machine.terminal}
    base: dict[str, Fact] = {
        "id": process.pid,
        "partner": around.name(process.counterparty),
        "participant": process.counterparty,
        "since": process.updated,
        "state": state or "-",
    }
    if ended or any(each.trigger == "termination" for each in pending):
        yield from _end(around, kind, process, records, base)
    if pending:
        yield from _unsent(around, kind, pending[0], base)
    elif not ended:
        yield from _stands(around, kind, process, records, base)


# -- what is still to be sent ------------------------------------------------------------------------------------------


def _unsent(around: Around, kind: str, pending: Pending, base: Mapping[str, Fact]) -> Iterator[Cause]:
    """A message of ours has not arrived, or its answer has not come."""
    facts: dict[str, Fact] = {
        **base,
        "message": message_of(kind, pending.trigger),
        "attempts": pending.attempts,
        "since": stamp(pending.since),
        "next": stamp(max(pending.next, around.now)),
        "address": _origin(pending.url),
        "hours": max(1, round(around.give_up_s / 3600)),
    }
    if not pending.attempts:
        yield Cause("sending", facts)
        return
    answered, lost = _HTTP.match(pending.problem), _UNREACHABLE.match(pending.problem)
    if answered is not None:
        status, code, text = int(answered["status"]), answered["code"] or "", answered["text"] or ""
        facts |= {"status": status, "code": code or "-", "reason": text or "-"}
        yield Cause("identity-refused" if status in _UNAUTHORIZED else "peer-failing", facts)
        yield from _meaning(translate(status, code, text, message=f"{kind}.{pending.trigger}"), "peer")
        return
    facts["problem"] = lost["cause"] if lost is not None else pending.problem or "-"
    yield Cause("unreachable" if lost is not None else "not-sent", facts)
    if lost is not None and loopback(pending.url) and not loopback(around.callback):
        # What the partner has listed leads us to ourselves.
        yield Cause("callback-unreachable", facts)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# -- what has ended ----------------------------------------------------------------------------------------------------


def _end(around: Around, kind: str, process: Process, records: Records, base: dict[str, Fact]) -> Iterator[Cause]:
    """Why a process is over, or is being ended by us."""
    state = process.state.value if process.state else ""
    agreed = process.agreement or "-"
    if state in ("FINALIZED", "COMPLETED"):
        yield Cause(f"{state.lower()}-{process.role.value}", {**base, "agreement": agreed})
        return
    code, reason = process.code or "-", process.reason or "-"
    facts: dict[str, Fact] = {**base, "code": code, "reason": reason, "agreement": agreed}
    ours = _ended_by_us(around, kind, records)
    refusal = _last(records, _REFUSED_BY)
    if code == "unreachable":
        yield Cause("given-up", facts)
    elif refusal is not None and (code in ("refused-by-counterparty", refusal.record.get("reason"))):
        yield from _refused(around, kind, refusal, facts)
    elif code in _STOPPED:
        yield Cause("stopped-here" if ours else "stopped-there", facts)
    elif (denied := _denied(records, code)) is not None and ours:
        yield _policy(denied, facts)
    elif code == "rejected":
        yield Cause("rejected-here" if ours else "rejected-there", facts)
    elif ours:
        yield Cause("terminated-here", facts)
    elif code in REASONS:
        # Another Weft says it in our own words, so that both languages have them.
        yield Cause("refused-by-their-policy", {**facts, "reason": read_decision(code, reason) or reason})
    else:
        yield Cause("terminated-there", facts)
        refused = _last_of(records, (_REFUSED,), kind, ("requested", "offered", "accepted", "agreed", "started"))
        if refused is not None:
            yield _we_refused(refused, base)  # what we refused is what it could not go on without
        yield from _meaning(translate(0, process.code, process.reason), "peer")


def _ended_by_us(around: Around, kind: str, records: Records) -> bool:
    ended = _last(records, f"{kind}.terminated")
    return ended is None or ended.record.get("actor") == around.participant


def _refused(around: Around, kind: str, refusal: KeptRecord, facts: dict[str, Fact]) -> Iterator[Cause]:
    """The counterparty refused a message of ours: in its own words, and what these mean."""
    details = refusal.details or {}
    trigger, text = str(details.get("trigger", "")), str(details.get("text", ""))
    code = str(refusal.record.get("reason") or "-")
    raw = details.get("status")
    status = raw if isinstance(raw, int) else 0
    facts = {
        **facts,
        "message": message_of(kind, trigger),
        "status": status or "-",
        "code": code,
        "reason": text or "-",
        "callback": around.callback,
    }
    meaning = translate(status, code, text, message=f"{kind}.{trigger}")
    if trigger == "agreement" and (code == "agreement-differs" or _is(meaning, "terms-differ")):
        yield Cause("agreement-refused", facts)
    elif code in _ADDRESS:
        yield Cause("callback-refused", facts)
    else:
        yield Cause("refused-by-counterparty", facts)
    yield from _meaning(meaning, "peer")


def _is(meaning: Meaning | None, key: str) -> bool:
    return meaning is not None and meaning.sentence == f"show.peer.{key}"


def _meaning(meaning: Meaning | None, code: str) -> Iterator[Cause]:
    if meaning is not None:
        yield Cause(f"{code}.{meaning.sentence.rpartition('.')[2]}", meaning.facts, meaning.sentence)


# -- policies ----------------------------------------------------------------------------------------------------------


def _denied(records: Records, code: str) -> KeptRecord | None:
    """The last decision, when it was a denial for this reason."""
    found = _last(records, "policy.decision")
    return found if found is not None and found.record.get("reason") == code else None


def _policy(denied: KeptRecord, facts: Mapping[str, Fact]) -> Cause:
    """A refusal by our own policy: the rule, the operand, what was expected and what was found."""
    decision = decision_in(denied)
    if decision is None:
        return Cause("terminated-here", {**facts, "reason": str(denied.record.get("reason") or "-")})
    told: dict[str, Fact] = {
        "why": {lang: decision.sentence(lang) for lang in LANGUAGES},
        "rule": decision.rule or "-",
        "operand": short(decision.left_operand) if decision.left_operand else "-",
        "operator": decision.operator or "-",
        "expected": decision.expected or "-",
        "actual": decision.actual or "-",
        "record": denied.seq,
    }
    return Cause("refused-by-policy", {**facts, **told})


def decision_in(kept: KeptRecord) -> Decision | None:
    """The decision that a record holds; None when its details were erased or it holds none."""
    found = (kept.details or {}).get("decision")
    if not isinstance(found, Mapping):
        return None

    def text(name: str) -> str | None:
        value: Any = found.get(name)
        return value if isinstance(value, str) else None

    return Decision(
        outcome=Outcome(found.get("outcome", Outcome.DENY.value)),
        action=text("action") or "odrl:use",
        reason=text("reason"),
        left_operand=text("leftOperand"),
        rule=text("rule"),
        operator=text("operator"),
        expected=text("expected"),
        actual=text("actual"),
    )


# -- whose turn it is --------------------------------------------------------------------------------------------------


def _stands(around: Around, kind: str, process: Process, records: Records, base: dict[str, Fact]) -> Iterator[Cause]:
    """Nothing of ours is under way: somebody has to speak, here or there."""
    last = _last_of(records, (_REFUSED, _REFUSED_BY), kind)
    if last is not None and last.record["type"] == _REFUSED:
        yield _we_refused(last, base)
    elif last is not None:
        yield from _refused(around, kind, last, {**base, "agreement": process.agreement or "-"})
    if isinstance(process, Negotiation):
        turn = _negotiation_turn(process, base)
        yield turn
        yield from _suspect(around, process, turn)
    else:
        yield from _transfer_turn(around, process, records, base)


def _we_refused(last: KeptRecord, base: Mapping[str, Fact]) -> Cause:
    details = last.details or {}
    facts: dict[str, Fact] = {**base, "message": str(details.get("type", "-")), "why": own_sentence(last)}
    facts["since"] = str(last.record["ts"])
    differs = last.record.get("reason") == "agreement-differs"
    return Cause("agreement-differs" if differs else "we-refused", facts)


def _suspect(around: Around, process: Process, turn: Cause) -> Iterator[Cause]:
    """We wait for the counterparty, and where we are said to take messages it can only meet itself (case 16)."""
    awaited = turn.code in ("waiting-answer", "waiting-counterparty", "waiting-person-there")
    if awaited and loopback(around.callback) and not loopback(process.address):
        yield Cause("callback-suspect", {**turn.facts, "callback": around.callback})


def _negotiation_turn(negotiation: Negotiation, base: dict[str, Fact]) -> Cause:
    state = negotiation.state.value if negotiation.state else ""
    consumer = negotiation.role is Role.CONSUMER
    here = (state == "OFFERED") if consumer else state in ("REQUESTED", "ACCEPTED")
    if here and not negotiation.agreement:
        return Cause("waiting-person-here", base)
    if state in ("REQUESTED", "OFFERED"):
        return Cause("waiting-answer" if consumer else "waiting-person-there", base)
    awaited = {"ACCEPTED": "agreement", "AGREED": "verification", "VERIFIED": "finalized"}.get(state, "-")
    return Cause("waiting-counterparty", {**base, "message": message_of("negotiation", awaited)})


def _transfer_turn(around: Around, transfer: Any, records: Records, base: dict[str, Fact]) -> Iterator[Cause]:
    state = transfer.state.value if transfer.state else ""
    if state == "STARTED":
        denied = _last_of(records, ("policy.decision", "delivery.failed"), "delivery", ("released", "received"))
        if denied is not None and denied.record["type"] == "policy.decision" and denied.record.get("reason"):
            yield _policy(denied, {**base, "code": str(denied.record["reason"]), "reason": "-"})
        elif denied is not None and denied.record["type"] == "delivery.failed":
            yield Cause("delivery-failed", {**base, **_failure(denied)})
        yield Cause(f"running-{transfer.role.value}", {**base, "agreement": transfer.agreement})
    elif state == "SUSPENDED":
        ours = transfer.suspended_by == transfer.role.value
        yield Cause("suspended-here" if ours else "suspended-there", {**base, "reason": transfer.reason or "-"})
    elif transfer.role is Role.CONSUMER:
        turn = Cause("waiting-counterparty", {**base, "message": message_of("transfer", "start")})
        yield turn
        yield from _suspect(around, transfer, turn)
    else:
        yield Cause("waiting-start-here", base)


def _failure(failed: KeptRecord) -> dict[str, Fact]:
    details = failed.details or {}
    code, text = str(failed.record.get("reason") or "-"), str(details.get("text") or "")
    return {"code": code, "why": read_decision(code, text) or own_sentence(failed), "since": str(failed.record["ts"])}


# -- records -----------------------------------------------------------------------------------------------------------


def _last(records: Records, type_: str) -> KeptRecord | None:
    return next((each for each in reversed(records) if each.record["type"] == type_), None)


def _last_of(records: Records, types: tuple[str, ...], family: str, moves: tuple[str, ...] = ()) -> KeptRecord | None:
    """The last record of these types, unless the process has moved since: then it is history."""
    for each in reversed(records):
        type_ = str(each.record["type"])
        if type_ in types:
            return each
        head, _, tail = type_.partition(".")
        if head == family and (not moves or tail in moves):
            return None
    return None
