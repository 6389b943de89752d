"""`/v1/bundles` and `/v1/settlement`: contracts of many parties, and the statements of a period."""

from typing import Any

from aiohttp import web
from pydantic import Field, model_validator

from connector.exchange import bundles
from connector.exchange import settlement as closing
from connector.exchange.accounts import pot, pots
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import statement_views as views
from connector.management.repeats import Repeats
from connector.store.database import Tx


class Signing(Body):
    """A bundle to sign: its terms document, or the digest of one that we hold or that a partner serves."""

    document: dict[str, Any] | None = None
    terms: str = Field(default="", max_length=100)
    source: str = Field(default="", alias="from", max_length=2048)

    @model_validator(mode="after")
    def _one_subject(self) -> "Signing":
        if (self.document is None) == (not self.terms):
            raise ValueError("name either a document or terms")
        return self


class Closing(Body):
    """What to close: all statements of the period, or those of these refs."""

    only: tuple[str, ...] = Field(default=(), max_length=1000)


class Bundles:
    """The routes about bundles."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._node = desk.node
        self._repeats = repeats

    async def _shown(self, name: str, status: int = 200) -> web.Response:
        def work(tx: Tx) -> views.Json:
            return views.bundle(tx, pot(tx, self._node, bundles.named(tx, name)))

        return reply(await self._node.db.read(work), status)

    async def sign(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Signing)
        terms = await bundles.sign(self._node, terms=given.terms, document=given.document, source=given.source)
        return await self._shown(terms, 201)

    async def page(self, _request: web.Request) -> web.Response:
        def work(tx: Tx) -> list[views.Json]:
            return [views.bundle(tx, each) for each in pots(tx, self._node)]

        return reply({"items": await self._node.db.read(work), "next": None})

    async def one(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["name"])

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/bundles", self.page),
            web.post("/v1/bundles", self._repeats.once(self.sign)),
            web.get("/v1/bundles/{name}", self.one),
        ]


class Settlement:
    """The routes about periods and their statements."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._node = desk.node
        self._repeats = repeats

    async def _shown(self, label: str) -> web.Response:
        return reply(await self._node.db.read(lambda tx: views.period(tx, self._node, label)))

    async def period(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["label"])

    async def close(self, request: web.Request) -> web.Response:
        given, label = await asked.body(request, Closing), request.match_info["label"]
        await closing.close(self._node, label, given.only)
        return await self._shown(label)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/settlement/{label}", self.period),
            web.post("/v1/settlement/{label}/close", self._repeats.once(self.close)),
        ]
