"""`/v1/negotiations` and `/v1/approvals`: ask, offer, compare, and decide."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import Field, model_validator

from connector.errors import RefusedError
from connector.exchange import approve, command, difference
from connector.management import asked
from connector.management.access import LABEL
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import compared, views
from connector.management.repeats import HEADER, Repeats
from connector.store import management as listed
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State

ROLES = ("consumer", "provider")


class Opening(Body):
    """As consumer: `provider`, `dataset`, an offer's id or other terms under it. As provider: `consumer`, `dataset`, `offer`.

    `seen` is the provider's offer as its catalog has shown it: then it is not asked for again first.
    """

    provider: str | None = Field(default=None, min_length=1, max_length=255)
    consumer: str | None = Field(default=None, min_length=1, max_length=255)
    dataset: str = Field(min_length=1, max_length=2048)
    offer: str = Field(default="", max_length=2048)
    document: dict[str, Any] | None = None
    seen: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Opening":
        if (self.provider is None) == (self.consumer is None):
            raise ValueError("name either a provider or a consumer")
        if self.consumer is not None and not self.offer:
            raise ValueError("an offer to a consumer needs the offer's id")
        if self.seen is not None:
            named = self.seen.get("@id")
            if self.consumer is not None or not isinstance(named, str) or self.offer not in ("", named):
                raise ValueError("seen is the provider's offer that is asked for, with its @id")
        return self


class Terms(Body):
    """Other terms: a policy document."""

    document: dict[str, Any]


class Reason(Body):
    """Why a process ends or pauses; the counterparty is told."""

    reason: str = Field(min_length=1, max_length=2000)
    code: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9._-]*$")


class Approval(Body):
    """Why a person says yes; it stays with us."""

    reason: str = Field(default="", max_length=2000)


class Nothing(Body):
    """No members: the address says it all."""


class Negotiations:
    """The routes about negotiations."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def _shown(self, pid: str, status: int = 200) -> web.Response:
        found = await self._node.db.read(lambda tx: negotiations.get(tx, pid))
        if found is None:
            raise RefusedError("process-unknown", pid=pid)
        return reply(views.negotiation(self._desk, found), status)

    async def open_(self, request: web.Request) -> web.Response:
        opening = await asked.body(request, Opening)
        key = request.headers.get(HEADER, "")
        if opening.consumer is not None:
            pid = await command.offer(
                self._node, consumer=opening.consumer, dataset=opening.dataset, offer=opening.offer, idempotency=key
            )
        else:
            pid = await command.request(
                self._node,
                provider=opening.provider or "",
                dataset=opening.dataset,
                offer=opening.offer,
                document=opening.document,
                seen=opening.seen,
                idempotency=key,
            )
        return await self._shown(pid, 201)

    async def page(self, request: web.Request) -> web.Response:
        wanted, before = asked.limit(request), asked.after(request)
        state = asked.one_of(request, "state", tuple(each.value for each in State))
        role = asked.one_of(request, "role", ROLES)
        found = await self._node.db.read(
            lambda tx: listed.negotiation_page(
                tx,
                before=before,
                limit=wanted + 1,
                state=state,
                role=role,
                counterparty=request.query.get("counterparty", "*"),
                dataset=request.query.get("dataset", "*"),
            )
        )
        items = [views.negotiation(self._desk, each) for each in found]
        return reply(asked.page(items, [(each.updated, each.pid) for each in found], wanted))

    async def one(self, request: web.Request) -> web.Response:
        return await self._shown(request.match_info["id"])

    def _deciding(
        self, decide: Callable[[str, web.Request], Awaitable[None]]
    ) -> Callable[..., Awaitable[web.Response]]:
        async def decided(request: web.Request) -> web.Response:
            pid = request.match_info["id"]
            await decide(pid, request)
            return await self._shown(pid)

        return self._repeats.once(decided)

    async def accept(self, pid: str, request: web.Request) -> None:
        await asked.body(request, Nothing)
        await command.accept(self._node, pid)

    async def approve(self, pid: str, request: web.Request) -> None:
        given = await asked.body(request, Approval)
        await approve.approve(self._node, pid, reason=given.reason, by=request[LABEL])

    async def reject(self, pid: str, request: web.Request) -> None:
        given = await asked.body(request, Reason)
        await approve.reject(self._node, pid, reason=given.reason, by=request[LABEL])

    async def approvals(self, request: web.Request) -> web.Response:
        """What a person of ours must decide, longest waiting first."""
        wanted, place = asked.limit(request), asked.after(request)
        after = ("", "") if place == ("~", "~") else (place[0], place[1])
        found = await self._node.db.read(lambda tx: negotiations.waiting(tx, after=after, limit=wanted + 1))
        items = [{**views.negotiation(self._desk, each), "subject": approve.subject(each)} for each in found]
        return reply(asked.page(items, [(each.updated, each.pid) for each in found], wanted))

    async def difference(self, request: web.Request) -> web.Response:
        pid = request.match_info["id"]
        found = await self._node.db.read(lambda tx: negotiations.get(tx, pid))
        if found is None:
            raise RefusedError("process-unknown", pid=pid)
        return reply(compared.difference(self._desk, await difference.of(self._node, found)))

    async def agree(self, pid: str, request: web.Request) -> None:
        await asked.body(request, Nothing)
        await command.agree(self._node, pid)

    async def counter(self, pid: str, request: web.Request) -> None:
        terms = await asked.body(request, Terms)
        await command.counter(self._node, pid, terms.document)

    async def terminate(self, pid: str, request: web.Request) -> None:
        given = await asked.body(request, Reason)
        await command.terminate(self._node, pid, reason=given.reason, code=given.code)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/negotiations", self.page),
            web.post("/v1/negotiations", self._repeats.once(self.open_)),
            web.get("/v1/negotiations/{id}", self.one),
            web.get("/v1/approvals", self.approvals),
            web.get("/v1/negotiations/{id}/difference", self.difference),
            web.post("/v1/negotiations/{id}/approve", self._deciding(self.approve)),
            web.post("/v1/negotiations/{id}/reject", self._deciding(self.reject)),
            web.post("/v1/negotiations/{id}/accept", self._deciding(self.accept)),
            web.post("/v1/negotiations/{id}/agree", self._deciding(self.agree)),
            web.post("/v1/negotiations/{id}/counter", self._deciding(self.counter)),
            web.post("/v1/negotiations/{id}/terminate", self._deciding(self.terminate)),
        ]
