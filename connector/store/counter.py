"""Exact counters: a count is reserved in the transaction that grants the delivery, or the delivery is not granted."""

from collections.abc import Iterable, Mapping

from connector.store.database import Tx
from policies.counters import CounterWindow


def used(tx: Tx, agreement: str, windows: Iterable[CounterWindow]) -> Mapping[str, int]:
    """Deliveries already counted in these windows, by counter key."""
    counted: dict[str, int] = {}
    for window in windows:
        row = tx.one("counter.used", agreement=agreement, counter=window.key)
        counted[window.key] = int(row["used"]) if row else 0
    return counted


def reserve(tx: Tx, agreement: str, windows: Iterable[CounterWindow]) -> CounterWindow | None:
    """Count one delivery in every window; returns the first window that is used up, None when all took it.

    The caller gives up its transaction when a window is returned: the counters before it were raised already.
    """
    for window in windows:
        changed = tx.run(
            "counter.reserve",
            agreement=agreement,
            counter=window.key,
            window_name=window.window,
            most=window.limit,
        )
        if changed != 1:
            return window
    return None


def of_agreement(tx: Tx, agreement: str, limit: int = 50) -> list[tuple[str, str, int]]:
    """Counters of an agreement as (key, window, used), the latest window first."""
    rows = tx.all("counter.of_agreement", agreement=agreement, most=limit)
    return [(row["counter"], row["window_name"], int(row["used"])) for row in rows]
