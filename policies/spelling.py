"""Whether an Offer is written so that every DSP 2025-1 peer reads it: the schema, and what JSON-LD expansion would lose.

Only the shape and the spelling of the raw document are judged here; `policies.publishable` judges the meaning. The rules are
those of policies.md 2.5 and 2.6 (rule 4) and of the `Offer` definition in the protocol's `contract-schema.json`.
"""

from collections.abc import Iterator, Mapping

from policies.canonical import JsonValue
from policies.identifiers import normal
from policies.problems import Problem
from policies.vocabulary import LOGICAL_OPERANDS, OPERATORS

_OFFER_MEMBERS = frozenset(
    ["@id", "@type", "profile", "permission", "prohibition", "obligation", "assigner", "assignee", "target"]
)
# The member for nested duties. `remedy` and `consequence` are not in the protocol's context and vanish under their bare names.
_NESTED = {
    "permission": "duty",
    "prohibition": "odrl:remedy",
    "obligation": "odrl:consequence",
    "duty": "odrl:consequence",
    "odrl:remedy": "odrl:consequence",
    "odrl:consequence": "odrl:consequence",
}
# Of all actions only `use` is in the protocol's context (policies.md 2.5).
_BARE_ACTIONS = frozenset(["use"])


def spelling_problems(document: Mapping[str, JsonValue]) -> Iterator[Problem]:
    """Everything in the raw Offer that a peer would refuse, lose or read as something else."""
    if document.get("@type") != "Offer":
        yield Problem("@type", "not-an-offer")
    if not isinstance(document.get("@id"), str) or not document.get("@id"):
        yield Problem("@id", "no-identifier")
    if "target" in document:
        yield Problem("target", "offer-has-target")
    if "permission" not in document and "prohibition" not in document:
        yield Problem("permission", "no-rule")
    for name in document:
        if name not in _OFFER_MEMBERS:
            yield Problem(name, "unknown-member", {"name": name})
    for index, profile in enumerate(_listed(document.get("profile"))):
        if not isinstance(profile, str):
            yield Problem(f"profile[{index}]", "not-a-string")
    for member in ("permission", "prohibition", "obligation"):
        yield from _rules(document, member, "")


def _rules(parent: Mapping[str, JsonValue], member: str, path: str) -> Iterator[Problem]:
    for here, rule in _elements(parent, member, path):
        if not isinstance(rule, Mapping):
            yield Problem(here, "not-an-object")
            continue
        nested = _NESTED[member]
        yield from _action(rule, f"{here}.action")
        yield from _unknown(rule, frozenset(["action", "constraint", nested]), here)
        yield from _array(rule, "constraint", f"{here}.")
        for place, constraint in _elements(rule, "constraint", f"{here}."):
            yield from _constraint(constraint, place)
        yield from _array(rule, nested, f"{here}.")
        yield from _rules(rule, nested, f"{here}.")
    if not path:
        yield from _array(parent, member, path)


def _action(rule: Mapping[str, JsonValue], path: str) -> Iterator[Problem]:
    action = rule.get("action")
    if action is None:
        yield Problem(path, "no-action")
    elif not isinstance(action, str):
        yield Problem(path, "not-a-string")
    elif ":" not in action and action not in _BARE_ACTIONS:
        yield Problem(path, "bare-term", {"name": action})


def _constraint(constraint: JsonValue, path: str) -> Iterator[Problem]:
    if not isinstance(constraint, Mapping):
        yield Problem(path, "not-an-object")
        return
    logical = [name for name in LOGICAL_OPERANDS if name in constraint]
    if len(logical) > 1 or (logical and "leftOperand" in constraint):
        yield Problem(path, "two-operands")
    elif logical:
        yield from _unknown(constraint, frozenset(logical), path)
        yield from _array(constraint, logical[0], f"{path}.")
        for place, each in _elements(constraint, logical[0], f"{path}."):
            yield from _constraint(each, place)
    else:
        yield from _atomic(constraint, path)


def _atomic(constraint: Mapping[str, JsonValue], path: str) -> Iterator[Problem]:
    yield from _unknown(constraint, frozenset(["leftOperand", "operator", "rightOperand"]), path)
    left, operator = constraint.get("leftOperand"), constraint.get("operator")
    if not isinstance(left, str):
        yield Problem(f"{path}.leftOperand", "not-a-string")
    elif ":" not in left:
        # The protocol's context has no left operand: a bare one becomes a name relative to the document.
        yield Problem(f"{path}.leftOperand", "bare-term", {"name": left})
    if not isinstance(operator, str) or operator not in OPERATORS:
        yield Problem(f"{path}.operator", "unknown-operator", {"name": str(operator)})
    if not isinstance(constraint.get("rightOperand"), str):
        yield Problem(f"{path}.rightOperand", "not-a-string")


def _unknown(members: Mapping[str, JsonValue], known: frozenset[str], path: str) -> Iterator[Problem]:
    for name in members:
        if name not in known:
            yield Problem(f"{path}.{name}", "unknown-member", {"name": normal(name)})


def _array(members: Mapping[str, JsonValue], name: str, path: str) -> Iterator[Problem]:
    if name not in members:
        return
    value = members[name]
    if not isinstance(value, list | tuple):
        yield Problem(f"{path}{name}", "not-an-array")
    elif not value:
        yield Problem(f"{path}{name}", "empty-array")


def _elements(members: Mapping[str, JsonValue], name: str, path: str) -> Iterator[tuple[str, JsonValue]]:
    for index, element in enumerate(_listed(members.get(name))):
        yield f"{path}{name}[{index}]", element


def _listed(value: JsonValue) -> list[JsonValue]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
