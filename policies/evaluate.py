"""The decision: `evaluate(plan, request, state) -> Decision`. Total and deterministic; no clock, no lookup, no exception.

The allow path runs closures only. Reasons, values and the tree are built when a request is refused, or when asked for.
"""

from policies.compile import Choice, PermissionPlan, Plan
from policies.decision import Decision, Outcome
from policies.model import Conflict
from policies.trace import Finding, permission_finding, prohibition_finding, tree_of
from policies.world import Request, State

__all__ = ["Request", "State", "evaluate"]


def evaluate(plan: Plan, request: Request, state: State, *, trace: bool = False) -> Decision:
    """Decide one request under one policy. `trace` builds the tree of reasons for an allowed request, too.

    An Offer is decided like an Agreement; whether that is a what-if question is for the caller to know.
    """
    choice = plan.choice(request.action)
    if plan.fault is None and choice.fault is None and _concerns(plan, request):
        for permission in choice.permissions:
            if permission.grants(request, state):
                if _forbidden(plan, choice, request, state):
                    break
                return _allowed(permission, choice, request, state, trace=trace)
    return _refused(plan, choice, request, state)


def _concerns(plan: Plan, request: Request) -> bool:
    """Whether the policy is about this participant: one with an assignee permits nobody else anything."""
    return plan.policy.assignee is None or plan.policy.assignee == request.assignee


def _forbidden(plan: Plan, choice: Choice, request: Request, state: State) -> bool:
    """Whether a prohibition stops what a permission grants; under `perm` none does."""
    if plan.strategy is Conflict.PERM:
        return False
    return any(prohibition.active(request, state) for prohibition in choice.prohibitions)


def _allowed(permission: PermissionPlan, choice: Choice, request: Request, state: State, *, trace: bool) -> Decision:
    granted = permission.granted
    if not permission.counters and not trace and granted.action == choice.action:
        return granted
    return Decision(
        outcome=granted.outcome,
        action=choice.action,
        rule=granted.rule,
        reserve=tuple([counter.window(state.now) for counter in permission.counters]),
        duties=granted.duties,
        tree=tree_of(choice, request, state) if trace else None,
    )


def _refused(plan: Plan, choice: Choice, request: Request, state: State) -> Decision:
    if plan.fault is not None:
        finding = Finding(plan.fault.reason, plan.fault.left_operand, rule=plan.faulty_rule)
    elif not _concerns(plan, request):
        finding = Finding("no-permission", operator="eq", expected=plan.policy.assignee, actual=request.assignee)
    else:
        finding = _finding(plan, choice, request, state)
    outcome = Outcome.DEFAULT_DENY if finding.reason == "no-permission" else Outcome.DENY
    return Decision(
        outcome=outcome,
        action=choice.action,
        reason=finding.reason,
        left_operand=finding.left_operand,
        rule=finding.rule,
        operator=finding.operator,
        expected=finding.expected,
        actual=finding.actual,
        tree=tree_of(choice, request, state),
    )


def _finding(plan: Plan, choice: Choice, request: Request, state: State) -> Finding:
    """Why a choice does not allow: an active prohibition, a permission that does not grant, or none at all."""
    active = [each for each in choice.prohibitions if each.active(request, state)]
    if active and plan.strategy is Conflict.INVALID and any(each.grants(request, state) for each in choice.permissions):
        return Finding("policy-void", rule=active[0].prohibition.digest)
    if active and plan.strategy is not Conflict.PERM:
        return prohibition_finding(active[0], request, state)
    if choice.fault is not None:
        return Finding(choice.fault.reason, choice.fault.left_operand, rule=choice.faulty_rule)
    if choice.permissions:
        return permission_finding(choice.permissions[0], plan.policy, request, state)
    return Finding("no-permission")
