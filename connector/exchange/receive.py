"""A message arrives: one transaction from the inbox to the reply (architecture, rules of exchange).

Who speaks has been authenticated and the bytes have been read; what is left is a function of the store. A refused message
changes nothing but the audit log; an accepted one gets its reply recorded, so that a repeat gets the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from connector.clock import micros, stamp
from connector.errors import AuthenticationError, RefusedError
from connector.exchange import agreed, automate, settle
from connector.exchange.node import Node
from connector.exchange.process import NEGOTIATION, TRANSFER, Protocol, advance, to_bytes
from connector.identity.tokens import LIFETIME_LIMIT_S, Speaker
from connector.store import agreement as agreements
from connector.store import catalog, inbox, outbox
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.errors import BrokenRuleError, ContractError
from contracts.machine import Role
from contracts.messages import Message
from contracts.negotiation import messages as said
from contracts.negotiation import rules as negotiation_rules
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State, Trigger
from contracts.transfer import messages as moved
from contracts.transfer import rules as transfer_rules
from contracts.transfer.model import Transfer
from contracts.transfer.table import Trigger as TransferTrigger
from policies.sentences import sentence


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that was read: who speaks, in which protocol, at which of our pids (`""` opens a process)."""

    speaker: Speaker
    protocol: Protocol[Any]
    trigger: StrEnum
    pid: str
    message: Message
    digest: str

    @property
    def sender(self) -> str:
        return self.speaker.participant

    @property
    def refs(self) -> list[str]:
        return [f"message:{self.digest}"]


_STATUS = {"process-unknown": 404, "message-overtaken": 425}
# What a peer may say again under another id without saying anything new: these messages have no content that moves the process.
_AGAIN: frozenset[StrEnum] = frozenset(
    {
        *(Trigger.ACCEPTED, Trigger.VERIFICATION, Trigger.FINALIZED, Trigger.TERMINATION),
        *(TransferTrigger.START, TransferTrigger.SUSPENSION, TransferTrigger.COMPLETION, TransferTrigger.TERMINATION),
    }
)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body of the answer, and when the message was taken (microseconds since 1970; 0 = refused)."""

    status: int
    body: bytes
    taken_us: int = 0


def receive(tx: Tx, node: Node, incoming: Incoming) -> Reply:
    """Answer a message; raises AuthenticationError `token-replayed` for a token that was used before."""
    now = node.clock.now()
    speaker = incoming.speaker
    message = incoming.message.id or incoming.digest
    thread = incoming.pid or _their_pid(incoming)
    # Rule 1, before all else: a network that delivers a request twice must not turn an acknowledgement into a refusal.
    known = inbox.recorded_reply(tx, incoming.sender, message, thread)
    if known is not None:
        return Reply(*known)
    if not inbox.use_token(tx, speaker.participant, speaker.jti, speaker.expires):
        raise AuthenticationError("token-replayed", participant=speaker.participant, jti=speaker.jti)
    outbox.hasten(tx, incoming.sender, now)
    node.peers.note(tx, incoming.sender, incoming.message.context)
    try:
        _in_order(tx, incoming, thread)
        with tx.attempt():
            process, status = _handle(tx, node, incoming, now)
    except (ContractError, RefusedError) as error:
        return _refuse(tx, node, incoming, error)
    body = to_bytes(incoming.protocol.acknowledgement(process))
    inbox.record(tx, incoming.sender, message, thread, status, body, now, speaker.issued)
    return Reply(status, body, micros(now))


def _in_order(tx: Tx, incoming: Incoming, thread: str) -> None:
    """A message that was on its way while its sender went on is out of date; a termination never is.

    DSP gives messages no order. A suspension that its sender took back, and that arrives after the resumption, would leave
    the two sides in different states. The sender of one that still counts tries again with a new token.
    """
    if incoming.pid and incoming.trigger.value != "termination":
        issued = incoming.speaker.issued
        if inbox.overtaken(tx, incoming.sender, thread, issued, LIFETIME_LIMIT_S):
            raise RefusedError("message-overtaken", pid=incoming.pid)


def refusal(incoming: Incoming, code: str, facts: dict[str, Any], status: int) -> Reply:
    """The error body of the protocol; the schema wants both pids, so unknown ones repeat what the request said."""
    extra = incoming.message
    theirs, ours = _their_pid(incoming), incoming.pid or _their_pid(incoming)
    provider = getattr(extra, "provider_pid", None) or ours
    consumer = getattr(extra, "consumer_pid", None) or theirs
    text = sentence(f"error.{code}", "en", **facts)
    return Reply(status, to_bytes(incoming.protocol.refusal(provider, consumer, code, [text])))


def _refuse(tx: Tx, node: Node, incoming: Incoming, error: ContractError | RefusedError) -> Reply:
    status = node.peers.of(incoming.sender).told(_STATUS.get(error.code, 400))
    node.audit.append(
        tx,
        "message.refused",
        actor=incoming.sender,
        peer=incoming.sender,
        reason=error.code,
        details={
            "type": incoming.message.type,
            "pid": incoming.pid,
            "peerPid": _their_pid(incoming),
            "status": status,
            "digest": incoming.digest,
            "facts": {name: str(value) for name, value in error.facts.items()},
        },
    )
    return refusal(incoming, error.code, error.facts, status)


def _their_pid(incoming: Incoming) -> str:
    """The sender's own pid: of an opening message, the only one there is."""
    message = incoming.message
    opens_offer = isinstance(message, said.ContractOfferMessage)
    name = "provider_pid" if opens_offer else "consumer_pid"
    return getattr(message, name, None) or ""


def _handle(tx: Tx, node: Node, incoming: Incoming, now: datetime) -> tuple[Any, int]:
    if not incoming.pid:
        return _OPENING[type(incoming.message)](tx, node, incoming, now), 201
    process = incoming.protocol.get(tx, incoming.pid)
    if process is None or process.counterparty != incoming.sender:
        # Someone else's process does not exist for this sender (DSP 2025-1: 404 hides existence).
        raise BrokenRuleError("process-unknown", pid=incoming.pid)
    _same_pids(incoming, process)
    process = _introduced(incoming, process)
    _not_ending(tx, incoming)
    process = _arrived(tx, node, incoming, process, now)
    if _said_again(node, incoming, process):
        return _newest_address(tx, incoming, process, now), 200
    handler = _RUNNING[incoming.protocol.name, incoming.trigger]
    return handler(tx, node, incoming, process, now), 200


def _not_ending(tx: Tx, incoming: Incoming) -> None:
    """Who has said that it ends takes nothing but an end: else a last word that crosses ours would end the two sides unlike."""
    pending = outbox.first_of_process(tx, incoming.pid)
    if pending is not None and pending.trigger == "termination" and incoming.trigger.value != "termination":
        raise BrokenRuleError("process-ending", pid=incoming.pid)


def _introduced(incoming: Incoming, process: Any) -> Any:
    """The process with the counterparty's pid: where no answer has named it, the first message does."""
    name = "provider_pid" if process.role is Role.CONSUMER else "consumer_pid"
    named = getattr(incoming.message, name, None)
    return replace(process, peer_pid=named) if named and not process.peer_pid else process


def _same_pids(incoming: Incoming, process: Any) -> None:
    message = incoming.message
    for name in ("consumer_pid", "provider_pid"):
        expected, found = getattr(process, name), getattr(message, name, None)
        if expected and found != expected:
            raise BrokenRuleError("pid-mismatch", member=_camel(name), expected=expected, found=str(found))


def _camel(name: str) -> str:
    return name.replace("_pid", "Pid")


def _arrived(tx: Tx, node: Node, incoming: Incoming, process: Any, now: datetime) -> Any:
    """Rule 2: a message that is legal only after our pending one acknowledges it."""
    machine, by = incoming.protocol.machine, process.role.other
    if machine.allows(process.state, incoming.trigger, by):
        return process
    pending = outbox.first_of_process(tx, process.pid)
    if pending is None or not machine.allows(incoming.protocol.states(pending.becomes), incoming.trigger, by):
        return process
    named = getattr(incoming.message, "provider_pid" if process.role is Role.CONSUMER else "consumer_pid", "") or ""
    return settle.acknowledge(tx, node, incoming.protocol, process, pending, now, peer_pid=named)


def _said_again(node: Node, incoming: Incoming, process: Any) -> bool:
    """Whether a peer that repeats itself says what it has said before: the process stands where that has brought it."""
    machine, by, trigger = incoming.protocol.machine, process.role.other, incoming.trigger
    return (
        node.peers.of(incoming.sender).repeats
        and trigger in _AGAIN
        and not machine.allows(process.state, trigger, by)
        and (process.state.value == "TERMINATED") == (trigger.value == "termination")
        and machine.follows(process.state, trigger, by)
    )


def _newest_address(tx: Tx, incoming: Incoming, process: Any, now: datetime) -> Any:
    """A start that is said again may carry another token: the newest one counts."""
    message = incoming.message
    if not isinstance(message, moved.TransferStartMessage) or not _gives_address(process, message):
        return process
    process = replace(process, data_address=_address(message.data_address))
    transfers.save(tx, process, now)
    return process


def _gives_address(transfer: Transfer, message: moved.TransferStartMessage) -> bool:
    """Whether this start says where a consumer may pull; at a push the address that we gave counts."""
    pulls = transfer.role is Role.CONSUMER and transfer.format != moved.PUSH
    return pulls and message.data_address is not None


def _moved(tx: Tx, node: Node, incoming: Incoming, process: Any, now: datetime, **changes: Any) -> Any:
    """Move the process by the counterparty's message, and let follow what follows by itself."""
    protocol, by = incoming.protocol, process.role.other
    moved_on = advance(tx, node, protocol, process, incoming.trigger, by, now=now, refs=incoming.refs, **changes)
    return node.reactions.moved(tx, node, protocol.name, moved_on, now)


def _text(reasons: tuple[Any, ...]) -> str:
    """What a counterparty gave as reason, as one line: strings, or objects with a message (the conformance kit)."""
    parts = [str(item.get("message", item)) if isinstance(item, dict) else str(item) for item in reasons]
    return "; ".join(part for part in parts if part)[:1000]


# -- negotiation -----------------------------------------------------------------------------------------------------


def _open_request(tx: Tx, node: Node, incoming: Incoming, now: datetime) -> Negotiation:
    message = cast("said.ContractRequestMessage", incoming.message)
    address = node.guard.callback(incoming.sender, str(message.callback_address))
    offer = message.offer
    existing = negotiations.by_peer(tx, incoming.sender, message.consumer_pid)
    if existing is not None:
        if node.peers.of(incoming.sender).repeats and existing.offer == offer:
            return existing
        raise BrokenRuleError("pid-reused", pid=message.consumer_pid)
    negotiation_rules.parties(offer, provider=node.participant, consumer=incoming.sender)
    ours = catalog.offer(tx, str(offer["@id"]))
    if ours is None or ours.dataset != offer["target"] or not ours.shown_to(incoming.sender):
        raise BrokenRuleError("offer-unknown", offer=str(offer["@id"]), dataset=str(offer["target"]))
    negotiation = Negotiation(
        pid=node.new_id(),
        role=Role.PROVIDER,
        counterparty=incoming.sender,
        peer_pid=message.consumer_pid,
        address=address,
        state=None,
        dataset=str(offer["target"]),
        offer=offer,
        offered_by=Role.CONSUMER,
        answers=ours.document,
    )
    negotiations.insert(tx, negotiation, now)
    requested: Negotiation = _moved(tx, node, incoming, negotiation, now)
    return requested


def _open_offer(tx: Tx, node: Node, incoming: Incoming, now: datetime) -> Negotiation:
    message = cast("said.ContractOfferMessage", incoming.message)
    address = node.guard.callback(incoming.sender, str(message.callback_address))
    if negotiations.by_peer(tx, incoming.sender, message.provider_pid) is not None:
        raise BrokenRuleError("pid-reused", pid=message.provider_pid)
    negotiation_rules.parties(message.offer, provider=incoming.sender, consumer=node.participant)
    negotiation = Negotiation(
        pid=node.new_id(),
        role=Role.CONSUMER,
        counterparty=incoming.sender,
        peer_pid=message.provider_pid,
        address=address,
        state=None,
        dataset=str(message.offer["target"]),
        offer=message.offer,
        offered_by=Role.PROVIDER,
    )
    negotiations.insert(tx, negotiation, now)
    offered: Negotiation = _moved(tx, node, incoming, negotiation, now)
    return offered


def _counter_request(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    offer = cast("said.ContractRequestMessage", incoming.message).offer
    negotiation_rules.parties(offer, provider=node.participant, consumer=incoming.sender)
    negotiation_rules.same_target(negotiation, offer)
    words = {"offer": offer, "offered_by": Role.CONSUMER, "answers": negotiation.offer}
    requested: Negotiation = _moved(tx, node, incoming, negotiation, now, **words)
    return requested


def _counter_offer(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    offer = cast("said.ContractOfferMessage", incoming.message).offer
    negotiation_rules.parties(offer, provider=incoming.sender, consumer=node.participant)
    negotiation_rules.same_target(negotiation, offer)
    words = {"offer": offer, "offered_by": Role.PROVIDER, "answers": negotiation.offer}
    offered: Negotiation = _moved(tx, node, incoming, negotiation, now, **words)
    return offered


def _accepted(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    NEGOTIATION.machine.step(negotiation.state, Trigger.ACCEPTED, Role.CONSUMER)
    negotiation_rules.accepts_counterparty_offer(negotiation)
    accepted: Negotiation = _moved(tx, node, incoming, negotiation, now)
    return accepted


def _agreement(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    document = cast("said.ContractAgreementMessage", incoming.message).agreement
    if negotiation.state in (State.AGREED, State.VERIFIED) and node.peers.of(incoming.sender).repeats:
        negotiation_rules.agreement_holds(negotiation, document, provider=incoming.sender, consumer=node.participant)
        agreed.take_another(tx, node, negotiation, document, now)
        return negotiation
    NEGOTIATION.machine.step(negotiation.state, Trigger.AGREEMENT, Role.PROVIDER)
    negotiation_rules.agreement_holds(negotiation, document, provider=incoming.sender, consumer=node.participant)
    # What is over, or for others, is not verified: the transfer would be refused, and the contract would stand.
    automate.can_be_fulfilled(node, document, now, assignee=node.participant, undecidable=False)
    kept = agreed.keep(tx, negotiation, document, now)
    held: Negotiation = _moved(tx, node, incoming, negotiation, now, agreement=kept.digest)
    return held


def _verification(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    NEGOTIATION.machine.step(negotiation.state, Trigger.VERIFICATION, Role.CONSUMER)
    # The consumer may ask for a transfer the moment it has read FINALIZED: the agreement is in force before that is sent.
    agreements.enforce(tx, negotiation.agreement, now)
    verified: Negotiation = _moved(tx, node, incoming, negotiation, now)
    return verified


def _finalized(tx: Tx, node: Node, incoming: Incoming, negotiation: Negotiation, now: datetime) -> Negotiation:
    finalized: Negotiation = _moved(tx, node, incoming, negotiation, now)
    agreements.enforce(tx, finalized.agreement, now)
    settle.send_seal(tx, node, finalized, now)
    return finalized


def _end(tx: Tx, node: Node, incoming: Incoming, process: Any, now: datetime) -> Any:
    message = cast("said.ContractNegotiationTerminationMessage | moved.TransferTerminationMessage", incoming.message)
    code = message.code[:200] or "ended-by-counterparty"
    return _moved(tx, node, incoming, process, now, code=code, reason=_text(message.reason))


# -- transfer --------------------------------------------------------------------------------------------------------


def _open_transfer(tx: Tx, node: Node, incoming: Incoming, now: datetime) -> Transfer:
    message = cast("moved.TransferRequestMessage", incoming.message)
    existing = transfers.by_peer(tx, incoming.sender, message.consumer_pid)
    if existing is not None:
        # DSP 2025-1: idempotent on the consumerPid, for this consumer alone.
        return existing
    address = node.guard.callback(incoming.sender, message.callback_address)
    agreed = agreements.by_id(tx, incoming.sender, message.agreement_id)
    if agreed is None or agreed.role is not Role.PROVIDER or not agreed.in_force:
        raise BrokenRuleError("agreement-unknown", agreement=message.agreement_id)
    transfer_rules.supported_format(message.format, transfer_rules.formats(push=node.settings.push))
    destination = transfer_rules.destination(message.format, message.data_address)
    if destination is not None:
        node.guard.destination(incoming.sender, destination.url)
    transfer = Transfer(
        pid=node.new_id(),
        role=Role.PROVIDER,
        counterparty=incoming.sender,
        peer_pid=message.consumer_pid,
        address=address,
        state=None,
        agreement=agreed.digest,
        dataset=agreed.dataset,
        format=message.format,
        purpose=message.purpose,
        data_address=_address(message.data_address) if destination is not None else None,
    )
    transfers.insert(tx, transfer, now)
    requested: Transfer = _moved(tx, node, incoming, transfer, now)
    return requested


def _start(tx: Tx, node: Node, incoming: Incoming, transfer: Transfer, now: datetime) -> Transfer:
    message = cast("moved.TransferStartMessage", incoming.message)
    by = transfer.role.other
    TRANSFER.machine.step(transfer.state, TransferTrigger.START, by)
    transfer_rules.resumable_by(transfer, by)
    transfer_rules.has_address(transfer, by, message.data_address)
    if by is Role.CONSUMER and node.peers.of(incoming.sender).restarts:
        pending = outbox.first_of_process(tx, transfer.pid)
        begun = pending is not None and pending.trigger == TransferTrigger.START.value
        return transfer if begun else automate.begin(tx, node, transfer, now)
    # A push begins anew when it goes on; its start may repeat the address that we gave (EDC 0.17 does): ours counts.
    changes: dict[str, Any] = {"suspended_by": "", "reason": "", "started": stamp(now), "delivered": ""}
    if _gives_address(transfer, message):
        changes["data_address"] = _address(message.data_address)
    started: Transfer = _moved(tx, node, incoming, transfer, now, **changes)
    return started


def _address(address: moved.DataAddress | None) -> dict[str, Any] | None:
    """A data address as it is kept: word for word."""
    return address.model_dump(by_alias=True, mode="json", exclude_none=True) if address is not None else None


def _suspension(tx: Tx, node: Node, incoming: Incoming, transfer: Transfer, now: datetime) -> Transfer:
    message = cast("moved.TransferSuspensionMessage", incoming.message)
    pending = outbox.first_of_process(tx, transfer.pid)
    # Where two suspensions cross, nobody can tell which one counted: either side may go on, or neither could.
    crossed = pending is not None and pending.trigger == TransferTrigger.SUSPENSION.value
    by, reason = "" if crossed else transfer.role.other.value, _text(message.reason)
    suspended: Transfer = _moved(tx, node, incoming, transfer, now, suspended_by=by, reason=reason)
    return suspended


def _completion(tx: Tx, node: Node, incoming: Incoming, transfer: Transfer, now: datetime) -> Transfer:
    completed: Transfer = _moved(tx, node, incoming, transfer, now)
    return completed


_OPENING: dict[type[Message], Callable[[Tx, Node, Incoming, datetime], Any]] = {
    said.ContractRequestMessage: _open_request,
    said.ContractOfferMessage: _open_offer,
    moved.TransferRequestMessage: _open_transfer,
}
_RUNNING: dict[tuple[str, StrEnum], Callable[[Tx, Node, Incoming, Any, datetime], Any]] = {
    ("negotiation", Trigger.REQUEST): _counter_request,
    ("negotiation", Trigger.OFFER): _counter_offer,
    ("negotiation", Trigger.ACCEPTED): _accepted,
    ("negotiation", Trigger.AGREEMENT): _agreement,
    ("negotiation", Trigger.VERIFICATION): _verification,
    ("negotiation", Trigger.FINALIZED): _finalized,
    ("negotiation", Trigger.TERMINATION): _end,
    ("transfer", TransferTrigger.START): _start,
    ("transfer", TransferTrigger.SUSPENSION): _suspension,
    ("transfer", TransferTrigger.COMPLETION): _completion,
    ("transfer", TransferTrigger.TERMINATION): _end,
}
