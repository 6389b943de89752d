"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from connector.clock import Clock

START = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)


class SteppingClock(Clock):
    """Shows `start` until `advance`; its monotonic time moves with it."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__()
        self._now = start
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, step: timedelta | float) -> None:
        """Move forward (or back) by a timedelta or by seconds."""
        step = step if isinstance(step, timedelta) else timedelta(seconds=step)
        self._now += step
        self._seconds += step.total_seconds()
