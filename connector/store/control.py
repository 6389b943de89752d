"""What is stopped, what is held and why, and what is owed after a delivery."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connector.clock import moment, stamp
from connector.store.database import Row, Tx
from contracts.machine import Role

EVERYBODY = "*"
# Sorts behind every time: a duty without a deadline.
NEVER = "~"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing moves with this partner, `*` for all of them."""

    participant: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing moves under this agreement because `action` was done, which it prohibits."""

    agreement: str
    action: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What a consumer owes for a delivery. `role` is ours; `evidence` is the digest of what fulfils it, `""` while it is open."""

    delivery: str
    action: str
    agreement: str
    counterparty: str
    dataset: str
    role: Role
    since: str
    deadline: str = NEVER
    evidence: str = ""

    def state(self, now: datetime) -> str:
        """open, overdue or fulfilled."""
        if self.evidence:
            return "fulfilled"
        return "overdue" if self.deadline < stamp(now) else "open"

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the deadline, negative once it is over; None for what has none or is fulfilled."""
        return None if self.evidence or self.deadline == NEVER else (moment(self.deadline) - now).days


def stop(tx: Tx, participant: str, reason: str, now: datetime) -> bool:
    """Keep that nothing moves with a partner; False when that was so before."""
    return tx.run("control.stop", participant=participant, reason=reason, at=stamp(now)) == 1


def lift(tx: Tx, participant: str) -> bool:
    """Take back what was stopped under this very name; False when nothing was."""
    return tx.run("control.lift", participant=participant) > 0


def stops(tx: Tx) -> list[Stopped]:
    return [Stopped(**row) for row in map(dict, tx.all("control.stops"))]


def stopped(tx: Tx, participant: str) -> Stopped | None:
    """Why nothing moves with a partner, None when it may."""
    row = tx.one("control.stopped", participant=participant)
    return Stopped(**dict(row)) if row is not None else None


def hold(tx: Tx, held: Held) -> bool:
    """Keep that nothing moves under an agreement; False when that was so before."""
    return tx.run("control.hold", **asdict(held)) == 1


def release(tx: Tx, agreement: str) -> bool:
    return tx.run("control.release", agreement=agreement) > 0


def held(tx: Tx, agreement: str) -> Held | None:
    row = tx.one("control.held", agreement=agreement)
    return Held(**dict(row)) if row is not None else None


def holds(tx: Tx) -> list[Held]:
    return [Held(**row) for row in map(dict, tx.all("control.holds"))]


def running(tx: Tx, *, counterparty: str = "*", agreement: str = "*") -> list[str]:
    """Pids of our transfers that have not ended, oldest first."""
    rows = tx.all("control.running", counterparty=counterparty, agreement=agreement)
    return [row["pid"] for row in rows]


def hand(tx: Tx, agreement: str, counterparty: str, sha256: str) -> None:
    """Keep that a partner may have these bytes from us from now on."""
    tx.run("control.hand", agreement=agreement, counterparty=counterparty, sha256=sha256)


def passed_on(tx: Tx, participant: str) -> Mapping[str, list[str]]:
    """Datasets that a member shows as its own with content of ours: the digests of the agreements it has that under."""
    return _grouped(tx.all("control.passed_on", participant=participant))


def made_of(tx: Tx, owner: str, participant: str) -> Mapping[str, list[str]]:
    """Datasets that a member says it made from one of `owner`: the digests of its agreements about those."""
    return _grouped(tx.all("control.made_of", owner=owner, participant=participant))


def sight(tx: Tx, agreement: str, action: str, dataset: str, now: datetime) -> bool:
    """Keep that a partner's dataset was seen to breach an agreement; False when that was known."""
    return tx.run("control.sight", agreement=agreement, action=action, dataset=dataset, at=stamp(now)) == 1


def owe(tx: Tx, owed: Owed) -> bool:
    """Write down what is owed; once for a delivery and action."""
    values = asdict(owed) | {"role": owed.role.value, "fulfilled": int(bool(owed.evidence))}
    return tx.run("control.owe", **values) == 1


def duties(
    tx: Tx,
    now: datetime,
    *,
    counterparty: str = "*",
    state: str = "*",
    after: tuple[str, str, str, str] = ("", "", "", ""),
    limit: int = 50,
) -> list[Owed]:
    """Open duties by their deadline, then fulfilled ones. `after` is (`0` or `1` = fulfilled, deadline, delivery, action)."""
    rows = tx.all(
        "control.duties",
        fulfilled=int(after[0]) if after[0] else -1,
        deadline=after[1],
        delivery=after[2],
        action=after[3],
        counterparty=counterparty,
        state=state,
        now=stamp(now),
        most=limit,
    )
    return [_owed(row) for row in rows]


def _grouped(rows: list[Row]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["dataset"], []).append(row["agreement"])
    return found


def _owed(row: Row) -> Owed:
    values: dict[str, Any] = {name: row[name] for name in Owed.__dataclass_fields__}
    return Owed(**values | {"role": Role(values["role"])})
