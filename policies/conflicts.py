"""The static check: whether a permission and a prohibition of one policy contradict each other, whatever is asked.

Two rules conflict when their actions overlap by hierarchy and their constraints can hold together. The check runs before
publishing and before accepting a counter-offer; a policy that it voids denies everything with `policy-void`.
"""

from dataclasses import dataclass
from enum import Enum

from policies.extent import apart, implies
from policies.model import Conflict, Permission, Policy, Prohibition, Rule
from policies.strategy import reaches, strategy
from policies.vocabulary import known_action


class Verdict(Enum):
    """CONFLICT: whenever the permission holds, the prohibition does. AMBIGUOUS: it depends on the world."""

    CONFLICT = "conflict"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Clash:
    """A permission and a prohibition that overlap."""

    permission: Permission
    prohibition: Prohibition
    verdict: Verdict


def clashes(policy: Policy) -> tuple[Clash, ...]:
    """Every pair of a permission and a prohibition that overlap and are not certainly apart."""
    return tuple(
        Clash(permission, prohibition, verdict)
        for permission in policy.permissions
        for prohibition in policy.prohibitions
        if (verdict := _verdict(permission, prohibition, under_weft=policy.under_weft)) is not None
    )


def void_by(policy: Policy) -> Clash | None:
    """The clash that voids the policy: certain, under the strategy `invalid`. None for a sound policy."""
    if strategy(policy) is not Conflict.INVALID:
        return None
    return next((clash for clash in clashes(policy) if clash.verdict is Verdict.CONFLICT), None)


def never_triggers(rule: Rule) -> bool:
    """Whether two constraints of one rule contradict each other, so that it can never hold."""
    constraints = rule.constraints
    return any(apart(one, other) for index, one in enumerate(constraints) for other in constraints[index + 1 :])


def _verdict(permission: Permission, prohibition: Prohibition, *, under_weft: bool) -> Verdict | None:
    if not (known_action(permission.action) and known_action(prohibition.action)):
        return Verdict.AMBIGUOUS
    if not (
        reaches(prohibition.action, permission.action, under_weft=under_weft)
        or reaches(permission.action, prohibition.action, under_weft=under_weft)
    ):
        return None
    if any(apart(one, other) for one in permission.constraints for other in prohibition.constraints):
        return None
    implied = all(any(implies(held, needed) for held in permission.constraints) for needed in prohibition.constraints)
    return Verdict.CONFLICT if implied and not prohibition.unread else Verdict.AMBIGUOUS
