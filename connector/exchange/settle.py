"""What becomes of a message we sent: acknowledged, refused, or in doubt (architecture, rules of exchange).

A sender moves on the acknowledgement. A refusal is believed only after a look at the counterparty's process; where the two
states differ, the process is terminated and that is delivered until it is acknowledged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connector.exchange import agreed, outgoing, seals
from connector.exchange.extensions import EXTENSIONS
from connector.exchange.node import Node
from connector.exchange.process import NEGOTIATION, PROTOCOLS, TRANSFER, Protocol, advance, lapse, record
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import outbox
from connector.store import transfer as transfers
from connector.store.database import Tx
from connector.store.outbox import Outgoing
from contracts.machine import Role
from contracts.messages import is_pid
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State, Trigger
from contracts.transfer.model import Transfer
from contracts.transfer.table import State as TransferState
from contracts.transfer.table import Trigger as TransferTrigger
from policies.canonical import digest

Process = Negotiation | Transfer


def acknowledged(tx: Tx, node: Node, message: str, answer: Mapping[str, Any], now: datetime) -> None:
    """A 2xx came back. A row that is gone was settled by something the counterparty said meanwhile."""
    pending = outbox.get(tx, message)
    if pending is None:
        return
    if pending.kind in EXTENSIONS:
        outbox.remove(tx, message)
        EXTENSIONS[pending.kind].answered(tx, node, pending, answer, now)
        return
    protocol = PROTOCOLS[pending.kind]
    process = protocol.get(tx, pending.process)
    if process is not None:
        field = "consumerPid" if process.role.value == "provider" else "providerPid"
        named = answer.get(field)
        acknowledge(tx, node, protocol, process, pending, now, peer_pid=str(named) if is_pid(named) else "")


def acknowledge(
    tx: Tx,
    node: Node,
    protocol: Protocol[Any],
    process: Any,
    pending: Outgoing,
    now: datetime,
    *,
    peer_pid: str = "",
    taken: bool = True,
) -> Any:
    """Take a pending message as acknowledged, by its answer or by what the counterparty could say only after it.

    `taken` is whether the counterparty has this very message: the audit log claims no other.
    """
    outbox.remove(tx, pending.message)
    if pending.expects not in {outgoing.ANY, process.state.value if process.state else ""}:
        if _over(protocol, process, pending):
            # It crossed with theirs, and both were taken: where one of two crossing messages ends the process, the end counts.
            end_locally(tx, node, protocol, process, ("", ""), now, state=pending.becomes)
        return process  # overtaken: the process has moved on without this message
    changes: dict[str, Any] = {}
    if not process.peer_pid and peer_pid:
        changes["peer_pid"] = peer_pid
    trigger = protocol.triggers(pending.trigger)
    if pending.kind == "transfer" and trigger is TransferTrigger.START:
        changes |= {"suspended_by": "", "reason": ""}
    elif pending.kind == "transfer" and trigger is TransferTrigger.SUSPENSION:
        changes["suspended_by"] = process.role.value
    refs = [f"message:{digest(pending.body)}"] if taken else []
    failed = pending.attempts, pending.problem
    moved = advance(tx, node, protocol, process, trigger, process.role, now=now, refs=refs, failed=failed, **changes)
    if pending.kind == "negotiation" and trigger is Trigger.FINALIZED:
        send_seal(tx, node, moved, now)
    return node.reactions.moved(tx, node, protocol.name, moved, now)


def send_seal(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    """Seal the agreement of a finalized negotiation: no seal stands in the way of a message, none on what never came to be."""
    sealed = agreements.get(tx, negotiation.agreement)
    if sealed is not None:
        body = seals.put_ours(tx, node, sealed, now)
        outgoing.seal(tx, node, sealed, negotiation.counterparty, negotiation.address, body, now)


def looked(
    tx: Tx, node: Node, message: str, found: str | None, refusal: tuple[str, str], now: datetime, *, status: int = 0
) -> None:
    """After a refusal: `found` is the state the counterparty's process is in, None when it knows no such process.

    `refusal` is the code and the text of the refusal, `status` its HTTP status.
    """
    pending = outbox.get(tx, message)
    if pending is None:
        return
    if pending.kind in EXTENSIONS:
        outbox.remove(tx, message)
        EXTENSIONS[pending.kind].refused(tx, node, pending, refusal, now)
        return
    protocol = PROTOCOLS[pending.kind]
    process = protocol.get(tx, pending.process)
    if process is None:
        outbox.remove(tx, message)
        return
    ours = process.state.value if process.state else ""
    terminal = {state.value for state in protocol.machine.terminal}
    # A counterparty that is still where we are has not taken it, even where our table leads back to that state.
    if found == pending.becomes or (
        found not in {None, ours}
        and found not in terminal
        and protocol.machine.reaches(protocol.states(pending.becomes), protocol.states(found))
    ):
        # It has refused this message, and is where the message leads: another one of the same meaning has ended it.
        acknowledge(tx, node, protocol, process, pending, now, taken=found not in terminal)
        return
    _heard(tx, node, process, pending, refusal, status)
    if found in {None, ours} and agreed.differently(tx, node, process, pending, now):
        return
    if found is None:
        end_locally(tx, node, protocol, process, refusal, now)
    elif found in terminal:
        _ended_there(tx, node, protocol, process, found, refusal[1], now)
    else:
        outbox.remove(tx, message)
        _refused(tx, node, protocol, process, pending, refusal, now, agree=found == ours)


def _ended_there(
    tx: Tx, node: Node, protocol: Protocol[Any], process: Any, found: str, reason: str, now: datetime
) -> None:
    """The counterparty's process is over: ours ends like it, a contract only where one was about to be concluded."""
    if found != State.FINALIZED.value:
        end_locally(tx, node, protocol, process, ("ended-by-counterparty", reason), now, state=found)
    elif process.state is State.VERIFIED:
        # It has taken our last word before we said another one, and that was refused: the contract is concluded.
        ended = advance(tx, node, NEGOTIATION, process, Trigger.FINALIZED, Role.PROVIDER, now=now, code="", reason="")
        agreements.enforce(tx, ended.agreement, now)
        send_seal(tx, node, ended, now)
    else:
        end_locally(tx, node, protocol, process, ("ended-by-counterparty", reason), now)


def _heard(tx: Tx, node: Node, process: Process, pending: Outgoing, refusal: tuple[str, str], status: int) -> None:
    """What was refused, and the counterparty's own words for it: whoever asks later why it ended finds them here."""
    node.audit.append(
        tx,
        "message.refused-by-counterparty",
        actor=process.counterparty,
        peer=process.counterparty,
        agreement=process.agreement or None,
        reason=refusal[0] or None,
        details={
            "pid": process.pid,
            "trigger": pending.trigger,
            "status": status,
            "text": refusal[1],
            "attempts": pending.attempts + 1,
        },
    )


def _refused(
    tx: Tx,
    node: Node,
    protocol: Protocol[Any],
    process: Any,
    pending: Outgoing,
    refusal: tuple[str, str],
    now: datetime,
    *,
    agree: bool,
) -> None:
    """The refusal stands. What an operator asked for is reported; what the process cannot go on without ends it."""
    optional = pending.kind == "transfer" and pending.trigger in ("start", "suspension", "completion")
    if agree and optional and process.state is not None:
        if pending.trigger == "suspension":
            transfers.save(tx, replace(process, suspended_by=""), now)
    elif pending.trigger == "termination":
        end_locally(tx, node, protocol, process, (process.code or refusal[0], process.reason or refusal[1]), now)
    else:
        end(tx, node, process, "refused-by-counterparty", refusal[1], now)


def end(tx: Tx, node: Node, process: Process, code: str, reason: str, now: datetime) -> None:
    """Terminate and deliver that; a process the counterparty never acknowledged ends with us alone."""
    if isinstance(process, Negotiation):
        ended = replace(process, code=code, reason=reason)
        negotiations.save(tx, ended, now)
        if not process.peer_pid:
            end_locally(tx, node, NEGOTIATION, ended, (code, reason), now)
        else:
            outgoing.end_negotiation(tx, node, ended, code, reason, now)
    else:
        stopped = replace(process, code=code, reason=reason)
        transfers.save(tx, stopped, now)
        if not process.peer_pid:
            end_locally(tx, node, TRANSFER, stopped, (code, reason), now)
        else:
            outgoing.end_transfer(tx, node, stopped, code, reason, now)


def end_locally(
    tx: Tx,
    node: Node,
    protocol: Protocol[Any],
    process: Any,
    refusal: tuple[str, str],
    now: datetime,
    *,
    state: str = "TERMINATED",
) -> None:
    """The counterparty has no such process, or has ended it: ours ends the same way, and nothing more is sent."""
    outbox.remove_process(tx, process.pid)
    if process.state in protocol.machine.terminal:
        return
    ended = replace(
        process, state=protocol.states(state), code=process.code or refusal[0], reason=process.reason or refusal[1]
    )
    protocol.save(tx, ended, now)
    lapse(tx, ended)
    record(tx, node, protocol, ended, process.role.other)


def given_up(tx: Tx, node: Node, message: str, problem: str, now: datetime) -> None:
    """Nothing answered for as long as we try: the process ends, and a counterparty that knows of it is told.

    It may have taken our message without our hearing of it, so its word decides: our termination is delivered, or refused and
    its state adopted. With us alone ends what it never named, and what it could not even be told the end of.
    """
    pending = outbox.get(tx, message)
    if pending is None:
        return
    outbox.remove(tx, message)
    if pending.kind in EXTENSIONS:
        EXTENSIONS[pending.kind].refused(tx, node, pending, ("unreachable", problem), now)
        return
    protocol = PROTOCOLS[pending.kind]
    process = protocol.get(tx, pending.process)
    if process is None:
        return
    if pending.trigger == "termination" or process.state in protocol.machine.terminal:
        end_locally(tx, node, protocol, process, ("unreachable", problem), now)
    else:
        end(tx, node, process, "unreachable", problem, now)


def may_leave(tx: Tx, pending: Outgoing) -> bool:
    """Whether the process is still in the state this message was written for."""
    if pending.kind in EXTENSIONS:
        return True
    protocol = PROTOCOLS[pending.kind]
    state = protocol.state(tx, pending.process)
    if pending.expects == outgoing.ANY or pending.becomes == TransferState.COMPLETED.value:
        return state is not None and state not in protocol.machine.terminal
    return state == pending.expects


def _over(protocol: Protocol[Any], process: Process, pending: Outgoing) -> bool:
    """Whether a message of ours that was taken has completed a process that has only moved on here."""
    return pending.becomes == TransferState.COMPLETED.value and process.state not in protocol.machine.terminal


def overtaken(tx: Tx, messages: Sequence[str]) -> None:
    """The processes have moved on: what was to be said is not said."""
    for message in messages:
        outbox.remove(tx, message)
