"""Whether the bytes of a judged delivery may still leave, asked while they do."""

import asyncio

import structlog

from connector.dataplane.gate import Gate, Judged
from connector.exchange.node import Node
from connector.store.delivery import Delivery

_log = structlog.get_logger("weft.data")

# A time window that ends, or a member that loses its region, stops a running delivery within this time.
RECHECK_S = 1.0


class CutError(Exception):
    """The delivery may not go on; the argument is the reason."""


class Permit:
    """Looks at the transfer when it changed, and at the policy once a second. `changed` is set by every change."""

    def __init__(self, node: Node, gate: Gate, judged: Judged, changed: asyncio.Event) -> None:
        self._node = node
        self._gate = gate
        self._judged = judged
        self._changed = changed
        self._checked = node.clock.monotonic()
        self._reason = ""  # once cut, for ever: several may ask

    async def check(self) -> None:
        """Raise CutError when the bytes may not go on."""
        if self._changed.is_set() and not self._reason:
            self._changed.clear()
            self._reason = await self._gate.stopped(self._judged.transfer.pid)
        now = self._node.clock.monotonic()
        if now - self._checked >= RECHECK_S and not self._reason:
            self._checked = now
            self._reason = self._gate.expired(self._judged)
        if self._reason:
            raise CutError(self._reason)


async def record_cut(node: Node, delivery: Delivery, reason: str, position: int) -> None:
    """Put on record that a delivery was cut at this byte, and why."""
    _log.warning("delivery.cut", delivery=delivery.id, reason=reason, position=position)
    await node.db.transact(
        lambda tx: node.audit.append(
            tx,
            "delivery.cut",
            peer=delivery.counterparty,
            agreement=delivery.agreement,
            reason=reason,
            details={"delivery": delivery.id, "transfer": delivery.transfer, "position": position},
        )
    )
