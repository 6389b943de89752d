"""Deliveries to us: tasks that fetch, verify and keep what a transfer gives, and take up again what a restart interrupted.

One delivery is one `Fetch` (fetch.py); this module starts them, bounds how many run at a time and tells how far they are.
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import structlog

from connector.dataplane.fetch import Fetch
from connector.errors import RefusedError
from connector.exchange.node import Node
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from contracts.machine import Role
from contracts.transfer.table import MACHINE
from policies.columns import format_list

_log = structlog.get_logger("weft.data")

# Hears the id of a delivery, the bytes verified so far and those in all.
Progress: TypeAlias = Callable[[str, int, int], None]


class Receiver:
    """Fetches deliveries for one node."""

    def __init__(self, node: Node, progress: Progress | None = None) -> None:
        self._node = node
        self._listeners: list[Progress] = [progress] if progress is not None else []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._verified: dict[str, int] = {}
        self._slots = asyncio.Semaphore(node.settings.downloads)

    def listen(self, progress: Progress) -> Callable[[], None]:
        """Call `progress` on the event loop after every verified batch; returns how to stop it."""
        self._listeners.append(progress)
        return lambda: self._listeners.remove(progress)

    def verified(self, delivery: Delivery) -> int:
        """Bytes of a delivery that hold now; the store learns them when it rests or ends."""
        return max(delivery.verified, self._verified.get(delivery.id, 0))

    async def start(self, transfer: str, *, columns: tuple[str, ...] | None = None, idempotency: str = "") -> str:
        """Fetch the data of a transfer of ours, of these columns (None: all that are granted); returns the delivery's id.

        A repeated key, and a second call while the same delivery is under way, return the first one. It may be called before the
        transfer has started: the delivery waits for it. Raises RefusedError, ListFormError.
        """
        node, asked = self._node, format_list(columns) if columns is not None else ""

        def work(tx: Tx) -> Delivery:
            known = deliveries.by_idempotency(tx, idempotency)
            if known is not None:
                return known
            found = transfers.get(tx, transfer)
            if found is None or found.role is not Role.CONSUMER:
                raise RefusedError("process-unknown", pid=transfer)
            if found.state in MACHINE.terminal:
                raise RefusedError("process-ended", pid=transfer, state=str(found.state))
            for other in deliveries.of_transfer(tx, transfer):
                if not other.finished and other.columns == asked:
                    return other
            fresh = Delivery(
                id=node.new_id(),
                role=Role.CONSUMER,
                transfer=transfer,
                agreement=found.agreement,
                counterparty=found.counterparty,
                dataset=found.dataset,
                columns=asked,
                state=State.FETCHING,
                idempotency=idempotency,
            )
            node.audit.append(
                tx,
                "delivery.asked",
                peer=fresh.counterparty,
                agreement=fresh.agreement,
                details={"delivery": fresh.id, "transfer": transfer, "columns": asked},
            )
            return deliveries.insert(tx, fresh, node.clock.now())

        delivery = await node.db.transact(work)
        self._run(delivery)
        return delivery.id

    async def resume_all(self) -> None:
        """Take up every delivery that was not finished; called once, at the start."""
        for delivery in await self._node.db.read(deliveries.unfinished):
            self._run(delivery)

    async def wait(self, delivery: str) -> Delivery:
        """The delivery once it has ended, well or not; raises RefusedError `delivery-unknown`."""
        task = self._tasks.get(delivery)
        if task is not None:
            await asyncio.wait([task])
        found = await self._node.db.read(lambda tx: deliveries.get(tx, delivery))
        if found is None:
            raise RefusedError("delivery-unknown", id=delivery)
        return found

    async def close(self) -> None:
        """Stop fetching; what is verified stays and is taken up by the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, delivery: Delivery) -> None:
        if delivery.finished or delivery.id in self._tasks:
            return
        fetch = Fetch(self._node, delivery, self._slots, self._tell)
        task = asyncio.create_task(fetch.run(), name=f"weft-delivery-{delivery.id}")
        self._tasks[delivery.id] = task
        task.add_done_callback(lambda done: self._ended(delivery.id, done))

    def _ended(self, delivery: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[delivery]
        self._verified.pop(delivery, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # It stays unfinished in the store, so that the next start tries again.
            _log.error("delivery.broken", delivery=delivery, exc_info=error)

    def _tell(self, delivery: str, verified: int, total: int) -> None:
        self._verified[delivery] = verified
        for listener in tuple(self._listeners):
            listener(delivery, verified, total)
