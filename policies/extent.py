"""What a condition over one operand lets through, as a value that can be compared: stricter than, apart from.

Two questions need it: does a condition *imply* another one (an offer that inherits, terms that were accepted), and can two
conditions hold together (conflicts)? A condition whose extent is not known implies only itself and is apart from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from policies.canonical import canonical
from policies.counters import MODIFIERS, Counter, read_counter
from policies.faults import Fault
from policies.model import Condition, Constraint, LogicalConstraint
from policies.normalform import condition_form
from policies.operands import read_names
from policies.operators import region_is_part
from policies.values import read_date_time, read_duration, read_region, read_text
from policies.vocabulary import COLUMNS, COUNT, DATE_TIME, ELAPSED_TIME, SPATIAL


@dataclass(frozen=True, slots=True)
class Among:
    """One of these values."""

    operand: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Except:
    """Any value but these."""

    operand: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class UpTo:
    """At most this instant, duration or number; `strict` leaves the bound itself out. `unit` must agree to compare."""

    operand: str
    bound: Any
    strict: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class From:
    """At least this instant; `strict` leaves the bound itself out."""

    operand: str
    bound: datetime
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Within:
    """A selection of these names."""

    operand: str
    names: frozenset[str]


Extent: TypeAlias = Among | Except | UpTo | From | Within


def extent_of(condition: Condition) -> Extent | None:
    """The extent of a condition over one operand; None when it has none that we understand."""
    if condition.unread:
        return None
    if isinstance(condition, Constraint):
        return _of_constraint(condition) if condition.plain else None
    parts = [extent_of(each) for each in condition.conditions]
    if condition.operand == "or":
        return _union(parts)
    return _counted(condition) if condition.operand == "and" else None


def implies(stricter: Condition, looser: Condition) -> bool:
    """Whether the first condition can only hold where the second holds."""
    if canonical(condition_form(stricter)) == canonical(condition_form(looser)):
        return True
    inner, outer = extent_of(stricter), extent_of(looser)
    return inner is not None and outer is not None and _inside(inner, outer)


def apart(one: Condition, other: Condition) -> bool:
    """Whether two conditions can never hold together. False when that is not certain."""
    first, second = extent_of(one), extent_of(other)
    return first is not None and second is not None and (_disjoint(first, second) or _disjoint(second, first))


def operand_of(condition: Condition) -> str | None:
    """The one operand a condition is about; a count is about `odrl:count`, whatever modifies it."""
    if isinstance(condition, Constraint):
        return condition.left
    names = {operand_of(each) for each in condition.conditions}
    if COUNT in names and condition.operand == "and":
        return COUNT
    return names.pop() if len(names) == 1 else None


def _of_constraint(constraint: Constraint) -> Extent | None:
    name, operator, text = constraint.left, constraint.operator, constraint.right
    match name:
        case "odrl:purpose" | "odrl:recipient" | "odrl:spatial":
            return _of_code(name, operator, text)
        case "odrl:dateTime":
            return _of_instant(operator, read_date_time(text))
        case "odrl:elapsedTime" if operator == "lteq" and (duration := read_duration(text)) is not None:
            return UpTo(ELAPSED_TIME, duration)
        case "odrl:count":
            return _of_counter(read_counter(constraint, (), ""))
        case _ if name == COLUMNS and operator == "isPartOf" and (names := read_names(text)) is not None:
            return Within(COLUMNS, names)
    return None


def _of_code(name: str, operator: str, text: str) -> Extent | None:
    if (read_region(text) if name == SPATIAL else read_text(text)) is None:
        return None
    if operator == "eq":
        return Among(name, frozenset({text}))
    return Except(name, frozenset({text})) if operator == "neq" else None


def _of_instant(operator: str, bound: datetime | None) -> Extent | None:
    if bound is None:
        return None
    match operator:
        case "lt" | "lteq":
            return UpTo(DATE_TIME, bound, operator == "lt")
        case "gt" | "gteq":
            return From(DATE_TIME, bound, operator == "gt")
    return None


def _of_counter(counter: Counter | Fault) -> Extent | None:
    if isinstance(counter, Fault):
        return None
    return UpTo(COUNT, counter.limit, unit="" if counter.zone is None else counter.zone.key)


def _counted(logical: LogicalConstraint) -> Extent | None:
    """The extent of a count with its modifiers in one `and`."""
    constraints = [each for each in logical.conditions if isinstance(each, Constraint) and not each.unread]
    counts = [each for each in constraints if each.left == COUNT]
    if len(counts) != 1 or len(constraints) != len(logical.conditions):
        return None
    modifiers = [each for each in constraints if each is not counts[0]]
    if any(each.left not in MODIFIERS for each in modifiers):
        return None
    return _of_counter(read_counter(counts[0], modifiers, ""))


def _union(parts: Sequence[Extent | None]) -> Extent | None:
    """Alternatives over one operand: the union of their values."""
    among = [part for part in parts if isinstance(part, Among)]
    if not among or len(among) != len(parts) or len({part.operand for part in among}) != 1:
        return None
    return Among(among[0].operand, frozenset().union(*(part.values for part in among)))


def _inside(inner: Extent, outer: Extent) -> bool:
    if inner.operand != outer.operand:
        return False
    match inner, outer:
        case (Among(), Among()):
            return inner.values <= outer.values
        case (Among(), Except()):
            return _surely_other(inner, outer)
        case (Except(), Except()):
            return inner.values >= outer.values
        case (Within(), Within()):
            return inner.names <= outer.names
        case (UpTo(), UpTo()):
            lower = inner.bound < outer.bound or (inner.bound == outer.bound and (inner.strict or not outer.strict))
            return inner.unit == outer.unit and lower
        case (From(), From()):
            return inner.bound > outer.bound or (inner.bound == outer.bound and (inner.strict or not outer.strict))
    return False


def _disjoint(one: Extent, other: Extent) -> bool:
    if one.operand != other.operand:
        return False
    match one, other:
        case (Among(), Among()):
            return not one.values & other.values
        case (Among(), Except()):
            return one.values <= other.values
        case (UpTo(), From()):
            return one.bound < other.bound or (one.bound == other.bound and (one.strict or other.strict))
    return False


def _surely_other(inner: Among, outer: Except) -> bool:
    """Whether none of the values is one of the excluded ones, or lies in or around one of them."""
    if inner.operand != SPATIAL:
        return not inner.values & outer.values
    return not any(
        region_is_part(value, excluded) is not False or region_is_part(excluded, value) is not False
        for value in inner.values
        for excluded in outer.values
    )
