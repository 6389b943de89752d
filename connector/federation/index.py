"""What is found, and how fresh it is; and how one crawl becomes the catalog that is found.

A `Replacement` writes one crawl in small transactions and switches at its end (`store/federation.py` says why nothing of
it shows before). A catalog that suddenly is empty is believed when a second crawl says so too.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal

from catalog.entry import Entry, entry_of
from catalog.query import Query
from catalog.reader import PeerDataset
from connector.clock import Clock
from connector.store import federation as store
from connector.store.database import Database, Tx

# Looks at the catalog of a participant as it is now.
Look = Callable[[Tx, str], None]
FreshnessState = Literal["own", "fresh", "ageing", "unreachable", "never"]

# A crawl comes up to a tenth late by its jitter and takes its time: a catalog of that age is still fresh.
_FRESH_INTERVALS: Final = 1.25


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old what we show of a participant is, and why it is not newer.

    `as_of` is the last complete crawl; `since` the first failure after it; `reason` the code of the last failure, or of
    the bound at which the catalog was cut.
    """

    state: FreshnessState
    as_of: datetime | None
    since: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A dataset that was found in the catalog of `participant`; `document` is the `PeerDataset` as JSON."""

    participant: str
    owner: str
    dataset: str
    document: dict[str, Any]
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in order; `more` says that the limit cut them."""

    hits: tuple[Hit, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Known:
    """One participant's catalog in the index: how many datasets, how fresh, when it is crawled next."""

    participant: str
    datasets: int
    freshness: Freshness
    detail: str
    next_at: datetime | None


class Index:
    """Search over all known catalogs, ours too."""

    def __init__(self, db: Database, clock: Clock, *, interval_s: float) -> None:
        self._db = db
        self._clock = clock
        self._interval_s = interval_s

    async def find(self, query: Query) -> Answer:
        """What the query finds, title hits first, newest first."""
        found, more = await self._db.read(lambda tx: store.find(tx, query))
        return Answer(tuple(self._hit(item) for item in found), more)

    async def get(self, participant: str, dataset: str, *, owner: str = "") -> Hit | None:
        """One dataset; `owner` differs from `participant` only in the catalog of a broker."""
        found = await self._db.read(lambda tx: store.entry(tx, participant, owner or participant, dataset))
        return None if found is None else self._hit(found)

    async def known(self) -> list[Known]:
        """Every catalog in the index, by participant."""
        return [
            Known(
                item.participant,
                item.entries,
                self._freshness(item.status, item.reason, item.fetched_us, item.failing_us),
                item.detail,
                _moment(item.next_us),
            )
            for item in await self._db.read(store.members)
            if item.generation >= 0 and item.status != "own"
        ]

    async def renew(self) -> None:
        """Cut all texts anew if another version of the cutting function filled the index; run once at start."""
        if not await self._db.read(store.needs_reindex):
            return
        after: int | None = 0
        while after is not None:
            after = await self._db.transact(partial(store.reindex, after=after))

    def _hit(self, found: store.Found) -> Hit:
        freshness = self._freshness(found.status, found.reason, found.fetched_us, found.failing_us)
        return Hit(found.participant, found.owner, found.dataset, found.document, freshness)

    def _freshness(self, status: str, reason: str, fetched_us: int, failing_us: int) -> Freshness:
        age_s = self._clock.now().timestamp() - fetched_us / 1_000_000
        state: FreshnessState
        if status == "own":
            state = "own"
        elif failing_us:
            state = "unreachable"
        elif not fetched_us:
            state = "never"
        else:
            state = "fresh" if age_s <= self._interval_s * _FRESH_INTERVALS else "ageing"
        return Freshness(state, _moment(fetched_us), _moment(failing_us), reason)


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a finished crawl did to the index; `unconfirmed`: it found nothing, and a second one has to say so too."""

    entries: int
    changed: int
    unconfirmed: bool


class Replacement:
    """One crawl of one participant's catalog on its way into the index."""

    def __init__(self, db: Database, participant: str, look: Look | None = None) -> None:
        """`look` sees each complete crawl in the transaction that makes it count."""
        self._db = db
        self._participant = participant
        self._look = look
        self._seen: dict[tuple[str, str], str] = {}
        self._changed = 0

    @property
    def entries(self) -> int:
        """Distinct datasets so far."""
        return len(self._seen)

    async def begin(self) -> None:
        """Remove what an earlier crawl left unfinished."""
        participant = self._participant
        await self._db.transact(lambda tx: store.add_member(tx, participant))
        await self._sweep()

    async def add(self, datasets: Sequence[PeerDataset]) -> None:
        """Write one page. A dataset that was seen before in this crawl counts once."""
        entries: list[Entry] = []
        for dataset in datasets:
            key = (dataset.owner, dataset.id)
            if key not in self._seen:
                entries.append(entry_of(dataset))
                self._seen[key] = entries[-1].digest
        for batch in store.batches(entries):
            self._changed += await self._db.transact(partial(store.write, participant=self._participant, entries=batch))

    async def finish(self, *, fetched_us: int, next_us: int, confirm_us: int, bound: str, detail: str) -> Replaced:
        """Retire what was not seen and switch. `confirm_us`: when to crawl again if all is gone; `bound`: what cut it."""
        participant = self._participant
        known = await self._db.read(lambda tx: store.member(tx, participant))
        if known is not None and not self._seen and known.entries and not known.emptied:
            await self._db.transact(lambda tx: store.emptied(tx, participant, next_us=confirm_us))
            return Replaced(known.entries, 0, unconfirmed=True)
        # Also when a bound cut the crawl short: an endless catalog of ever new datasets must not grow in here.
        changed = self._changed + await self._retire()
        digest = _digest(self._seen)
        entries = len(self._seen)

        def switch(tx: Tx) -> None:
            store.switch(
                tx,
                participant,
                changed=changed > 0,
                digest=digest,
                entries=entries,
                fetched_us=fetched_us,
                next_us=next_us,
                bound=bound,
                detail=detail,
            )
            if self._look is not None:
                self._look(tx, participant)

        await self._db.transact(switch)
        await self._sweep()
        return Replaced(entries, changed, unconfirmed=False)

    async def _retire(self) -> int:
        seen = frozenset(self._seen)
        retired = 0
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            gone, after = await self._db.transact(
                partial(store.retire_unseen, participant=self._participant, seen=seen, after=after)
            )
            retired += gone
        return retired

    async def _sweep(self) -> None:
        while await self._db.transact(lambda tx: store.sweep(tx, self._participant)):
            pass


def _digest(seen: dict[tuple[str, str], str]) -> str:
    lines = "".join(f"{owner}\0{dataset}\0{digest}\n" for (owner, dataset), digest in sorted(seen.items()))
    return "sha-256:" + hashlib.sha256(lines.encode()).hexdigest()


def _moment(us: int) -> datetime | None:
    return datetime.fromtimestamp(us / 1_000_000, UTC) if us else None
