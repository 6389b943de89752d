"""Agreements as canonical bytes, and the seals that both sides put on them."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.store.database import Row, Tx
from contracts.machine import Role


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement of ours. `digest` is SHA-256 over `body`, the canonical bytes; `policy` is the policy digest.

    `role` is our side. `in_force` is since when transfers may use it, `""` before the negotiation is finalized.
    """

    digest: str
    id: str
    negotiation: str
    role: Role
    counterparty: str
    dataset: str
    offer: str
    policy: str
    body: bytes
    in_force: str = ""
    created: str = ""

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def _agreement(row: Row) -> Agreement:
    return Agreement(
        digest=row["digest"],
        id=row["id"],
        negotiation=row["negotiation"],
        role=Role(row["role"]),
        counterparty=row["counterparty"],
        dataset=row["dataset"],
        offer=row["offer"],
        policy=row["policy"],
        body=row["body"],
        in_force=row["in_force"],
        created=row["created"],
    )


def get(tx: Tx, digest: str) -> Agreement | None:
    row = tx.one("agreement.get", digest=digest)
    return _agreement(row) if row else None


def by_id(tx: Tx, counterparty: str, agreement_id: str) -> Agreement | None:
    row = tx.one("agreement.by_id", counterparty=counterparty, id=agreement_id)
    return _agreement(row) if row else None


def for_dataset(tx: Tx, counterparty: str, dataset: str, role: Role) -> list[Agreement]:
    """Agreements in force about a dataset, newest first."""
    rows = tx.all("agreement.for_dataset", counterparty=counterparty, dataset=dataset, role=role)
    return [_agreement(row) for row in rows]


def of_negotiation(tx: Tx, negotiation: str) -> list[Agreement]:
    """Every agreement that a negotiation has brought, oldest first: more than one only with some peers."""
    return [_agreement(row) for row in tx.all("agreement.of_negotiation", negotiation=negotiation)]


def in_force(tx: Tx) -> list[Agreement]:
    """All agreements in force, oldest first: what settlement goes through."""
    return [_agreement(row) for row in tx.all("agreement.in_force")]


def insert(tx: Tx, agreement: Agreement, now: datetime) -> None:
    tx.run(
        "agreement.insert",
        digest=agreement.digest,
        id=agreement.id,
        negotiation=agreement.negotiation,
        role=agreement.role,
        counterparty=agreement.counterparty,
        dataset=agreement.dataset,
        offer=agreement.offer,
        policy=agreement.policy,
        body=agreement.body,
        created=stamp(now),
    )


def enforce(tx: Tx, digest: str, now: datetime) -> None:
    """From now on transfers may use it; the first time counts."""
    tx.run("agreement.enforce", digest=digest, in_force=stamp(now))


def lapse(tx: Tx, digest: str) -> None:
    """It was never concluded: from now on no transfer may use it."""
    tx.run("agreement.lapse", digest=digest)


def page(tx: Tx, *, before: tuple[str, str] = ("~", "~"), limit: int = 50) -> list[Agreement]:
    """Newest first; `before` is `(created, digest)` of the last one seen."""
    rows = tx.all("agreement.page", created=before[0], digest=before[1], limit=limit)
    return [_agreement(row) for row in rows]


def seals(tx: Tx, digest: str) -> dict[str, dict[str, Any]]:
    """Signed seals by signatory."""
    return {row["signatory"]: json.loads(row["body"]) for row in tx.all("agreement.seals", agreement=digest)}


def add_seal(tx: Tx, digest: str, signatory: str, body: bytes, now: datetime) -> bool:
    """Keep a seal; False when this signatory has sealed it before."""
    return tx.run("agreement.add_seal", agreement=digest, signatory=signatory, body=body, at=stamp(now)) == 1
