"""State machines as data: a row is a sentence, a machine is a table of them.

*From REQUESTED, on OFFER by PROVIDER, to OFFERED.* The sender is part of the key. Code, tests, console and documentation
read the same table; nothing else decides what is allowed. `None` is the start: no message has been acknowledged yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from contracts.errors import IllegalTransitionError


class Role(StrEnum):
    """The two sides of a process (DSP, terminology)."""

    CONSUMER = "consumer"
    PROVIDER = "provider"

    @property
    def other(self) -> "Role":
        return Role.PROVIDER if self is Role.CONSUMER else Role.CONSUMER


S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, T]):
    """One sentence: from `state`, on `trigger` sent by `by`, to `to`; `cite` is its place in the specification."""

    state: S | None
    trigger: T
    by: Role
    to: S
    cite: str


class Machine(Generic[S, T]):
    """The table of one protocol, answering what a message may do."""

    def __init__(self, name: str, rows: Iterable[Transition[S, T]], terminal: frozenset[S]) -> None:
        self.name = name
        self.rows = tuple(rows)
        self.terminal = terminal
        self._next = {(row.state, row.trigger, row.by): row.to for row in self.rows}
        if len(self._next) != len(self.rows):
            raise ValueError(f"{name}: two rows share a key")

    def step(self, state: S | None, on: T, by: Role) -> S:
        """The state after the message; raises IllegalTransitionError when the table has no such row."""
        try:
            return self._next[state, on, by]
        except KeyError:
            raise IllegalTransitionError(self.name, state, on, by) from None

    def allows(self, state: S | None, on: T, by: Role) -> bool:
        return (state, on, by) in self._next

    def allowed(self, state: S | None, by: Role) -> tuple[T, ...]:
        """What `by` may send now, in the order of the table: buttons, help and documentation ask here."""
        return tuple(row.trigger for row in self.rows if row.state == state and row.by is by)

    def reaches(self, start: S | None, goal: S) -> bool:
        """Whether `goal` is `start` or can follow it: a counterparty that is further on has seen what came before."""
        seen: set[S | None] = {start}
        waiting: list[S | None] = [start]
        while waiting:
            state = waiting.pop()
            if state == goal:
                return True
            following = {row.to for row in self.rows if row.state == state} - seen
            seen |= following
            waiting.extend(following)
        return False

    def follows(self, state: S, on: T, by: Role) -> bool:
        """Whether this message of `by` may be what has brought the process here, at once or by what came after it."""
        return any(self.reaches(row.to, state) for row in self.rows if (row.trigger, row.by) == (on, by))

    def mermaid(self) -> str:
        """The table as a Mermaid state diagram for ARCHITECTURE.md."""
        lines = ["stateDiagram-v2"]
        joined: dict[tuple[str, str, str], list[str]] = {}
        for row in self.rows:
            key = (row.state.value if row.state else "[*]", row.to.value, row.trigger.value)
            joined.setdefault(key, []).append(row.by.value)
        lines += [
            f"    {start} --> {end}: {trigger} by {' or '.join(by)}" for (start, end, trigger), by in joined.items()
        ]
        lines += [f"    {state.value} --> [*]" for state in sorted(self.terminal)]
        return "\n".join(lines)
