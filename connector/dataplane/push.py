"""A push, provider side: the bytes of a started transfer go to the address that the consumer has named, by one POST.

    STARTED -> gate (decision, count, manifest durable) -> POST, cut and rechecked on its way -> 2xx -> completion

Only its beginning differs from a pull: every byte passes the gate, and a delivery that is sent again is one count. What fails is
tried again, from the first byte, while the transfer is STARTED and for as long as the settings allow; then the transfer ends with
what was answered. Nothing is remembered but the transfer itself, so that a restart takes up whatever was under way.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog

from connector.clock import moment, stamp
from connector.dataplane.body import Body
from connector.dataplane.content import Contents
from connector.dataplane.gate import Gate, Judged
from connector.dataplane.http import repr_digest
from connector.dataplane.permit import CutError, Permit, record_cut
from connector.dataplane.standing import ENDED, SUSPENDED, DeniedError
from connector.dataplane.watch import watch
from connector.dispatch.schedule import pause_s
from connector.errors import RefusedError, StoreError, UnreachableError, WeftError
from connector.exchange import outgoing, settle
from connector.exchange.node import Node
from connector.exchange.stop import BY_CONSUMER, BY_PROVIDER, BY_REMEDY
from connector.identity.address import origin_text, read_address
from connector.store import transfer as transfers
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.errors import ContractError
from contracts.evidence.manifest import parse_manifest
from contracts.transfer import rules
from contracts.transfer.messages import DataAddress
from contracts.transfer.model import Transfer
from contracts.transfer.table import MACHINE, State, Trigger
from policies.sentences import has_sentence, sentence

_log = structlog.get_logger("weft.data")

# Names the signed manifest of what is sent, by its digest: who speaks Weft verifies with it, others leave it alone.
MANIFEST_HEADER = "Weft-Manifest"
ANSWER_BYTES = 4 * 1024
# A receiver that was restarted is asked again soon; only the whole silence may be long (`give_up_s`).
PAUSE_MOST_S = 15.0
# Answers that pass; any other one but 2xx is the receiver's last word.
PASSING = frozenset({401, 404, 408, 409, 425, 429})
# Refusals of the gate that a change of the transfer takes back, and then it is looked at again.
_WAITING = frozenset({SUSPENDED, ENDED, BY_PROVIDER, BY_CONSUMER, BY_REMEDY})
# Troubles of ours that pass.
_OURS = frozenset({"spool-full", "source-busy", "delivery-raced"})


class Pusher:
    """Sends what is to be pushed, for one node: one task for each transfer whose bytes may move."""

    def __init__(self, node: Node, contents: Contents) -> None:
        self._node = node
        self._gate = Gate(node, contents)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed: set[str] = set()  # changed since their task was started
        # By participant: one that takes no bytes must not keep the others waiting.
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(node.settings.downloads)
        )
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Begin, with whatever an earlier run left unfinished."""
        self._unsubscribe = self._node.db.subscribe(transfers.PUSHES, self._wake.set)
        self._wake.set()
        self._loop = asyncio.create_task(self._run(), name="weft-push")

    async def close(self) -> None:
        """Stop sending; the next start begins each delivery anew."""
        self._unsubscribe()
        tasks = [*self._tasks.values(), *([self._loop] if self._loop is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                waiting = await self._node.db.read(transfers.to_push)
            except StoreError as error:
                _log.error("pushes.unreadable", problem=str(error))
                await asyncio.sleep(1)
                self._wake.set()
                continue
            for pid in waiting:
                if pid in self._tasks:
                    self._changed.add(pid)
                    continue
                push = _Push(self._node, self._gate, self._slots, pid)
                self._tasks[pid] = asyncio.create_task(push.run(), name=f"weft-push-{pid}")
                self._tasks[pid].add_done_callback(partial(self._ended, pid))

    def _ended(self, pid: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[pid]
        if not task.cancelled() and (error := task.exception()) is not None:
            # It stays started in the store, so that its next change, or the next start, tries again.
            _log.error("push.broken", transfer=pid, exc_info=error)
        if pid in self._changed:  # it may have been resumed while its task came to its end
            self._changed.discard(pid)
            self._wake.set()


class _Push:
    """The task of one transfer, until its bytes may not move any more or are delivered."""

    def __init__(self, node: Node, gate: Gate, slots: defaultdict[str, asyncio.Semaphore], pid: str) -> None:
        self._node = node
        self._gate = gate
        self._slots = slots
        self._pid = pid
        self._failures = 0
        self._jitter = random.Random()  # noqa: S311  spreads retries, protects nothing

    async def run(self) -> None:
        with watch(self._node.db, f"transfer:{self._pid}") as changed:
            while True:
                changed.clear()
                transfer = await self._node.db.read(lambda tx: transfers.get(tx, self._pid))
                if transfer is None or not _moves(transfer):
                    return
                try:
                    async with self._slots[transfer.counterparty]:
                        await self._attempt(transfer, changed)
                except CutError:
                    continue
                except (UnreachableError, StoreError) as error:
                    if not await self._pause(transfer, error, changed):
                        return
                except DeniedError as error:
                    if error.code not in _WAITING:
                        await self._end(error.code, str(error.facts["en"]))
                    return
                except (WeftError, ContractError) as error:
                    if error.code not in _OURS:
                        await self._end(error.code, _said(error))
                        return
                    if not await self._pause(transfer, error, changed):
                        return
                else:
                    return

    async def _attempt(self, transfer: Transfer, changed: asyncio.Event) -> None:
        """Send everything once; returns when the receiver has it and the completion is queued."""
        node, address = self._node, DataAddress.model_validate(transfer.data_address)
        destination = rules.destination(transfer.format, address)
        if destination is None:
            raise ValueError(f"{self._pid} is no push")
        node.guard.destination(transfer.counterparty, destination.url)
        async with self._gate.judge_push(self._pid) as judged:
            delivery = await self._gate.reserve(judged)
            if delivery.size == 0:
                await self._gate.release(delivery)
            body = Body(node, self._gate, judged, delivery, Permit(node, self._gate, judged, changed))
            header = dict([destination.header]) if destination.header is not None else {}
            upload = asyncio.create_task(
                node.transport.upload(
                    "POST",
                    destination.url,
                    headers=_headers(judged, delivery) | header,
                    body=body.pieces(),
                    limit_bytes=ANSWER_BYTES,
                    timeout_s=node.settings.data_timeout_s,
                )
            )
            try:
                await self._watched(body, upload, changed)
            except CutError as cut:
                await record_cut(node, delivery, str(cut), body.sent)
                raise
            await self._answered(upload.result().status, origin_of(destination.url), delivery, whole=body.whole)

    async def _watched(self, body: Body, upload: "asyncio.Task[Any]", changed: asyncio.Event) -> None:
        """Wait for the upload; when this raises, it is over, and nothing more leaves."""
        try:
            await body.watched(upload, changed)
        finally:
            upload.cancel()
            await asyncio.wait([upload])

    async def _answered(self, status: int, origin: str, delivery: Delivery, *, whole: bool) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            if not whole:
                raise UnreachableError("unreachable", url=origin, cause=f"HTTP {status} before it had everything")
            await self._delivered(delivery, origin, status)
        elif status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnreachableError("unreachable", url=origin, cause=f"HTTP {status}")
        else:
            raise RefusedError("push-refused", address=origin, answer=f"HTTP {status}")

    async def _delivered(self, delivery: Delivery, origin: str, status: int) -> None:
        """The receiver has it all: put that on record, and say that the transfer is complete."""
        node = self._node

        def work(tx: Tx) -> None:
            now = node.clock.now()
            node.audit.append(
                tx,
                "delivery.pushed",
                peer=delivery.counterparty,
                agreement=delivery.agreement,
                details={"delivery": delivery.id, "transfer": self._pid, "to": origin, "status": status},
            )
            transfer = transfers.get(tx, self._pid)
            if transfer is None or not _moves(transfer):
                return  # paused or ended meanwhile: what goes on begins anew
            transfers.save(tx, replace(transfer, delivered=stamp(now)), now)
            if MACHINE.allows(transfer.state, Trigger.COMPLETION, transfer.role):
                outgoing.completion(tx, node, transfer, now)

        await node.db.transact(work)
        _log.info("delivery.pushed", delivery=delivery.id, size=delivery.size, to=origin)

    async def _pause(self, transfer: Transfer, error: WeftError | ContractError, changed: asyncio.Event) -> bool:
        """Wait before the next attempt, or end the transfer when it has failed for too long; False then."""
        settings, cause = self._node.settings, str(error.facts.get("cause", error.code))
        _log.info("delivery.interrupted", transfer=self._pid, cause=cause)
        began = moment(transfer.started or transfer.created)
        if (self._node.clock.now() - began).total_seconds() > settings.give_up_s:
            await self._end("push-undelivered", _undelivered(transfer, cause))
            return False
        longest = min(settings.retry_limit_s, PAUSE_MOST_S)
        wait_s = pause_s(self._failures, settings.retry_first_s, longest, self._jitter.random())
        self._failures += 1
        try:
            async with asyncio.timeout(wait_s):
                await changed.wait()
        except TimeoutError:
            pass
        return True

    async def _end(self, code: str, reason: str) -> None:
        """Terminate with the reason, unless the transfer has come to rest by itself."""
        node = self._node
        _log.warning("push.failed", transfer=self._pid, code=code)
        node.counters.add("weft_deliveries_total", role="provider", result="failed")

        def work(tx: Tx) -> None:
            transfer = transfers.get(tx, self._pid)
            if transfer is not None and _moves(transfer):
                settle.end(tx, node, transfer, code, reason, node.clock.now())

        await node.db.transact(work)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address: its path may hold a secret."""
    return origin_text(read_address(url).origin)


def _moves(transfer: Transfer) -> bool:
    started = transfer.state is State.STARTED and not transfer.suspended_by and not transfer.code
    return started and not transfer.delivered


def _headers(judged: Judged, delivery: Delivery) -> dict[str, str]:
    return {
        "Content-Type": judged.content.wanted.media_type,
        "Content-Length": str(delivery.size),
        "Repr-Digest": repr_digest(judged.content.sha256),
        MANIFEST_HEADER: parse_manifest((delivery.signed_manifest or {})["document"]).digest(),
    }


def _undelivered(transfer: Transfer, answer: str) -> str:
    url = DataAddress.model_validate(transfer.data_address).url
    return sentence("error.push-undelivered", "en", address=origin_of(url), answer=answer)


def _said(error: WeftError | ContractError) -> str:
    """What the counterparty is told; no path of ours leaves."""
    name = f"error.{error.code}"
    return sentence(name, "en", **{**error.facts, "path": "-"}) if has_sentence(name) else error.code
