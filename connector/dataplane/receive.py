"""Deliveries to us: tasks that fetch, verify and keep what a transfer gives, and take up again what a restart interrupted.

One delivery is one `Fetch` (fetch.py), or one `Arrival` where the provider sends (arrival.py); this module starts them, bounds
how many run at a time and tells how far they are.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import TypeAlias

import structlog

from connector.dataplane.arrival import Arrival
from connector.dataplane.fetch import Fetch
from connector.dispatch.schedule import pause_s
from connector.errors import RefusedError, StoreError
from connector.exchange import receiving
from connector.exchange.node import Node
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.machine import Role
from contracts.transfer.messages import PUSH
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
        # By participant: one that sends a byte now and then must not keep the others waiting.
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(node.settings.downloads)
        )
        self._arrivals = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

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
            if found.format == PUSH:
                # Its delivery was written down with the request; what is pushed to us is the whole, once.
                if columns is not None:
                    raise RefusedError("push-columns")
                return deliveries.of_transfer(tx, transfer)[0]
            if found.state in MACHINE.terminal:
                raise RefusedError("process-ended", pid=transfer, state=str(found.state))
            for other in deliveries.of_transfer(tx, transfer):
                if not other.finished and other.columns == asked:
                    return other
            return receiving.expect(tx, node, found, columns=asked, idempotency=idempotency)

        delivery = await node.db.transact(work)
        self._run(delivery, pushed=await node.db.read(lambda tx: _pushed(tx, delivery)))
        return delivery.id

    async def resume_all(self) -> None:
        """Take up every delivery that was not finished, and from now on whatever will be pushed; called once, at the start."""
        self._unsubscribe = self._node.db.subscribe(receiving.ARRIVALS, self._arrivals.set)
        self._watching = asyncio.create_task(self._watch(), name="weft-arrivals")
        await self._take_up()

    def arrival(self, delivery: Delivery) -> Arrival:
        """What takes one POST with the bytes of a delivery."""
        return Arrival(self._node, delivery, self._slots[delivery.counterparty], self._tell)

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
        self._unsubscribe()
        tasks = [*self._tasks.values(), *([self._watching] if self._watching is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._arrivals.wait()
            self._arrivals.clear()
            try:
                await self._take_up()
            except StoreError as error:
                _log.error("deliveries.unreadable", problem=str(error))

    async def _take_up(self) -> None:
        def work(tx: Tx) -> list[tuple[Delivery, bool]]:
            return [(each, _pushed(tx, each)) for each in deliveries.unfinished(tx)]

        for delivery, pushed in await self._node.db.read(work):
            self._run(delivery, pushed=pushed)

    def _run(self, delivery: Delivery, *, pushed: bool) -> None:
        if delivery.finished or delivery.id in self._tasks:
            return
        task = asyncio.create_task(self._to_its_end(delivery, pushed=pushed), name=f"weft-delivery-{delivery.id}")
        self._tasks[delivery.id] = task
        task.add_done_callback(lambda done: self._ended(delivery.id, done))

    async def _to_its_end(self, delivery: Delivery, *, pushed: bool) -> None:
        """Run a delivery. An outage of our store is no end: as after a restart, it goes on from what is kept."""
        node, kind, failures = self._node, Arrival if pushed else Fetch, 0
        while True:
            try:
                found = await node.db.read(lambda tx: deliveries.get(tx, delivery.id)) if failures else delivery
                await kind(node, found or delivery, self._slots[delivery.counterparty], self._tell).run()
            except StoreError as error:
                _log.warning("delivery.unkept", delivery=delivery.id, problem=str(error))
            else:
                return
            settings = node.settings
            await asyncio.sleep(pause_s(failures, settings.retry_first_s, settings.retry_limit_s, 0.5))
            failures += 1

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


def _pushed(tx: Tx, delivery: Delivery) -> bool:
    """Whether the provider sends it."""
    transfer = transfers.get(tx, delivery.transfer)
    return transfer is not None and transfer.format == PUSH
