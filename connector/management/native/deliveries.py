"""`/v1/deliveries`: have data fetched and verified, and read what was."""

from pathlib import Path

from aiohttp import web
from pydantic import Field, model_validator

from connector.errors import RefusedError
from connector.exchange import command
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import views
from connector.management.native.negotiations import ROLES
from connector.management.repeats import HEADER, Repeats
from connector.store import delivery as deliveries
from connector.store import management as listed
from connector.store.database import Tx
from connector.store.delivery import Delivery, State


class Request(Body):
    """Fetch under an agreement (a transfer is asked for first) or under a transfer of ours; `columns` None: all granted.

    With `push` the transfer that is asked for is one where the provider sends everything that is granted.
    """

    agreement: str | None = Field(default=None, min_length=1, max_length=2048)
    transfer: str | None = Field(default=None, min_length=1, max_length=2048)
    purpose: str = Field(default="", max_length=2048)
    columns: tuple[str, ...] | None = None
    push: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> "Request":
        if (self.agreement is None) == (self.transfer is None):
            raise ValueError("name either an agreement or a transfer")
        if self.push and self.agreement is None:
            raise ValueError("a transfer is a push or a pull already: push goes with an agreement")
        return self


class Deliveries:
    """The routes about deliveries."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def _found(self, identifier: str) -> Delivery:
        known = await self._node.db.read(lambda tx: deliveries.get(tx, identifier))
        if known is None:
            raise RefusedError("delivery-unknown", delivery=identifier)
        return known

    async def _shown(self, identifier: str, status: int = 200) -> web.Response:
        def work(tx: Tx) -> views.Json | None:
            known = deliveries.get(tx, identifier)
            return None if known is None else views.delivery(tx, self._desk, known, whole=True)

        view = await self._node.db.read(work)
        if view is None:
            raise RefusedError("delivery-unknown", delivery=identifier)
        return reply(view, status)

    async def start(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Request)
        key = request.headers.get(HEADER, "")
        transfer = given.transfer
        if given.push and given.columns is not None:
            raise RefusedError("push-columns")
        if transfer is None:
            transfer = await command.start(
                self._node, agreement=given.agreement or "", purpose=given.purpose, push=given.push, idempotency=key
            )
        # The delivery waits until the transfer has started; a refusal of the provider ends it with its reason.
        identifier = await self._desk.daemon.receiver.start(transfer, columns=given.columns, idempotency=key)
        return await self._shown(identifier, 201)

    async def page(self, request: web.Request) -> web.Response:
        wanted, before = asked.limit(request), asked.after(request)
        role = asked.one_of(request, "role", ROLES)

        def work(tx: Tx) -> tuple[list[views.Json], list[tuple[str, ...]]]:
            known = listed.delivery_page(
                tx,
                before=before,
                limit=wanted + 1,
                role=role,
                agreement=request.query.get("agreement", "*"),
                unfinished=asked.flag(request, "unfinished"),
            )
            return [views.delivery(tx, self._desk, each) for each in known], [(each.updated, each.id) for each in known]

        items, places = await self._node.db.read(work)
        return reply(asked.page(items, places, wanted))

    async def one(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["id"])

    async def content(self, request: web.Request) -> web.StreamResponse:
        known = await self._found(request.match_info["id"])
        if known.state not in (State.VERIFIED, State.RECEIVED) or not known.path:
            raise RefusedError("delivery-unfinished", id=known.id, state=known.state.value)
        path = Path(known.path)
        try:
            start = request.http_range.start or 0
        except ValueError as error:
            raise RefusedError("range-unusable", range=request.headers.get("Range", ""), size=known.size) from error
        if start and start >= known.size:
            raise RefusedError("range-unusable", range=request.headers.get("Range", ""), size=known.size)
        if not path.is_file():  # noqa: ASYNC240  one look at the file system, before it is sent by the same event loop
            raise RefusedError("delivery-file-missing", id=known.id, path=known.path)
        # FileResponse answers Range and conditional requests, and sends by the kernel.
        return web.FileResponse(
            path,
            chunk_size=1 << 20,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": "attachment",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/deliveries", self.page),
            web.post("/v1/deliveries", self._repeats.once(self.start)),
            web.get("/v1/deliveries/{id}", self.one),
            web.get("/v1/deliveries/{id}/content", self.content),
        ]
