"""One decision for every place that needs one: the transfer request, the gate, the dry run.

Everything measured is looked up here: counters in the same transaction, the region of the assignee in the signed member
list, the transforms we hold. The decision itself is a pure function of the policies package.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connector.exchange.node import Node
from connector.store import catalog, counter
from connector.store.agreement import Agreement
from connector.store.database import Tx
from contracts.machine import Role
from policies.columns import parse_list
from policies.compile import Plan
from policies.decision import Decision
from policies.evaluate import evaluate
from policies.model import Policy, conditions_within
from policies.vocabulary import COLUMNS, TRANSFORM, USE
from policies.world import Request, State


@dataclass(frozen=True, slots=True)
class Granted:
    """What a permission says about the bytes: digests of the transforms they must undergo, and the columns (None = all)."""

    transforms: tuple[str, ...]
    columns: tuple[str, ...] | None


def decide(
    tx: Tx,
    node: Node,
    agreement: Agreement,
    *,
    action: str,
    purpose: str | None,
    columns: tuple[str, ...] | None,
    now: datetime | None = None,
    transforms: Iterable[str] | None = None,
    region: str | None = None,
    next_policies: Iterable[Policy] = (),
) -> Decision:
    """Whether the agreement allows its assignee `action` (`odrl:use`, …) now; nothing is reserved and nothing recorded.

    `columns` are those asked for, None when none were named. `transforms` are the digests that were or can be applied, by
    default those the agreement names and we hold.
    """
    at = node.clock.now() if now is None else now
    plan = plan_of(node, agreement)
    if transforms is None:
        transforms = catalog.known_documents(tx, named_transforms(plan, action))
    return evaluate(
        plan,
        Request(action=action, assignee=assignee_of(node, agreement), purpose=purpose, columns=columns),
        State(
            now=at,
            region=region if region is not None else region_of(node, assignee_of(node, agreement)),
            used=counter.used(tx, agreement.digest, plan.counters(action, at)),
            transforms=frozenset(transforms),
            next_policies=tuple(next_policies),
        ),
    )


def decide_again(
    node: Node, agreement: Agreement, *, purpose: str | None, columns: tuple[str, ...] | None, transforms: Iterable[str]
) -> Decision:
    """Whether a delivery that is counted already may still go on: the same question without its counters, and no lookup."""
    assignee = assignee_of(node, agreement)
    return evaluate(
        plan_of(node, agreement),
        Request(action=USE, assignee=assignee, purpose=purpose, columns=columns),
        State(now=node.clock.now(), region=region_of(node, assignee), transforms=frozenset(transforms)),
    )


def plan_of(node: Node, agreement: Agreement) -> Plan:
    """The compiled policy of an agreement."""
    return node.plans.get(agreement.policy, agreement.document)


def assignee_of(node: Node, agreement: Agreement) -> str:
    """Who receives under an agreement: the counterparty where we provide, else we."""
    return agreement.counterparty if agreement.role is Role.PROVIDER else node.participant


def region_of(node: Node, participant: str) -> str | None:
    """Region of a participant in the member list in force, None for who is not listed (any more)."""
    member = node.members.current().members.get(participant)
    return member.region if member is not None else None


def granted(plan: Plan, decision: Decision) -> Granted:
    """What the permission that allowed an action says about the bytes."""
    permission = next(
        each.permission for each in plan.choice(decision.action).permissions if each.permission.digest == decision.rule
    )
    transforms = (
        constraint.right
        for duty in permission.duties
        for constraint in conditions_within(duty.constraints)
        if constraint.left == TRANSFORM
    )
    lists = [parse_list(each.right) for each in conditions_within(permission.constraints) if each.left == COLUMNS]
    return Granted(tuple(dict.fromkeys(transforms)), lists[0] if lists else None)


def named_transforms(plan: Plan, action: str) -> tuple[str, ...]:
    """Digests of the transforms that the permissions of an action name, in their order."""
    return tuple(
        dict.fromkeys(
            constraint.right
            for each in plan.choice(action).permissions
            for duty in each.permission.duties
            for constraint in conditions_within(duty.constraints)
            if constraint.left == TRANSFORM
        )
    )
