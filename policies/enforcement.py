"""The enforcement statement: for every rule of a policy what really upholds it, and who (policies.md 8.2, 9.2).

    enforced    our own gate stops what the rule forbids, before a byte leaves (release) or by changing it (egress)
    attested    the consumer's connector upholds it and proves it with signed evidence
    refused     nothing upholds it, or the rule is not understood: not accepted unless an operator takes it on

Computed by each side from its own capabilities and signed with the agreement. A peer without our extensions attests nothing.
"""

from collections.abc import Mapping

from policies.canonical import JsonValue
from policies.conditions import Place, compile_conditions, leaves
from policies.duties import duty_fault
from policies.model import Duty, Permission, Policy, Prohibition, Rule, duties_of
from policies.strategy import reaches
from policies.vocabulary import (
    DELETE,
    DERIVE,
    DESENSITIZE,
    DISTRIBUTE,
    NEXT_POLICY,
    PROFILES,
    REPORT_USAGE,
    SETTLE,
    USE,
    known_action,
)

ENFORCED = "enforced"
ATTESTED = "attested"
REFUSED = "refused"

# The evidence that fulfils an obligation (policies.md 2.6, rule 7).
_EVIDENCE: Mapping[str, str] = {REPORT_USAGE: "receipt", DELETE: "deletion-proof", SETTLE: "statement"}


def enforcement(policy: Policy, *, peer_attests: bool = True) -> list[dict[str, JsonValue]]:
    """One statement per rule, in the order of the policy: `{"rule", "class", "mechanism", "by"}`.

    `peer_attests` is false for a consumer whose connector does not advertise our extensions.
    """
    return [{"rule": rule.digest, **_statement(rule, policy, peer_attests=peer_attests)} for rule in policy.rules]


def _statement(rule: Rule, policy: Policy, *, peer_attests: bool) -> dict[str, JsonValue]:
    if not _understood(rule, policy):
        return {"class": REFUSED, "mechanism": "none", "by": "none"}
    mechanism = _mechanism(rule)
    if mechanism in ("release", "egress"):
        return {"class": ENFORCED, "mechanism": mechanism, "by": "provider"}
    if mechanism is None or not peer_attests:
        return {"class": REFUSED, "mechanism": "none", "by": "none"}
    return {"class": ATTESTED, "mechanism": mechanism, "by": "consumer"}


def _mechanism(rule: Rule) -> str | None:
    match rule:
        case Permission():
            # What a pull asks for is judged by the provider's gate; what happens with the data later, by the consumer's connector.
            if rule.action == DERIVE:
                return "publishing"
            return "egress" if any(duty.action == DESENSITIZE for duty in rule.duties) else "release"
        case Prohibition():
            if reaches(rule.action, USE, under_weft=True):
                return "release"
            later = any(reaches(rule.action, action, under_weft=True) for action in (DERIVE, DISTRIBUTE))
            return "publishing" if later else None
        case Duty():
            return _EVIDENCE.get(rule.action)


def _understood(rule: Rule, policy: Policy) -> bool:
    if rule.unread or not known_action(rule.action) or not PROFILES.issuperset(policy.profiles):
        return False
    if isinstance(rule, Duty):
        return duty_fault(rule) is None
    nodes = compile_conditions(rule.constraints, Place(rule.digest, prohibits=isinstance(rule, Prohibition)))
    if any(leaf.fault for leaf in leaves(nodes)):
        return False
    fulfillable = not isinstance(rule, Permission) or all(
        duty.action in (DESENSITIZE, NEXT_POLICY) for duty in rule.duties
    )
    return fulfillable and all(duty_fault(duty) is None for duty in duties_of(rule))
