"""What must be put right before an Offer is published: everything that peers would lose, and every rule that could never allow.

A void policy, an undecidable rule or a duty that nobody here can fulfil is never published (policies.md 2.4, 9.6); publishing
says so with the path, instead of a denial later.
"""

from collections.abc import Iterator, Mapping, Sequence

from policies.canonical import JsonValue, is_digest
from policies.columns import parse_list
from policies.compile import Plan, compile_policy
from policies.conditions import Leaf, Node, leaves
from policies.conflicts import never_triggers, void_by
from policies.duties import duty_fault, duty_value
from policies.errors import InvalidPolicyError, ListFormError
from policies.faults import Fault
from policies.identifiers import RS, RS_PROFILE, WEFT, WEFT_PROFILE
from policies.model import Constraint, Duty, Policy, conditions_within, duties_of
from policies.parse import parse_policy
from policies.problems import Problem
from policies.spelling import spelling_problems
from policies.vocabulary import (
    DATE_TIME,
    DESENSITIZE,
    INHERITS,
    LEFT_OPERANDS,
    NEXT_POLICY,
    PROFILES,
    PURPOSE,
    RECIPIENT,
    SETTLEMENT_TERMS,
    SPATIAL,
    TRANSFORM,
    action_name,
    known_action,
    operand_name,
)

_CODES = (PURPOSE, RECIPIENT, SPATIAL)


def check_publishable(document: Mapping[str, JsonValue]) -> tuple[Problem, ...]:
    """Every problem of a document that is to be published as an Offer; empty when it may be."""
    spelling = list(spelling_problems(document))
    try:
        policy = parse_policy(document)
    except InvalidPolicyError as error:
        # Whatever keeps a document from being read has usually been named with more care above.
        return tuple(spelling) or (Problem(error.path, "unreadable", {"problem": error.problem}),)
    named = {problem.path for problem in spelling}
    # A member that is misspelt is not judged again for what it would have meant.
    return (*spelling, *(each for each in _meaning(policy) if not _named(each.path, named)))


def _named(path: str, named: set[str]) -> bool:
    return any(each == path or each.startswith(f"{path}.") for each in named) if path else False


def _meaning(policy: Policy) -> Iterator[Problem]:
    plan = compile_policy(policy)
    yield from _profiles(policy)
    yield from _rules(plan)
    for rule in policy.rules:
        if never_triggers(rule):
            yield Problem(rule.path, "never-triggers")
        for constraint in conditions_within(rule.constraints):
            yield from _text(constraint)
        for duty in duties_of(rule):
            for constraint in conditions_within(duty.constraints):
                yield from _text(constraint)
    if clash := void_by(policy):
        yield Problem(clash.prohibition.path, "policy-void", {"name": clash.permission.path})


def _profiles(policy: Policy) -> Iterator[Problem]:
    terms = policy.terms()
    for index, profile in enumerate(policy.profiles):
        if profile not in PROFILES:
            yield Problem(f"profile[{index}]", "unknown-profile", {"name": profile})
    for profile, namespace in ((WEFT_PROFILE, WEFT), (RS_PROFILE, RS)):
        used = any(name.startswith(namespace) for name in terms)
        if used and profile not in policy.profiles:
            yield Problem("profile", "profile-missing", {"name": profile})
        if not used and profile in policy.profiles:
            # An EDC never writes `profile`, so a term must carry the meaning (policies.md 2.6).
            yield Problem("profile", "profile-without-term", {"name": profile})


def _rules(plan: Plan) -> Iterator[Problem]:
    for permission in plan.permissions:
        yield from _rule(permission.permission.path, permission.permission.action, permission.nodes)
        for duty in permission.permission.duties:
            yield from _duty(duty)
            if duty_fault(duty) is None and duty.action not in (DESENSITIZE, NEXT_POLICY):
                yield Problem(duty.path, "duty-unfulfilled", {"name": duty.action})
    for prohibition in plan.prohibitions:
        yield from _rule(prohibition.prohibition.path, prohibition.prohibition.action, prohibition.nodes)
        for duty in prohibition.prohibition.remedies:
            yield from _duty(duty)
    for duty in plan.policy.obligations:
        yield from _duty(duty)


def _rule(path: str, action: str, nodes: Sequence[Node]) -> Iterator[Problem]:
    if not known_action(action):
        yield Problem(f"{path}.action", "unsupported-action", {"name": action})
    yield from _branches(nodes)
    for leaf in leaves(nodes):
        if leaf.fault is not None:
            yield _undecidable(leaf.constraint, leaf.fault)


def _branches(nodes: Sequence[Node]) -> Iterator[Problem]:
    for node in nodes:
        if isinstance(node, Leaf):
            continue
        if node.fault is not None:
            operand = node.fault.left_operand or node.constraint.operand
            yield Problem(node.constraint.path, node.fault.reason, {"operand": operand})
        yield from _branches(node.children)


def _undecidable(constraint: Constraint, fault: Fault) -> Problem:
    operand = fault.left_operand or constraint.left
    if fault.reason == "value-incomparable" and operand == DATE_TIME:
        return Problem(f"{constraint.path}.rightOperand", "date-without-zone", {"name": constraint.right})
    return Problem(constraint.path, fault.reason, {"operand": operand, "name": constraint.right})


def _duty(duty: Duty) -> Iterator[Problem]:
    fault = duty_fault(duty)
    if fault is None:
        return
    if fault.reason == "unsupported-action":
        yield Problem(f"{duty.path}.action", fault.reason, {"name": duty.action})
        return
    if fault.left_operand == SETTLEMENT_TERMS and fault.reason == "value-incomparable":
        return  # named as no digest
    facts = {"operand": fault.left_operand or duty.action, "name": duty_value(duty) or ""}
    yield Problem(duty.path, fault.reason, facts)


def _text(constraint: Constraint) -> Iterator[Problem]:
    """Problems of a right operand that decide nothing by themselves, but can only be mistakes."""
    path, text = f"{constraint.path}.rightOperand", constraint.right
    if constraint.left in _CODES and any(mark.isspace() for mark in text):
        yield Problem(path, "blank-in-code", {"name": text})
    if constraint.left in (TRANSFORM, SETTLEMENT_TERMS) and not is_digest(text):
        yield Problem(path, "not-a-digest", {"name": text})
    if constraint.left == INHERITS:
        try:
            names = parse_list(text)
        except ListFormError:
            return
        for name in names:
            if operand_name(name) not in LEFT_OPERANDS and not known_action(action_name(name)):
                yield Problem(path, "unknown-term", {"name": name})
