"""Lists that arrive page by page: an async iterator with `.first()`, `.all(limit=)` and `.page(size=)`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from connector.client.errors import NotFoundError

T = TypeVar("T")
PAGE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order. `next` continues behind the last one, None at the end; `raw` is the whole answer."""

    items: tuple[T, ...]
    next: str | None
    raw: Mapping[str, Any] = field(default_factory=dict)


class Listing(Generic[T]):
    """A list on the daemon. Each iteration asks anew; nothing is asked before the first item is wanted."""

    def __init__(self, what: str, fetch: Callable[[int, str | None], Awaitable[Page[T]]]) -> None:
        self._what = what
        self._fetch = fetch

    async def __aiter__(self) -> AsyncIterator[T]:
        after: str | None = None
        while True:
            page = await self._fetch(PAGE, after)
            for item in page.items:
                yield item
            if page.next is None:
                return
            after = page.next

    async def first(self) -> T:
        """The first item; raises NotFoundError when there is none."""
        page = await self._fetch(1, None)
        if not page.items:
            raise NotFoundError("nothing-found", what=self._what)
        return page.items[0]

    async def all(self, limit: int = 1000) -> list[T]:
        """Every item, at most `limit`."""
        items: list[T] = []
        async for item in self:
            if len(items) == limit:
                break
            items.append(item)
        return items

    async def page(self, size: int = PAGE, after: str | None = None) -> Page[T]:
        """One page behind `after`, the `next` of the page before."""
        return await self._fetch(size, after)
