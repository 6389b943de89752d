"""A policy as Python sees it: atomic rules with normal names, immutable, nothing removed.

What the parser does not understand stays in `unread` of the element where it stood; an element with something unread, or
with a name that the vocabulary does not have, is undecidable. `path` says where an element stood in the document;
`digest` identifies a rule by its content, because peers drop rule identifiers (policies.md 2.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from policies.canonical import JsonValue
from policies.identifiers import WEFT, WEFT_PROFILE

# A member that was not understood: its normal name, and its value as JSON text.
Unread: TypeAlias = tuple[tuple[str, str], ...]


class Kind(Enum):
    """The kinds of policy that are read; a bare Policy is a Set."""

    SET = "Set"
    OFFER = "Offer"
    AGREEMENT = "Agreement"


class Conflict(Enum):
    """Which rule wins when a permission and a prohibition meet; absent is INVALID, unless Weft's profile says PROHIBIT."""

    PERM = "perm"
    PROHIBIT = "prohibit"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison. `right` is the text of the right operand; `plain` is false when the document had no string there."""

    path: str
    left: str
    operator: str
    right: str
    plain: bool
    unread: Unread = ()


@dataclass(frozen=True, slots=True)
class LogicalConstraint:
    """`and`, `or`, `xone` or `andSequence` over conditions."""

    path: str
    operand: str
    conditions: tuple["Condition", ...]
    unread: Unread = ()


Condition: TypeAlias = Constraint | LogicalConstraint


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done: a permission's pre-duty, a policy's obligation, a remedy or a consequence, by its place."""

    path: str
    digest: str
    action: str
    constraints: tuple[Condition, ...] = ()
    consequences: tuple["Duty", ...] = ()
    unread: Unread = ()


@dataclass(frozen=True, slots=True)
class Permission:
    """An action that is allowed while every constraint holds and every duty is fulfilled."""

    path: str
    digest: str
    action: str
    constraints: tuple[Condition, ...] = ()
    duties: tuple[Duty, ...] = ()
    unread: Unread = ()


@dataclass(frozen=True, slots=True)
class Prohibition:
    """An action that is forbidden while every constraint holds; `remedies` follow when it was done all the same."""

    path: str
    digest: str
    action: str
    constraints: tuple[Condition, ...] = ()
    remedies: tuple[Duty, ...] = ()
    unread: Unread = ()


Rule: TypeAlias = Permission | Prohibition | Duty


@dataclass(frozen=True, slots=True)
class Policy:
    """A Set, an Offer or an Agreement. `document` is what was read, unchanged."""

    kind: Kind
    identifier: str | None
    profiles: tuple[str, ...]
    permissions: tuple[Permission, ...]
    prohibitions: tuple[Prohibition, ...]
    obligations: tuple[Duty, ...]
    stated_conflict: str | None
    target: str | None
    assigner: str | None
    assignee: str | None
    unread: Unread
    document: Mapping[str, JsonValue]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Permissions, prohibitions, obligations, in the order of the document."""
        return (*self.permissions, *self.prohibitions, *self.obligations)

    @property
    def under_weft(self) -> bool:
        """Whether Weft's profile gives the policy its meaning: by `profile`, or by any of its terms (policies.md 2.6).

        An EDC compares `profile` but never writes it, so the member alone cannot carry the meaning.
        """
        return WEFT_PROFILE in self.profiles or any(name.startswith(WEFT) for name in self.terms())

    def terms(self) -> frozenset[str]:
        """Every action and left operand of the policy, at any depth."""
        return frozenset(name for rule in self.rules for name in _rule_terms(rule))


def conditions_within(conditions: tuple[Condition, ...]) -> tuple[Constraint, ...]:
    """Every comparison below these conditions, at any depth, in order."""
    found: list[Constraint] = []
    for condition in conditions:
        if isinstance(condition, Constraint):
            found.append(condition)
        else:
            found.extend(conditions_within(condition.conditions))
    return tuple(found)


def duties_of(rule: Rule) -> tuple[Duty, ...]:
    """The duties below a rule: a permission's duties, a prohibition's remedies, a duty's consequences."""
    match rule:
        case Permission():
            return rule.duties
        case Prohibition():
            return rule.remedies
        case Duty():
            return rule.consequences


def _rule_terms(rule: Rule) -> list[str]:
    names = [rule.action, *(constraint.left for constraint in conditions_within(rule.constraints))]
    for duty in duties_of(rule):
        names.extend(_rule_terms(duty))
    return names
