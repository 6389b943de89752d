"""`/v1/ledgers` and what is stated for a period: the books that statements are computed from."""

from pathlib import Path
from typing import Annotated, TypeAlias

from aiohttp import web
from pydantic import Field

from connector.errors import RefusedError
from connector.exchange import metering as booking
from connector.exchange.stated import Word, state
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.repeats import Repeats
from connector.store import metering
from connector.store.database import Tx
from policies.canonical import JsonValue

Short: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Json: TypeAlias = dict[str, JsonValue]


class Import(Body):
    """A ledger to import: a file on the daemon's machine, its period, and what its short names stand for."""

    path: str = Field(min_length=1, max_length=4096)
    period: Short
    names: dict[Short, Annotated[str, Field(min_length=1, max_length=2048)]] = Field(default_factory=dict)


class Stated(Body):
    """What is stated: grades and days without service by ref, the net income in minor units; `bundle` is an id or digest."""

    bundle: str = Field(default="", max_length=200)
    quality: dict[Short, Short] = Field(default_factory=dict)
    outage: dict[Short, list[Annotated[str, Field(max_length=40)]]] = Field(default_factory=dict)
    income: int | None = None


class Ledgers:
    """The routes about ledgers and stated inputs."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._node = desk.node
        self._repeats = repeats

    async def take(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Import)
        path = Path(given.path)
        if not path.is_absolute():
            raise RefusedError("request-invalid", path="path", problem="is no absolute path")
        done = await booking.import_ledger(self._node, path, given.period, given.names)
        answer = {
            "digest": done.digest,
            "period": done.label,
            "rows": done.rows,
            "added": done.added,
            "known": done.known,
        }
        return reply(answer, 201)

    async def page(self, request: web.Request) -> web.Response:
        label = request.query.get("period", "*")

        def work(tx: Tx) -> list[Json]:
            return [
                {
                    "digest": each.digest,
                    "period": each.label,
                    "path": each.path,
                    "rows": each.rows,
                    "at": each.at,
                    "holders": list(metering.holders(tx, each.digest)),
                }
                for each in metering.ledgers(tx, label)
            ]

        return reply({"items": await self._node.db.read(work), "next": None})

    async def state(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Stated)
        word = Word(given.quality, given.outage, given.income)
        await state(self._node, request.match_info["label"], word, bundle=given.bundle)
        return await self.stated(request)

    async def stated(self, request: web.Request) -> web.Response:
        label = request.match_info["label"]
        found = await self._node.db.read(lambda tx: metering.all_stated(tx, label))
        return reply({"items": found, "next": None})

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/ledgers", self.page),
            web.post("/v1/ledgers", self._repeats.once(self.take)),
            web.get("/v1/settlement/{label}/stated", self.stated),
            web.put("/v1/settlement/{label}/stated", self.state),
        ]
