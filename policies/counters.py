"""`odrl:count`: deliveries so far, the one asked for included, in all or per calendar day of a zone (policies.md 2.6, rule 5).

The count itself is in the connector's store; a counter only says which key to look up and how far it may go. One count is one
delivery: reserved when a decision allows it, never when it denies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from policies.faults import Fault
from policies.model import Constraint
from policies.operators import Truth
from policies.values import read_count, read_zone
from policies.vocabulary import COUNT, TIME_INTERVAL, TIME_ZONE
from policies.world import Request, State

MODIFIERS = (TIME_INTERVAL, TIME_ZONE)
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class CounterWindow:
    """A counter at one instant: `key` to count under, `window` for people (`2026-11-10` or `total`), highest count `limit`."""

    key: str
    window: str
    limit: int


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit on the deliveries of one rule; per calendar day of `zone`, or in all when there is none."""

    rule: str
    limit: int
    zone: ZoneInfo | None

    def window(self, now: datetime) -> CounterWindow:
        """The window `now` falls into. Raises OverflowError at the two ends of the calendar."""
        label = self._label(now)
        return CounterWindow(self._key(label), label, self.limit)

    def used(self, state: State) -> int | None:
        """Deliveries already counted in the current window; None when there is no such day."""
        try:
            return state.used.get(self._key(self._label(state.now)), 0)
        except OverflowError:
            return None

    def test(self, _: Request, state: State) -> Truth:
        """Whether one more delivery fits."""
        used = self.used(state)
        return None if used is None else used < self.limit

    def _label(self, now: datetime) -> str:
        return TOTAL if self.zone is None else now.astimezone(self.zone).date().isoformat()

    def _key(self, label: str) -> str:
        return f"{self.rule}/{label}" if self.zone is None else f"{self.rule}/{self.zone.key}/{label}"


def read_counter(constraint: Constraint, modifiers: Sequence[Constraint], rule: str) -> Counter | Fault:
    """The counter of a count and its modifiers in the same `and`, or why it cannot be kept."""
    if constraint.operator not in ("lt", "lteq"):
        return Fault("unsupported-operator", COUNT)
    limit = read_count(constraint.right) if constraint.plain else None
    if limit is None:
        return Fault("value-incomparable", COUNT)
    if constraint.operator == "lt":
        limit -= 1
    stated: dict[str, str] = {}
    for modifier in modifiers:
        if modifier.operator != "eq":
            return Fault("unsupported-operator", modifier.left)
        if not modifier.plain or stated.setdefault(modifier.left, modifier.right) != modifier.right:
            return Fault("value-incomparable", modifier.left)
    if not stated:
        return Counter(rule, limit, None)
    for name in MODIFIERS:
        if name not in stated:
            return Fault("value-missing", name)
    zone = read_zone(stated[TIME_ZONE])
    if zone is None:
        return Fault("value-incomparable", TIME_ZONE)
    if stated[TIME_INTERVAL] != "P1D":
        return Fault("value-incomparable", TIME_INTERVAL)
    return Counter(rule, limit, zone)
