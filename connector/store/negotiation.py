"""Negotiations as rows."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.store.database import Row, Tx
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State
from policies.canonical import dump


def _negotiation(row: Row) -> Negotiation:
    return Negotiation(
        pid=row["pid"],
        role=Role(row["role"]),
        counterparty=row["counterparty"],
        peer_pid=row["peer_pid"],
        address=row["address"],
        state=State(row["state"]) if row["state"] else None,
        dataset=row["dataset"],
        offer=json.loads(row["offer"]),
        offered_by=Role(row["offered_by"]),
        answers=json.loads(row["answers"]),
        agreement=row["agreement"],
        approval=row["approval"],
        code=row["code"],
        reason=row["reason"],
        idempotency=row["idempotency"],
        created=row["created"],
        updated=row["updated"],
    )


def get(tx: Tx, pid: str) -> Negotiation | None:
    row = tx.one("negotiation.get", pid=pid)
    return _negotiation(row) if row else None


def state(tx: Tx, pid: str) -> str | None:
    """The state as it is stored, `""` for start; None when there is no such process."""
    row = tx.one("negotiation.state", pid=pid)
    return row["state"] if row else None


def by_peer(tx: Tx, counterparty: str, peer_pid: str) -> Negotiation | None:
    row = tx.one("negotiation.by_peer", counterparty=counterparty, peer_pid=peer_pid)
    return _negotiation(row) if row else None


def by_idempotency(tx: Tx, key: str) -> Negotiation | None:
    row = tx.one("negotiation.by_idempotency", idempotency=key) if key else None
    return _negotiation(row) if row else None


def insert(tx: Tx, negotiation: Negotiation, now: datetime) -> None:
    tx.run(
        "negotiation.insert",
        pid=negotiation.pid,
        role=negotiation.role,
        counterparty=negotiation.counterparty,
        address=negotiation.address,
        dataset=negotiation.dataset,
        idempotency=negotiation.idempotency,
        created=stamp(now),
        **_changing(negotiation, now),
    )
    tx.wake(f"negotiation:{negotiation.pid}")


def save(tx: Tx, negotiation: Negotiation, now: datetime) -> None:
    """Write what may change: state, counterparty's pid, offer on the table, agreement, end."""
    tx.run("negotiation.update", pid=negotiation.pid, **_changing(negotiation, now))
    tx.wake(f"negotiation:{negotiation.pid}")


def _text(offer: Mapping[str, Any]) -> str:
    return dump(offer).decode()


def _changing(negotiation: Negotiation, now: datetime) -> dict[str, str]:
    return {
        "peer_pid": negotiation.peer_pid,
        "state": negotiation.state.value if negotiation.state else "",
        "offer": _text(negotiation.offer),
        "offered_by": negotiation.offered_by,
        "answers": _text(negotiation.answers),
        "agreement": negotiation.agreement,
        "approval": negotiation.approval,
        "code": negotiation.code,
        "reason": negotiation.reason,
        "updated": stamp(now),
    }


def waiting(tx: Tx, *, after: tuple[str, str] = ("", ""), limit: int = 50) -> list[Negotiation]:
    """Those that a person of ours must decide about, longest waiting first; `after` is `(updated, pid)` of the last one seen.

    As provider what was asked and no rule has answered, as consumer an offer; nothing of ours about it is under way.
    """
    rows = tx.all("negotiation.waiting", updated=after[0], pid=after[1], limit=limit)
    return [_negotiation(row) for row in rows]


def page(
    tx: Tx, *, before: tuple[str, str] = ("~", "~"), state: str = "*", role: str = "*", limit: int = 50
) -> list[Negotiation]:
    """Newest first; `before` is `(updated, pid)` of the last one seen, `state` and `role` are `*` for all."""
    rows = tx.all("negotiation.page", updated=before[0], pid=before[1], state=state, role=role, limit=limit)
    return [_negotiation(row) for row in rows]
