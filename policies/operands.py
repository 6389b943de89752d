"""The left operands this connector decides, as one table (policies.md 2.6).

A row says where the left value comes from, how the right text is read, and which operator compares them how. `odrl:count` with
its modifiers is in `policies.counters`; operands that only occur below a duty are in `policies.duties`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from policies.columns import format_list, parse_list
from policies.errors import ListFormError
from policies.operators import (
    COMPARISONS,
    Comparison,
    names_are_all_part,
    names_are_part,
    region_differs,
    region_is_part,
    same_or_unknown,
)
from policies.values import read_date_time, read_region, read_text
from policies.vocabulary import COLUMNS, DATE_TIME, PURPOSE, RECIPIENT, SPATIAL
from policies.world import Request, State

Left: TypeAlias = Callable[[Request, State], Any]


@dataclass(frozen=True, slots=True)
class Operand:
    """One left operand.

    `left` gives None when the value is missing; `read` gives None when the right text has no reading; `unmet` is the reason of
    a denial when the comparison is False; `shown` prints a left value.
    """

    left: Left
    read: Callable[[str], Any]
    comparisons: Mapping[str, Comparison]
    unmet: str = "constraint-not-satisfied"
    shown: Callable[[Any], str] = str


def read_names(text: str) -> frozenset[str] | None:
    """The names of a list that belongs together."""
    try:
        return frozenset(parse_list(text))
    except ListFormError:
        return None


def _only(*operators: str) -> dict[str, Comparison]:
    return {name: COMPARISONS[name] for name in operators}


def _shown_columns(names: tuple[str, ...]) -> str:
    try:
        return format_list(names)
    except ListFormError:  # a request with an empty or repeated name; the answer must still be printable
        return ",".join(names)


OPERANDS: Mapping[str, Operand] = {
    PURPOSE: Operand(
        left=lambda request, _: request.purpose or None,
        read=read_text,
        comparisons={**_only("eq", "neq"), "isA": same_or_unknown},
    ),
    RECIPIENT: Operand(
        left=lambda request, _: request.assignee or None,
        read=read_text,
        comparisons=_only("eq", "neq"),
    ),
    SPATIAL: Operand(
        left=lambda _, state: state.region or None,
        read=read_region,
        comparisons={**_only("eq"), "neq": region_differs, "isPartOf": region_is_part},
    ),
    DATE_TIME: Operand(
        left=lambda _, state: state.now,
        read=read_date_time,
        comparisons=_only("eq", "neq", "lt", "lteq", "gt", "gteq"),
        unmet="outside-validity",
        shown=lambda now: now.isoformat(),
    ),
    COLUMNS: Operand(
        left=lambda request, _: request.columns,
        read=read_names,
        comparisons={"isPartOf": names_are_part},
        shown=_shown_columns,
    ),
}

# Below a prohibition the comparison that leaves no gap.
PROHIBITED_COLUMNS: Mapping[str, Comparison] = {"isPartOf": names_are_all_part}
