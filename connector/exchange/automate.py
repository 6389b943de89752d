"""What follows by itself: the decision of a rule per dataset, and the answers the protocol leaves no choice about."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.exchange import outgoing
from connector.exchange.agreed import keep
from connector.exchange.decide import decide, region_of
from connector.exchange.node import Node
from connector.exchange.stop import barrier
from connector.store import agreement as agreements
from connector.store import catalog, control
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.database import Tx
from contracts.agreement import draw_up
from contracts.errors import BrokenRuleError
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.rules import equal_terms
from contracts.negotiation.table import State
from contracts.settlement.fit import check_fit
from contracts.settlement.terms import parse_terms
from contracts.transfer.messages import PUSH
from contracts.transfer.model import Transfer
from contracts.transfer.table import State as TransferState
from policies.compare import policy_digest
from policies.errors import PolicyError
from policies.facts import static_problems, terms_digests


class Automation:
    """The reactions of the product: `REACTIONS`, and nothing for every other state."""

    def moved(self, tx: Tx, node: Node, protocol: str, process: Any, now: datetime) -> Any:
        """What our side does by itself now that the process is in this state."""
        reaction = REACTIONS.get((protocol, process.role, process.state))
        return process if reaction is None else reaction(tx, node, process, now)


def on_request(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    """A request stands on the table: agree when it equals our offer and the dataset's rule says so, else a person decides."""
    ours = catalog.offer(tx, str(negotiation.offer["@id"]))
    # A counter-request may name any offer: only a current one of this dataset, made for this consumer, speaks for us.
    ours_to_them = (
        ours is not None
        and ours.dataset == negotiation.dataset
        and ours.state == "current"
        and ours.shown_to(negotiation.counterparty)
    )
    if (
        ours is None
        or not ours_to_them
        or ours.decision != "automatic"
        or control.stopped(tx, negotiation.counterparty)
    ):
        return negotiation
    return agree(tx, node, negotiation, now) if equal_terms(negotiation.offer, ours.document) else negotiation


def on_accepted(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    """Our offer was accepted: agree, unless nothing moves with this consumer; then a person decides."""
    if control.stopped(tx, negotiation.counterparty) is not None:
        return negotiation
    return agree(tx, node, negotiation, now)


def on_agreed(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    """The agreement holds: verify it."""
    outgoing.verification(tx, node, negotiation, now)
    return negotiation


def on_verified(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    """The consumer holds to the agreement: finalize."""
    outgoing.finalized(tx, node, negotiation, now)
    return negotiation


def agree(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    """Draw up the agreement about the offer on the table and queue it.

    Raises BrokenRuleError `terms-never-fulfilled` for a policy under which this consumer could never be served, TermsError for
    settlement terms that are not about this trade.
    """
    ours = catalog.offer(tx, str(negotiation.offer["@id"]))
    offer = dict(negotiation.offer)
    if ours is not None and "profile" not in offer and "profile" in ours.document:
        offer["profile"] = ours.document["profile"]  # left out by the requester's user (an EDC never writes it)
    document = draw_up(
        offer,
        agreement_id=node.new_id(),
        assigner=node.participant,
        assignee=negotiation.counterparty,
        timestamp=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    can_be_fulfilled(node, document, now, assignee=negotiation.counterparty)
    _can_be_settled(tx, node, negotiation, document)
    agreed = keep(tx, negotiation, document, now)
    held = replace(negotiation, agreement=agreed.digest)
    negotiations.save(tx, held, now)
    outgoing.agreement(tx, node, held, document, now)
    return held


def can_be_fulfilled(
    node: Node, document: Mapping[str, Any], now: datetime, *, assignee: str, undecidable: bool = True
) -> None:
    """Refuse a policy under which its assignee could never be served, or never again: its time is over, it is for others.

    What we cannot decide refuses too where we provide (`undecidable`). Raises BrokenRuleError `terms-never-fulfilled`.
    """
    try:
        plan = node.plans.get(policy_digest(document), document)
    except PolicyError as error:
        raise BrokenRuleError("terms-never-fulfilled", problem=str(error)) from error
    problems = static_problems(plan, assignee, region_of(node, assignee), now, undecidable=undecidable)
    if problems:
        raise BrokenRuleError(
            "terms-never-fulfilled", problem="; ".join(problem.sentence("en").removesuffix(".") for problem in problems)
        )


def _can_be_settled(tx: Tx, node: Node, negotiation: Negotiation, document: dict[str, Any]) -> None:
    """An offer for everybody may cite terms that name one payer: nobody else can trade under them."""
    plan = node.plans.get(policy_digest(document), document)
    for name in terms_digests(plan.policy):
        held = catalog.document(tx, name)
        if held is not None:
            trade = {"provider": node.participant, "consumer": negotiation.counterparty, "product": negotiation.dataset}
            check_fit(parse_terms(held.body), **trade)


def on_transfer_request(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> Transfer:
    """Judge a transfer request: nothing is reserved yet; a denial ends the transfer with the reason as its code."""
    agreed = agreements.get(tx, transfer.agreement)
    if agreed is None:
        raise BrokenRuleError("agreement-unknown", agreement=transfer.agreement)
    code, said = barrier(tx, transfer.counterparty, agreed.digest, transfer.role)
    if code:
        return _stopped(tx, node, transfer, agreed, code, said, now)
    decision = decide(tx, node, agreed, action="odrl:use", purpose=transfer.purpose or None, columns=None, now=now)
    node.audit.append(
        tx,
        "policy.decision",
        actor=transfer.counterparty,
        peer=transfer.counterparty,
        agreement=agreed.digest,
        policy=agreed.policy,
        decision=decision.outcome.value,
        reason=decision.reason,
        details={"at": "transfer-request", "transfer": transfer.pid, "decision": decision.to_dict()},
    )
    if decision.allowed:
        return begin(tx, node, transfer, now)
    ended = _with(tx, transfer, now, code=decision.reason or "no-permission", reason=decision.sentence("en"))
    outgoing.end_transfer(tx, node, ended, ended.code, ended.reason, now)
    return ended


def _stopped(
    tx: Tx, node: Node, transfer: Transfer, agreed: Agreement, code: str, said: str, now: datetime
) -> Transfer:
    """A person or a remedy has stopped this: no policy is asked."""
    node.audit.append(
        tx,
        "policy.decision",
        actor=transfer.counterparty,
        peer=transfer.counterparty,
        agreement=agreed.digest,
        policy=agreed.policy,
        decision="deny",
        reason=code,
        details={"at": "transfer-request", "transfer": transfer.pid, "text": said},
    )
    ended = _with(tx, transfer, now, code=code, reason=said)
    outgoing.end_transfer(tx, node, ended, code, said, now)
    return ended


def begin(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> Transfer:
    """Queue our start: of a pull with a fresh data address; tokens from before this moment are dead. A push begins anew."""
    address = transfer.data_address if transfer.format == PUSH else outgoing.fresh_address(node, transfer, now)
    changes = {"data_address": address, "started": stamp(now), "suspended_by": "", "reason": "", "delivered": ""}
    started = _with(tx, transfer, now, **changes)
    outgoing.start(tx, node, started, now)
    return started


def _with(tx: Tx, transfer: Transfer, now: datetime, **changes: Any) -> Transfer:
    changed = replace(transfer, **changes)
    transfers.save(tx, changed, now)
    return changed


REACTIONS: Mapping[tuple[str, Role, State | TransferState], Callable[[Tx, Node, Any, datetime], Any]] = {
    ("negotiation", Role.PROVIDER, State.REQUESTED): on_request,
    ("negotiation", Role.PROVIDER, State.ACCEPTED): on_accepted,
    ("negotiation", Role.CONSUMER, State.AGREED): on_agreed,
    ("negotiation", Role.PROVIDER, State.VERIFIED): on_verified,
    ("transfer", Role.PROVIDER, TransferState.REQUESTED): on_transfer_request,
}
