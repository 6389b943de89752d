"""The two protocols seen as one shape: a machine, rows, and what is said about them.

`advance` is the only place where a process changes its state: the table decides, the row is saved and the audit record is
written in the same transaction, so that every transition has exactly one record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import orjson

from connector.exchange.node import Node
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import outbox
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.machine import Machine, Role
from contracts.negotiation import messages as negotiation_messages
from contracts.negotiation import table as negotiation_table
from contracts.negotiation.model import Negotiation
from contracts.transfer import messages as transfer_messages
from contracts.transfer import table as transfer_table
from contracts.transfer.model import Transfer
from policies.canonical import dump

# The header of an answer that says when a message was taken, in microseconds since 1970: what the one who answers said before
# that, and arrives later, is out of date.
TAKEN = "Weft-Taken"
P = TypeVar("P", Negotiation, Transfer)

# What the audit log and the event stream call a state that has been reached.
EVENTS = {
    "REQUESTED": "requested",
    "OFFERED": "offered",
    "ACCEPTED": "accepted",
    "AGREED": "agreed",
    "VERIFIED": "verified",
    "FINALIZED": "finalized",
    "TERMINATED": "terminated",
    "STARTED": "started",
    "SUSPENDED": "suspended",
    "COMPLETED": "completed",
}


@dataclass(frozen=True, slots=True)
class Protocol(Generic[P]):
    """One of the two protocols: its name in addresses and events, its machine, its rows and its two answers."""

    name: str
    folder: str
    machine: Machine[Any, Any]
    states: type[StrEnum]
    triggers: type[StrEnum]
    get: Callable[[Tx, str], P | None]
    state: Callable[[Tx, str], str | None]
    save: Callable[[Tx, P, datetime], None]
    acknowledgement: Callable[[P], dict[str, object]]
    refusal: Callable[[str, str, str, list[str]], dict[str, object]]


NEGOTIATION: Protocol[Negotiation] = Protocol(
    name="negotiation",
    folder="negotiations",
    machine=negotiation_table.MACHINE,
    states=negotiation_table.State,
    triggers=negotiation_table.Trigger,
    get=negotiations.get,
    state=negotiations.state,
    save=negotiations.save,
    acknowledgement=negotiation_messages.acknowledgement,
    refusal=negotiation_messages.refusal,
)
TRANSFER: Protocol[Transfer] = Protocol(
    name="transfer",
    folder="transfers",
    machine=transfer_table.MACHINE,
    states=transfer_table.State,
    triggers=transfer_table.Trigger,
    get=transfers.get,
    state=transfers.state,
    save=transfers.save,
    acknowledgement=transfer_messages.acknowledgement,
    refusal=transfer_messages.refusal,
)
PROTOCOLS: dict[str, Protocol[Any]] = {"negotiation": NEGOTIATION, "transfer": TRANSFER}


def to_bytes(document: object) -> bytes:
    """A document as it goes over the wire."""
    return dump(document)


def object_in(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer; anything else (empty, HTML) is an answer without detail."""
    try:
        found = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def advance(
    tx: Tx,
    node: Node,
    protocol: Protocol[P],
    process: P,
    trigger: StrEnum,
    by: Role,
    *,
    now: datetime,
    refs: Sequence[str] = (),
    failed: tuple[int, str] = (0, ""),
    **changes: Any,
) -> P:
    """Move a process by one message: step, save, audit. Raises IllegalTransitionError and changes nothing then.

    `failed` is how many attempts to send it came to nothing, and why the last one did: the record keeps both.
    What was to be said in another state is not said any more: in a later turn of the same states it would do what nobody meant.
    """
    state = protocol.machine.step(process.state, trigger, by)
    moved = replace(process, state=state, **changes)
    protocol.save(tx, moved, now)
    if state in protocol.machine.terminal:
        outbox.remove_process(tx, moved.pid)
    elif process.state is not None:
        outbox.remove_overtaken(tx, moved.pid, state.value)
    lapse(tx, moved)
    record(tx, node, protocol, moved, by, refs=refs, failed=failed)
    return moved


def lapse(tx: Tx, process: Negotiation | Transfer) -> None:
    """An agreement whose negotiation was terminated is none: nobody may ask for data under it."""
    if process.state is negotiation_table.State.TERMINATED and process.agreement:
        agreements.lapse(tx, process.agreement)


def record(
    tx: Tx,
    node: Node,
    protocol: Protocol[P],
    process: P,
    by: Role,
    *,
    refs: Sequence[str] = (),
    failed: tuple[int, str] = (0, ""),
) -> None:
    """The audit record of the state a process has just reached."""
    details: dict[str, Any] = {
        "pid": process.pid,
        "peerPid": process.peer_pid,
        "role": process.role.value,
        "by": by.value,
        "state": process.state.value if process.state else "",
        "dataset": process.dataset,
    }
    if isinstance(process, Transfer):
        details["purpose"] = process.purpose
    else:
        details["offer"] = str(process.offer.get("@id", ""))
    if process.reason:
        details["text"] = process.reason
    if failed[0]:
        details |= {"failed": failed[0], "problem": failed[1]}
    node.audit.append(
        tx,
        f"{protocol.name}.{EVENTS[details['state']]}",
        actor=process.counterparty if by is not process.role else node.participant,
        peer=process.counterparty,
        agreement=process.agreement or None,
        reason=process.code or None,
        refs=refs,
        details=details,
    )
