"""The one clock and its texts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connector.clock import Clock, micros, moment, stamp
from tests.clocks import START, SteppingClock


def test_a_clock_moves_by_its_offset_only():
    """The wall clock is moved, the monotonic one is not."""
    clock = Clock(timedelta(days=-15))

    assert abs(clock.now() + timedelta(days=15) - datetime.now(UTC)) < timedelta(seconds=1)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
    assert abs(Clock.starting_at(START).now() - START) < timedelta(seconds=1)


def test_stamps_sort_as_texts():
    """Fixed width, UTC, microseconds also when they are zero."""
    shanghai = datetime(2026, 11, 10, 9, tzinfo=timezone(timedelta(hours=8)))

    assert stamp(shanghai) == "2026-11-10T01:00:00.000000Z"
    assert stamp(shanghai) < stamp(shanghai + timedelta(microseconds=1))
    assert moment(stamp(shanghai)) == shanghai
    assert micros(shanghai + timedelta(microseconds=3)) == int(shanghai.timestamp()) * 1_000_000 + 3


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-10", "2026-11-10T01:00:00", "2026-11-10T01Z", "20261110T010000Z", "2026-13-10T01:00:00Z", "now"],
)
def test_a_time_without_its_offset_is_none(text):
    """Only RFC 3339 names an instant."""
    with pytest.raises(ValueError, match=r".+"):
        moment(text)


def test_the_stepping_clock_stands_still():
    """Until a test moves it."""
    clock = SteppingClock()
    assert clock.now() == clock.now() == START
    clock.advance(1.5)
    assert (clock.now() - START, clock.monotonic()) == (timedelta(seconds=1.5), 1.5)
