"""What every group of calls stands on: one session, and lists that are paged as they are read."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from connector.client.listing import Listing, Page
from connector.client.models import Model
from connector.client.session import Session

M = TypeVar("M", bound=Model)


class Caller:
    """A part of the client: calls about one thing, over the client's session."""

    session: Session

    def _of(self, model: "type[Any]") -> Callable[[Any], Any]:
        return lambda raw: model.of(self, raw)

    def _listing(
        self, what: str, path: str, read: Callable[[Any], M], query: Mapping[str, Any] | None = None
    ) -> Listing[M]:
        async def page(size: int, after: str | None) -> Page[M]:
            answer = await self.session.get(path, {**(query or {}), "limit": size, "after": after})
            return Page(tuple(read(each) for each in answer["items"]), answer.get("next"), answer)

        fetching: Callable[[int, str | None], Awaitable[Page[M]]] = page
        return Listing(what, fetching)


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")
