"""Crawling the catalogs of the other members.

One task per member, which sleeps until that member's next crawl is due: no common loop, no polling, so a dead or slow member
delays nobody. Each crawl pages through one catalog with our own identity (what we see is tailored to us), within bounds on
pages, datasets, bytes and total time, and becomes visible when it is complete. A failed crawl changes the status of the
member and nothing else; the next one waits longer each time, until the member speaks to us: then it is there again, and is
asked at once. When a crawl is due survives a restart.

How a page is fetched is not known here: `fetch` does the request, with token, guard, limits and the choice of POST or GET.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import structlog

from catalog.errors import CatalogFault
from catalog.reader import CatalogPage, read_page
from connector.clock import Clock
from connector.errors import WeftError
from connector.federation.index import Look, Replacement
from connector.store import federation as store
from connector.store.database import Database
from policies.errors import JsonError

log = structlog.stdlib.get_logger()

_MICRO: Final = 1_000_000
_DETAIL_MAX: Final = 2_000
# Smaller bodies are parsed faster than a thread is woken.
_THREAD_FROM_BYTES: Final = 32_768


class Member(Protocol):
    """Whose catalog is crawled: a row of the member list."""

    @property
    def participant_id(self) -> str: ...


Page = tuple[bytes, str | None]
# Asks one member for its catalog, or for the page a link of it names. Returns the body and the link to the next page.
Fetch = Callable[["Member", str | None], Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class Limits:
    """When to crawl, and how much of one member to take. A member over a bound is kept up to it and marked."""

    interval_s: float = 300.0
    timeout_s: float = 60.0
    retry_s: float = 5.0
    retry_max_s: float = 3600.0
    confirm_s: float = 10.0
    jitter: float = 0.1
    concurrent: int = 16
    pages_max: int = 1000
    datasets_max: int = 20_000
    bytes_max: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one crawl ended. `reason` is the code of the failure or of the bound, '' for a whole catalog."""

    participant: str
    result: Literal["ok", "partial", "unconfirmed", "failed"]
    datasets: int
    changed: int
    unreadable: int
    reason: str


@dataclass(slots=True)
class _Visit:
    """What the task of one member waits for."""

    member: Member
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: list["asyncio.Future[Outcome]"] = field(default_factory=list)
    served: list["asyncio.Future[Outcome]"] = field(default_factory=list)
    back_off: bool = False
    ended_s: float = 0.0
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class _Progress:
    """What one crawl has taken so far."""

    pages: int = 0
    bytes: int = 0
    unreadable: list[str] = field(default_factory=list)
    bound: str = ""


class Crawler:
    """Keeps the index of the members' catalogs. `members` is the list as it is now, without ourselves."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        fetch: Fetch,
        members: Callable[[], Sequence[Member]],
        limits: Limits | None = None,
        look: Look | None = None,
    ) -> None:
        """`look` sees each complete crawl in the transaction that makes it count."""
        self._db = db
        self._clock = clock
        self._fetch = fetch
        self._members = members
        self._limits = limits or Limits()
        self._look = look
        self._slots = asyncio.Semaphore(self._limits.concurrent)
        self._visits: dict[str, _Visit] = {}
        self._following = asyncio.Lock()
        self._leaving: dict[str, asyncio.Task[None]] = {}
        # When is not what: the jitter of crawls is no secret.
        self._random = random.Random()  # noqa: S311

    async def run(self) -> None:
        """Crawl until cancelled."""
        await self.members_changed()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop every crawl where it is; what it has written is swept by the next one."""
        visits = list(self._visits.values())
        self._visits.clear()
        leaving = list(self._leaving.values())
        for task in leaving:
            task.cancel()
        await asyncio.gather(*(_stop(visit) for visit in visits), *leaving, return_exceptions=True)

    async def members_changed(self) -> None:
        """Follow the member list: a new member is crawled at once, one that left is not found any more from here on."""
        async with self._following:
            await self._follow()

    async def _follow(self) -> None:
        current = {member.participant_id: member for member in self._members()}
        indexed = {known.participant for known in await self._db.read(store.members) if known.status != "own"}
        for participant, member in current.items():
            if participant in self._visits:
                self._visits[participant].member = member
            else:
                if participant in self._leaving:
                    await self._leaving[participant]
                visit = self._visits[participant] = _Visit(member)
                visit.task = asyncio.create_task(self._visit(visit), name=f"crawl {participant}")
        for participant in (self._visits.keys() | indexed) - current.keys():
            await self._leave(participant)

    async def refresh(self, participant: str | None = None) -> tuple[Outcome, ...]:
        """Crawl one member, or all, now, and wait for how it ended; a crawl that is under way is followed by another.

        Raises LookupError for a participant that is no member.
        """
        await self.members_changed()  # the list in force now, also when nobody has followed it yet
        visits = list(self._visits.values()) if participant is None else [self._visits[participant]]
        waiters: list[asyncio.Future[Outcome]] = []
        for visit in visits:
            waiters.append(asyncio.get_running_loop().create_future())
            visit.waiting.append(waiters[-1])
            visit.wake.set()
        return tuple(await asyncio.gather(*waiters))

    def heard_from(self, participant: str) -> None:
        """The member spoke to us: whatever kept us from it is over, so a crawl that waits out a failure starts now.

        Not more often than the first retry would: a member with a broken catalog may speak to us all day.
        """
        visit = self._visits.get(participant)
        if visit is not None and visit.back_off and self._clock.monotonic() >= visit.ended_s + self._limits.retry_s:
            visit.wake.set()

    # -- one member ----------------------------------------------------------------------------------------------------

    async def _visit(self, visit: _Visit) -> None:
        participant = visit.member.participant_id
        known = await self._db.transact(lambda tx: store.add_member(tx, participant))
        if known.generation < 0:  # it left, came back, and what it left behind is still being deleted
            await self._forget(participant)
            known = await self._db.transact(lambda tx: store.add_member(tx, participant))
        delay_s = known.next_us / _MICRO - self._clock.now().timestamp()
        visit.back_off = known.failures > 0
        failures = known.failures
        while True:
            await self._sleep(visit, delay_s)
            async with self._slots:
                visit.served, visit.waiting = visit.waiting, []
                outcome, delay_s = await self._crawl(visit.member, failures)
            failures = failures + 1 if outcome.result == "failed" else 0
            visit.back_off = failures > 0
            visit.ended_s = self._clock.monotonic()
            _answer(visit.served, outcome)

    @staticmethod
    async def _sleep(visit: _Visit, delay_s: float) -> None:
        if not visit.wake.is_set() and delay_s > 0:
            try:
                async with asyncio.timeout(delay_s):
                    await visit.wake.wait()
            except TimeoutError:
                pass  # it is due
        visit.wake.clear()

    async def _crawl(self, member: Member, failures: int) -> tuple[Outcome, float]:
        """One crawl and the seconds until the next. Whatever happens to it is its outcome."""
        participant = member.participant_id
        progress = _Progress()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                outcome, delay_s = await self._take(member, progress)
        except TimeoutError:
            outcome, delay_s = await self._failed(participant, failures, progress, "timeout", "")
        except (CatalogFault, JsonError, WeftError) as error:
            outcome, delay_s = await self._failed(participant, failures, progress, error.code, str(error))
        except OSError as error:
            outcome, delay_s = await self._failed(participant, failures, progress, "unreachable", str(error))
        except Exception as error:  # one member's catalog must never end the crawls of the others
            log.exception("crawl.fault", participant=participant)
            outcome, delay_s = await self._failed(participant, failures, progress, "crawl-fault", type(error).__name__)
        log.info(
            "crawl",
            participant=participant,
            result=outcome.result,
            reason=outcome.reason,
            pages=progress.pages,
            bytes=progress.bytes,
            datasets=outcome.datasets,
            changed=outcome.changed,
            unreadable=outcome.unreadable,
            next_s=round(delay_s, 1),
        )
        return outcome, delay_s

    async def _take(self, member: Member, progress: _Progress) -> tuple[Outcome, float]:
        participant = member.participant_id
        replacement = Replacement(self._db, participant, self._look)
        await replacement.begin()
        link: str | None = None
        followed: set[str] = set()
        while True:
            body, following = await self._fetch(member, link)
            progress.pages += 1
            progress.bytes += len(body)
            page = await _read(body, participant)
            progress.unreadable += [f"{item.dataset}: {item.problem}" for item in page.unreadable]
            room = self._limits.datasets_max - replacement.entries
            await replacement.add(page.datasets[:room])
            progress.bound = self._bound(progress, cut=len(page.datasets) > room, more=following is not None)
            # A link that comes back leads in a circle: what it names has been read.
            if following is None or following in followed or progress.bound:
                break
            followed.add(following)
            link = following
        delay_s = self._jittered(self._limits.interval_s)
        now_us = self._now_us()
        replaced = await replacement.finish(
            fetched_us=now_us,
            next_us=now_us + round(delay_s * _MICRO),
            confirm_us=now_us + round(self._limits.confirm_s * _MICRO),
            bound=progress.bound,
            detail="; ".join(progress.unreadable)[:_DETAIL_MAX],
        )
        result: Literal["ok", "partial", "unconfirmed"] = "partial" if progress.bound else "ok"
        if replaced.unconfirmed:
            result, delay_s = "unconfirmed", self._limits.confirm_s
        outcome = Outcome(
            participant, result, replaced.entries, replaced.changed, len(progress.unreadable), progress.bound
        )
        return outcome, delay_s

    def _bound(self, progress: _Progress, *, cut: bool, more: bool) -> str:
        """The code of the bound at which to stop, '' to go on."""
        limits = self._limits
        if cut:
            return "too-many-datasets"
        if progress.bytes > limits.bytes_max:
            return "too-many-bytes"
        return "too-many-pages" if more and progress.pages >= limits.pages_max else ""

    async def _failed(
        self, participant: str, failures: int, progress: _Progress, reason: str, detail: str
    ) -> tuple[Outcome, float]:
        limits = self._limits
        delay_s = self._jittered(min(limits.retry_s * 2.0 ** min(failures, 32), limits.retry_max_s))
        at_us = self._now_us()
        next_us = at_us + round(delay_s * _MICRO)
        try:
            await self._db.transact(
                lambda tx: store.failed(
                    tx, participant, reason=reason, detail=detail[:_DETAIL_MAX], at_us=at_us, next_us=next_us
                )
            )
        except WeftError as error:  # the store itself fails: the next crawl is tried all the same
            log.warning("crawl.status-lost", participant=participant, outcome=error.code)
        return Outcome(participant, "failed", 0, 0, len(progress.unreadable), reason), delay_s

    async def _leave(self, participant: str) -> None:
        visit = self._visits.pop(participant, None)
        if visit is not None:
            await _stop(visit)
        await self._db.transact(lambda tx: store.hide(tx, participant))
        task = asyncio.create_task(self._forget(participant), name=f"forget {participant}")
        self._leaving[participant] = task
        task.add_done_callback(lambda _: self._leaving.pop(participant, None))

    async def _forget(self, participant: str) -> None:
        while await self._db.transact(lambda tx: store.forget(tx, participant)):
            pass

    def _jittered(self, seconds: float) -> float:
        """Up to a tenth later, so that members that started together do not crawl together."""
        return seconds * (1 + self._random.random() * self._limits.jitter)

    def _now_us(self) -> int:
        return round(self._clock.now().timestamp() * _MICRO)


async def _stop(visit: _Visit) -> None:
    """End the task of a member; who waits for a crawl of it is told."""
    if visit.task is not None:
        visit.task.cancel()
        await asyncio.gather(visit.task, return_exceptions=True)
    _answer(visit.served + visit.waiting, Outcome(visit.member.participant_id, "failed", 0, 0, 0, "stopped"))


def _answer(waiting: list["asyncio.Future[Outcome]"], outcome: Outcome) -> None:
    for waiter in waiting:
        if not waiter.done():
            waiter.set_result(outcome)
    waiting.clear()


async def _read(body: bytes, participant: str) -> CatalogPage:
    """One page, read beside the event loop when it is large."""
    if len(body) < _THREAD_FROM_BYTES:
        return read_page(body, participant_id=participant)
    return await asyncio.to_thread(read_page, body, participant_id=participant)
