"""What our side starts: each command looks first, then runs one transaction, and returns when it is durable.

What the counterparty makes of it arrives later and is watched through events. A caller's idempotency key makes a repeated
command return what the first one did.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import quote

from catalog.reader import lasting_offer_id
from connector.errors import RefusedError, UnreachableError
from connector.exchange import automate, difference, documents, outgoing, receiving, settle
from connector.exchange.difference import Difference
from connector.exchange.node import Node
from connector.exchange.process import NEGOTIATION, TRANSFER, object_in
from connector.store import agreement as agreements
from connector.store import catalog, control, outbox
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.errors import ContractError
from contracts.machine import Role
from contracts.messages import read
from contracts.negotiation.messages import ContractRequestMessage
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import Trigger
from contracts.transfer.messages import PULL, PUSH
from contracts.transfer.model import Transfer
from contracts.transfer.table import State
from contracts.transfer.table import Trigger as TransferTrigger
from policies.canonical import JsonValue

T = TypeVar("T")
_COUNTER: Mapping[Role, tuple[Trigger, Callable[[Tx, Node, Negotiation, datetime], None]]] = {
    Role.CONSUMER: (Trigger.REQUEST, outgoing.request),
    Role.PROVIDER: (Trigger.OFFER, outgoing.offer),
}


# -- negotiation -----------------------------------------------------------------------------------------------------


async def request(
    node: Node,
    *,
    provider: str,
    dataset: str,
    offer: str = "",
    document: Mapping[str, Any] | None = None,
    seen: Mapping[str, Any] | None = None,
    idempotency: str = "",
) -> str:
    """Ask for a contract about a dataset; returns our pid.

    `offer` is the @id of an offer of that dataset (its only one may be left out); `document` asks for other terms under that
    offer. The provider is asked for its offer first, unless the caller has `seen` it: then it judges the request alone. Terms and
    transforms are fetched and their digests checked first. Raises RefusedError, UnreachableError.
    """
    if idempotency:
        existing = await node.db.read(lambda tx: negotiations.by_idempotency(tx, idempotency))
        if existing is not None:
            return existing.pid
    wanted = offer or (str(document["@id"]) if document else "")
    offered = dict(seen) if seen is not None else await _offer_of(node, provider, dataset, wanted)
    asked = {**(document or offered), "@type": "Offer", "@id": offered["@id"], "target": dataset, "assigner": provider}
    _check_offer(asked)
    await documents.fetch(node, provider, asked, dataset=dataset, provider=provider)
    negotiation = Negotiation(
        pid=node.new_id(),
        role=Role.CONSUMER,
        counterparty=provider,
        peer_pid="",
        address=await node.bases.of(provider),
        state=None,
        dataset=dataset,
        offer=asked,
        offered_by=Role.CONSUMER,
        answers=offered,
        idempotency=idempotency,
    )
    return await node.db.transact(lambda tx: _open_negotiation(tx, node, negotiation, outgoing.request))


async def offer(node: Node, *, consumer: str, dataset: str, offer: str, idempotency: str = "") -> str:
    """Offer one of our datasets to a member that has not asked; returns our pid. Raises RefusedError."""
    peer = node.peers.of(consumer)
    if not peer.takes_offers:
        raise RefusedError("peer-takes-no-offers", participant=consumer, make=peer.name)
    ours = await node.db.read(lambda tx: catalog.offer(tx, offer))
    if ours is None or ours.dataset != dataset:
        raise RefusedError("offer-unknown", offer=offer, dataset=dataset)
    if not ours.shown_to(consumer):
        raise RefusedError("offer-not-for", offer=offer, participant=consumer)
    negotiation = Negotiation(
        pid=node.new_id(),
        role=Role.PROVIDER,
        counterparty=consumer,
        peer_pid="",
        address=await node.bases.of(consumer),
        state=None,
        dataset=dataset,
        offer={**ours.document, "@type": "Offer", "target": dataset, "assigner": node.participant},
        offered_by=Role.PROVIDER,
        idempotency=idempotency,
    )
    return await node.db.transact(lambda tx: _open_negotiation(tx, node, negotiation, outgoing.offer))


def _open_negotiation(
    tx: Tx, node: Node, negotiation: Negotiation, say: Callable[[Tx, Node, Negotiation, datetime], None]
) -> str:
    now = node.clock.now()
    existing = negotiations.by_idempotency(tx, negotiation.idempotency)
    if existing is not None:
        return existing.pid
    negotiations.insert(tx, negotiation, now)
    say(tx, node, negotiation, now)
    _note(tx, node, negotiation, "admin.negotiation-opened")
    return negotiation.pid


async def accept(node: Node, pid: str, *, reason: str = "", by: str = "") -> None:
    """Accept the provider's offer on the table, after reading the documents it names; `by` is who decided, and why."""
    negotiation = await _decidable(node, pid, Trigger.ACCEPTED)
    found = await difference.of(node, negotiation)

    def work(tx: Tx) -> None:
        current = replace(_unchanged(tx, negotiation, Trigger.ACCEPTED), approval=reason)
        now = node.clock.now()
        negotiations.save(tx, current, now)
        outgoing.accepted(tx, node, current, now)
        _note(tx, node, current, "admin.offer-accepted", reason, by=by, found=found)

    await node.db.transact(work)


async def counter(node: Node, pid: str, document: Mapping[str, Any]) -> None:
    """Put other terms on the table: the consumer asks, the provider offers."""
    negotiation = await _negotiation(node, pid)
    trigger, say = _COUNTER[negotiation.role]
    provider = negotiation.counterparty if negotiation.role is Role.CONSUMER else node.participant
    asked = {
        **document,
        "@type": "Offer",
        "@id": document.get("@id", negotiation.offer["@id"]),
        "target": negotiation.dataset,
        "assigner": provider,
    }
    _check_offer(asked)
    NEGOTIATION.machine.step(negotiation.state, trigger, negotiation.role)
    await documents.fetch(node, negotiation.counterparty, asked, dataset=negotiation.dataset, provider=provider)
    answered = replace(negotiation, offer=asked, offered_by=negotiation.role, answers=negotiation.offer)
    found = await difference.of(node, answered)

    def work(tx: Tx) -> None:
        now = node.clock.now()
        current = _unchanged(tx, negotiation, trigger)
        current = replace(current, offer=asked, offered_by=current.role, answers=current.offer)
        negotiations.save(tx, current, now)
        say(tx, node, current, now)
        _note(tx, node, current, "admin.countered", found=found)

    await node.db.transact(work)


async def agree(node: Node, pid: str, *, reason: str = "", by: str = "") -> None:
    """A person's decision: agree to what the consumer has asked for or accepted, after reading the documents it names."""
    negotiation = await _decidable(node, pid, Trigger.AGREEMENT)
    found = await difference.of(node, negotiation)

    def work(tx: Tx) -> None:
        current = replace(_unchanged(tx, negotiation, Trigger.AGREEMENT), approval=reason)
        automate.agree(tx, node, current, node.clock.now())
        _note(tx, node, current, "admin.request-agreed", reason, by=by, found=found)

    await node.db.transact(work)


async def terminate(node: Node, pid: str, *, reason: str, code: str = "", by: str = "") -> None:
    """End a negotiation; the counterparty is told until it has acknowledged it."""

    def work(tx: Tx) -> None:
        current = _known(negotiations.get(tx, pid), pid)
        if current.state in NEGOTIATION.machine.terminal:
            raise RefusedError("process-ended", pid=pid, state=str(current.state))
        settle.end(tx, node, current, code or "ended-by-operator", reason, node.clock.now())
        _note(tx, node, current, "admin.negotiation-terminated", reason, by=by)

    await node.db.transact(work)


# -- transfer --------------------------------------------------------------------------------------------------------


async def start(node: Node, *, agreement: str, purpose: str = "", push: bool = False, idempotency: str = "") -> str:
    """Ask for a transfer under an agreement of ours (digest or @id), stating the purpose; returns our pid.

    With `push` the provider sends the data to an address of ours, and the delivery is expected from now on.
    """

    def work(tx: Tx) -> str:
        now = node.clock.now()
        existing = transfers.by_idempotency(tx, idempotency)
        if existing is not None:
            return existing.pid
        agreed = agreements.get(tx, agreement)
        if agreed is None or agreed.role is not Role.CONSUMER:
            raise RefusedError("agreement-unknown", agreement=agreement)
        if not agreed.in_force:
            raise RefusedError("agreement-not-in-force", agreement=agreement)
        if control.stopped(tx, agreed.counterparty) is not None:
            raise RefusedError("partner-stopped", participant=agreed.counterparty)
        negotiation = _known(negotiations.get(tx, agreed.negotiation), agreed.negotiation)
        pid = node.new_id()
        transfer = Transfer(
            pid=pid,
            role=Role.CONSUMER,
            counterparty=agreed.counterparty,
            peer_pid="",
            address=negotiation.address,
            state=None,
            agreement=agreed.digest,
            dataset=agreed.dataset,
            format=PUSH if push else PULL,
            purpose=purpose,
            data_address=receiving.inbox_address(node, pid) if push else None,
            idempotency=idempotency,
        )
        transfers.insert(tx, transfer, now)
        if push:
            receiving.expect_push(tx, node, transfer)
        outgoing.transfer_request(tx, node, transfer, agreed.id, now)
        _note(tx, node, transfer, "admin.transfer-asked")
        return transfer.pid

    return await node.db.transact(work)


async def suspend(node: Node, pid: str, *, reason: str) -> None:
    """Pause a transfer: no byte moves from this commit on, whatever the counterparty answers."""

    def work(tx: Tx) -> None:
        now = node.clock.now()
        current = _movable(tx, pid, TransferTrigger.SUSPENSION)
        paused = replace(current, suspended_by=current.role.value, reason=reason)
        transfers.save(tx, paused, now)
        outgoing.suspension(tx, node, paused, "suspended-by-operator", reason, now)
        _note(tx, node, current, "admin.transfer-suspended", reason)

    await node.db.transact(work)


async def resume(node: Node, pid: str) -> None:
    """Go on with a transfer that we paused, or both at once; the provider's message carries a fresh data address."""

    def work(tx: Tx) -> None:
        now = node.clock.now()
        current = _movable(tx, pid, TransferTrigger.START)
        if current.state is not State.SUSPENDED or current.suspended_by not in ("", current.role.value):
            raise RefusedError("suspended-by-other", pid=pid, by=current.suspended_by or "-")
        if control.held(tx, current.agreement) is not None:
            raise RefusedError("agreement-held", agreement=current.agreement)
        if current.role is Role.PROVIDER:
            automate.begin(tx, node, current, now)
        else:
            outgoing.start(tx, node, current, now)
        _note(tx, node, current, "admin.transfer-resumed")

    await node.db.transact(work)


async def complete(node: Node, pid: str) -> None:
    """Say that a transfer is done; one that has ended already stays as it is."""

    def work(tx: Tx) -> None:
        current = _known(transfers.get(tx, pid), pid)
        if current.state in TRANSFER.machine.terminal:
            return
        outgoing.completion(tx, node, _movable(tx, pid, TransferTrigger.COMPLETION), node.clock.now())

    await node.db.transact(work)


async def terminate_transfer(node: Node, pid: str, *, reason: str, code: str = "") -> None:
    """End a transfer: no byte moves from this commit on; the counterparty is told until it has acknowledged it."""

    def work(tx: Tx) -> None:
        current = _known(transfers.get(tx, pid), pid)
        if current.state in TRANSFER.machine.terminal:
            raise RefusedError("process-ended", pid=pid, state=str(current.state))
        settle.end(tx, node, current, code or "ended-by-operator", reason, node.clock.now())
        _note(tx, node, current, "admin.transfer-terminated", reason)

    await node.db.transact(work)


# -- looking ---------------------------------------------------------------------------------------------------------


async def _offer_of(node: Node, provider: str, dataset: str, offer_id: str) -> dict[str, Any]:
    """The provider's own word on its offer, asked now: an index may be old."""
    base = await node.bases.of(provider)
    status, body = await documents.get(node, provider, f"{base}/catalog/datasets/{quote(dataset, safe='')}")
    if status == HTTPStatus.NOT_FOUND:
        raise RefusedError("dataset-unknown", dataset=dataset, participant=provider)
    if status != HTTPStatus.OK:
        raise UnreachableError("unreachable", url=base, cause=f"HTTP {status}")
    found = object_in(body)
    await documents.learn(node, provider, found)
    offers = _offers(found)
    if not offer_id and len(offers) == 1:
        return next(iter(offers.values()))
    if offer_id not in offers:
        lasting = lasting_offer_id(offer_id)
        offer_id = next((found for found in offers if lasting_offer_id(found) == lasting), offer_id)
    if offer_id not in offers:
        raise RefusedError("offer-unknown", offer=offer_id or "-", dataset=dataset)
    return offers[offer_id]


def _offers(dataset: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The offers of a dataset answer by their @id; what is not an offer is not there."""
    found = dataset.get("hasPolicy", ())
    listed = [found] if isinstance(found, dict) else found if isinstance(found, list) else []
    return {
        str(item["@id"]): cast("dict[str, Any]", item) for item in listed if isinstance(item, dict) and "@id" in item
    }


def _check_offer(asked: Mapping[str, Any]) -> None:
    """Our own message must have the shape we demand of others: checked before it is written anywhere."""
    probe = {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@type": "ContractRequestMessage",
        "consumerPid": "urn:uuid:0",
        "providerPid": "urn:uuid:0",
        "offer": dict(asked),
    }
    try:
        read(ContractRequestMessage, probe)
    except ContractError as error:
        raise RefusedError("offer-invalid", **error.facts) from error


async def _negotiation(node: Node, pid: str) -> Negotiation:
    return _known(await node.db.read(lambda tx: negotiations.get(tx, pid)), pid)


async def _decidable(node: Node, pid: str, trigger: Trigger) -> Negotiation:
    """The negotiation, if the table lets us answer now, with every document of the offer on the table held and checked."""
    found = await _negotiation(node, pid)
    NEGOTIATION.machine.step(found.state, trigger, found.role)
    provider = found.counterparty if found.role is Role.CONSUMER else node.participant
    await documents.fetch(node, found.counterparty, found.offer, dataset=found.dataset, provider=provider)
    return found


def _known(process: T | None, pid: str) -> T:
    if process is None:
        raise RefusedError("process-unknown", pid=pid)
    return process


def _ready(tx: Tx, pid: str, trigger: Trigger) -> Negotiation:
    """The negotiation, if the table lets us send this now; raises IllegalTransitionError or RefusedError."""
    current = _known(negotiations.get(tx, pid), pid)
    NEGOTIATION.machine.step(current.state, trigger, current.role)
    if tx.one("outbox.first_of_process", process=pid) is not None:
        raise RefusedError("message-under-way", pid=pid)
    return current


def _unchanged(tx: Tx, seen: Negotiation, trigger: Trigger) -> Negotiation:
    """As `_ready`, if still the same offer is on the table that was decided about; raises RefusedError `offer-changed`."""
    current = _ready(tx, seen.pid, trigger)
    if current.offer != seen.offer:
        raise RefusedError("offer-changed", pid=seen.pid)
    return current


def _movable(tx: Tx, pid: str, trigger: TransferTrigger) -> Transfer:
    current = _known(transfers.get(tx, pid), pid)
    TRANSFER.machine.step(current.state, trigger, current.role)
    if outbox.ends(tx, pid):
        raise RefusedError("message-under-way", pid=pid)
    return current


def _note(
    tx: Tx,
    node: Node,
    process: Negotiation | Transfer,
    type_: str,
    reason: str = "",
    *,
    by: str = "",
    found: Difference | None = None,
) -> None:
    """The administrative act in the audit log: who did it and why, and what differed between the two sides then."""
    details: dict[str, JsonValue] = {"pid": process.pid, "dataset": process.dataset}
    details |= {"text": reason} if reason else {}
    details |= {"by": by} if by else {}
    details |= {"difference": found.facts()} if found is not None and found.differs else {}
    node.audit.append(
        tx,
        type_,
        actor=node.participant,
        peer=process.counterparty,
        agreement=process.agreement or None,
        details=details,
    )
