"""Receipts at the consumer: cumulative while bytes are verified, then the final one, which settles (signed-data.md 2.4)."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any

import orjson
import structlog

from connector.clock import moment
from connector.dataplane.partfile import PartFile
from connector.dataplane.receipts import OFF_MOST_S, record_final, record_usage
from connector.dataplane.remote import Remote, RemoteRefusal
from connector.errors import UnreachableError, WeftError
from connector.exchange.node import Node
from connector.store import delivery as deliveries
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from contracts.errors import ContractError
from contracts.evidence.manifest import Manifest
from contracts.evidence.merkle import Frontier
from contracts.evidence.receipt import Receipt, build_receipt, parse_receipt
from contracts.signing import sign_document, verify_document

_log = structlog.get_logger("weft.data")
# What the provider answers to a receipt that is behind one it has: its own last `seq` comes with it.
OLD = "receipt-old"
# What it answers to one whose time is too far from its clock.
OFF = "receipt-off"
# After a receipt that did not arrive.
PAUSE_S = 0.2


class Acknowledger:
    """Signs for one delivery.

    Receipts under way are written nowhere here, only the final one is: what they prove is of use to the provider. Their
    numbers go up with the time since the delivery began, so they go on rising after a restart without being remembered.
    """

    def __init__(self, node: Node, delivery: Delivery) -> None:
        self._node = node
        self._id = delivery.id
        self._began = moment(delivery.created)
        last = last_receipt(delivery)
        self._seq = last.seq if last is not None else 0
        self._receipted = 0
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """More bytes hold."""
        self._moved.set()

    async def run(self, remote: Remote, part: PartFile) -> None:
        """Send receipts while bytes come, every so many bytes or seconds; one at a time, the newest state. Ends with the last byte.

        A receipt that does not arrive is no matter: the next one makes it superfluous.
        """
        # What was verified before the connection broke is receipted first: the provider may be waiting for it.
        while not part.complete:
            if self._receipted < part.verified:
                verified = part.verified
                try:
                    await self._send(remote, part.manifest, part.tree)
                    self._receipted = verified
                except (UnreachableError, RemoteRefusal):
                    await asyncio.sleep(PAUSE_S)
            await self._due(part)

    async def final(self, part: PartFile) -> Delivery:
        """Sign for the whole delivery and put that on record, in one transaction; the file is in its place already."""
        node, manifest = self._node, part.manifest
        receipt, signed = self._signed(manifest, part.tree, rows=part.rows)

        def work(tx: Tx) -> Delivery:
            current = _current(tx, self._id)
            known = _received_before(tx, current)
            if known is not None:
                # The same delivery was received before: its receipt stands, and it is counted once.
                return deliveries.save(
                    tx, current, node.clock.now(), state=State.RECEIVED, verified=manifest.size, receipt=known.receipt
                )
            record_final(tx, node, current, receipt, manifest, "receipt.sent")
            return deliveries.save(
                tx, current, node.clock.now(), state=State.VERIFIED, verified=manifest.size, receipt=signed
            )

        return await node.db.transact(work)

    async def again(self, manifest: Manifest, delivery: Delivery, *, beyond: int = 0) -> Delivery:
        """The final receipt signed anew, now, with a number beyond one that the provider has from an earlier attempt."""
        old = _final_receipt(delivery)
        node = self._node
        now = floor(node.clock.now().timestamp())
        document = old.document() | {"seq": max(old.seq, beyond) + 1, "ts": now}
        receipt = parse_receipt(document)
        signed = orjson.dumps(self._sign(document))

        def work(tx: Tx) -> Delivery:
            current = _current(tx, self._id)
            record_final(tx, node, current, receipt, manifest, "receipt.sent")
            return deliveries.save(tx, current, node.clock.now(), receipt=signed)

        return await node.db.transact(work)

    def stale(self, delivery: Delivery) -> bool:
        """Whether the final receipt is so old that one signed now would have another chance with the provider's clock."""
        return floor(self._node.clock.now().timestamp()) - _final_receipt(delivery).ts >= OFF_MOST_S // 2

    async def acknowledged(self, manifest: Manifest, held: object = None) -> Delivery:
        """The provider has the final receipt: the delivery is received, and counted with the time of that very receipt.

        `held` is the signed receipt that the provider named instead: an earlier one of ours, of which a late copy has come. It
        takes the place of the one sent last; what we have not signed does not.
        """
        node = self._node

        def work(tx: Tx) -> Delivery:
            current = _current(tx, self._id)
            counts, signed = self._earlier(held, _final_receipt(current), manifest), current.receipt
            if counts is None:
                counts = _final_receipt(current)
            else:
                signed = orjson.dumps(held)
            record_usage(tx, node, current, counts, manifest)
            return deliveries.save(tx, current, node.clock.now(), state=State.RECEIVED, receipt=signed)

        return await node.db.transact(work)

    def _earlier(self, held: object, last: Receipt, manifest: Manifest) -> Receipt | None:
        """The receipt of ours that a provider holds instead of the last one; None unless it says the same at another time."""
        if not isinstance(held, dict):
            return None
        node = self._node
        try:
            ts = held["document"]["ts"]
            signed_at = datetime.fromtimestamp(ts, UTC)
            verify = node.members.current().verifier(node.participant, "evidence", signed_at)
            receipt = parse_receipt(verify_document(held, verify=verify, typ="rc/1"))
        except (KeyError, TypeError, ValueError, OverflowError, OSError, ContractError, WeftError) as error:
            _log.warning("receipt.strange", delivery=self._id, problem=str(error))
            return None
        same = last.document() | {"seq": receipt.seq, "ts": receipt.ts}
        if receipt.document() != same or not receipt.final(manifest):
            _log.warning("receipt.strange", delivery=self._id, problem="it is about something else")
            return None
        return receipt

    async def _due(self, part: PartFile) -> None:
        """Wait for enough bytes since the last receipt, or for its interval."""
        settings = self._node.settings
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.receipt_interval_s):
                while part.verified - self._receipted < settings.receipt_interval_bytes:
                    self._moved.clear()
                    await self._moved.wait()

    async def _send(self, remote: Remote, manifest: Manifest, tree: Frontier) -> None:
        _, signed = self._signed(manifest, tree, rows=None)
        try:
            await remote.receipt(signed)
        except RemoteRefusal as error:
            if error.code == OLD and isinstance(error.facts.get("seq"), int):
                self._seq = max(self._seq, error.facts["seq"])
            raise

    def _signed(self, manifest: Manifest, tree: Frontier, *, rows: int | None) -> tuple[Receipt, bytes]:
        now = self._node.clock.now()
        self._seq = max(self._seq + 1, (now - self._began) // timedelta(milliseconds=1))
        receipt = build_receipt(manifest, seq=self._seq, verified=tree, ts=floor(now.timestamp()), rows=rows)
        return receipt, orjson.dumps(self._sign(receipt.document()))

    def _sign(self, document: dict[str, Any]) -> dict[str, Any]:
        ring = self._node.ring
        return sign_document(document, kid=ring.kid("evidence"), sign=lambda data: ring.sign("evidence", data))


def last_receipt(delivery: Delivery) -> Receipt | None:
    signed = delivery.signed_receipt
    return parse_receipt(signed["document"]) if signed is not None else None


def _final_receipt(delivery: Delivery) -> Receipt:
    receipt = last_receipt(delivery)
    if receipt is None:
        raise ValueError(f"{delivery.id} has no final receipt")
    return receipt


def _current(tx: Tx, identifier: str) -> Delivery:
    found = deliveries.get(tx, identifier)
    if found is None:
        raise ValueError(f"there is no delivery {identifier}")
    return found


def _received_before(tx: Tx, current: Delivery) -> Delivery | None:
    """An earlier delivery of ours with the same manifest that was acknowledged."""
    for other in deliveries.of_transfer(tx, current.transfer):
        if other.id != current.id and other.state is State.RECEIVED and other.manifest == current.manifest:
            return other
    return None
