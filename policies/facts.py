"""What a policy says without being asked for a decision: columns, transforms, terms, end date, and what can never hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.canonical import is_digest
from policies.columns import parse_list
from policies.compile import PermissionPlan, Plan
from policies.conditions import Leaf, Node, conjuncts
from policies.duties import duty_value
from policies.faults import Fault
from policies.model import Policy
from policies.operators import LOGIC, Truth
from policies.problems import Problem
from policies.trace import node_finding
from policies.values import read_duration
from policies.vocabulary import COLUMNS, DATE_TIME, DELETE, DESENSITIZE, PROFILES, RECIPIENT, SETTLE, SPATIAL, USE
from policies.world import Request, State

# Operators of an instant after which the comparison never holds again.
_ENDING = ("eq", "lt", "lteq")


def granted_columns(plan: Plan, action: str = USE, *, rule: str | None = None) -> tuple[str, ...] | None:
    """The columns granted for an action, in the order of the offer; None when no constraint is about columns.

    `rule` is the permission that decided (`Decision.rule`); without it, only columns that every permission of the action grants.
    Empty when no permission is about the action.
    """
    permissions = _permissions(plan, action, rule)
    if not permissions:
        return ()
    lists = [
        parse_list(leaf.constraint.right)
        for permission in permissions
        for leaf in conjuncts(permission.nodes)
        if leaf.constraint.left == COLUMNS and leaf.fault is None
    ]
    if not lists:
        return None
    first, *others = lists
    return tuple(name for name in first if all(name in other for other in others))


def required_transforms(plan: Plan, action: str = USE, *, rule: str | None = None) -> tuple[str, ...]:
    """Digests of the transforms that must be applied before an action, in order; `rule` as in `granted_columns`."""
    digests = [
        value
        for permission in _permissions(plan, action, rule)
        for duty in permission.permission.duties
        if duty.action == DESENSITIZE and (value := duty_value(duty)) is not None
    ]
    return tuple(dict.fromkeys(digests))


def terms_digests(policy: Policy) -> tuple[str, ...]:
    """Digests of the settlement terms a policy binds, in order: one `rs:settle` obligation each."""
    values = [duty_value(duty) for duty in policy.obligations if duty.action == SETTLE]
    return tuple(dict.fromkeys(value for value in values if value is not None and is_digest(value)))


def delete_within(policy: Policy) -> timedelta | None:
    """The shortest time after delivery within which the data must be deleted; None when no obligation says so."""
    values = [duty_value(duty) for duty in policy.obligations if duty.action == DELETE]
    times = [time for value in values if value is not None and (time := read_duration(value)) is not None]
    return min(times, default=None)


def valid_until(plan: Plan, action: str = USE) -> datetime | None:
    """The instant after which an action is never permitted; None when it may always be."""
    ends = [_end(permission) for permission in _permissions(plan, action, None)]
    bounded = [end for end in ends if end is not None]
    return max(bounded) if bounded and len(bounded) == len(ends) else None


def static_problems(
    plan: Plan, assignee: str, region: str | None, now: datetime, action: str = USE, *, undecidable: bool = True
) -> tuple[Problem, ...]:
    """Why this consumer could never do an action under the policy: another recipient or region, validity over, undecidable terms.

    Empty when some permission can still hold for it. A provider refuses to agree on a policy with such a problem. A consumer asks
    without `undecidable` terms: those it leaves to who provides, and what is over is over for both.
    """
    choice = plan.choice(action)
    fault = plan.fault or choice.fault
    if fault is not None and undecidable:
        return (
            Problem("", fault.reason, {"operand": fault.left_operand or "", "name": _subject(plan, fault, action)}),
        )
    if not choice.permissions:
        return (Problem("permission", "no-permission", {"name": action}),) if undecidable else ()
    asked = _Asked(Request(choice.action, assignee), State(now, region), False if undecidable else None)
    problems = [tuple(_hopeless(permission, asked)) for permission in choice.permissions]
    return problems[0] if all(problems) else ()


def _subject(plan: Plan, fault: Fault, action: str) -> str:
    """What a fault of the policy is about: the profile, the rule or the action."""
    if fault.reason == "unknown-profile":
        return next(name for name in plan.policy.profiles if name not in PROFILES)
    return plan.faulty_rule or action


def _permissions(plan: Plan, action: str, rule: str | None) -> Sequence[PermissionPlan]:
    candidates = plan.choice(action).permissions
    return [each for each in candidates if rule is None or each.permission.digest == rule]


def _end(permission: PermissionPlan) -> datetime | None:
    ends = [
        leaf.right
        for leaf in conjuncts(permission.nodes)
        if leaf.constraint.left == DATE_TIME and leaf.fault is None and leaf.constraint.operator in _ENDING
    ]
    return min(ends, default=None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks, in which world, and what an undecidable condition counts as: False for never, None for perhaps."""

    request: Request
    state: State
    undecidable: Truth


def _hopeless(permission: PermissionPlan, asked: _Asked) -> Iterable[Problem]:
    if permission.fault is not None and asked.undecidable is False:
        yield Problem(permission.permission.path, permission.fault.reason)
    for node in permission.nodes:
        if _prospect(node, asked) is False:
            finding = node_finding(node, asked.request, asked.state)
            facts = {
                "operand": finding.left_operand,
                "operator": finding.operator,
                "expected": finding.expected,
                "actual": finding.actual,
                "reason": finding.reason,
            }
            known = {name: value for name, value in facts.items() if value is not None}
            yield Problem(node.constraint.path, _hopeless_code(known), known)


def _hopeless_code(facts: Mapping[str, str]) -> str:
    """The sentence that these facts fill: alternatives about several operands have no name, and what is undecidable no value."""
    if "operand" not in facts:
        return "no-branch-holds"
    return "cannot-hold" if "actual" in facts else "never-holds"


def _prospect(node: Node, asked: _Asked) -> Truth:
    """Whether a condition will hold for this consumer: False for never, None for perhaps."""
    if node.fault is not None:
        return asked.undecidable
    if not isinstance(node, Leaf):
        return LOGIC[node.constraint.operand]([_prospect(child, asked) for child in node.children])
    name, operator, now = node.constraint.left, node.constraint.operator, asked.state.now
    if name == DATE_TIME:
        # Over is over; what is not yet, may come. An instant that is now can still be met.
        over = operator in _ENDING and (now > node.right or (operator == "lt" and now == node.right))
        return False if over else None
    return node.test(asked.request, asked.state) if name in (RECIPIENT, SPATIAL) else None
