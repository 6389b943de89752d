"""Words for terms, comparisons and trees, in English and Chinese: the pieces that sentences are made of.

Every word comes from the message table; a term without a word of its own is shown by its short name.
"""

from collections.abc import Iterable, Mapping, Sequence

from policies.canonical import JsonValue
from policies.identifiers import local, short
from policies.sentences import has_sentence, sentence


def term(name: str, lang: str) -> str:
    """The word for an action, operand or role."""
    identifier = f"term.{local(name)}"
    return sentence(identifier, lang) if has_sentence(identifier) else short(name)


def required(operator: str | None, expected: str | None, operand: str | None, lang: str) -> str:
    """What a constraint demands of its operand: "must be X", "must be one of X, Y", "must not be after X"."""
    candidates = (f"must.{operator}.{local(operand or '')}", f"must.{operator}", "must.other")
    identifier = next(each for each in candidates if has_sentence(each))
    return sentence(identifier, lang, operator=operator or "", expected=expected or "")


def listed(parts: Sequence[str], lang: str, joint: str = "and") -> str:
    """One or more parts as a list in running text: "a, b and c", "a、b和c"."""
    *first, last = parts
    if not first:
        return last
    return sentence(f"list.{joint}", lang, first=sentence("list.separator", lang).join(first), last=last)


def tree_lines(tree: Mapping[str, JsonValue], lang: str) -> list[str]:
    """One line for every rule, constraint and duty of a decision's tree, indented by depth."""
    lines: list[str] = []
    for role in ("prohibition", "permission"):
        for rule in _objects(tree.get(role)):
            lines.append(sentence("tree.rule", lang, role=term(role, lang), action=term(str(rule["action"]), lang)))
            for condition in _objects(rule.get("constraint")):
                lines.extend(_condition_lines(condition, 1, lang))
            for duty in _objects(rule.get("duty")):
                subject = term(str(duty["action"]), lang)
                lines.append(_line("tree.duty", duty, 1, lang, subject=subject, right=duty.get("right", "")))
    return lines


def _condition_lines(condition: Mapping[str, JsonValue], depth: int, lang: str) -> Iterable[str]:
    if "operand" in condition:
        yield _line("tree.logic", condition, depth, lang, operand=condition["operand"])
        for each in _objects(condition.get("condition")):
            yield from _condition_lines(each, depth + 1, lang)
        return
    operand, operator, right = (str(condition[name]) for name in ("left", "operator", "right"))
    actual = condition.get("actual", sentence("term.nothing", lang))
    demand = required(operator, right, operand, lang)
    yield _line("tree.constraint", condition, depth, lang, operand=term(operand, lang), required=demand, actual=actual)


def _line(identifier: str, node: Mapping[str, JsonValue], depth: int, lang: str, **values: object) -> str:
    result = sentence(f"result.{node['result']}", lang)
    return "  " * depth + sentence(identifier, lang, result=result, **values)


def _objects(value: JsonValue) -> Iterable[Mapping[str, JsonValue]]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            if isinstance(each, Mapping):
                yield each
