"""Why a rule did not let a request pass: the first thing in the order of the rule that is not True, and the whole tree.

Nothing is short-circuited here: the tree shows every constraint and duty of every rule looked at, with actual values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.canonical import JsonValue
from policies.compile import Choice, Due, PermissionPlan, ProhibitionPlan
from policies.conditions import Leaf, Node, leaves
from policies.counters import Counter
from policies.duties import duty_fault, duty_operand, duty_value, missing_terms
from policies.model import Duty, Permission, Policy
from policies.operators import Truth
from policies.vocabulary import NEXT_POLICY
from policies.world import Request, State


@dataclass(frozen=True, slots=True)
class Finding:
    """What refused: the reason, the operand it is about, what was expected and what was found, and in which rule."""

    reason: str
    left_operand: str | None = None
    operator: str | None = None
    expected: str | None = None
    actual: str | None = None
    rule: str | None = None


def permission_finding(plan: PermissionPlan, policy: Policy, request: Request, state: State) -> Finding:
    """The first constraint, then the first duty, that keeps a permission from granting."""
    rule = plan.permission.digest
    if plan.fault is not None:
        return Finding(plan.fault.reason, plan.fault.left_operand, rule=rule)
    for node in plan.nodes:
        if node.test(request, state) is not True:
            return replace(node_finding(node, request, state), rule=rule)
    for due in plan.due:
        if not due.fulfilled(state):
            return replace(_duty_finding(due.duty, policy, plan.permission, state), rule=rule)
    return Finding("no-permission", rule=rule)


def prohibition_finding(plan: ProhibitionPlan, request: Request, state: State) -> Finding:
    """`prohibited` when the prohibition certainly applies; else what keeps us from saying that it does not."""
    rule = plan.prohibition.digest
    if plan.fault is not None:
        return Finding(plan.fault.reason, plan.fault.left_operand, rule=rule)
    for node in plan.nodes:
        if node.test(request, state) is None:
            return replace(node_finding(node, request, state), rule=rule)
    return Finding("prohibited", rule=rule)


def tree_of(choice: Choice, request: Request, state: State) -> dict[str, JsonValue]:
    """Every rule that was looked at, with results and actual values."""
    prohibitions = [_rule_tree(each, (), request, state) for each in choice.prohibitions]
    permissions = []
    for each in choice.permissions:
        duties = [_duty_tree(due, state) for due in each.due]
        permissions.append(_rule_tree(each, duties, request, state))
    return {"prohibition": prohibitions, "permission": permissions}


def node_finding(node: Node, request: Request, state: State) -> Finding:
    """Why a condition is False or Unknown."""
    if isinstance(node, Leaf):
        return _leaf_finding(node, request, state)
    if node.fault is not None:
        return Finding(node.fault.reason, node.fault.left_operand, node.constraint.operand, _expected(node.children))
    results = [(child, child.test(request, state)) for child in node.children]
    if node.constraint.operand == "and":
        failing = next(child for child, result in results if result is not True)
        return node_finding(failing, request, state)
    found = list(leaves(node.children))
    operands = {leaf.constraint.left for leaf in found}
    # A denial by alternatives over one operand names that operand (policies.md 2.6, rule 4).
    common = operands.pop() if len(operands) == 1 else None
    actual = found[0].actual(request, state) if common and found else None
    if node.test(request, state) is None:
        inner = node_finding(next(child for child, result in results if result is None), request, state)
        reason, left = inner.reason, common or inner.left_operand
    else:
        reason, left = (_unmet(found[0]) if common else "constraint-not-satisfied"), common
    return Finding(reason, left, node.constraint.operand, _expected(node.children), actual)


def _leaf_finding(leaf: Leaf, request: Request, state: State) -> Finding:
    actual = leaf.actual(request, state)
    if leaf.fault is not None:
        reason, left = leaf.fault.reason, leaf.fault.left_operand
    else:
        missing = "value-missing" if actual is None else "value-incomparable"
        reason, left = (missing if leaf.test(request, state) is None else _unmet(leaf)), leaf.constraint.left
    return Finding(reason, left, leaf.constraint.operator, leaf.constraint.right, actual)


def _duty_finding(duty: Duty, policy: Policy, permission: Permission, state: State) -> Finding:
    fault = duty_fault(duty)
    operand = duty_operand(duty)
    if fault is not None:
        return Finding(fault.reason, fault.left_operand or operand, expected=duty_value(duty))
    lacking = missing_terms(duty, policy, permission, state) if duty.action == NEXT_POLICY else ()
    return Finding("duty-unfulfilled", operand, "eq", duty_value(duty) or duty.action, ",".join(lacking) or None)


def _unmet(leaf: Leaf) -> str:
    if isinstance(leaf.right, Counter):
        return "counter-exhausted"
    return leaf.operand.unmet if leaf.operand is not None else "constraint-not-satisfied"


def _expected(nodes: Sequence[Node]) -> str:
    return ", ".join(leaf.constraint.right for leaf in leaves(nodes))


def _rule_tree(
    plan: PermissionPlan | ProhibitionPlan, duties: Sequence[JsonValue], request: Request, state: State
) -> dict[str, JsonValue]:
    rule = plan.permission if isinstance(plan, PermissionPlan) else plan.prohibition
    tree: dict[str, JsonValue] = {"rule": rule.digest, "action": rule.action}
    if plan.fault is not None:
        tree["reason"] = plan.fault.reason
    if plan.nodes:
        tree["constraint"] = [_node_tree(node, request, state) for node in plan.nodes]
    if duties:
        tree["duty"] = duties
    return tree


def _node_tree(node: Node, request: Request, state: State) -> dict[str, JsonValue]:
    result = node.test(request, state)
    if not isinstance(node, Leaf):
        children = [_node_tree(child, request, state) for child in node.children]
        return {"operand": node.constraint.operand, "result": _word(result), "condition": children}
    tree: dict[str, JsonValue] = {
        "left": node.constraint.left,
        "operator": node.constraint.operator,
        "right": node.constraint.right,
        "result": _word(result),
    }
    actual = node.actual(request, state)
    if actual is not None:
        tree["actual"] = actual
    if result is not True:
        tree["reason"] = _leaf_finding(node, request, state).reason
    return tree


def _duty_tree(due: Due, state: State) -> dict[str, JsonValue]:
    duty = due.duty
    tree: dict[str, JsonValue] = {
        "rule": duty.digest,
        "action": duty.action,
        "result": _word(due.fulfilled(state)),
    }
    value = duty_value(duty)
    if value is not None:
        tree["right"] = value
    return tree


def _word(result: Truth) -> str:
    return "unknown" if result is None else str(result).lower()
