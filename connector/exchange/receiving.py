"""A delivery to us as it is asked for: the row that says what we wait for, and for a push where the bytes may come in."""

import secrets
from typing import Any

from connector.exchange.node import Node
from connector.store import delivery as deliveries
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from contracts.machine import Role
from contracts.transfer.messages import push_address
from contracts.transfer.model import Transfer

# Woken when bytes may be pushed to us that nobody here waits for yet.
ARRIVALS = "arrivals"
TOKEN_BYTES = 32


def expect(tx: Tx, node: Node, transfer: Transfer, *, columns: str = "", idempotency: str = "") -> Delivery:
    """Write down that the data of a transfer of ours is wanted; `columns` is a list as text, "" for all that are granted."""
    fresh = Delivery(
        id=node.new_id(),
        role=Role.CONSUMER,
        transfer=transfer.pid,
        agreement=transfer.agreement,
        counterparty=transfer.counterparty,
        dataset=transfer.dataset,
        columns=columns,
        state=State.FETCHING,
        idempotency=idempotency,
    )
    node.audit.append(
        tx,
        "delivery.asked",
        peer=fresh.counterparty,
        agreement=fresh.agreement,
        details={"delivery": fresh.id, "transfer": transfer.pid, "columns": columns},
    )
    return deliveries.insert(tx, fresh, node.clock.now())


def expect_push(tx: Tx, node: Node, transfer: Transfer) -> Delivery:
    """As `expect`, for bytes that the provider sends; whoever waits for them is woken."""
    tx.wake(ARRIVALS)
    return expect(tx, node, transfer)


def inbox_address(node: Node, pid: str) -> dict[str, Any]:
    """Where data of a transfer of ours may be pushed to, with a fresh secret: below our protocol side, beside the DSP base."""
    root = node.base.removesuffix("/dsp/2025-1")
    return push_address(f"{root}/inbox/{pid}", secrets.token_urlsafe(TOKEN_BYTES))
