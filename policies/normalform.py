"""The normal form of rules: what a rule says, whatever its spelling and order. Digests and equality rest on it.

Normal names, one list where the document had a single object, conjunctions and alternatives sorted (their order carries no
meaning; `andSequence` keeps its own), no identifiers, unread members as JSON text.
"""

from collections.abc import Iterable, Sequence

from policies.canonical import JsonValue, canonical, digest_of
from policies.model import Condition, Constraint, Duty, LogicalConstraint, Unread


def rule_form(
    role: str, action: str, constraints: Sequence[Condition], duties: Sequence[Duty], unread: Unread
) -> dict[str, JsonValue]:
    """The normal form of a rule; `role` is permission, prohibition, obligation, duty, remedy or consequence."""
    return {
        "role": role,
        "action": action,
        "constraint": in_order(condition_form(condition) for condition in constraints),
        # A nested duty is already identified by its content.
        "duty": sorted(duty.digest for duty in duties),
        "unread": _unread_form(unread),
    }


def rule_digest(
    role: str, action: str, constraints: Sequence[Condition], duties: Sequence[Duty], unread: Unread
) -> str:
    """The digest that identifies a rule by its content. Raises CanonicalError for text without a UTF-8 form."""
    return digest_of(rule_form(role, action, constraints, duties, unread))


def condition_form(condition: Condition) -> JsonValue:
    """The normal form of a constraint or logical constraint."""
    match condition:
        case Constraint():
            return {
                "left": condition.left,
                "operator": condition.operator,
                "right": condition.right,
                "plain": condition.plain,
                "unread": _unread_form(condition.unread),
            }
        case LogicalConstraint():
            forms = [condition_form(each) for each in condition.conditions]
            return {
                "operand": condition.operand,
                "conditions": forms if condition.operand == "andSequence" else in_order(forms),
                "unread": _unread_form(condition.unread),
            }


def in_order(forms: Iterable[JsonValue]) -> list[JsonValue]:
    """Normal forms sorted by their canonical bytes."""
    return sorted(forms, key=canonical)


def _unread_form(unread: Unread) -> JsonValue:
    return [list(member) for member in sorted(unread)]
