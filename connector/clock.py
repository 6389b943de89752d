"""The one clock of a daemon. Nothing else asks the machine for the time.

Its only offset is a test-only setting (`test_clock_offset_s`, `test_clock_start`) that a production configuration refuses.
"""

import re
import time
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """The machine's time, moved by a fixed offset."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    @classmethod
    def starting_at(cls, start: datetime) -> "Clock":
        """A clock that shows `start` now and runs on from there."""
        return cls(start - datetime.now(UTC))

    def now(self) -> datetime:
        """This instant in UTC, with the offset."""
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back and ignores the offset. For durations and deadlines."""
        return time.monotonic()


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, of fixed width so that texts sort by time: `2026-11-10T01:00:00.123456Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moment(text: str) -> datetime:
    """The instant of an RFC 3339 text, in UTC; raises ValueError for any other text."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("is no RFC 3339 time with an offset, such as 2026-11-10T01:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from error


def micros(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, for arithmetic in the store."""
    return (instant - _EPOCH) // timedelta(microseconds=1)
