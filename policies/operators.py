"""Three-valued logic and the comparisons of values of one type.

None is Unknown: a value is missing or cannot be compared. Unknown is never turned into an answer here; by its place in the
policy it later resolves to the refusing side (policies.md 6.1).
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

Truth: TypeAlias = bool | None
Comparison: TypeAlias = Callable[[Any, Any], Truth]


def all_of(results: Iterable[Truth]) -> Truth:
    """Kleene's `and`: False if any is False, else Unknown if any is."""
    known = True
    for result in results:
        if result is False:
            return False
        if result is None:
            known = False
    return True if known else None


def any_of(results: Iterable[Truth]) -> Truth:
    """Kleene's `or`: True if any is True, else Unknown if any is."""
    known = True
    for result in results:
        if result is True:
            return True
        if result is None:
            known = False
    return False if known else None


def one_of(results: Iterable[Truth]) -> Truth:
    """`xone`: False when two are True, else Unknown if any is, else whether one is True."""
    true = unknown = 0
    for result in results:
        true += result is True
        unknown += result is None
    if true > 1:
        return False
    return None if unknown else true == 1


LOGIC: Mapping[str, Callable[[Iterable[Truth]], Truth]] = {"and": all_of, "or": any_of, "xone": one_of}

COMPARISONS: Mapping[str, Comparison] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def same_or_unknown(left: str, right: str) -> Truth:
    """`isA` over codes without a scheme: a code is an instance of itself; of another one nobody can say."""
    return True if left == right else None


def region_differs(left: str, right: str) -> Truth:
    """`neq` over ISO 3166 codes; Unknown when one area contains the other, for then both answers could be meant."""
    return None if left != right and _related(left, right) else left != right


def region_is_part(left: str, right: str) -> Truth:
    """`isPartOf` over ISO 3166 codes: `CN-32` is part of `CN`; whether `CN` lies in `CN-32` is Unknown."""
    if left == right or left.startswith(f"{right}-"):
        return True
    return None if right.startswith(f"{left}-") else False


def names_are_part(left: tuple[str, ...], right: frozenset[str]) -> Truth:
    """`isPartOf` over lists: every name on the left is in the list on the right."""
    return right.issuperset(left)


def names_are_all_part(left: tuple[str, ...], right: frozenset[str]) -> Truth:
    """The same below a prohibition, where a list that is only partly inside must not slip through: Unknown."""
    inside = sum(name in right for name in left)
    return True if inside == len(left) else (None if inside else False)


def _related(left: str, right: str) -> bool:
    return left.startswith(f"{right}-") or right.startswith(f"{left}-")
