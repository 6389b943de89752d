"""Constraints become closures: `test(request, state)` gives True, False or None (Unknown), at any depth.

A constraint that cannot be decided, whatever the world is like, carries a `Fault` and always tests Unknown. It is never removed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from policies.counters import MODIFIERS, Counter, read_counter
from policies.faults import Fault, unread_fault
from policies.model import Condition, Constraint, LogicalConstraint
from policies.operands import OPERANDS, PROHIBITED_COLUMNS, Operand
from policies.operators import LOGIC, Comparison, Truth
from policies.vocabulary import COLUMNS, COUNT, OPERATORS
from policies.world import Request, State

Test: TypeAlias = Callable[[Request, State], Truth]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A compiled comparison; `right` is its typed right value (a Counter for a count, the text for what modifies one)."""

    constraint: Constraint
    test: Test
    right: Any = None
    operand: Operand | None = None
    fault: Fault | None = None

    def actual(self, request: Request, state: State) -> str | None:
        """The left value as text; None when it is missing or has no source."""
        if isinstance(self.right, Counter):
            used = self.right.used(state)
            return None if used is None else str(used + 1)
        if self.operand is None:
            return None if self.right is None else str(self.right)
        value = self.operand.left(request, state)
        return None if value is None else self.operand.shown(value)


@dataclass(frozen=True, slots=True)
class Branch:
    """A compiled logical constraint."""

    constraint: LogicalConstraint
    test: Test
    children: tuple["Node", ...]
    fault: Fault | None = None


Node: TypeAlias = Leaf | Branch


@dataclass(frozen=True, slots=True)
class Place:
    """Where a condition stands: in which rule, below a prohibition or not, in a plain conjunction or below `or` and `xone`."""

    rule: str
    prohibits: bool = False
    conjunctive: bool = True


def compile_conditions(conditions: Sequence[Condition], place: Place) -> tuple[Node, ...]:
    """The nodes of a rule's constraints, all of which must hold."""
    return tuple(_node(condition, place) for condition in conditions)


def leaves(nodes: Sequence[Node]) -> Iterator[Leaf]:
    """Every comparison below these nodes, in order."""
    for node in nodes:
        if isinstance(node, Leaf):
            yield node
        else:
            yield from leaves(node.children)


def conjuncts(nodes: Sequence[Node]) -> Iterator[Leaf]:
    """The comparisons that must all hold: those not below an `or` or `xone`."""
    for node in nodes:
        if isinstance(node, Leaf):
            yield node
        elif node.constraint.operand == "and":
            yield from conjuncts(node.children)


def _node(condition: Condition, place: Place) -> Node:
    return _branch(condition, place) if isinstance(condition, LogicalConstraint) else _leaf(condition, place)


def _branch(logical: LogicalConstraint, place: Place) -> Branch:
    if logical.operand != "and":
        place = replace(place, conjunctive=False)
    children = _counted(logical, place) if logical.operand == "and" else compile_conditions(logical.conditions, place)
    fault = unread_fault(logical.unread)
    if logical.operand not in LOGIC:
        # andSequence: JSON-LD loses its order and there is no history of events to judge it by (policies.md 2.5).
        fault = Fault("unsupported-operator", _common(children))
    elif not children:
        fault = Fault("value-missing")
    if fault is not None:
        return Branch(logical, _unknown, children, fault)
    return Branch(logical, _combined(LOGIC[logical.operand], tuple(child.test for child in children)), children)


def _counted(logical: LogicalConstraint, place: Place) -> tuple[Node, ...]:
    """The children of an `and`; a count in it takes the interval and the zone beside it as its own."""
    modifiers = [
        each
        for each in logical.conditions
        if isinstance(each, Constraint) and each.left in MODIFIERS and not each.unread
    ]
    if not any(isinstance(each, Constraint) and each.left == COUNT for each in logical.conditions):
        modifiers = []
    return tuple(
        _count(each, place, modifiers)
        if isinstance(each, Constraint) and each.left == COUNT
        else Leaf(each, _holds, each.right)
        if isinstance(each, Constraint) and each in modifiers
        else _node(each, place)
        for each in logical.conditions
    )


def _leaf(constraint: Constraint, place: Place) -> Leaf:
    name = constraint.left
    if name == COUNT:
        return _count(constraint, place, ())
    if fault := unread_fault(constraint.unread, name):
        return _undecidable(constraint, fault)
    operand = OPERANDS.get(name)
    if operand is None:
        return _undecidable(constraint, Fault("unsupported-operand", name))
    comparison = operand.comparisons.get(constraint.operator)
    if comparison is None or constraint.operator not in OPERATORS:
        return _undecidable(constraint, Fault("unsupported-operator", name))
    right = operand.read(constraint.right) if constraint.plain else None
    if right is None:
        return _undecidable(constraint, Fault("value-incomparable", name))
    if name == COLUMNS:
        return Leaf(constraint, _columns_test(constraint, right, operand, place), right, operand)
    return Leaf(constraint, _comparing(operand, comparison, right), right, operand)


def _count(constraint: Constraint, place: Place, modifiers: Sequence[Constraint]) -> Leaf:
    if fault := unread_fault(constraint.unread, COUNT):
        return _undecidable(constraint, fault)
    if place.prohibits or not place.conjunctive:
        # What would be reserved if another alternative holds, or if a prohibition counts, nobody has defined.
        return _undecidable(constraint, Fault("unsupported-operand", COUNT))
    counter = read_counter(constraint, modifiers, place.rule)
    if isinstance(counter, Fault):
        return _undecidable(constraint, counter)
    return Leaf(constraint, counter.test, counter)


def _columns_test(constraint: Constraint, right: frozenset[str], operand: Operand, place: Place) -> Test:
    if place.prohibits:
        return _comparing(operand, PROHIBITED_COLUMNS[constraint.operator], right)
    comparison = operand.comparisons[constraint.operator]
    if not place.conjunctive:
        return _comparing(operand, comparison, right)

    def test(request: Request, _: State) -> Truth:
        # Without ?columns= the columns are those of the offer, so they are in the list.
        return request.columns is None or comparison(request.columns, right)

    return test


def _comparing(operand: Operand, comparison: Comparison, right: Any) -> Test:
    left = operand.left

    def test(request: Request, state: State) -> Truth:
        value = left(request, state)
        return None if value is None else comparison(value, right)

    return test


def _combined(combine: Callable[[list[Truth]], Truth], tests: tuple[Test, ...]) -> Test:
    def test(request: Request, state: State) -> Truth:
        return combine([each(request, state) for each in tests])

    return test


def _undecidable(constraint: Constraint, fault: Fault) -> Leaf:
    return Leaf(constraint, _unknown, fault=fault, operand=OPERANDS.get(constraint.left))


def _unknown(_: Request, __: State) -> Truth:
    return None


def _holds(_: Request, __: State) -> Truth:
    return True


def _common(nodes: Sequence[Node]) -> str | None:
    names = {leaf.constraint.left for leaf in leaves(nodes)}
    return names.pop() if len(names) == 1 else None
