"""Receipts at the provider: verified, kept, and with the final one the usage record, once for ever (signed-data.md 2.4)."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor
from typing import Any

import orjson

from connector.dataplane.content import Contents
from connector.errors import RefusedError
from connector.exchange import duties, metering
from connector.exchange.node import Node
from connector.store import delivery as deliveries
from connector.store import usage
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from connector.store.usage import Usage, usage_id
from contracts.errors import ContractError, ReceiptError
from contracts.evidence.manifest import Manifest, parse_manifest, unpack_leaves
from contracts.evidence.merkle import Frontier
from contracts.evidence.receipt import Receipt, check_receipt, parse_receipt
from contracts.machine import Role
from contracts.signing import verify_document
from policies.canonical import JsonValue, parse_json
from policies.errors import JsonError

DEPTH = 8
# Deliveries under way whose last receipt is in memory; of one that falls out, the durable one counts.
UNDER_WAY = 1024
TS_MOST = 253_402_300_799  # the last second of the year 9999
# How far the time of a receipt may be from ours: no usage may come once its period can be closed (revenue-share.md 4.9).
OFF_MOST_S = 300


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a consumer hears: how far its receipts reach, and whether this was the last one.

    `held` is the signed receipt that counts, where that is another one of the same consumer: both sides count the same.
    """

    seq: int
    upto: int
    final: bool
    held: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        said = {"seq": self.seq, "upto": self.upto, "final": self.final}
        return said if self.held is None else said | {"receipt": self.held}


@dataclass(slots=True)
class _Under:
    """What is known of the receipts of a delivery under way; `kept` bytes are covered by the receipt in the database."""

    last: Receipt
    tree: Frontier
    kept: int


class Receipts:
    """Takes receipts for the deliveries of one node.

    Every receipt counts at once for the credit window. It is made durable when it covers half a window more than the last
    durable one, and when it is final: a crash of ours loses the proof of half a window at most, and a commit for each
    receipt would slow the delivery that it proves.
    """

    def __init__(self, node: Node, contents: Contents) -> None:
        self._node = node
        self._contents = contents
        self._under: OrderedDict[str, _Under] = OrderedDict()
        self._waiting: dict[str, list[asyncio.Event]] = {}

    def reach(self, delivery: Delivery) -> int:
        """Bytes of a delivery that receipts cover."""
        under = self._under.get(delivery.id)
        return max(delivery.verified, under.last.bytes if under is not None else 0)

    async def wait(self, delivery: Delivery, least: int, timeout_s: float) -> None:
        """Wait until receipts cover at least so many bytes; raises TimeoutError."""
        moved = asyncio.Event()
        self._waiting.setdefault(delivery.id, []).append(moved)
        try:
            async with asyncio.timeout(timeout_s):
                while self.reach(delivery) < least:
                    moved.clear()
                    await moved.wait()
        finally:
            self._waiting[delivery.id].remove(moved)
            if not self._waiting[delivery.id]:
                del self._waiting[delivery.id]

    async def accept(self, pid: str, consumer: str, body: bytes) -> Acknowledgement:
        """Take a receipt of this consumer about a delivery of transfer `pid`.

        A receipt after the final one is acknowledged and changes nothing. Raises RefusedError `receipt-invalid`,
        `receipt-off`, and `receipt-old` with the `seq` and `upto` we have.
        """
        try:
            signed = parse_json(body, max_depth=DEPTH)
            if not isinstance(signed, dict):
                raise RefusedError("receipt-invalid", problem="not a signed document")
            receipt = parse_receipt(self._verified(signed, consumer))
        except (JsonError, ContractError) as error:
            raise RefusedError("receipt-invalid", problem=str(error)) from error
        delivery = await self._node.db.read(lambda tx: _delivery(tx, pid, consumer, receipt.epoch))
        before = self._before(delivery)
        if delivery.state is State.RECEIVED and before is not None:
            held = None if receipt == before else delivery.signed_receipt
            return Acknowledgement(before.seq, before.upto, final=True, held=held)
        manifest = _manifest(delivery)
        if receipt == before and receipt.final(manifest):
            # The same one twice at a time: refused as old, it would be signed anew, and the sides would count different ones.
            await self._node.db.transact(
                lambda tx: self._keep(tx, delivery.id, receipt, manifest, orjson.dumps(signed))
            )
            return Acknowledgement(receipt.seq, receipt.upto, final=True)
        self._timely(receipt)
        _newer(receipt, before)
        tree = await self._check(receipt, manifest, delivery, before)
        _newer(receipt, self._before(delivery))  # another one may have come meanwhile
        under = self._under.pop(delivery.id, None)
        kept = under.kept if under is not None else delivery.verified
        self._under[delivery.id] = _Under(receipt, tree, kept)
        while len(self._under) > UNDER_WAY:
            self._under.popitem(last=False)
        for moved in self._waiting.get(delivery.id, ()):
            moved.set()
        final = receipt.final(manifest)
        if final or receipt.bytes - kept >= self._node.settings.credit_window_bytes // 2:
            self._under[delivery.id].kept = receipt.bytes
            await self._node.db.transact(
                lambda tx: self._keep(tx, delivery.id, receipt, manifest, orjson.dumps(signed))
            )
        if final:
            self._under.pop(delivery.id, None)
        return Acknowledgement(receipt.seq, receipt.upto, final=final)

    def _before(self, delivery: Delivery) -> Receipt | None:
        """The newest receipt of a delivery."""
        under = self._under.get(delivery.id)
        return under.last if under is not None else _last(delivery)

    def _timely(self, receipt: Receipt) -> None:
        """Refuse a receipt whose time is too far from ours: with it usage would get into a period that is over."""
        now = floor(self._node.clock.now().timestamp())
        if abs(now - receipt.ts) > OFF_MOST_S:
            raise RefusedError("receipt-off", signed=_written(receipt.ts), now=_written(now), limit=OFF_MOST_S)

    def _verified(self, signed: dict[str, JsonValue], consumer: str) -> dict[str, Any]:
        """The document, signed by an evidence key of the consumer that was valid when it says it signed."""
        document = signed.get("document")
        ts = document.get("ts") if isinstance(document, dict) else None
        if not isinstance(ts, int) or not 0 <= ts <= TS_MOST:
            raise ReceiptError("ts", expected="POSIX seconds", found=ts)
        members = self._node.members.current()
        verify = members.verifier(consumer, "evidence", datetime.fromtimestamp(ts, UTC))
        return verify_document(signed, verify=verify, typ="rc/1")

    async def _check(
        self, receipt: Receipt, manifest: Manifest, delivery: Delivery, before: Receipt | None
    ) -> Frontier:
        """The tree over the chunks that a receipt covers; what earlier ones covered is not hashed again."""
        leaves = await self._contents.kept_leaves.of_root(delivery.root)
        if leaves is None:
            raise RefusedError("leaves-gone", delivery=delivery.id)
        under = self._under.get(delivery.id)
        known = under.tree if under is not None else None
        try:
            return await asyncio.to_thread(
                lambda: check_receipt(receipt, manifest, unpack_leaves(leaves), before, known=known)
            )
        except ContractError as error:
            raise RefusedError("receipt-invalid", problem=str(error)) from error

    def _keep(self, tx: Tx, identifier: str, receipt: Receipt, manifest: Manifest, signed: bytes) -> None:
        node = self._node
        delivery = deliveries.get(tx, identifier)
        if delivery is None or delivery.state is State.RECEIVED or delivery.verified > receipt.bytes:
            return
        final = receipt.final(manifest)
        state = State.RECEIVED if final else delivery.state
        deliveries.save(tx, delivery, node.clock.now(), state=state, verified=receipt.bytes, receipt=signed)
        if final:
            record_final(tx, node, delivery, receipt, manifest, "receipt.received")
            record_usage(tx, node, delivery, receipt, manifest)
            node.counters.add("weft_deliveries_total", role=Role.PROVIDER.value, result="received")


def record_final(tx: Tx, node: Node, delivery: Delivery, receipt: Receipt, manifest: Manifest, type_: str) -> None:
    """The audit record of a final receipt, and what is owed from now on; `type_` says sent or received."""
    node.audit.append(
        tx,
        type_,
        actor=node.participant if delivery.role is Role.CONSUMER else delivery.counterparty,
        peer=delivery.counterparty,
        agreement=delivery.agreement,
        refs=[f"receipt:{receipt.digest()}", f"manifest:{manifest.digest()}"],
        details=_facts(delivery, receipt) | {"bytes": receipt.bytes},
    )
    duties.owe(tx, node, delivery, issued=manifest.iat, receipt=receipt.digest())


def record_usage(tx: Tx, node: Node, delivery: Delivery, receipt: Receipt, manifest: Manifest) -> None:
    """The usage record of a delivery, once, with the final receipt that both sides hold: the provider has accepted it."""
    record = Usage(
        id=usage_id(receipt.transfer, receipt.epoch),
        delivery=delivery.id,
        role=delivery.role,
        agreement=delivery.agreement,
        counterparty=delivery.counterparty,
        dataset=delivery.dataset,
        transfer=receipt.transfer,
        epoch=receipt.epoch,
        occurred=_written(receipt.ts),
        accepted=receipt.rows or 0,
        rejected=0,
        bytes=receipt.bytes,
        manifest=manifest.digest(),
        receipt=receipt.digest(),
    )
    if usage.add(tx, record):
        metering.book_receipt(tx, node, record.agreement, record.id, record.occurred, record.accepted, record.receipt)
        node.audit.append(
            tx,
            "usage.recorded",
            peer=delivery.counterparty,
            agreement=delivery.agreement,
            details=_facts(delivery, receipt) | {"usage": record.id, "occurred": record.occurred},
        )


def _facts(delivery: Delivery, receipt: Receipt) -> dict[str, JsonValue]:
    return {"delivery": delivery.id, "transfer": delivery.transfer, "rows": receipt.rows or 0}


def _written(ts: int) -> str:
    """POSIX seconds as usage records write an instant."""
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _delivery(tx: Tx, pid: str, consumer: str, epoch: int) -> Delivery:
    for delivery in deliveries.of_transfer(tx, pid):
        if delivery.epoch == epoch and delivery.role is Role.PROVIDER and delivery.counterparty == consumer:
            return delivery
    raise RefusedError("delivery-not-reserved", transfer=pid)


def _newer(receipt: Receipt, before: Receipt | None) -> None:
    if before is not None and (receipt.seq <= before.seq or receipt.upto < before.upto):
        raise RefusedError("receipt-old", seq=before.seq, upto=before.upto)


def _manifest(delivery: Delivery) -> Manifest:
    signed = delivery.signed_manifest or {}
    return parse_manifest(signed["document"])


def _last(delivery: Delivery) -> Receipt | None:
    signed = delivery.signed_receipt
    return parse_receipt(signed["document"]) if signed is not None else None
