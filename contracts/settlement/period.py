"""Periods of settlement: months, years, weeks or days of a time zone, counted from the anchor of the terms (revenue-share.md 4).

Period k starts at `anchor + k * length`, always computed from the anchor and never from the period before; a day that a month
lacks is its last one. A period is named by its month (`P1M`: 2026-10), its year (`P1Y`: 2026), else by the day on which it starts.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from contracts.errors import PeriodError

MONTHS_A_YEAR = 12
DAYS_A_WEEK = 7
_DURATION = re.compile(r"P([1-9][0-9]{0,3})([DWMY])")
_LABEL = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a period is: whole months or whole days, one of which is zero."""

    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read `P1M`, `P3M`, `P1Y`, `P2W`, `P10D`; raises PeriodError."""
        found = _DURATION.fullmatch(text)
        if found is None:
            raise PeriodError(
                period=text[:40], problem="is no length of whole days, weeks, months or years such as P1M"
            )
        number, unit = int(found[1]), found[2]
        if unit in "MY":
            return cls(months=number * (MONTHS_A_YEAR if unit == "Y" else 1))
        return cls(days=number * (DAYS_A_WEEK if unit == "W" else 1))

    @property
    def label_format(self) -> str:
        """What names a period of this length, as `strftime` writes it."""
        return {1: "%Y-%m", MONTHS_A_YEAR: "%Y"}.get(self.months, "%Y-%m-%d")


class Schedule(Protocol):
    """What periods are counted by: every terms document has these members."""

    @property
    def anchor(self) -> datetime: ...
    @property
    def period(self) -> Duration: ...
    @property
    def zone(self) -> ZoneInfo: ...


@dataclass(frozen=True, slots=True)
class Period:
    """One period: `start` belongs to it, `end` does not; both in the zone of the terms."""

    label: str
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        # Two times of one zone are compared by their clocks, which strike some hours twice: the instant counts.
        return self.start <= moment.astimezone(UTC) < self.end

    @property
    def days(self) -> tuple[date, ...]:
        """Its calendar days, in the zone of the terms."""
        first = self.start.date()
        return tuple(first + timedelta(days=number) for number in range((self.end.date() - first).days))


def period_number(terms: Schedule, k: int) -> Period:
    """The period k after the anchor, from 0; raises PeriodError before the anchor and beyond the calendar."""
    if k < 0:
        raise PeriodError(period=str(k), problem=f"is before {written(terms.anchor)}, when the terms take effect")
    try:
        start, end = _start(terms, k), _start(terms, k + 1)
    except (OverflowError, ValueError) as error:
        raise PeriodError(period=str(k), problem="lies beyond the calendar") from error
    return Period(f"{start:{terms.period.label_format}}", start, end)


def period_at(terms: Schedule, moment: datetime) -> Period:
    """The period that an instant belongs to; raises PeriodError before the anchor."""
    moment, local = moment.astimezone(UTC), moment.astimezone(terms.zone)
    if moment < terms.anchor:
        problem = f"is before {written(terms.anchor)}, when the terms take effect"
        raise PeriodError(period=written(local), problem=problem)
    k = _near(terms, local.date())
    # The month or day may have begun without the day or hour on which its period starts.
    return period_number(terms, k - 1 if moment < _start(terms, k) else k)


def period_of(terms: Schedule, label: str) -> Period:
    """The period of this name; raises PeriodError for one that is misspelt, does not exist or is before the anchor."""
    first = period_number(terms, 0)
    found = _LABEL.fullmatch(label)
    try:
        year, month, day = (int(part or 0) for part in found.groups()) if found is not None else (0, 0, 0)
        k = _near(terms, date(year, month or first.start.month, day or 1))
    except ValueError as error:
        problem = f"names no period of these terms; the first is {first.label}"
        raise PeriodError(period=label[:40], problem=problem) from error
    if k < 0:
        raise PeriodError(period=label, problem=f"is before {first.label}, the first period of these terms")
    period = period_number(terms, k)
    if period.label != label:
        raise PeriodError(period=label, problem=f"is no period of these terms; they are counted from {first.label}")
    return period


def written(moment: datetime) -> str:
    """An instant as settlement documents write it: `2026-10-01T00:00:00+08:00`."""
    return moment.isoformat(timespec="seconds")


def _near(terms: Schedule, day: date) -> int:
    """The number of the period that starts on this day or in this month, else of the one before or at it."""
    anchor = terms.anchor.astimezone(terms.zone).date()
    if terms.period.days:
        return (day - anchor).days // terms.period.days
    return ((day.year - anchor.year) * MONTHS_A_YEAR + day.month - anchor.month) // terms.period.months


def _start(terms: Schedule, k: int) -> datetime:
    anchor = terms.anchor.astimezone(terms.zone)
    if terms.period.days:
        day = anchor.date() + timedelta(days=k * terms.period.days)
    else:
        year, month = divmod(anchor.year * MONTHS_A_YEAR + anchor.month - 1 + k * terms.period.months, MONTHS_A_YEAR)
        day = date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))
    return datetime.combine(day, anchor.time(), tzinfo=terms.zone)
