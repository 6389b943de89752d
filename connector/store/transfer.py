"""Transfer processes as rows."""

import json
from datetime import datetime

from connector.clock import stamp
from connector.store.database import Row, Tx
from contracts.machine import Role
from contracts.transfer.messages import PUSH
from contracts.transfer.model import Transfer
from contracts.transfer.table import State
from policies.canonical import dump

# Woken when a push of ours changes: there may be bytes to send.
PUSHES = "pushes"


def _transfer(row: Row) -> Transfer:
    return Transfer(
        pid=row["pid"],
        role=Role(row["role"]),
        counterparty=row["counterparty"],
        peer_pid=row["peer_pid"],
        address=row["address"],
        state=State(row["state"]) if row["state"] else None,
        agreement=row["agreement"],
        dataset=row["dataset"],
        format=row["format"],
        purpose=row["purpose"],
        suspended_by=row["suspended_by"],
        data_address=json.loads(row["data_address"]) if row["data_address"] else None,
        code=row["code"],
        reason=row["reason"],
        idempotency=row["idempotency"],
        started=row["started"],
        delivered=row["delivered"],
        created=row["created"],
        updated=row["updated"],
    )


def get(tx: Tx, pid: str) -> Transfer | None:
    row = tx.one("transfer.get", pid=pid)
    return _transfer(row) if row else None


def state(tx: Tx, pid: str) -> str | None:
    """The state as it is stored, `""` for start; None when there is no such process."""
    row = tx.one("transfer.state", pid=pid)
    return row["state"] if row else None


def by_peer(tx: Tx, counterparty: str, peer_pid: str) -> Transfer | None:
    row = tx.one("transfer.by_peer", counterparty=counterparty, peer_pid=peer_pid)
    return _transfer(row) if row else None


def by_idempotency(tx: Tx, key: str) -> Transfer | None:
    row = tx.one("transfer.by_idempotency", idempotency=key) if key else None
    return _transfer(row) if row else None


def insert(tx: Tx, transfer: Transfer, now: datetime) -> None:
    tx.run(
        "transfer.insert",
        pid=transfer.pid,
        role=transfer.role,
        counterparty=transfer.counterparty,
        address=transfer.address,
        agreement=transfer.agreement,
        dataset=transfer.dataset,
        format=transfer.format,
        purpose=transfer.purpose,
        idempotency=transfer.idempotency,
        created=stamp(now),
        **_changing(transfer, now),
    )
    _wake(tx, transfer)


def save(tx: Tx, transfer: Transfer, now: datetime) -> None:
    """Write what may change: state, counterparty's pid, who suspended it, the data address, the end."""
    tx.run("transfer.update", pid=transfer.pid, **_changing(transfer, now))
    _wake(tx, transfer)


def to_push(tx: Tx) -> list[str]:
    """Our pids of the pushes whose bytes may move now and are not delivered yet."""
    return [row["pid"] for row in tx.all("transfer.to_push")]


def _wake(tx: Tx, transfer: Transfer) -> None:
    tx.wake(f"transfer:{transfer.pid}")
    if transfer.format == PUSH and transfer.role is Role.PROVIDER:
        tx.wake(PUSHES)


def _changing(transfer: Transfer, now: datetime) -> dict[str, str]:
    address = transfer.data_address
    return {
        "peer_pid": transfer.peer_pid,
        "state": transfer.state.value if transfer.state else "",
        "suspended_by": transfer.suspended_by,
        "data_address": dump(address).decode() if address else "",
        "code": transfer.code,
        "reason": transfer.reason,
        "started": transfer.started,
        "delivered": transfer.delivered,
        "updated": stamp(now),
    }


def page(
    tx: Tx,
    *,
    before: tuple[str, str] = ("~", "~"),
    state: str = "*",
    role: str = "*",
    agreement: str = "*",
    limit: int = 50,
) -> list[Transfer]:
    """Newest first; `before` is `(updated, pid)` of the last one seen, the filters are `*` for all."""
    rows = tx.all(
        "transfer.page", updated=before[0], pid=before[1], state=state, role=role, agreement=agreement, limit=limit
    )
    return [_transfer(row) for row in rows]
