"""A prohibition was breached: what its remedies say happens, at once (policies.md 2.6).

`weft:alert` puts the breach on record, where every reader of the event stream hears it; `weft:suspend` pauses the transfers
under the agreement and lets none begin until a person releases it. A breach is reported by a person, or seen in a partner's
catalog: content that it has from us, or a product that it says it made from ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from connector.clock import stamp
from connector.errors import RefusedError
from connector.exchange import outgoing
from connector.exchange.decide import plan_of
from connector.exchange.node import Node
from connector.exchange.process import TRANSFER
from connector.exchange.stop import BY_REMEDY
from connector.store import agreement as agreements
from connector.store import control
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.control import Held
from connector.store.database import Tx
from contracts.machine import Role
from contracts.transfer.table import State, Trigger
from policies.canonical import JsonValue
from policies.identifiers import short
from policies.model import Prohibition
from policies.sentences import sentence
from policies.vocabulary import ALERT, DERIVE, DISTRIBUTE, SUSPEND


def prohibition(node: Node, agreed: Agreement, action: str) -> Prohibition | None:
    """The rule of an agreement that prohibits an action by name."""
    return next((rule for rule in plan_of(node, agreed).policy.prohibitions if rule.action == action), None)


def breach(
    tx: Tx, node: Node, agreed: Agreement, *, action: str, reason: str, facts: Mapping[str, JsonValue], now: datetime
) -> tuple[str, ...]:
    """Do what the remedies of a breached prohibition say; returns the actions taken. `facts` say what was seen.

    We are the owner. Raises RefusedError `not-prohibited` when the agreement does not prohibit the action.
    """
    rule = prohibition(node, agreed, action)
    if rule is None or agreed.role is not Role.PROVIDER:
        raise RefusedError("not-prohibited", agreement=agreed.digest, action=action)
    remedies = tuple(duty.action for duty in rule.remedies if duty.action in (ALERT, SUSPEND))
    held = Held(agreed.digest, action, reason, stamp(now))
    if SUSPEND in remedies and control.hold(tx, held):
        for pid in control.running(tx, agreement=agreed.digest):
            _suspend(tx, node, pid, reason, now)
    node.audit.append(
        tx,
        "policy.breach",
        peer=agreed.counterparty,
        agreement=agreed.digest,
        policy=agreed.policy,
        decision="deny",
        reason="prohibited",
        details={
            "action": action,
            "rule": rule.digest,
            "remedies": list(remedies),
            "text": reason,
            "facts": dict(facts),
        },
    )
    return remedies


async def report(node: Node, agreement: str, *, action: str, reason: str) -> tuple[str, ...]:
    """A person has found a breach of an agreement under which we provide.

    Raises RefusedError `agreement-unknown`, `not-prohibited`.
    """

    def work(tx: Tx) -> tuple[str, ...]:
        agreed = agreements.get(tx, agreement)
        if agreed is None:
            raise RefusedError("agreement-unknown", agreement=agreement)
        return breach(tx, node, agreed, action=action, reason=reason, facts={"by": "operator"}, now=node.clock.now())

    return await node.db.transact(work)


async def release(node: Node, agreement: str, reason: str) -> None:
    """Let transfers under an agreement begin again; paused ones are resumed one by one. Raises RefusedError `not-held`."""

    def work(tx: Tx) -> None:
        if not control.release(tx, agreement):
            raise RefusedError("not-held", agreement=agreement)
        agreed = agreements.get(tx, agreement)
        peer = agreed.counterparty if agreed is not None else None
        node.audit.append(tx, "control.released", peer=peer, agreement=agreement, details={"text": reason})

    await node.db.transact(work)


def look(tx: Tx, node: Node, participant: str) -> None:
    """See whether the catalog of a member, as the index has it now, shows what our agreements with it prohibit.

    Each dataset of it is acted on once under each agreement: what a person has released does not come back by itself. Content
    or a product that one of several agreements allows is no breach of the others.
    """
    now = node.clock.now()
    shown = (
        (DISTRIBUTE, control.passed_on(tx, participant)),
        (DERIVE, control.made_of(tx, node.participant, participant)),
    )
    for action, found in shown:
        for dataset, digests in found.items():
            under = [agreed for each in digests if (agreed := agreements.get(tx, each)) is not None]
            prohibited = [agreed for agreed in under if prohibition(node, agreed, action) is not None]
            allowed = any(
                plan_of(node, agreed).choice(action).permissions for agreed in under if agreed not in prohibited
            )
            for agreed in prohibited if not allowed else ():
                if control.sight(tx, agreed.digest, action, dataset, now):
                    reason = sentence(f"breach.seen.{short(action).rpartition(':')[2]}", "en", dataset=dataset)
                    facts: dict[str, JsonValue] = {"by": "catalog", "dataset": dataset}
                    breach(tx, node, agreed, action=action, reason=reason, facts=facts, now=now)


def _suspend(tx: Tx, node: Node, pid: str, reason: str, now: datetime) -> None:
    """Pause a transfer that runs; one that has not begun finds the hold when it would."""
    transfer = transfers.get(tx, pid)
    if transfer is None or transfer.state is not State.STARTED or transfer.suspended_by or transfer.code:
        return
    TRANSFER.machine.step(transfer.state, Trigger.SUSPENSION, transfer.role)
    paused = replace(transfer, suspended_by=transfer.role.value, reason=reason)
    transfers.save(tx, paused, now)
    outgoing.suspension(tx, node, paused, BY_REMEDY, reason, now)
