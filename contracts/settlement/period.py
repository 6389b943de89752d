"""Periods of settlement: months, weeks or days of a time zone, counted from the anchor of the terms (revenue-share.md 4).

Period k starts at `anchor + k * length`, always computed from the anchor and never from the period before; a day that a month
lacks is its last one.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.errors import PeriodError

MONTHS_A_YEAR = 12
_LENGTH = re.compile(r"P([1-9][0-9]{0,3})([DWMY])")
_LABELS = {
    "month": re.compile(r"([0-9]{4})-([0-9]{2})"),
    "year": re.compile(r"([0-9]{4})"),
    "day": re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"),
}


@dataclass(frozen=True, slots=True)
class Length:
    """How long a period is: whole months or whole days, one of which is zero."""

    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> "Length":
        """Read `P1M`, `P3M`, `P1Y`, `P2W`, `P10D`; raises PeriodError."""
        found = _LENGTH.fullmatch(text)
        if found is None:
            raise PeriodError(
                period=text[:40], problem="is no length of whole days, weeks, months or years such as P1M"
            )
        number, unit = int(found[1]), found[2]
        if unit in "MY":
            return cls(months=number * (MONTHS_A_YEAR if unit == "Y" else 1))
        return cls(days=number * (7 if unit == "W" else 1))

    @property
    def labelled(self) -> str:
        """What names a period: its month, its year, else the day on which it starts."""
        if self.months == 1:
            return "month"
        return "year" if self.months == MONTHS_A_YEAR else "day"


@dataclass(frozen=True, slots=True)
class Period:
    """One period: `start` belongs to it, `end` does not; both in the zone of the terms."""

    label: str
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def days(self) -> tuple[date, ...]:
        """Its calendar days, in the zone of the terms."""
        first = self.start.date()
        return tuple(first + timedelta(days=number) for number in range((self.end.date() - first).days))


@dataclass(frozen=True, slots=True)
class Calendar:
    """All periods of some terms."""

    anchor: datetime
    length: Length
    zone: ZoneInfo

    def number(self, k: int) -> Period:
        """The period k after the anchor, from 0; raises PeriodError beyond the calendar."""
        try:
            start, end = self._start(k), self._start(k + 1)
        except (OverflowError, ValueError) as error:
            raise PeriodError(period=str(k), problem="lies beyond the calendar") from error
        form = {"month": "%Y-%m", "year": "%Y", "day": "%Y-%m-%d"}[self.length.labelled]
        return Period(start.strftime(form), start, end)

    def at(self, moment: datetime) -> Period:
        """The period that an instant belongs to; raises PeriodError before the anchor."""
        local = moment.astimezone(self.zone)
        k = self._near(local.date())
        for near in (k + 1, k, k - 1):
            if near >= 0 and self.number(near).holds(moment):
                return self.number(near)
        raise PeriodError(
            period=written(local), problem=f"is before {written(self.anchor)}, when the terms take effect"
        )

    def labelled(self, label: str) -> Period:
        """The period of this name; raises PeriodError for one that is misspelt, does not exist or is before the anchor."""
        found = _LABELS[self.length.labelled].fullmatch(label)
        try:
            parts = [int(part) for part in found.groups()] if found is not None else []
            day = date(*(parts + [self.anchor.month, self.anchor.day][len(parts) - 1 :])) if parts else None
        except ValueError:
            day = self._last_of(parts) if len(parts) == 2 else None  # noqa: PLR2004  year and month
        if day is None:
            example = self.number(0).label
            raise PeriodError(period=label[:40], problem=f"names no period of these terms; the first is {example}")
        k = self._near(day)
        for near in (k, k + 1, k - 1):
            if near >= 0 and self.number(near).label == label:
                return self.number(near)
        raise PeriodError(
            period=label, problem=f"is no period of these terms; they are counted from {self.number(0).label}"
        )

    def _near(self, day: date) -> int:
        """The number of the period about this day, at most one off."""
        if self.length.days:
            return (day - self.anchor.date()).days // self.length.days
        months = (day.year - self.anchor.year) * MONTHS_A_YEAR + day.month - self.anchor.month
        return months // self.length.months

    def _start(self, k: int) -> datetime:
        anchor = self.anchor.astimezone(self.zone)
        if self.length.days:
            day = anchor.date() + timedelta(days=k * self.length.days)
        else:
            months = anchor.year * MONTHS_A_YEAR + anchor.month - 1 + k * self.length.months
            year, month = divmod(months, MONTHS_A_YEAR)
            day = date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))
        return datetime.combine(day, anchor.time(), tzinfo=self.zone)

    @staticmethod
    def _last_of(parts: list[int]) -> date | None:
        """The last day of a month that is shorter than the anchor's day, None for no month at all."""
        year, month = parts
        if not (1 <= month <= MONTHS_A_YEAR and year >= 1):
            return None
        return date(year, month, calendar.monthrange(year, month)[1])


def written(moment: datetime) -> str:
    """An instant as documents write it: `2026-10-01T00:00:00+08:00`; `Z` for UTC."""
    text = moment.isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if moment.tzinfo is UTC else text
