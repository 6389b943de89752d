"""Every rule of a policy as one sentence with its enforcement class, in English and Chinese.

The words come from the message table; a condition that is not understood is shown as it stands, and said to refuse.
"""

from collections.abc import Sequence

from policies.columns import parse_list
from policies.conditions import Branch, Leaf, Node, Place, compile_conditions
from policies.counters import MODIFIERS, Counter
from policies.duties import duty_fault, duty_value
from policies.enforcement import enforcement
from policies.errors import ListFormError
from policies.extent import Among, extent_of
from policies.identifiers import local, short
from policies.model import Condition, Duty, Permission, Policy, Prohibition, Rule
from policies.phrases import listed, term
from policies.sentences import has_sentence, sentence
from policies.vocabulary import INHERITS


def explain(policy: Policy, lang: str, *, peer_attests: bool = True) -> list[str]:
    """One sentence per rule, in the order of the policy."""
    statements = enforcement(policy, peer_attests=peer_attests)
    return [
        rule_sentence(rule, lang, str(statement["class"]))
        for rule, statement in zip(policy.rules, statements, strict=True)
    ]


def rule_sentence(rule: Rule, lang: str, enforcement_class: str | None = None) -> str:
    """The sentence of one rule, with its class if that is known."""
    label = "" if enforcement_class is None else _labelled(enforcement_class, lang)
    match rule:
        case Permission():
            duties = _clauses("rule.first", [duty_phrase(duty, lang) for duty in rule.duties], lang)
            text = _rule("rule.permission", rule, duties, label, lang)
        case Prohibition():
            remedies = _clauses("rule.else", [duty_phrase(duty, lang) for duty in rule.remedies], lang)
            text = _rule("rule.prohibition", rule, remedies, label, lang)
        case Duty():
            text = sentence("rule.obligation", lang, duty=duty_phrase(rule, lang), **{"class": label})
    return text[0].upper() + text[1:]


def duty_phrase(duty: Duty, lang: str) -> str:
    """A duty as a clause."""
    identifier = f"duty.{local(duty.action)}"
    if duty_fault(duty) is not None or not has_sentence(identifier):
        return sentence("duty.other", lang, action=short(duty.action))
    if not duty.constraints and "{value}" in sentence(identifier, lang):
        return term(duty.action, lang)
    return sentence(identifier, lang, value=_value(duty, lang))


def condition_phrase(condition: Condition, lang: str) -> str:
    """A condition as a clause."""
    (node,) = compile_conditions((condition,), Place(""))
    return _node_phrase(node, lang)


def _rule(identifier: str, rule: Permission | Prohibition, duties: str, label: str, lang: str) -> str:
    prohibits = isinstance(rule, Prohibition)
    nodes = compile_conditions(rule.constraints, Place(rule.digest, prohibits=prohibits))
    conditions = _clauses("rule.if", [_node_phrase(node, lang) for node in nodes], lang)
    values = {"action": term(rule.action, lang), "conditions": conditions, "duties": duties, "class": label}
    return sentence(identifier, lang, **values)


def _labelled(enforcement_class: str, lang: str) -> str:
    return sentence("rule.class", lang, **{"class": sentence(f"class.{enforcement_class}", lang)})


def _clauses(identifier: str, clauses: Sequence[str], lang: str) -> str:
    if not clauses:
        return ""
    joined = sentence("clause.separator", lang).join(clauses)
    return sentence(identifier, lang, conditions=joined, duties=joined)


def _node_phrase(node: Node, lang: str) -> str:
    return _leaf_phrase(node, lang) if isinstance(node, Leaf) else _branch_phrase(node, lang)


def _leaf_phrase(leaf: Leaf, lang: str) -> str:
    constraint = leaf.constraint
    if isinstance(leaf.right, Counter):
        zone = leaf.right.zone
        kind = "condition.count.total" if zone is None else "condition.count.day"
        return sentence(kind, lang, limit=leaf.right.limit, zone="" if zone is None else zone.key)
    identifier = f"condition.{local(constraint.left)}.{constraint.operator}"
    if leaf.fault is None and has_sentence(identifier):
        return sentence(identifier, lang, right=constraint.right)
    left = short(constraint.left)
    return sentence("condition.other", lang, left=left, operator=constraint.operator, right=constraint.right)


def _branch_phrase(branch: Branch, lang: str) -> str:
    extent = extent_of(branch.constraint)
    if branch.constraint.operand == "or" and isinstance(extent, Among):
        # Alternatives over one operand read as one: "the region is CN-31, CN-32 or CN-33".
        first = next(child for child in branch.children if isinstance(child, Leaf))
        values = [child.constraint.right for child in branch.children if isinstance(child, Leaf)]
        identifier = f"condition.{local(first.constraint.left)}.eq"
        return sentence(identifier, lang, right=listed(values, lang, "or"))
    counted = any(isinstance(child, Leaf) and isinstance(child.right, Counter) for child in branch.children)
    phrases = [
        _node_phrase(child, lang)
        for child in branch.children
        # The interval and the zone are said with the count.
        if not (counted and isinstance(child, Leaf) and child.constraint.left in MODIFIERS)
    ]
    if not phrases:
        return sentence("condition.group", lang, conditions="")
    if len(phrases) == 1:
        return phrases[0]
    return sentence("condition.group", lang, conditions=listed(phrases, lang, branch.constraint.operand))


def _value(duty: Duty, lang: str) -> str:
    value = duty_value(duty) or ""
    if duty.constraints and getattr(duty.constraints[0], "left", None) == INHERITS:
        try:
            return listed([term(name, lang) for name in parse_list(value)], lang)
        except ListFormError:
            return value
    return value
