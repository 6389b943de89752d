"""A JSON document becomes a `Policy`. Shape is checked here, meaning is not.

Read tolerantly, keep everything: a single object stands for a list of one, a term has three spellings, an array of one right
operand is its element, `{"@id": name}` is the name. What is not understood is kept as `unread` and makes its element
undecidable; only a document that has no reading at all is refused, with the path of the member.
"""

import json
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from policies.canonical import JsonValue
from policies.errors import CanonicalError, InvalidPolicyError
from policies.identifiers import bare, normal
from policies.model import (
    Condition,
    Constraint,
    Duty,
    Kind,
    LogicalConstraint,
    Permission,
    Policy,
    Prohibition,
    Unread,
)
from policies.normalform import rule_digest
from policies.vocabulary import LOGICAL_OPERANDS, action_name, operand_name, operator_name

# An atomic rule: path, digest, action, constraints, duties, unread.
_Atomic: TypeAlias = tuple[str, str, str, tuple[Condition, ...], tuple[Duty, ...], Unread]

# Deeper logic than this is no rule that a person agreed to.
MAX_NESTING = 16

_KINDS = {"Set": Kind.SET, "Policy": Kind.SET, "Offer": Kind.OFFER, "Agreement": Kind.AGREEMENT}
_IDENTITY = frozenset({"@context", "@id", "@type", "uid"})
_PARTIES = ("target", "assigner", "assignee")
_POLICY_MEMBERS = _IDENTITY.union(
    _PARTIES, {"timestamp", "profile", "permission", "prohibition", "obligation", "conflict"}
)
_ATOMIC_MEMBERS = _IDENTITY | {"leftOperand", "operator", "rightOperand"}
# Titles and comments bind nobody. Anything else on a policy may (`inheritFrom`, a shared constraint), so it is not passed over.
_ANNOTATIONS = (
    *("dc:", "dct:", "dcterms:", "rdfs:", "skos:"),
    *("http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/"),
    *("http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2004/02/skos/core#"),
)

# The member of a rule that holds duties, and the role these duties have there.
_NESTED = {
    "permission": ("duty", "duty"),
    "prohibition": ("remedy", "remedy"),
    "obligation": ("consequence", "consequence"),
    "duty": ("consequence", "consequence"),
    "remedy": ("consequence", "consequence"),
    "consequence": ("consequence", "consequence"),
}


def parse_policy(document: Mapping[str, JsonValue]) -> Policy:
    """The policy of a document: a Set, an Offer or an Agreement as DSP 2025-1 carries it.

    Raises InvalidPolicyError with the path of the member that has no reading.
    """
    try:
        return _policy(document)
    except CanonicalError as error:  # text without a UTF-8 form
        raise InvalidPolicyError(error.path, error.problem) from error
    except RecursionError as error:
        raise InvalidPolicyError("", "nested too deeply") from error


def _policy(document: Mapping[str, JsonValue]) -> Policy:
    members = _members(document, "")
    parties = {name: _optional_name(members.get(name), name) for name in _PARTIES}
    conflict = _optional_name(members.get("conflict"), "conflict")
    binding = {name: value for name, value in members.items() if not name.startswith(_ANNOTATIONS)}
    return Policy(
        kind=_kind(members.get("@type")),
        identifier=_optional_name(members.get("@id", members.get("uid")), "@id"),
        profiles=tuple(_name(value, f"profile[{index}]") for index, value in enumerate(_listed(members, "profile"))),
        permissions=tuple(Permission(*rule) for rule in _rules("permission", "", members, parties)),
        prohibitions=tuple(Prohibition(*rule) for rule in _rules("prohibition", "", members, parties)),
        obligations=_duties("obligation", "obligation", "", members, parties),
        stated_conflict=None if conflict is None else bare(conflict),
        target=parties["target"],
        assigner=parties["assigner"],
        assignee=parties["assignee"],
        unread=_unread(binding, _POLICY_MEMBERS),
        document=document,
    )


def _rules(
    role: str, path: str, parent: Mapping[str, JsonValue], parties: Mapping[str, str | None], member: str = ""
) -> list[_Atomic]:
    """The rules of a member, one per action (a list of actions is a compact form)."""
    member = member or role
    nested, nested_role = _NESTED[role]
    found: list[_Atomic] = []
    for index, value in enumerate(_listed(parent, member)):
        here = f"{path}{member}[{index}]"
        rule = _members(value, here)
        constraints = _conditions(rule, "constraint", f"{here}.", 0)
        duties = _duties(nested, nested_role, f"{here}.", rule, parties)
        known = _IDENTITY.union({"action", "constraint", nested}, _same_parties(rule, parties))
        for action, refinement in _actions(rule, here):
            unread = _unread(rule, known) + refinement
            digest = rule_digest(role, action, constraints, duties, unread)
            found.append((here, digest, action, constraints, duties, unread))
    return found


def _duties(
    member: str, role: str, path: str, parent: Mapping[str, JsonValue], parties: Mapping[str, str | None]
) -> tuple[Duty, ...]:
    return tuple(Duty(*rule) for rule in _rules(role, path, parent, parties, member))


def _actions(rule: Mapping[str, JsonValue], path: str) -> list[tuple[str, Unread]]:
    """The actions of a rule. An action object keeps its name; its refinement is unread, for DSP cannot carry one."""
    values = _listed(rule, "action")
    if not values:
        _refuse(f"{path}.action", "missing")
    actions: list[tuple[str, Unread]] = []
    for value in values:
        name: JsonValue = value
        unread: Unread = ()
        if isinstance(value, Mapping):
            members = _members(value, f"{path}.action")
            name = members.get("@id", members.get("rdf:value", members.get("value")))
            unread = _unread(members, _IDENTITY | {"rdf:value", "value"})
        actions.append((action_name(_name(name, f"{path}.action")), unread))
    return actions


def _conditions(parent: Mapping[str, JsonValue], member: str, path: str, depth: int) -> tuple[Condition, ...]:
    return tuple(
        _condition(value, f"{path}{member}[{index}]", depth) for index, value in enumerate(_listed(parent, member))
    )


def _condition(value: JsonValue, path: str, depth: int) -> Condition:
    if depth > MAX_NESTING:
        _refuse(path, "nested too deeply")
    members = _members(value, path)
    logical = [name for name in LOGICAL_OPERANDS if name in members]
    if len(logical) > 1 or (logical and "leftOperand" in members):
        _refuse(path, "two constraints in one object")
    if logical:
        operand = logical[0]
        conditions = _conditions(members, operand, f"{path}.", depth + 1)
        return LogicalConstraint(path, operand, conditions, _unread(members, _IDENTITY | {operand}))
    unread = _unread(members, _ATOMIC_MEMBERS)
    if "rightOperand" in members:
        right, plain = _right(members["rightOperand"])
    elif "rightOperandReference" in members:
        right, plain = "", False
    else:
        _refuse(f"{path}.rightOperand", "missing")
    return Constraint(
        path=path,
        left=operand_name(_name(members.get("leftOperand"), f"{path}.leftOperand")),
        operator=operator_name(_name(members.get("operator"), f"{path}.operator")),
        right=right,
        plain=plain,
        unread=unread,
    )


def _right(value: JsonValue) -> tuple[str, bool]:
    """The text of a right operand and whether it is one a peer can echo: a string, or an array of one string."""
    if isinstance(value, list | tuple) and len(value) == 1:
        return _right(value[0])
    return (value, True) if isinstance(value, str) else (_text(value), False)


def _same_parties(rule: Mapping[str, JsonValue], parties: Mapping[str, str | None]) -> frozenset[str]:
    """The parties a rule repeats from its policy; another one would narrow the rule, and that we do not decide."""
    return frozenset(name for name in _PARTIES if name in rule and rule[name] == parties[name])


def _kind(value: JsonValue) -> Kind:
    if value is None:
        return Kind.SET
    kind = _KINDS.get(bare(_name(value, "@type")))
    if kind is None:
        _refuse("@type", "neither Offer, Agreement nor Set")
    return kind


def _members(value: JsonValue, path: str) -> dict[str, JsonValue]:
    """The members of an object by normal name; ODRL's own are bare, as DSP writes them."""
    if not isinstance(value, Mapping):
        _refuse(path, "not an object")
    members = {bare(name): member for name, member in value.items()}
    if len(members) != len(value):
        _refuse(path, "one member in two spellings")
    return members


def _listed(members: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    """The elements of a member: none when it is absent, one when it is a single value."""
    if name not in members:
        return []
    value = members[name]
    return list(value) if isinstance(value, list | tuple) else [value]


def _name(value: JsonValue, path: str) -> str:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping) and set(value) == {"@id"}:
        value = value["@id"]
    if value is None:
        _refuse(path, "missing")
    if not isinstance(value, str) or not value:
        _refuse(path, "not a name")
    return value


def _optional_name(value: JsonValue, path: str) -> str | None:
    return None if value is None else _name(value, path)


def _unread(members: Mapping[str, JsonValue], known: frozenset[str]) -> Unread:
    return tuple((normal(name), _text(value)) for name, value in members.items() if name not in known)


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _refuse(path: str, problem: str) -> NoReturn:
    raise InvalidPolicyError(path, problem)
