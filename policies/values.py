"""Right operands are strings; here each becomes a value of its operand's own type, or None when it cannot be read.

EDC strips datatypes, so the operand decides how its text is read (policies.md 2.2). What None means is said by its place:
the constraint is undecidable, and publishing it is refused.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# xsd:dateTime with a zone and at most microseconds.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# xsd:duration without years and months, whose length depends on the calendar.
_DURATION = re.compile(
    r"P(?=.)(?:(?P<days>\d{1,6})D)?(?:T(?=.)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6})S)?)?",
    re.ASCII,
)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2}", re.ASCII)
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)


def read_text(text: str) -> str | None:
    """A code or identifier: any text that is not empty."""
    return text or None


def read_date_time(text: str) -> datetime | None:
    """An instant; a text without a zone is none."""
    if _DATE_TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_duration(text: str) -> timedelta | None:
    """A length of time in days, hours, minutes and seconds: `P90D`, `PT60M`. `P60M` is sixty *months* and is not read."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return timedelta(**{unit: int(number) for unit, number in match.groupdict(default="0").items()})


def read_count(text: str) -> int | None:
    """A number of deliveries, written in digits."""
    return int(text) if _COUNT.fullmatch(text) else None


def read_region(text: str) -> str | None:
    """A code of ISO 3166: a country (`CN`) or a part of one (`CN-32`)."""
    return text if _REGION.fullmatch(text) else None


@lru_cache(maxsize=256)
def read_zone(text: str) -> ZoneInfo | None:
    """A time zone by its IANA name."""
    if _ZONE.fullmatch(text) is None:
        return None
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError):  # a folder of the database, a malformed or an unknown name
        return None
