"""An offer as a peer spells it, in the one shape DSP 2025-1 asks for (`negotiation/contract-schema.json`).

Only names, lists and wrappers change; texts stay as the publisher wrote them, because they are compared when an agreement
is made. A policy that already has the shape comes out equal.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from catalog.spelling import Names, as_list, identifier, text_of

# The members that DSP 2025-1 writes without a prefix. Anything else (`odrl:remedy`, a vendor's own) keeps its name.
_LISTS: Final = frozenset(
    {"permission", "prohibition", "obligation", "duty", "constraint", "and", "or", "xone", "andSequence"}
)
_REFERENCES: Final = frozenset({"action", "leftOperand", "target", "assigner", "assignee"})
_PLAIN: Final = _LISTS | _REFERENCES | {"operator", "rightOperand", "profile"}


def policy(names: Names, document: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The document with plain DSP names, lists where lists belong, strings where strings belong; empty lists left out."""
    shaped: dict[str, JsonValue] = {}
    for name, value in document.items():
        local = names.local(name)
        if local not in _PLAIN:
            shaped[name] = value
        elif local in _LISTS:
            rules = [policy(names, item) if isinstance(item, dict) else item for item in as_list(value)]
            if rules:
                shaped[local] = rules
        else:
            shaped[local] = _member(names, local, value)
    return shaped


def _member(names: Names, local: str, value: JsonValue) -> JsonValue:
    if local == "operator":
        # The schema lists the bare names only.
        return names.local(text_of(value))
    if local in _REFERENCES:
        only = _single(value)
        bare = isinstance(only, dict) and only.keys() == {"@id"}
        return identifier(only) if bare else only
    if local == "rightOperand":
        return _operand(value)
    profiles = [identifier(item) or item for item in as_list(value)]
    return profiles[0] if len(profiles) == 1 and not isinstance(value, list) else profiles


def _operand(value: JsonValue) -> JsonValue:
    only = _single(value)
    if isinstance(only, dict) and "@value" in only:
        # A right operand is never a JSON number (revenue-share.md 2.1): typed values become their text.
        inner = only["@value"]
        return str(inner) if isinstance(inner, int | float) and not isinstance(inner, bool) else inner
    return value


def _single(value: JsonValue) -> JsonValue:
    """The element of a list of one wrapped value, as expansion writes it; a plain list stays."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]
    return value
