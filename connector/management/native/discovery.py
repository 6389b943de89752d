"""`/v1/find`, `/v1/catalogs`, `/v1/offers`, `/v1/refresh`: what others offer, from the index or asked now."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from catalog.messages import Service, access_text, dataset_root
from catalog.query import HITS_MAX, Query
from catalog.reader import PeerDataset, read_dataset, read_page
from connector.errors import RefusedError, UnreachableError
from connector.exchange import documents
from connector.federation.fetch import fetcher
from connector.federation.index import Freshness, Hit, Known
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import views
from connector.store import catalog
from policies.canonical import parse_json


class Refresh(Body):
    """Whose catalog to read again: one member's, or everybody's."""

    participant: str | None = Field(default=None, max_length=255)


class Discovery:
    """The routes about what others offer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node
        self._fetch = fetcher(desk.node)
        service = Service.of(desk.node.participant, desk.node.base)
        self._service = access_text(service, push=desk.node.settings.push)

    async def find(self, request: web.Request) -> web.Response:
        wanted = asked.limit(request)
        dataset = request.query.get("dataset")
        query = Query(
            words=request.query.get("q", "") or dataset or "",
            owner=request.query.get("owner") or None,
            keyword=request.query.get("keyword") or None,
            price_kind=request.query.get("price_kind") or None,
            limit=HITS_MAX if dataset else wanted,
        )
        answer = await self._desk.index.find(query)
        hits = [hit for hit in answer.hits if dataset is None or hit.dataset == dataset][:wanted]
        known = await self._desk.index.known()
        return reply(
            {
                "items": [_hit(self._desk, hit) for hit in hits],
                "next": None,
                "more": answer.more or len(answer.hits) > wanted,
                "freshness": [_known(self._desk, each) for each in known],
            }
        )

    async def live(self, request: web.Request) -> web.Response:
        participant = request.match_info["participant"]
        if participant == self._node.participant:
            return await self._ours(request)
        member = self._node.members.current().member(participant)
        link = asked.after(request, 1)[0]
        body, following = await self._fetch(member, None if link == "~" else link)
        page = read_page(body, participant_id=participant)
        return reply(
            {
                "items": [views.peer_dataset(self._desk, each, participant) for each in page.datasets],
                "next": asked.cursor((following,)) if following else None,
                "unreadable": [{"dataset": each.dataset, "problem": each.problem} for each in page.unreadable],
            }
        )

    async def _ours(self, request: web.Request) -> web.Response:
        after, wanted = asked.after(request, 1)[0], asked.limit(request)
        page = await self._node.db.read(
            lambda tx: catalog.page(tx, self._node.participant, after="" if after == "~" else after, limit=wanted)
        )
        items = [_read(dataset_root(each.parts(self._service)), self._node.participant) for each in page.datasets]
        return reply(
            {
                "items": [views.peer_dataset(self._desk, each, self._node.participant) for each in items],
                "next": asked.cursor((page.after,)) if page.after else None,
                "unreadable": [],
            }
        )

    async def offers(self, request: web.Request) -> web.Response:
        provider, dataset = request.query.get("provider", ""), request.query.get("dataset", "")
        if not provider or not dataset:
            raise RefusedError("request-invalid", path="provider" if not provider else "dataset", problem="is missing")
        found = await self._asked_dataset(provider, dataset)
        items = [
            views.offer(
                self._desk,
                each,
                dataset=dataset,
                provider=provider,
                price=price.model_dump(mode="json") if (price := found.prices.get(str(each.get("@id")))) else None,
            )
            for each in found.offers
        ]
        return reply({"dataset": views.peer_dataset(self._desk, found, provider), "items": items, "next": None})

    async def _asked_dataset(self, provider: str, dataset: str) -> PeerDataset:
        """The dataset in its provider's own words, now; ours from the store."""
        if provider == self._node.participant:
            shown = await self._node.db.read(lambda tx: catalog.visible_dataset(tx, dataset, provider))
            if shown is None:
                raise RefusedError("dataset-unknown", dataset=dataset, participant=provider)
            return _read(dataset_root(shown.parts(self._service)), provider)
        base = await self._node.bases.of(provider)
        status, body = await documents.get(self._node, provider, f"{base}/catalog/datasets/{quote(dataset, safe='')}")
        if status == HTTPStatus.NOT_FOUND:
            raise RefusedError("dataset-unknown", dataset=dataset, participant=provider)
        if status != HTTPStatus.OK:
            raise UnreachableError("unreachable", url=base, cause=f"HTTP {status}")
        return _read(body, provider)

    async def refresh(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Refresh)
        if given.participant is not None:
            self._node.members.current().member(given.participant)
        try:
            await self._desk.daemon.crawler.refresh(given.participant)
        except LookupError as error:
            raise RefusedError("request-invalid", path="participant", problem="has no catalog that we read") from error
        known = await self._desk.index.known()
        chosen = [each for each in known if given.participant in (None, each.participant)]
        return reply({"catalogs": [_known(self._desk, each) for each in chosen]})

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/find", self.find),
            web.get("/v1/catalogs/{participant}", self.live),
            web.get("/v1/offers", self.offers),
            web.post("/v1/refresh", self.refresh),
        ]


def freshness(found: Freshness) -> dict[str, Any]:
    """How old what we show of a catalog is; `problem` is the code of the last failure."""
    return {
        "state": found.state,
        "as_of": found.as_of.isoformat() if found.as_of else None,
        "since": found.since.isoformat() if found.since else None,
        "problem": found.reason,
    }


async def catalogs(desk: Desk) -> list[dict[str, Any]]:
    """How fresh each known catalog is."""
    return [_known(desk, each) for each in await desk.index.known()]


def _known(desk: Desk, known: Known) -> dict[str, Any]:
    return {
        "participant": known.participant,
        "name": desk.name_of(known.participant),
        "datasets": known.datasets,
        **freshness(known.freshness),
        "detail": known.detail,
        "next": known.next_at.isoformat() if known.next_at else None,
    }


def _hit(desk: Desk, hit: Hit) -> dict[str, Any]:
    shown = views.peer_dataset(desk, PeerDataset.model_validate(hit.document), hit.participant)
    return shown | {"freshness": {"participant": hit.participant, **freshness(hit.freshness)}}


def _read(body: bytes, participant: str) -> PeerDataset:
    document: Any = parse_json(body)
    return read_dataset(document, participant_id=participant)
