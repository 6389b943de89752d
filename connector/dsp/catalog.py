"""The catalog as its reader may see it (DSP 2025-1, Catalog Protocol): pages joined from stored texts.

Pages are linked by keyset: `Link: <…/catalog/request?after=ID>; rel="next"`, followed by POST with the same message or by GET.
A filter other than an empty one is refused, as the specification demands for what is not supported.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from catalog.messages import Service, catalog_error, catalog_text, dataset_root, service_text
from connector.dsp.inbound import JSON, Inbound, answering
from connector.errors import RefusedError
from connector.exchange.process import to_bytes
from connector.store import catalog
from connector.store.database import Tx
from contracts.messages import Message, read
from policies.canonical import parse_json

PAGE = 50


class CatalogRequestMessage(Message):
    """A member asks for the catalog; the content of `filter` is ours to define, and empty is all we define."""

    type: Literal["CatalogRequestMessage"] = Field(alias="@type")
    filter: list[Any] | None = None


def routes(inbound: Inbound, base: str) -> list[web.RouteDef]:
    service = Service.of(inbound.node.participant, inbound.node.base)
    reference, whole = service_text(service, reference=True), service_text(service)

    async def page(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        if request.method == "POST":
            body = await inbound.body(request)
            message = read(CatalogRequestMessage, parse_json(body, max_depth=inbound.node.settings.message_depth))
            if message.filter:
                raise RefusedError("filter-unsupported")
        after = request.query.get("after", "")

        def work(tx: Tx) -> tuple[bytes, str]:
            found = catalog.page(tx, speaker.participant, after=after, limit=PAGE)
            text = catalog_text(
                catalog_id=f"{inbound.node.base}/catalog",
                participant_id=inbound.node.participant,
                service=service,
                datasets=(dataset.parts(reference) for dataset in found.datasets),
            )
            return text, found.after

        text, following = await inbound.node.db.read(work)
        headers = {"Vary": "Authorization"}
        if following:
            headers["Link"] = f'<{inbound.node.base}/catalog/request?after={quote(following, safe="")}>; rel="next"'
        return web.Response(body=text, content_type=JSON, headers=headers)

    async def one(request: web.Request) -> web.Response:
        speaker = await inbound.reader(request)
        dataset_id = request.match_info["id"]
        found = await inbound.node.db.read(lambda tx: catalog.visible_dataset(tx, dataset_id, speaker.participant))
        if found is None:
            raise RefusedError("dataset-unknown", dataset=dataset_id)
        return web.Response(body=dataset_root(found.parts(whole)), content_type=JSON)

    def shown(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        return answering(inbound, handler, lambda code, text: to_bytes(catalog_error(code, [text])))

    return [
        web.post(f"{base}/catalog/request", shown(page)),
        web.get(f"{base}/catalog/request", shown(page)),
        web.get(f"{base}/catalog/datasets/{{id}}", shown(one)),
    ]
