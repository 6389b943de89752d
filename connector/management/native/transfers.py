"""`/v1/agreements` and `/v1/transfers`: what was agreed, and access under it."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import Field

from connector.clock import moment
from connector.errors import RefusedError
from connector.exchange import command
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import views
from connector.management.native.negotiations import ROLES, Nothing, Reason
from connector.management.repeats import HEADER, Repeats
from connector.store import agreement as agreements
from connector.store import management as listed
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.transfer.table import State


class Start(Body):
    """A transfer request: the agreement's digest, what the data is for, and whether the provider sends it to us."""

    agreement: str = Field(min_length=1, max_length=2048)
    purpose: str = Field(default="", max_length=2048)
    push: bool = False


class Agreements:
    """The routes about agreements."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def page(self, request: web.Request) -> web.Response:
        wanted, before = asked.limit(request), asked.after(request)
        role = asked.one_of(request, "role", ROLES)
        usable = asked.flag(request, "usable")
        now = self._node.clock.now()

        def work(tx: Tx) -> tuple[list[views.Json], list[tuple[str, ...]]]:
            found = listed.agreement_page(
                tx,
                before=before,
                limit=wanted + 1,
                role=role,
                counterparty=request.query.get("counterparty", "*"),
                dataset=request.query.get("dataset", "*"),
                in_force=usable,
            )
            shown = [views.agreement(tx, self._desk, each) for each in found]
            return shown, [(each.created, each.digest) for each in found]

        items, places = await self._node.db.read(work)
        answer = asked.page(items, places, wanted)
        if usable:
            # Past their end they cannot be used either; the place in the list stays that of the whole page.
            answer["items"] = [
                each for each in answer["items"] if not each["valid_until"] or moment(each["valid_until"]) > now
            ]
        return reply(answer)

    async def one(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]

        def work(tx: Tx) -> views.Json | None:
            found = agreements.get(tx, digest)
            return None if found is None else views.agreement(tx, self._desk, found, whole=True)

        shown = await self._node.db.read(work)
        if shown is None:
            raise RefusedError("agreement-unknown", agreement=digest)
        return reply(shown)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/agreements", self.page),
            web.get("/v1/agreements/{digest}", self.one),
        ]


class Transfers:
    """The routes about transfers."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def _shown(self, pid: str, status: int = 200) -> web.Response:
        found = await self._node.db.read(lambda tx: transfers.get(tx, pid))
        if found is None:
            raise RefusedError("process-unknown", pid=pid)
        return reply(views.transfer(self._desk, found), status)

    async def start(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Start)
        key = request.headers.get(HEADER, "")
        pid = await command.start(
            self._node, agreement=given.agreement, purpose=given.purpose, push=given.push, idempotency=key
        )
        return await self._shown(pid, 201)

    async def page(self, request: web.Request) -> web.Response:
        wanted, before = asked.limit(request), asked.after(request)
        state = asked.one_of(request, "state", tuple(each.value for each in State))
        role = asked.one_of(request, "role", ROLES)
        agreement = request.query.get("agreement", "*")
        found = await self._node.db.read(
            lambda tx: transfers.page(
                tx, before=(before[0], before[1]), state=state, role=role, agreement=agreement, limit=wanted + 1
            )
        )
        items = [views.transfer(self._desk, each) for each in found]
        return reply(asked.page(items, [(each.updated, each.pid) for each in found], wanted))

    async def one(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["id"])

    def _moving(self, move: Callable[[str, web.Request], Awaitable[None]]) -> Callable[..., Awaitable[web.Response]]:
        async def moved(request: web.Request) -> web.Response:
            pid = request.match_info["id"]
            await move(pid, request)
            return await self._shown(pid)

        return self._repeats.once(moved)

    async def suspend(self, pid: str, request: web.Request) -> None:
        await command.suspend(self._node, pid, reason=(await asked.body(request, Reason)).reason)

    async def resume(self, pid: str, request: web.Request) -> None:
        await asked.body(request, Nothing)
        await command.resume(self._node, pid)

    async def complete(self, pid: str, request: web.Request) -> None:
        await asked.body(request, Nothing)
        await command.complete(self._node, pid)

    async def terminate(self, pid: str, request: web.Request) -> None:
        given = await asked.body(request, Reason)
        await command.terminate_transfer(self._node, pid, reason=given.reason, code=given.code)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/transfers", self.page),
            web.post("/v1/transfers", self._repeats.once(self.start)),
            web.get("/v1/transfers/{id}", self.one),
            web.post("/v1/transfers/{id}/suspend", self._moving(self.suspend)),
            web.post("/v1/transfers/{id}/resume", self._moving(self.resume)),
            web.post("/v1/transfers/{id}/complete", self._moving(self.complete)),
            web.post("/v1/transfers/{id}/terminate", self._moving(self.terminate)),
        ]
