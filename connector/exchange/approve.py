"""What waits for a person of ours, and the answer: yes or no, with the reason kept.

A provider's person answers what was asked where the dataset says so (`decide: person`) or the terms differ from the offer, and
whatever comes from a partner with whom nothing moves; a consumer's person answers an offer. Everything else follows by itself.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from connector.errors import RefusedError
from connector.exchange import command
from connector.exchange.node import Node
from connector.store import negotiation as negotiations
from connector.store import outbox
from connector.store.database import Tx
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.rules import equal_terms
from contracts.negotiation.table import State

Subject: TypeAlias = Literal["request", "counter-request", "acceptance", "offer", "counter-offer"]
REJECTED = "rejected"
# In which state of whose role a person must speak.
_TURN: Mapping[Role, tuple[State, ...]] = {
    Role.PROVIDER: (State.REQUESTED, State.ACCEPTED),
    Role.CONSUMER: (State.OFFERED,),
}


def subject(negotiation: Negotiation) -> Subject:
    """What is to be decided: a request for what we offer or for other terms, an offer or one that answers our request.

    `acceptance`: our offer was accepted while nothing moved with that partner.
    """
    if negotiation.state is State.ACCEPTED:
        return "acceptance"
    if negotiation.role is Role.PROVIDER:
        same = bool(negotiation.answers) and equal_terms(negotiation.offer, negotiation.answers)
        return "request" if same else "counter-request"
    return "counter-offer" if negotiation.answers else "offer"


async def approve(node: Node, pid: str, *, reason: str = "", by: str = "") -> None:
    """Say yes: agree as provider, accept as consumer. `by` is who decided; the reason stays with the negotiation and in the log.

    Raises RefusedError `nothing-to-decide`, `offer-changed`, and what reading the documents of the offer may raise.
    """
    found = await node.db.read(lambda tx: _waiting(tx, pid))
    answer = command.agree if found.role is Role.PROVIDER else command.accept
    await answer(node, pid, reason=reason, by=by)


async def reject(node: Node, pid: str, *, reason: str, by: str = "") -> None:
    """Say no: the negotiation ends, and the counterparty is told the reason. Raises RefusedError `nothing-to-decide`."""
    await node.db.read(lambda tx: _waiting(tx, pid))
    await command.terminate(node, pid, reason=reason, code=REJECTED, by=by)


def _waiting(tx: Tx, pid: str) -> Negotiation:
    found = negotiations.get(tx, pid)
    if found is None:
        raise RefusedError("process-unknown", pid=pid)
    if found.state not in _TURN[found.role] or found.agreement or outbox.first_of_process(tx, pid) is not None:
        raise RefusedError("nothing-to-decide", pid=pid, state=str(found.state or "-"))
    return found
