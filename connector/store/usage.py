"""Usage records: what settlement counts, written with the final receipt, once on each side (revenue-share.md 6)."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from connector.store.database import Row, Tx
from contracts.machine import Role


@dataclass(frozen=True, slots=True)
class Usage:
    """One verified delivery. `accepted` and `rejected` are data rows; `occurred` is the receipt's time in whole seconds.

    `transfer` is the process as manifest and receipt name it: the provider's pid, the same on both sides.
    """

    id: str
    delivery: str
    role: Role
    agreement: str
    counterparty: str
    dataset: str
    transfer: str
    epoch: int
    occurred: str
    accepted: int
    rejected: int
    bytes: int
    manifest: str
    receipt: str


def usage_id(transfer: str, epoch: int) -> str:
    """Hex SHA-256 of `<transfer>:<epoch>`: both sides know it, and a retry finds it taken."""
    return hashlib.sha256(f"{transfer}:{epoch}".encode()).hexdigest()


def add(tx: Tx, usage: Usage) -> bool:
    """Keep a record; False when it is there already."""
    return tx.run("usage.add", **asdict(usage) | {"role": usage.role.value}) == 1


def page(tx: Tx, *, before: tuple[str, str] = ("~", "~"), agreement: str = "*", limit: int = 50) -> list[Usage]:
    """Newest first; `before` is `(occurred, id)` of the last one seen."""
    rows = tx.all("usage.page", occurred=before[0], id=before[1], agreement=agreement, most=limit)
    return [_usage(row) for row in rows]


def _usage(row: Row) -> Usage:
    values: dict[str, Any] = dict(row)
    return Usage(**values | {"role": Role(values["role"])})
