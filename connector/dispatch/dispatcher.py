"""The outbox leaves from here.

One message of a process is under way at a time and a few per destination; the database says what is due, a commit wakes us, and
a timer exists only for what was postponed. Leases are held in memory: one process serves one store, and after a crash every row
that is still there may have been sent, which the rules of exchange allow for. A message from a destination clears its back-off.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from connector.clock import micros
from connector.dispatch import verdict
from connector.dispatch.peers import Peers
from connector.dispatch.transport import Answer
from connector.dispatch.verdict import Turn, Verdict
from connector.errors import WeftError
from connector.exchange import settle
from connector.exchange.extensions import EXTENSIONS, UNSPOKEN
from connector.exchange.node import Node
from connector.store import outbox
from connector.store.database import Tx
from connector.store.outbox import Outgoing

ANSWER_LIMIT_BYTES = 256 * 1024
_log = structlog.get_logger("weft.dispatch")


@dataclass(slots=True)
class _Found:
    """What the database says now: whose turn it is, when to look again.

    `ended` is how many messages under way had ended then; `number` counts the looks.
    """

    number: int
    next_us: int | None
    ended: int
    turn: Turn


class Dispatcher:
    """Sends what the outbox holds until it is closed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._peers = Peers(node)
        self._wake = asyncio.Event()
        self._processes: dict[str, str] = {}  # the message under way, by process
        self._destinations: Counter[str] = Counter()
        self._ended = 0
        self._looks = 0
        self._alarm: int | None = None  # until when the loop sleeps, in microseconds since 1970
        self._newest = 0  # the number of the newest look that was told
        # Whether the end of a message under way wakes us: something waits for it. Else only a commit does.
        self._look_again = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._jitter = random.Random()  # noqa: S311  spreads retries, protects nothing

    def open(self) -> None:
        """Begin: everything that was left by an earlier run is due at once."""
        self._unsubscribe = self._node.db.watch(outbox.TOPIC, self._look, self._committed)
        self._wake.set()
        self._loop = asyncio.create_task(self._run(), name="weft-dispatch")

    async def close(self) -> None:
        """Stop taking up messages and give those under way a moment; what is cut off is sent again after the start."""
        self._unsubscribe()
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            self._loop = None
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            wait_s: float | None = 1.0
            try:
                wait_s = await self._take_up()
            except WeftError as error:
                _log.error("outbox.unreadable", problem=str(error))
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it forgets a cancellation that comes together with the wake.
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _take_up(self) -> float | None:
        """Start sending what may leave; returns the seconds until something postponed is due, None for nothing."""
        now = self._node.clock.now()
        # Through the writer, so that what it finds comes behind the end of everything it does not find any more.
        found = await self._node.db.transact(self._look)
        self._alarm = found.next_us
        self._start(found)
        if found.turn.overtaken:
            await self._node.db.transact(lambda tx: settle.overtaken(tx, found.turn.overtaken))
            self._wake.set()
        return None if found.next_us is None else max(0.0, (found.next_us - micros(now)) / 1e6)

    def _committed(self, found: _Found | None) -> None:
        """Something was put into the outbox, or hastened: what may leave leaves at once."""
        if found is None or found.turn.overtaken or _earlier(found.next_us, self._alarm):
            self._wake.set()
        if found is not None and self._loop is not None:
            self._start(found)

    def _look(self, tx: Tx) -> _Found:
        """What is due, and may leave beside what is under way. Runs in the writer's thread."""
        now, limit = self._node.clock.now(), self._node.settings.concurrency_per_destination
        self._looks += 1
        number, ended = self._looks, self._ended
        # Copies: the event loop changes both meanwhile.
        whose = verdict.turn(tx, now, limit, dict(self._processes), dict(self._destinations))
        return _Found(number, outbox.next_time(tx, now), ended, whose)

    def _start(self, found: _Found) -> None:
        if found.number < self._newest:
            return  # a look behind a later commit was told first, and saw all of this
        self._newest = found.number
        for message in found.turn.ready:
            if message.process in self._processes:
                continue  # the look before this one found it too, and was told after this one had looked
            self._processes[message.process] = message.message
            self._destinations[message.destination] += 1
            task = asyncio.create_task(self._send_one(message), name=f"weft-send-{message.trigger}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._look_again = found.turn.held_back
        if found.turn.held_back and found.ended != self._ended:
            self._wake.set()  # what it waited for may be over

    async def _send_one(self, message: Outgoing) -> None:
        try:
            await self._attempt(message)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  a defect of ours must not stop the outbox: the message waits
            _log.error("message.failed", message=message.message, trigger=message.trigger, problem=repr(error))
            self._look_again = True
            try:
                await self._postpone(message, repr(error))
            except WeftError:
                # The store takes nothing: the message keeps its turn for a while, or it would leave again at once, for ever.
                await asyncio.sleep(self._node.settings.retry_first_s)
        finally:
            del self._processes[message.process]
            self._destinations[message.destination] -= 1
            self._ended += 1
            if self._look_again:
                self._wake.set()

    async def _attempt(self, message: Outgoing) -> None:
        node = self._node
        if message.kind in EXTENSIONS and not await self._peers.speak_weft(message.destination):
            unspoken = (UNSPOKEN, message.destination)
            await node.db.transact(
                lambda tx: settle.looked(tx, node, message.message, None, unspoken, node.clock.now())
            )
            return
        began = node.clock.monotonic()
        try:
            answer = await self._call(message.method, message.destination, message.url, message.body)
        except WeftError as error:
            self._tell(message, 0, began, error.code)
            await self._postpone(message, str(error))
            return
        refused = answer.status >= HTTPStatus.BAD_REQUEST
        self._tell(message, answer.status, began, verdict.trouble(answer.status, answer.body) if refused else "")
        judged = verdict.judge(answer.status, verdict.soon(node, message, answer.status))
        if judged is Verdict.ACKNOWLEDGED and (strange := verdict.strange(message, answer.body)):
            await self._postpone(message, f"HTTP {answer.status}, {strange}", answer)
        elif judged is Verdict.ACKNOWLEDGED:
            await node.db.transact(lambda tx: verdict.acknowledged(tx, node, message, answer.body, answer.headers))
        elif judged is Verdict.AGAIN:
            await self._postpone(message, verdict.trouble(answer.status, answer.body), answer)
        else:
            await self._refused(message, answer)

    async def _refused(self, message: Outgoing, answer: Answer) -> None:
        """Rule 3: look at the counterparty's process before a refusal is believed."""
        node = self._node
        refusal = verdict.refusal_in(answer.status, answer.body)
        found: str | None = None
        if place := await node.db.read(lambda tx: verdict.place(tx, message)):
            try:
                seen = await self._call("GET", message.destination, place, None)
            except WeftError as error:
                await self._postpone(message, str(error))
                return
            if verdict.judge(seen.status) is Verdict.AGAIN:
                await self._postpone(message, f"HTTP {answer.status}, then HTTP {seen.status} on looking", seen)
                return
            found = verdict.state_in(message, seen.body)
        await node.db.transact(
            lambda tx: settle.looked(tx, node, message.message, found, refusal, node.clock.now(), status=answer.status)
        )

    async def _call(self, method: str, participant: str, url: str, body: bytes | None) -> Answer:
        node = self._node
        headers = {"Authorization": await node.identity.authorisation(participant), "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await node.transport.request(
            method,
            url,
            participant=participant,
            headers=headers,
            body=body,
            limit_bytes=ANSWER_LIMIT_BYTES,
            timeout_s=node.settings.send_timeout_s,
        )

    async def _postpone(self, message: Outgoing, problem: str, answer: Answer | None = None) -> None:
        node, luck = self._node, self._jitter.random()
        status, asked_s = (answer.status, verdict.pause_asked_s(answer.headers)) if answer else (0, 0.0)
        if await node.db.transact(
            lambda tx: verdict.postpone(tx, node, message, problem, luck, status=status, asked_s=asked_s)
        ):
            self._look_again = True  # somebody has to set the timer

    def _tell(self, message: Outgoing, status: int, began: float, problem: str) -> None:
        """The canonical line of one attempt, and its count."""
        self._node.counters.sent(message.kind, message.trigger, status)
        _log.info(
            "message.sent" if status else "message.not-sent",
            kind=message.kind,
            trigger=message.trigger,
            process=message.process,
            to=message.destination,
            status=status,
            attempt=message.attempts + 1,
            ms=round((self._node.clock.monotonic() - began) * 1000, 1),
            **({"problem": problem} if problem else {}),
        )


def _earlier(next_us: int | None, alarm: int | None) -> bool:
    """Whether something is due before the loop would look again."""
    return next_us is not None and (alarm is None or next_us < alarm)
