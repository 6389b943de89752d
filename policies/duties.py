"""Duties: what has to be done, by whom it is proven, and when a permission's pre-duty counts as fulfilled (policies.md 2.6).

A permission's `duty` is a pre-duty that the connector fulfils itself: `weft:desensitize` by a transform, `odrl:nextPolicy` by
the offers of a new product. Obligations and remedies are judged by evidence elsewhere; here it is only checked that they are
understood.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.canonical import is_digest
from policies.columns import parse_list
from policies.errors import ListFormError
from policies.extent import implies, operand_of
from policies.faults import Fault, unread_fault
from policies.model import Conflict, Constraint, Duty, Permission, Policy
from policies.operands import read_names
from policies.strategy import strategy
from policies.values import read_duration, read_text
from policies.vocabulary import (
    ALERT,
    COUNTERSIGN,
    DELETE,
    DESENSITIZE,
    ELAPSED_TIME,
    INHERITS,
    NEXT_POLICY,
    REPORT_USAGE,
    SETTLE,
    SETTLEMENT_TERMS,
    SUSPEND,
    TRANSFORM,
    action_name,
    known_action,
    operand_name,
    with_broader,
)
from policies.world import State


@dataclass(frozen=True, slots=True)
class DutyTerms:
    """The one constraint a duty of this action takes: operand, operator, how its right text is read, whether it must be there."""

    operand: str | None = None
    operator: str = "eq"
    read: Callable[[str], object] = read_text
    required: bool = False


def _digest_or_none(text: str) -> str | None:
    return text if is_digest(text) else None


DUTY_TERMS: Mapping[str, DutyTerms] = {
    DESENSITIZE: DutyTerms(TRANSFORM, "eq", read_text, required=True),
    NEXT_POLICY: DutyTerms(INHERITS, "isAllOf", read_names, required=True),
    DELETE: DutyTerms(ELAPSED_TIME, "lteq", read_duration),
    SETTLE: DutyTerms(SETTLEMENT_TERMS, "eq", _digest_or_none, required=True),
    REPORT_USAGE: DutyTerms(),
    COUNTERSIGN: DutyTerms(),
    ALERT: DutyTerms(),
    SUSPEND: DutyTerms(),
}


def duty_fault(duty: Duty) -> Fault | None:
    """Why a duty cannot be understood, or None. A known action without terms of its own takes no constraint."""
    if fault := unread_fault(duty.unread):
        return fault
    if not known_action(duty.action):
        return Fault("unsupported-action")
    terms = DUTY_TERMS.get(duty.action, DutyTerms())
    if fault := _terms_fault(duty, terms):
        return fault
    return next((fault for each in duty.consequences if (fault := duty_fault(each))), None)


def duty_value(duty: Duty) -> str | None:
    """The text of a duty's one constraint: a digest, a duration, a list of terms."""
    constraint = duty.constraints[0] if duty.constraints else None
    return constraint.right if isinstance(constraint, Constraint) else None


def duty_operand(duty: Duty) -> str | None:
    """The operand of a duty's one constraint."""
    return DUTY_TERMS.get(duty.action, DutyTerms()).operand


def fulfilment(duty: Duty, policy: Policy, permission: Permission) -> Callable[[State], bool]:
    """The test whether a pre-duty is fulfilled. One that this connector cannot fulfil or does not understand never is."""
    if duty_fault(duty) is not None:
        return lambda _: False
    if duty.action == DESENSITIZE:
        digest = duty_value(duty)
        return lambda state: digest in state.transforms
    if duty.action == NEXT_POLICY:
        return lambda state: not missing_terms(duty, policy, permission, state)
    return lambda _: False


def missing_terms(duty: Duty, policy: Policy, permission: Permission, state: State) -> tuple[str, ...]:
    """What `weft:inherits` names and some offer of the new product lacks or has less strictly, in the order named.

    Without any offer all of it is missing.
    """
    try:
        named = parse_list(duty_value(duty) or "")
    except ListFormError:
        return (duty_value(duty) or "",)
    if not state.next_policies:
        return named
    return tuple(
        name for name in named if not all(_carries(child, name, policy, permission) for child in state.next_policies)
    )


def _terms_fault(duty: Duty, terms: DutyTerms) -> Fault | None:
    if not duty.constraints:
        return Fault("value-missing", terms.operand) if terms.required else None
    constraint, *more = duty.constraints
    if more or not isinstance(constraint, Constraint) or constraint.left != terms.operand:
        odd = constraint if not more else more[0]
        return Fault("unsupported-operand", operand_of(odd))
    if fault := unread_fault(constraint.unread, constraint.left):
        return fault
    if constraint.operator != terms.operator:
        return Fault("unsupported-operator", constraint.left)
    if not constraint.plain or terms.read(constraint.right) is None:
        return Fault("value-incomparable", constraint.left)
    return None


def _carries(child: Policy, name: str, parent: Policy, permission: Permission) -> bool:
    """Whether an offer repeats one inherited term at least as strictly as the parent has it.

    An operand: every permission of the child has conditions that imply the parent's. An action: the child prohibits it, or is
    obliged to it, as the parent is. A name the parent does not use cannot be inherited, so it is never carried.
    """
    operand, action = operand_name(name), action_name(name)
    conditions = [each for each in permission.constraints if operand_of(each) == operand]
    prohibitions = [each for each in parent.prohibitions if each.action == action]
    obligations = [each for each in parent.obligations if each.action == action]
    if not (conditions or prohibitions or obligations):
        return False
    restricted = all(
        any(implies(own, inherited) for own in grant.constraints)
        for grant in child.permissions
        for inherited in conditions
    )
    forbidden = not prohibitions or (strategy(child) is Conflict.PROHIBIT and _prohibits(child, action))
    obliged = all(any(_at_least(own, inherited) for own in child.obligations) for inherited in obligations)
    return restricted and forbidden and obliged


def _prohibits(child: Policy, action: str) -> bool:
    """Whether a policy prohibits an action in every case."""
    return any(each.action in with_broader(action) and not each.constraints for each in child.prohibitions)


def _at_least(own: Duty, inherited: Duty) -> bool:
    """Whether an obligation is as strict as the one it inherits."""
    if own.action != inherited.action or own.unread:
        return False
    return all(any(implies(mine, theirs) for mine in own.constraints) for theirs in inherited.constraints)
