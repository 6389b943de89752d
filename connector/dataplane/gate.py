"""The gate: the one place every byte passes before it leaves, whatever its source (architecture, 8).

    token -> transfer STARTED, agreement in force -> decision -> content -> reservation, delivery and record durable -> bytes

Whoever serves bytes asks `judge` (of a push `judge_push`: the transfer itself stands for the token), then `reserve`, and
`release` before the last of them. A refusal counts nothing and is recorded. The first GET of manifest or data, or the first
POST of a push, reserves the count; what follows for the same transfer, version and columns is free, but is judged again: token,
state and time window. A copy that must be made is made before the reservation, so that a broken source costs nobody a count; no
byte of it leaves before the reservation is durable.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import floor
from typing import Any

import orjson

from connector.clock import moment
from connector.dataplane.content import Content, Contents, Wanted
from connector.dataplane.standing import ENDED, DeniedError, Seen, look, look_at, only_one, standing
from connector.dataplane.transforms.model import Transform, parse_transform
from connector.dispatch.peers import root_of
from connector.errors import AuthenticationError, RefusedError
from connector.exchange import settle
from connector.exchange.decide import decide, decide_again, granted, named_transforms, plan_of
from connector.exchange.node import Node
from connector.exchange.process import TRANSFER
from connector.identity.data_tokens import Grant, verify_data_token
from connector.store import agreement as agreements
from connector.store import catalog, control, counter, outbox
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.evidence.manifest import Manifest, build_manifest, parse_manifest, unpack_leaves
from contracts.machine import Role
from contracts.signing import sign_document
from contracts.transfer.model import Transfer
from contracts.transfer.table import State, Trigger
from policies.canonical import parse_json
from policies.columns import format_list, parse_list
from policies.decision import Decision, Outcome
from policies.vocabulary import COLUMNS, USE

# A time in a token is a number, which has no more than these.
ROUNDING = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """A request that may go on. `columns` are those asked for (None: none named), `delivery` the one that it belongs to.

    `draft` is the manifest of a delivery that is not reserved yet, without the number of its decision.
    """

    transfer: Transfer
    agreement: Agreement
    columns: tuple[str, ...] | None
    transforms: tuple[str, ...]
    content: Content
    root: str
    delivery: Delivery | None
    draft: Manifest | None


def address_of(node: Node, pid: str) -> str:
    """Where the data of a transfer of ours is served, as its start message says."""
    return f"{root_of(node.base)}/data/{pid}"


class Gate:
    """Judges requests for the data of one node."""

    def __init__(self, node: Node, contents: Contents) -> None:
        self._node = node
        self._contents = contents

    def grant(self, pid: str, header: str | None) -> Grant:
        """Whose token this is, `Bearer` or raw as EDC's clients send it; raises AuthenticationError."""
        text = (header or "").strip()
        if text and " " not in text:
            text = f"Bearer {text}"
        node = self._node
        address = address_of(node, pid)
        given = verify_data_token(text, node.ring, address, node.clock.now(), node.settings.clock_leeway_s)
        if given.transfer != pid:
            raise AuthenticationError("token-audience", expected=address, found=given.transfer)
        return given

    @asynccontextmanager
    async def judge(self, pid: str, header: str | None, query: str | None) -> AsyncIterator[Judged]:
        """Whether a request may go on, with its content open while the block runs; `query` is the text of `?columns=`.

        Raises AuthenticationError, DeniedError (recorded), RefusedError and ListFormError.
        """
        given = self.grant(pid, header)
        seen = await self._look(given)
        columns = None if query is None else parse_list(query)
        async with self._opened(seen, columns) as judged:
            yield judged

    @asynccontextmanager
    async def judge_push(self, pid: str) -> AsyncIterator[Judged]:
        """As `judge`, for data that we send to where the consumer wants it: all columns that are granted."""
        seen = await self._node.db.read(lambda tx: look_at(tx, pid))
        if seen.barred:
            raise DeniedError(
                seen.barred, agreement=seen.agreement.digest
            )  # nobody asked: we look again when it may move
        async with self._opened(seen, None) as judged:
            yield judged

    @asynccontextmanager
    async def _opened(self, seen: Seen, columns: tuple[str, ...] | None) -> AsyncIterator[Judged]:
        wanted, transforms = await self._decided(seen, columns)
        known = self._belongs(seen, wanted)
        if known is not None:
            wanted = replace(wanted, chunk=known.chunk)
        try:
            async with self._contents.open(wanted) as content:
                root, draft = (known.root, None) if known is not None else await self._draft(seen, content)
                yield Judged(seen.transfer, seen.agreement, columns, transforms, content, root, known, draft)
        except RefusedError as error:
            if error.code in ("source-changed", "source-broken", "source-missing"):
                await self._record_refusal(seen, error.code, {"facts": {k: str(v) for k, v in error.facts.items()}})
            raise

    async def reserve(self, judged: Judged) -> Delivery:
        """Count, write down and sign a delivery, or find it reserved: durable when this returns.

        Raises like `judge` for what has changed since.
        """
        if judged.delivery is not None:
            return judged.delivery
        try:
            return await self._node.db.transact(lambda tx: self._reserve(tx, judged))
        except DeniedError as error:
            seen = Seen(judged.transfer, judged.agreement, (), None, None)
            await self._record_denial(seen, judged.columns, error)
            raise

    async def release(self, delivery: Delivery) -> Delivery:
        """Write down that the last byte leaves; durable when this returns. Once per delivery."""

        def work(tx: Tx) -> Delivery:
            current = deliveries.get(tx, delivery.id) or delivery
            if current.state is not deliveries.State.RESERVED:
                return current
            self._node.audit.append(
                tx,
                "delivery.released",
                peer=current.counterparty,
                agreement=current.agreement,
                details={"delivery": current.id, "transfer": current.transfer, "size": current.size},
            )
            return deliveries.save(tx, current, self._node.clock.now(), state=deliveries.State.RELEASED)

        return await self._node.db.transact(work)

    async def stopped(self, pid: str) -> str:
        """Why no more bytes of a transfer may leave, "" while they may: asked when the transfer changes."""

        def work(tx: Tx) -> str:
            transfer = transfers.get(tx, pid)
            agreement = agreements.get(tx, transfer.agreement) if transfer is not None else None
            return ENDED if transfer is None or agreement is None else standing(tx, transfer, agreement)

        return await self._node.db.read(work)

    async def moving(self, pid: str) -> None:
        """Raise DeniedError when no data may move under a transfer of ours."""
        if reason := await self.stopped(pid):
            raise DeniedError(reason)

    def expired(self, judged: Judged) -> str:
        """Why the policy stops a running delivery, "" while it does not; needs no lookup."""
        decision = decide_again(
            self._node,
            judged.agreement,
            purpose=judged.transfer.purpose or None,
            columns=judged.columns,
            transforms=judged.transforms,
        )
        return "" if decision.allowed else decision.reason or "no-permission"

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _look(self, given: Grant) -> Seen:
        """The transfer of a token, if data may move under it."""
        seen = await self._node.db.read(lambda tx: look(tx, given))
        if seen.transfer.state is not State.STARTED:
            # Look again in any case: the acknowledgement itself may have been recorded between the two.
            await self._node.db.transact(lambda tx: self._piggyback(tx, given))
            seen = await self._node.db.read(lambda tx: look(tx, given))
        if seen.barred:
            error = DeniedError(seen.barred, agreement=seen.agreement.digest)
            await self._record_denial(seen, None, error)
            raise error
        self._check_fresh(seen.transfer, given)
        return seen

    def _check_fresh(self, transfer: Transfer, given: Grant) -> None:
        """A token from before the last start is dead: a suspension revokes it."""
        if transfer.started and given.issued < moment(transfer.started) - ROUNDING:
            raise AuthenticationError("token-revoked", transfer=transfer.pid)

    def _piggyback(self, tx: Tx, given: Grant) -> None:
        """A fresh token proves that our start message arrived, before its acknowledgement did (rules of exchange, 2)."""
        transfer = transfers.get(tx, given.transfer)
        pending = outbox.first_of_process(tx, given.transfer)
        if transfer is None or pending is None or pending.trigger != Trigger.START.value:
            return
        self._check_fresh(transfer, given)
        settle.acknowledge(tx, self._node, TRANSFER, transfer, pending, self._node.clock.now())

    async def _decided(self, seen: Seen, columns: tuple[str, ...] | None) -> tuple[Wanted, tuple[str, ...]]:
        """What may leave, and the transforms its permission demands; raises DeniedError, recorded."""
        node, purpose = self._node, seen.transfer.purpose or None
        plan = plan_of(node, seen.agreement)

        def work(tx: Tx) -> tuple[Decision, tuple[str, ...], Transform | None]:
            held = catalog.known_documents(tx, named_transforms(plan, USE))
            if seen.deliveries:  # counted already: its own count must not refuse it
                decision = decide_again(node, seen.agreement, purpose=purpose, columns=columns, transforms=held)
            else:
                decision = decide(
                    tx, node, seen.agreement, action=USE, purpose=purpose, columns=columns, transforms=held
                )
            transforms = granted(plan, decision).transforms if decision.allowed else ()
            return decision, transforms, _transform(tx, transforms[0]) if transforms else None

        decision, transforms, transform = await node.db.read(work)
        if not decision.allowed:
            raise await self._denied(seen, columns, decision)
        if seen.listed is None or seen.source is None:
            raise RefusedError("dataset-unknown", dataset=seen.transfer.dataset)
        wanted = Wanted(
            source=seen.source,
            media_type=seen.listed.dataset.media_type,
            rows=seen.listed.dataset.rows,
            transform=transform,
            columns=None,
            agreement=seen.agreement,
            chunk=node.settings.chunk_bytes,
        )
        return await self._chosen(seen, wanted, decision, columns), transforms

    async def _chosen(self, seen: Seen, wanted: Wanted, decision: Decision, columns: tuple[str, ...] | None) -> Wanted:
        """The columns that leave, in the dataset's order: those asked for, else those granted, else all."""
        chosen = columns if columns is not None else granted(plan_of(self._node, seen.agreement), decision).columns
        if chosen is None:
            return wanted
        if unknown := [name for name in chosen if name not in wanted.leaving]:
            if columns is None:
                raise RefusedError("columns-gone", dataset=seen.transfer.dataset, columns=format_list(unknown))
            # A name the dataset does not have is denied like one that is not granted (policies.md 2.6).
            raise await self._denied(seen, columns, _not_granted(decision, columns))
        ordered = tuple(name for name in wanted.leaving if name in chosen)
        return wanted if ordered == wanted.leaving else replace(wanted, columns=ordered)

    async def _denied(self, seen: Seen, columns: tuple[str, ...] | None, decision: Decision) -> DeniedError:
        error = DeniedError(decision.reason or "no-permission", decision=decision)
        await self._record_denial(seen, columns, error)
        return error

    def _belongs(self, seen: Seen, wanted: Wanted) -> Delivery | None:
        """The delivery a request belongs to; raises RefusedError when the count is spent on another one."""
        columns = format_list(wanted.columns) if wanted.columns is not None else ""
        for delivery in seen.deliveries:
            if delivery.version == wanted.version and delivery.columns == columns:
                return delivery
        only_one(seen.deliveries)
        return None

    async def _draft(self, seen: Seen, content: Content) -> tuple[str, Manifest]:
        """Root and unsigned manifest of a content; its tree is hashed off the event loop and outside the transaction."""
        leaves = await self._contents.leaves(content)
        wanted, transfer = content.wanted, seen.transfer
        last = seen.deliveries[-1].signed_manifest if seen.deliveries else None
        draft = await asyncio.to_thread(
            lambda: build_manifest(
                agreement=seen.agreement.digest,
                transfer=transfer.pid,
                dataset=transfer.dataset,
                version=wanted.version,
                consumer=transfer.counterparty,
                policy=seen.agreement.policy,
                transform=wanted.transform.digest if wanted.transform is not None else None,
                decision="-",
                purpose=transfer.purpose or None,
                columns=content.columns,
                rows=content.rows,
                size=content.size,
                chunk=wanted.chunk,
                leaves=unpack_leaves(leaves),
                previous=parse_manifest(last["document"]) if last is not None else None,
                iat=floor(self._node.clock.now().timestamp()),
            )
        )
        return draft.root, draft

    def _reserve(self, tx: Tx, judged: Judged) -> Delivery:
        node, now, agreement, draft = self._node, self._node.clock.now(), judged.agreement, judged.draft
        if draft is None:
            raise ValueError("a delivery that is reserved needs no second reservation")
        transfer = transfers.get(tx, judged.transfer.pid) or judged.transfer
        if reason := standing(tx, transfer, agreement):
            raise DeniedError(reason, agreement=agreement.digest)
        wanted = judged.content.wanted
        columns = format_list(wanted.columns) if wanted.columns is not None else ""
        earlier = deliveries.of_transfer(tx, transfer.pid)
        for delivery in earlier:
            if delivery.version == wanted.version and delivery.columns == columns:
                return delivery  # another request was faster
        only_one(earlier)
        if len(earlier) != draft.epoch:
            raise RefusedError("delivery-raced", transfer=transfer.pid)
        purpose = transfer.purpose or None
        decision = decide(tx, node, agreement, action=USE, purpose=purpose, columns=judged.columns, now=now)
        if not decision.allowed or counter.reserve(tx, agreement.digest, decision.reserve) is not None:
            raise DeniedError(decision.reason or "counter-exhausted", decision=decision)
        refs = [f"dataset:{draft.version}"] + ([f"transform:{draft.transform}"] if draft.transform else [])
        seq = node.audit.append(
            tx,
            "policy.decision",
            actor=transfer.counterparty,
            peer=transfer.counterparty,
            agreement=agreement.digest,
            policy=agreement.policy,
            decision=decision.outcome.value,
            refs=refs,
            details=_details("gate", transfer, judged.columns) | {"decision": decision.to_dict()},
        )
        node.counters.add("weft_decisions_total", outcome=decision.outcome.value)
        manifest = draft.model_copy(update={"decision": str(seq)})
        signed = sign_document(
            manifest.document(), kid=node.ring.kid("evidence"), sign=lambda data: node.ring.sign("evidence", data)
        )
        delivery = Delivery(
            id=node.new_id(),
            role=Role.PROVIDER,
            transfer=transfer.pid,
            agreement=agreement.digest,
            counterparty=transfer.counterparty,
            dataset=transfer.dataset,
            columns=columns,
            state=deliveries.State.RESERVED,
            epoch=manifest.epoch,
            version=manifest.version,
            transform=manifest.transform or "",
            size=manifest.size,
            chunk=manifest.chunk,
            root=manifest.root,
            rows=manifest.rows,
            counted=bool(decision.reserve),
            manifest=orjson.dumps(signed),
        )
        node.audit.append(
            tx,
            "delivery.reserved",
            peer=transfer.counterparty,
            agreement=agreement.digest,
            refs=[f"manifest:{manifest.digest()}"],
            details={"delivery": delivery.id, "transfer": transfer.pid, "decision": seq, "size": manifest.size},
        )
        control.hand(tx, agreement.digest, transfer.counterparty, judged.content.sha256)
        return deliveries.insert(tx, delivery, now)

    # -- records ---------------------------------------------------------------------------------------------------

    async def _record_denial(self, seen: Seen, columns: tuple[str, ...] | None, error: DeniedError) -> None:
        details = _details("gate", seen.transfer, columns)
        if error.decision is not None:
            details["decision"] = error.decision.to_dict()
        await self._record_refusal(seen, error.code, details)

    async def _record_refusal(self, seen: Seen, reason: str, details: dict[str, Any]) -> None:
        node, transfer, agreement = self._node, seen.transfer, seen.agreement
        node.counters.add("weft_decisions_total", outcome=Outcome.DENY.value)
        await node.db.transact(
            lambda tx: node.audit.append(
                tx,
                "policy.decision",
                actor=transfer.counterparty,
                peer=transfer.counterparty,
                agreement=agreement.digest,
                policy=agreement.policy,
                decision=Outcome.DENY.value,
                reason=reason,
                details={"at": "gate", "transfer": transfer.pid} | details,
            )
        )


def _not_granted(decision: Decision, columns: tuple[str, ...]) -> Decision:
    return replace(
        decision,
        outcome=Outcome.DENY,
        reason="constraint-not-satisfied",
        left_operand=COLUMNS,
        actual=format_list(columns),
        reserve=(),
        duties=(),
    )


def _transform(tx: Tx, digest: str) -> Transform:
    document = catalog.document(tx, digest)
    parsed = parse_json(document.body) if document is not None else None
    if not isinstance(parsed, dict):
        raise RefusedError("document-unknown", digest=digest)
    return parse_transform(parsed)


def _details(at: str, transfer: Transfer, columns: tuple[str, ...] | None) -> dict[str, Any]:
    asked = {"columns": format_list(columns)} if columns is not None else {}
    return {"at": at, "transfer": transfer.pid, "dataset": transfer.dataset, "purpose": transfer.purpose} | asked
