"""`/v1/events`: what happens, as server-sent events. Nothing is polled: a commit wakes whoever reads.

Two kinds of stream:

    ?since=SEQ&types=negotiation,transfer.started    the audit log as it grows; `id` is the record's number, and a reader that
                                                     comes back with Last-Event-ID misses nothing. Without `since`: from now.
    ?watch=negotiation:ID                            one process: its state now, again after each change, until it has ended

Between the records of the first kind stand passing remarks without an id: `delivery.progress`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from connector.errors import RefusedError
from connector.management import asked
from connector.management.desk import Desk
from connector.management.native import views
from connector.store import audit
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.database import Tx

HEARTBEAT_S = 15.0
BATCH = 200
PROGRESS = "delivery.progress"
# Remarks on progress are told together after this time: telling of each batch would cost more than fetching it.
PROGRESS_S = 0.1
# No change follows these states of a negotiation, a transfer or a delivery.
ENDED = frozenset({"FINALIZED", "TERMINATED", "COMPLETED", "received", "failed"})
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy must not wait for more
}

Look = Callable[[Tx], dict[str, Any] | None]


def routes(desk: Desk) -> list[web.RouteDef]:
    async def events(request: web.Request) -> web.StreamResponse:
        watched = request.query.get("watch")
        if watched is not None:
            kind, _, identifier = watched.partition(":")
            return await _watch(desk, request, kind, identifier)
        return await _follow(desk, request)

    return [web.get("/v1/events", events)]


async def _follow(desk: Desk, request: web.Request) -> web.StreamResponse:
    """Records of the audit log from a number on, as they are committed."""
    node = desk.node
    types = tuple(name.strip() for name in request.query.get("types", "").split(",") if name.strip())
    last = _place(request)
    progress: dict[str, tuple[int, int]] = {}
    if last is None:
        # Before the answer begins: whoever has seen it begin is told all that comes after.
        last = (await node.db.read(audit.latest))[0] - 1

    async with _stream(desk, request) as (answer, woken):
        stops = [node.db.subscribe(topic, woken.set) for topic in audit.topics(types)]

        def heard(delivery: str, verified: int, size: int) -> None:
            # Only the latest counts: a slow reader gets fewer remarks, never a queue of them.
            if not progress:
                _soon(woken)
            progress[delivery] = (verified, size)

        deaf = desk.daemon.receiver.listen(heard) if _wanted(PROGRESS, types) else _nothing
        try:
            while not desk.closing:
                woken.clear()
                records = await node.db.read(partial(audit.after, seq=last, limit=BATCH))
                for record in records:
                    last = record.seq
                    if _wanted(str(record.record.get("type", "")), types):
                        await _send(answer, str(record.record["type"]), views.record(record), record.seq)
                if len(records) == BATCH:
                    continue
                while progress:
                    delivery, (verified, size) = progress.popitem()
                    await _send(
                        answer, PROGRESS, {"details": {"delivery": delivery, "verified": verified, "size": size}}
                    )
                await _wait(answer, woken)
        finally:
            for stop in stops:
                stop()
            deaf()
    return answer


async def _watch(desk: Desk, request: web.Request, kind: str, identifier: str) -> web.StreamResponse:
    """One process as it is now and after each change: subscribed first, then read, so that no change slips between."""
    look = _looks(desk, identifier).get(kind)
    if look is None:
        raise RefusedError("watch-unknown", watch=f"{kind}:{identifier}"[:200])
    node = desk.node
    if await node.db.read(look) is None:
        code, fact = ("delivery-unknown", "delivery") if kind == "delivery" else ("process-unknown", "pid")
        raise RefusedError(code, **{fact: identifier})
    verified: list[int] = []
    told = True  # whether what was verified is told, or about to be
    async with _stream(desk, request) as (answer, woken):
        stop = node.db.subscribe(f"{kind}:{identifier}", woken.set)

        def heard(delivery: str, now: int, size: int) -> None:
            nonlocal told
            del size
            if delivery == identifier:
                if told:
                    _soon(woken)
                verified[:], told = [now], False

        deaf = desk.daemon.receiver.listen(heard) if kind == "delivery" else _nothing
        sent: dict[str, Any] | None = None
        try:
            while not desk.closing:
                woken.clear()
                told = True
                found = await node.db.read(look)
                if found is not None and verified:
                    found = found | {"verified_bytes": max(found["verified_bytes"], *verified)}
                if found is not None and found != sent:
                    sent = found
                    await _send(answer, f"{kind}.state", found)
                if found is None or found["state"] in ENDED:
                    break
                await _wait(answer, woken)
        finally:
            stop()
            deaf()
    return answer


def _place(request: web.Request) -> int | None:
    """The number of the last record the reader has seen, -1 for none of all; None for a reader that wants new ones only."""
    resumed = request.headers.get("Last-Event-ID", "")
    if resumed.isascii() and resumed.isdigit():
        return int(resumed[:18])
    if request.query.get("since") == "-1":
        return -1
    return asked.number(request, "since", 0, least=0) if "since" in request.query else None


def _looks(desk: Desk, identifier: str) -> dict[str, Look]:
    def negotiation(tx: Tx) -> dict[str, Any] | None:
        found = negotiations.get(tx, identifier)
        return None if found is None else views.negotiation(desk, found)

    def transfer(tx: Tx) -> dict[str, Any] | None:
        found = transfers.get(tx, identifier)
        return None if found is None else views.transfer(desk, found)

    def delivery(tx: Tx) -> dict[str, Any] | None:
        found = deliveries.get(tx, identifier)
        return None if found is None else views.delivery(tx, desk, found, whole=True)

    return {"negotiation": negotiation, "transfer": transfer, "delivery": delivery}


@asynccontextmanager
async def _stream(desk: Desk, request: web.Request) -> AsyncIterator[tuple[web.StreamResponse, asyncio.Event]]:
    """An open stream, and the event that wakes it; the end of its reader is the end of it and no error."""
    answer, woken = web.StreamResponse(headers=_HEADERS), asyncio.Event()
    desk.streams.add(woken)
    try:
        with suppress(ConnectionError):
            await answer.prepare(request)
            yield answer, woken
    finally:
        desk.streams.discard(woken)


def _soon(woken: asyncio.Event) -> None:
    asyncio.get_running_loop().call_later(PROGRESS_S, woken.set)


async def _wait(answer: web.StreamResponse, woken: asyncio.Event) -> None:
    """Until something happens; a comment now and then keeps proxies awake and finds readers that have gone."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await woken.wait()
        except TimeoutError:
            await answer.write(b": still here\n\n")
        else:
            return


async def _send(answer: web.StreamResponse, name: str, data: dict[str, Any], number: int | None = None) -> None:
    head = f"id: {number}\n" if number is not None else ""
    await answer.write(f"{head}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n")


def _wanted(name: str, types: tuple[str, ...]) -> bool:
    return not types or any(name == each or name.startswith(f"{each}.") for each in types)


def _nothing() -> None:
    return
