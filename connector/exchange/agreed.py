"""The agreements of a negotiation: the one that counts, and what a peer makes us do about it (`exchange/peer.py`)."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from connector.exchange import outgoing
from connector.exchange.node import Node
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import outbox
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.outbox import Outgoing
from contracts.errors import BrokenRuleError
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import Trigger
from contracts.transfer.model import Transfer
from contracts.transfer.table import Trigger as TransferTrigger
from policies.canonical import canonical, digest
from policies.compare import policy_digest
from policies.errors import CanonicalError


def keep(tx: Tx, negotiation: Negotiation, document: dict[str, Any], now: datetime) -> Agreement:
    """Store an agreement as canonical bytes; raises BrokenRuleError for one that has no canonical form."""
    try:
        body = canonical(document)
    except CanonicalError as error:
        raise BrokenRuleError("agreement-not-canonical", problem=str(error)) from error
    agreed = Agreement(
        digest=digest(body),
        id=document["@id"],
        negotiation=negotiation.pid,
        role=negotiation.role,
        counterparty=negotiation.counterparty,
        dataset=document["target"],
        offer=str(negotiation.offer["@id"]),
        policy=policy_digest(document),
        body=body,
    )
    if agreements.by_id(tx, negotiation.counterparty, agreed.id) is not None:
        raise BrokenRuleError("agreement-id-reused", id=agreed.id)
    agreements.insert(tx, agreed, now)
    return agreed


def take_another(tx: Tx, node: Node, negotiation: Negotiation, document: dict[str, Any], now: datetime) -> None:
    """The provider has agreed a second time under another id: note it, for nobody knows yet which of the two it keeps."""
    known = agreements.by_id(tx, negotiation.counterparty, str(document["@id"]))
    if known is not None and known.negotiation == negotiation.pid:
        return
    another = keep(tx, negotiation, document, now)
    node.audit.append(
        tx,
        "negotiation.agreed-again",
        actor=negotiation.counterparty,
        peer=negotiation.counterparty,
        agreement=negotiation.agreement,
        details={"pid": negotiation.pid, "id": another.id, "digest": another.digest},
    )


def differently(tx: Tx, node: Node, process: Negotiation | Transfer, refused: Outgoing, now: datetime) -> bool:
    """Say a refused message in the other way that this peer may take; false when there is none."""
    peer = node.peers.of(process.counterparty)
    if isinstance(process, Negotiation):
        return (
            refused.trigger == Trigger.AGREEMENT and peer.compares_profile and _plainly(tx, node, process, refused, now)
        )
    return refused.trigger == TransferTrigger.REQUEST and peer.repeats and _by_other(tx, node, process, refused, now)


def _plainly(tx: Tx, node: Node, negotiation: Negotiation, refused: Outgoing, now: datetime) -> bool:
    """Once more without `profile`: its user has left that out, and it compares what its user has said."""
    agreed = agreements.get(tx, negotiation.agreement)
    if agreed is None or "profile" not in agreed.document:
        return False
    document = {name: value for name, value in agreed.document.items() if name != "profile"} | {"@id": node.new_id()}
    outbox.remove(tx, refused.message)
    held = replace(negotiation, agreement=keep(tx, negotiation, document, now).digest)
    negotiations.save(tx, held, now)
    outgoing.agreement(tx, node, held, document, now)
    return True


def _by_other(tx: Tx, node: Node, transfer: Transfer, refused: Outgoing, now: datetime) -> bool:
    """By the other agreement of the negotiation: it did not keep the one that we took."""
    current = agreements.get(tx, transfer.agreement)
    if current is None:
        return False
    others = [found for found in agreements.of_negotiation(tx, current.negotiation) if found.digest != current.digest]
    negotiation = negotiations.get(tx, current.negotiation)
    if not others or negotiation is None or negotiation.agreement != current.digest:
        return False
    (other, *_) = others
    outbox.remove(tx, refused.message)
    agreements.lapse(tx, current.digest)
    agreements.enforce(tx, other.digest, now)
    negotiations.save(tx, replace(negotiation, agreement=other.digest), now)
    asked = replace(transfer, agreement=other.digest)
    transfers.save(tx, asked, now)
    outgoing.transfer_request(tx, node, asked, other.id, now)
    return True
