"""Deliveries as rows: what left under which manifest, and what arrived."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.clock import stamp
from connector.store.database import Row, Tx
from contracts.machine import Role


class State(StrEnum):
    """How far a delivery is. Provider: reserved, released, received. Consumer: fetching, waiting, verified, received, failed."""

    RESERVED = "reserved"  # counted and decided; bytes may leave
    RELEASED = "released"  # its last byte may leave
    FETCHING = "fetching"
    WAITING = "waiting"  # the transfer is suspended
    VERIFIED = "verified"  # the file is there; the final receipt is on its way
    RECEIVED = "received"  # the final receipt is recorded
    FAILED = "failed"


NO_TABLE = -1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery. `columns` is the list asked for (`""` for all), `rows` is None for what is no table.

    `manifest` and `receipt` are the signed documents as bytes, b"" until there is one. `verified` is bytes covered by
    receipts at the provider, bytes verified at the consumer.
    """

    id: str
    role: Role
    transfer: str
    agreement: str
    counterparty: str
    dataset: str
    columns: str
    state: State
    epoch: int = 0
    version: str = ""
    transform: str = ""
    size: int = 0
    chunk: int = 0
    root: str = ""
    rows: int | None = None
    counted: bool = False
    verified: int = 0
    manifest: bytes = b""
    receipt: bytes = b""
    path: str = ""
    code: str = ""
    reason: str = ""
    idempotency: str = ""
    created: str = ""
    updated: str = ""

    @property
    def signed_manifest(self) -> dict[str, Any] | None:
        return json.loads(self.manifest) if self.manifest else None

    @property
    def signed_receipt(self) -> dict[str, Any] | None:
        return json.loads(self.receipt) if self.receipt else None

    @property
    def finished(self) -> bool:
        return self.state in (State.RECEIVED, State.FAILED)


def topic(identifier: str) -> str:
    """What is woken when a delivery changes."""
    return f"delivery:{identifier}"


def insert(tx: Tx, delivery: Delivery, now: datetime) -> Delivery:
    kept = replace(delivery, created=stamp(now), updated=stamp(now))
    tx.run("delivery.insert", **_values(kept))
    tx.wake(topic(kept.id))
    return kept


def save(tx: Tx, delivery: Delivery, now: datetime, **changes: Any) -> Delivery:
    """Write what changes; who, what and under which agreement never do."""
    changed = replace(delivery, **changes, updated=stamp(now))
    tx.run("delivery.update", **_values(changed))
    tx.wake(topic(changed.id))
    return changed


def get(tx: Tx, identifier: str) -> Delivery | None:
    row = tx.one("delivery.get", id=identifier)
    return _delivery(row) if row else None


def by_idempotency(tx: Tx, key: str) -> Delivery | None:
    row = tx.one("delivery.by_idempotency", idempotency=key) if key else None
    return _delivery(row) if row else None


def of_transfer(tx: Tx, transfer: str) -> list[Delivery]:
    """The deliveries of one transfer in the order of their epochs."""
    return [_delivery(row) for row in tx.all("delivery.of_transfer", transfer=transfer)]


def unfinished(tx: Tx) -> list[Delivery]:
    """Deliveries to us that a restart takes up again."""
    return [_delivery(row) for row in tx.all("delivery.unfinished")]


def received_of_size(tx: Tx, size: int) -> list[Delivery]:
    """Whole deliveries to us of this many bytes."""
    return [_delivery(row) for row in tx.all("delivery.received_of_size", size=size)]


def page(
    tx: Tx,
    *,
    before: tuple[str, str] = ("~", "~"),
    role: str = "*",
    state: str = "*",
    transfer: str = "*",
    agreement: str = "*",
    limit: int = 50,
) -> list[Delivery]:
    """Newest first; `before` is `(updated, id)` of the last one seen, the filters are `*` for all."""
    rows = tx.all(
        "delivery.page",
        updated=before[0],
        id=before[1],
        role=role,
        state=state,
        transfer=transfer,
        agreement=agreement,
        most=limit,
    )
    return [_delivery(row) for row in rows]


def pseudonym_key(tx: Tx, agreement: str) -> bytes | None:
    """The secret of an agreement's pseudonyms, None before its first delivery."""
    row = tx.one("delivery.key", agreement=agreement)
    return bytes(row["secret"]) if row else None


def add_pseudonym_key(tx: Tx, agreement: str, secret: bytes) -> bytes:
    """Keep a secret for an agreement unless it has one; returns the one that counts."""
    tx.run("delivery.add_key", agreement=agreement, secret=secret)
    kept = pseudonym_key(tx, agreement)
    return secret if kept is None else kept


def _values(delivery: Delivery) -> dict[str, Any]:
    values = asdict(delivery)
    rows = values.pop("rows")
    return values | {
        "role": delivery.role.value,
        "state": delivery.state.value,
        "row_count": NO_TABLE if rows is None else rows,
        "counted": int(delivery.counted),
    }


def _delivery(row: Row) -> Delivery:
    values = dict(row)
    rows = int(values.pop("row_count"))
    return Delivery(
        **values
        | {
            "role": Role(values["role"]),
            "state": State(values["state"]),
            "rows": None if rows == NO_TABLE else rows,
            "counted": bool(values["counted"]),
        }
    )
