"""A policy becomes a plan: closures and the choices that do not depend on a request, made once per policy digest.

Nothing the parser kept is dropped: an element that cannot be understood becomes a `Fault` of its rule, and a fault of the whole
policy (`Plan.fault`) refuses every request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.conditions import Node, Place, compile_conditions, conjuncts
from policies.conflicts import void_by
from policies.counters import Counter, CounterWindow
from policies.decision import Decision, Outcome, Owed
from policies.duties import duty_fault, duty_value, fulfilment
from policies.faults import Fault, unread_fault
from policies.model import Conflict, Duty, Permission, Policy, Prohibition
from policies.operators import all_of
from policies.strategy import reaches, strategy
from policies.vocabulary import DERIVE, DISTRIBUTE, PROFILES, USE, action_name, known_action, with_broader
from policies.world import Request, State


@dataclass(frozen=True, slots=True)
class PermissionPlan:
    """A compiled permission: it grants when every constraint is True and every duty in `due` is fulfilled."""

    permission: Permission
    nodes: tuple[Node, ...]
    due: tuple["Due", ...]
    fault: Fault | None
    counters: tuple[Counter, ...]
    granted: Decision

    def grants(self, request: Request, state: State) -> bool:
        """Whether the permission allows the request. Unknown does not grant."""
        if self.fault is not None:
            return False
        for node in self.nodes:
            if node.test(request, state) is not True:
                return False
        return all(due.fulfilled(state) for due in self.due)


@dataclass(frozen=True, slots=True)
class Due:
    """A pre-duty and the test whether it is fulfilled."""

    duty: Duty
    fulfilled: Callable[[State], bool]


@dataclass(frozen=True, slots=True)
class ProhibitionPlan:
    """A compiled prohibition. It is active unless a constraint is False: Unknown forbids."""

    prohibition: Prohibition
    nodes: tuple[Node, ...]
    fault: Fault | None

    def active(self, request: Request, state: State) -> bool:
        return all_of(node.test(request, state) for node in self.nodes) is not False


@dataclass(frozen=True, slots=True)
class Choice:
    """The rules that decide one action: prohibitions that reach it, permissions that count for it, or why none can be chosen."""

    action: str
    prohibitions: tuple[ProhibitionPlan, ...]
    permissions: tuple[PermissionPlan, ...]
    fault: Fault | None = None
    faulty_rule: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The compiled, immutable form of one policy."""

    policy: Policy
    strategy: Conflict | None
    permissions: tuple[PermissionPlan, ...]
    prohibitions: tuple[ProhibitionPlan, ...]
    fault: Fault | None
    faulty_rule: str | None
    choices: Mapping[str, Choice]

    def choice(self, action: str) -> Choice:
        """The rules that decide an action, in any spelling."""
        return self.choices.get(action) or _choose(self, action_name(action))

    def counters(self, action: str, now: datetime) -> tuple[CounterWindow, ...]:
        """The counter windows to look up before a decision about an action at an instant."""
        windows = {
            window.key: window
            for permission in self.choice(action).permissions
            for counter in permission.counters
            if (window := _window(counter, now)) is not None
        }
        return tuple(windows.values())


def compile_policy(policy: Policy, *, eventual: frozenset[str] = frozenset()) -> Plan:
    """The plan of a policy.

    `eventual` names actions whose duty need not be fulfilled before the use (policies.md 5.6); by default every duty of a
    permission is a pre-condition.
    """
    owed = tuple(_owed("obligation", duty) for duty in policy.obligations)
    permissions = tuple(_permission(permission, policy, owed, eventual) for permission in policy.permissions)
    prohibitions = tuple(_prohibition(prohibition) for prohibition in policy.prohibitions)
    fault, faulty_rule = _policy_fault(policy)
    bare = Plan(policy, strategy(policy), permissions, prohibitions, fault, faulty_rule, {})
    choices = {action: _choose(bare, action) for action in (USE, DERIVE, DISTRIBUTE)}
    return Plan(policy, bare.strategy, permissions, prohibitions, fault, faulty_rule, choices)


def _policy_fault(policy: Policy) -> tuple[Fault | None, str | None]:
    """What makes the whole policy undecidable, and the rule it stands in."""
    for profile in policy.profiles:
        if profile not in PROFILES:
            return Fault("unknown-profile"), None
    if fault := unread_fault(policy.unread):
        return fault, None
    if strategy(policy) is None:
        return Fault("policy-void"), None
    for obligation in policy.obligations:
        if fault := duty_fault(obligation):
            return fault, obligation.digest
    if clash := void_by(policy):
        return Fault("policy-void"), clash.prohibition.digest
    return None, None


def _permission(
    permission: Permission, policy: Policy, owed: tuple[Owed, ...], eventual: frozenset[str]
) -> PermissionPlan:
    fault = unread_fault(permission.unread)
    nodes = compile_conditions(permission.constraints, Place(permission.digest))
    due = tuple(
        Due(duty, fulfilment(duty, policy, permission)) for duty in permission.duties if duty.action not in eventual
    )
    counters = {leaf.right: None for leaf in conjuncts(nodes) if isinstance(leaf.right, Counter)}
    granted = Decision(
        outcome=Outcome.ALLOW if len(due) == len(permission.duties) else Outcome.CONDITIONAL,
        action=permission.action,
        rule=permission.digest,
        duties=tuple(_owed("duty", duty) for duty in permission.duties) + owed,
    )
    return PermissionPlan(permission, nodes, due, fault, tuple(counters), granted)


def _prohibition(prohibition: Prohibition) -> ProhibitionPlan:
    # What follows a breach (the remedies) does not change what is prohibited.
    known = known_action(prohibition.action)
    fault = unread_fault(prohibition.unread) if known else Fault("unsupported-action")
    return ProhibitionPlan(
        prohibition, compile_conditions(prohibition.constraints, Place(prohibition.digest, prohibits=True)), fault
    )


def _choose(plan: Plan, action: str) -> Choice:
    """The rules that decide an action (policies.md 2.6, rule 2: the nearest permission, prohibitions reach down)."""
    policy = plan.policy
    if not known_action(action):
        return Choice(action, (), (), Fault("unsupported-action"))
    prohibitions = tuple(
        each
        for each in plan.prohibitions
        # An action we do not know may include the one asked for, so its prohibition forbids.
        if not known_action(each.prohibition.action)
        or reaches(each.prohibition.action, action, under_weft=policy.under_weft)
    )
    covering = tuple(each for each in plan.permissions if each.permission.action in with_broader(action))
    naming = tuple(each for each in covering if each.permission.action == action)
    if policy.under_weft and naming:
        return Choice(action, prohibitions, naming)
    unknown = next((each for each in plan.permissions if not known_action(each.permission.action)), None)
    if unknown is not None and (policy.under_weft or not covering):
        # It may be the nearer one, under a name we do not know; a broader permission must not undercut its duties.
        return Choice(action, prohibitions, (), Fault("unsupported-action"), unknown.permission.digest)
    return Choice(action, prohibitions, covering)


def _owed(role: str, duty: Duty) -> Owed:
    return Owed(role, duty.action, duty.digest, duty_value(duty))


def _window(counter: Counter, now: datetime) -> CounterWindow | None:
    try:
        return counter.window(now)
    except OverflowError:
        return None
