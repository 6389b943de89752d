"""The catalog as its reader may see it (DSP 2025-1, Catalog Protocol): pages joined from stored texts.

Pages are linked by keyset, `Link: <…/catalog/request?continuationToken=…>`, with the relations `next`, `previous` and `prev` (EDC's
name for it). A link carries the whole question, so it is followed by POST with the same message, by POST without its filter, or
by GET. What a filter may be says `catalog/filter.py`; everything else is refused, as the specification demands.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from catalog.cursor import PARAMETER, Cursor, read_cursor
from catalog.errors import CatalogFault, CursorError, FilterError
from catalog.filter import Filter, read_filter
from catalog.messages import Service, access_text, catalog_error, catalog_text, dataset_root
from connector.dsp.encoding import answered
from connector.dsp.inbound import Inbound, answering
from connector.errors import RefusedError
from connector.exchange.process import to_bytes
from connector.store import catalog, catalog_page
from connector.store.catalog_page import CatalogPage
from connector.store.database import Tx
from contracts.messages import Message, read
from policies.canonical import parse_json


class CatalogRequestMessage(Message):
    """A member asks for the catalog; what `filter` may hold is ours to define."""

    type: Literal["CatalogRequestMessage"] = Field(alias="@type")
    filter: Any = None


def routes(inbound: Inbound, base: str) -> list[web.RouteDef]:
    node = inbound.node
    service = Service.of(node.participant, node.base)
    push = node.settings.push
    reference, whole = access_text(service, reference=True, push=push), access_text(service, push=push)
    address = f"{node.base}/catalog/request"

    async def page(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        given = Filter()
        if request.method == "POST":
            body = await inbound.body(request)
            message = read(CatalogRequestMessage, parse_json(body, max_depth=node.settings.message_depth))
            given = read_filter(message.filter)
        cursor = place(request, given)

        def work(tx: Tx) -> tuple[bytes, CatalogPage]:
            found = catalog_page.page(tx, speaker.participant, cursor, size=node.settings.catalog_page_size)
            text = catalog_text(
                catalog_id=f"{node.base}/catalog",
                participant_id=node.participant,
                service=service,
                datasets=(dataset.parts(reference) for dataset in found.datasets),
            )
            return text, found

        text, found = await node.db.read(work)
        return await answered(request, text, _links(address, found))

    async def one(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        dataset_id = request.match_info["id"]
        found = await node.db.read(lambda tx: catalog.visible_dataset(tx, dataset_id, speaker.participant))
        if found is None:
            raise RefusedError("dataset-unknown", dataset=dataset_id)
        return await answered(request, dataset_root(found.parts(whole)))

    def shown(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        return answering(inbound, _refusing(handler), lambda code, text: to_bytes(catalog_error(code, [text])))

    return [
        web.post(f"{base}/catalog/request", shown(page)),
        web.get(f"{base}/catalog/request", shown(page)),
        web.get(f"{base}/catalog/datasets/{{id}}", shown(one)),
    ]


def place(request: web.Request, given: Filter) -> Cursor:
    """The place a request asks for: that of its link, or the start of what its message asks for.

    Raises CursorError for any parameter but one good token, FilterError for a message that asks for something else than its
    link: one of the two would be ignored.
    """
    for name in request.query:
        if name != PARAMETER:
            raise CursorError(name[:100], "there is no such parameter")
    tokens = request.query.getall(PARAMETER, [])
    if not tokens:
        return Cursor(given)
    if len(tokens) > 1:
        raise CursorError(PARAMETER, "it stands there twice")
    cursor = read_cursor(tokens[0])
    if given.conditions and given.conditions != cursor.filter.conditions:
        raise FilterError("filter", "asks for something else than the link it was sent to")
    return cursor


def _links(address: str, found: CatalogPage) -> Iterator[tuple[str, str]]:
    if found.next is not None:
        yield f"{address}?{PARAMETER}={found.next.token()}", "next"
    if found.previous is not None:
        before = f"{address}?{PARAMETER}={found.previous.token()}"
        # The specification's relation is previous, EDC's is prev.
        yield before, "previous"
        yield before, "prev"


def _refusing(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except CatalogFault as error:
            raise RefusedError(error.code, **error.facts) from error

    return handle
