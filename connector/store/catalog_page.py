"""Pages of our catalog for one participant: by keyset in both directions, with a filter or without, never by scanning.

What a filter asks for is found on the index of one of its conditions (an id, the beginning of an id, a term), in order of the
dataset ids, and only where a class of the viewer stands; the other conditions are looked up for each candidate. An answer
judges a bounded number of candidates: where few of many match, a page is short and its link goes on behind the last one judged.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Literal

from catalog.cursor import Cursor
from catalog.filter import Condition
from connector.store import catalog
from connector.store.catalog import PAGE_MAX, Shown
from connector.store.database import Tx

CANDIDATES_MAX: Final = 2_000
_BATCH_MAX: Final = 200
# Behind every id of a dataset: those have at most 2048 characters.
_LAST: Final = chr(0x10FFFF) * 2049

Direction = Literal["after", "before"]


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Datasets by id, and the places of the pages around it; None where nothing follows or stands before."""

    datasets: tuple[Shown, ...]
    next: Cursor | None
    previous: Cursor | None


@dataclass(frozen=True, slots=True)
class _Taken:
    """Ids in the direction of the walk; `resume` is the key to go on from, None at the end; `skip` is left of the offset."""

    ids: tuple[str, ...]
    resume: str | None
    skip: int = 0


def page(tx: Tx, viewer: str, cursor: Cursor, *, size: int) -> CatalogPage:
    """The page at a place: `size` datasets, or as many as the filter says (at most PAGE_MAX).

    Stable under change: what is there all the time is on exactly one page of a walk, whatever is published or withdrawn.
    """
    asked = cursor.filter
    limit = min(asked.limit or size, PAGE_MAX)
    walk = _Walk(tx, viewer, asked.conditions)
    plain = Cursor(replace(asked, offset=0))
    if cursor.direction == "before":
        taken = walk.take("before", cursor.key or _LAST, limit)
        ids = taken.ids[::-1]
        end = ids[-1] if ids else ""
        return CatalogPage(
            _shown(tx, viewer, ids),
            replace(plain, key=end) if walk.finds("after", end) else None,
            None if taken.resume is None else replace(plain, direction="before", key=taken.resume),
        )
    if asked.conditions:
        taken = walk.take("after", cursor.key, limit, skip=asked.offset)
        datasets = _shown(tx, viewer, taken.ids)
    else:
        taken, datasets = _everything(tx, viewer, cursor, limit)
    following = None
    if taken.resume is not None:
        following = Cursor(replace(asked, offset=taken.skip), key=taken.resume)
    at_the_start = not cursor.key and not asked.offset
    cut_short = not datasets and following is not None
    begin = datasets[0].id if datasets else _LAST
    earlier = not at_the_start and not cut_short and walk.finds("before", begin)
    key = datasets[0].id if datasets else ""
    return CatalogPage(datasets, following, replace(plain, direction="before", key=key) if earlier else None)


def _everything(tx: Tx, viewer: str, cursor: Cursor, limit: int) -> tuple[_Taken, tuple[Shown, ...]]:
    """A page without a filter: one statement, behind one that counts an offset on the index where there is one."""
    key = cursor.key
    if cursor.filter.offset:
        found = tx.one("catalog.visible_at", viewer=viewer, key=key, skip=cursor.filter.offset - 1)
        if found is None:
            return _Taken((), None), ()
        key = found["dataset"]
    given = catalog.page(tx, viewer, after=key, limit=limit)
    return _Taken((), given.after or None), given.datasets


def _shown(tx: Tx, viewer: str, ids: tuple[str, ...]) -> tuple[Shown, ...]:
    found = (catalog.visible_dataset(tx, name, viewer) for name in ids)
    return tuple(dataset for dataset in found if dataset is not None)


class _Walk:
    """Visible datasets that satisfy all conditions, by id, in either direction."""

    def __init__(self, tx: Tx, viewer: str, conditions: tuple[Condition, ...]) -> None:
        self._tx = tx
        self._viewer = viewer
        self._driver = min(conditions, key=_cost, default=None)
        exact = self._driver is not None and self._driver.operator != "like"
        self._others = tuple(item for item in conditions if not (exact and item is self._driver))

    def finds(self, direction: Direction, key: str) -> bool:
        """Whether there is any; also when the candidates that may be judged at once do not tell."""
        taken = self.take(direction, key, 1)
        return bool(taken.ids) or taken.resume is not None

    def take(self, direction: Direction, key: str, want: int, *, skip: int = 0) -> _Taken:
        """The next `want` ids from a key on (exclusive), behind `skip` others."""
        ids: list[str] = []
        last = key
        for judged, name in enumerate(self._candidates(direction, key, want + 1)):
            if judged == CANDIDATES_MAX:
                return _Taken(tuple(ids), last, skip)
            last = name
            if not all(self._holds(condition, name) for condition in self._others):
                continue
            if skip:
                skip -= 1
            elif len(ids) == want:
                return _Taken(tuple(ids), ids[-1])
            else:
                ids.append(name)
        return _Taken(tuple(ids), None)

    def _holds(self, condition: Condition, name: str) -> bool:
        if condition.operand == "id":
            return condition.holds(name)
        rows = self._tx.all("catalog.term_values", dataset=name, viewer=self._viewer, name=condition.operand)
        return any(condition.holds(row["value"]) for row in rows)

    def _candidates(self, direction: Direction, key: str, batch: int) -> Iterator[str]:
        """Ids that the driving condition allows, all of them visible."""
        driver = self._driver
        if driver is not None and driver.operand == "id":
            return (
                self._listed(driver, direction, key)
                if driver.operator != "like"
                else self._like(driver, direction, key)
            )
        if driver is not None and driver.operator != "like":
            streams = [
                self._stream(f"catalog.term_{direction}", key, batch, name=driver.operand, value=value)
                for value in driver.values
            ]
            merged = heapq.merge(*streams, reverse=direction == "before")
            return (name for name, _ in groupby(merged))
        return self._stream(f"catalog.visible_{direction}", key, batch)

    def _listed(self, driver: Condition, direction: Direction, key: str) -> Iterator[str]:
        backwards = direction == "before"
        for name in sorted(set(driver.values), reverse=backwards):
            if (name < key if backwards else name > key) and self._is_visible(name):
                yield name

    def _is_visible(self, name: str) -> bool:
        found = self._tx.one("catalog.visible_from", viewer=self._viewer, key=name, limit=1)
        return found is not None and found["dataset"] == name

    def _like(self, driver: Condition, direction: Direction, key: str) -> Iterator[str]:
        prefix = driver.prefix
        if direction == "before":
            stream = self._stream("catalog.visible_before", min(key, _behind(prefix)), _BATCH_MAX)
        elif key < prefix:
            stream = self._stream("catalog.visible_after", prefix, _BATCH_MAX, first="catalog.visible_from")
        else:
            stream = self._stream("catalog.visible_after", key, _BATCH_MAX)
        for name in stream:
            if not name.startswith(prefix):
                return
            yield name

    def _stream(self, statement: str, key: str, batch: int, *, first: str = "", **values: str) -> Iterator[str]:
        """Ids in batches that grow: the first is as large as the page, in case everything matches."""
        size = min(batch, _BATCH_MAX)
        asking = first or statement
        while True:
            rows = self._tx.all(asking, viewer=self._viewer, key=key, limit=size, **values)
            for row in rows:
                yield row["dataset"]
            if len(rows) < size:
                return
            key, size, asking = rows[-1]["dataset"], min(2 * size, _BATCH_MAX), statement


def _cost(condition: Condition) -> int:
    """Which condition leads: named ids, then terms, then the beginning of an id, then whatever has to be compared."""
    if condition.operator != "like":
        return 0 if condition.operand == "id" else 1
    return 2 if condition.operand == "id" and condition.prefix else 3


def _behind(prefix: str) -> str:
    """A text behind all that begin with this one, and before all others behind those."""
    for place in range(len(prefix) - 1, -1, -1):
        number = ord(prefix[place]) + 1
        if number <= 0x10FFFF:  # noqa: PLR2004  the last character there is
            return prefix[:place] + chr(0xE000 if 0xD800 <= number <= 0xDFFF else number)  # noqa: PLR2004  surrogates
    return _LAST
