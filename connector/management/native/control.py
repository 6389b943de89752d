"""`/v1/stops`, `/v1/holds`, `/v1/duties`: what is stopped, what is held, what is owed."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from connector.errors import RefusedError
from connector.exchange import remedy, stop
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.repeats import Repeats
from connector.store import control
from connector.store.control import EVERYBODY, NEVER, Held, Owed, Stopped
from connector.store.database import Tx
from policies.canonical import JsonValue
from policies.identifiers import normal

Json = dict[str, JsonValue]
STATES = ("open", "overdue", "fulfilled")
Why = Annotated[str, Field(min_length=1, max_length=1000)]


class Stop(Body):
    """Whom to stop, `*` for everybody, and why."""

    participant: str = Field(min_length=1, max_length=2048)
    reason: Why


class Lift(Body):
    """With whom data may move again, `*` for everybody."""

    participant: str = Field(min_length=1, max_length=2048)


class Breach(Body):
    """What a partner did although our agreement prohibits it, and how we know."""

    agreement: str = Field(min_length=1, max_length=100)
    action: str = Field(min_length=1, max_length=500)
    reason: Why


class Release(Body):
    """Why transfers under an agreement may go on."""

    reason: Why


class Control:
    """The routes about control."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def stop(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Stop)
        ended = await stop.stop(self._node, given.participant, given.reason)
        return reply({"participant": given.participant, "transfers": ended}, 201)

    async def lift(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Lift)
        still = await stop.resume(self._node, given.participant)
        return reply({"participant": given.participant, "still": list(still)})

    async def stops(self, _request: web.Request) -> web.Response:
        found = await self._node.db.read(control.stops)
        return reply({"items": [self._stop(each) for each in found], "next": None})

    async def breach(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Breach)
        done = await remedy.report(self._node, given.agreement, action=normal(given.action), reason=given.reason)
        return reply({"agreement": given.agreement, "remedies": list(done)}, 201)

    async def holds(self, _request: web.Request) -> web.Response:
        found = await self._node.db.read(control.holds)
        return reply({"items": [self._hold(each) for each in found], "next": None})

    async def release(self, request: web.Request) -> web.Response:
        given, agreement = await asked.body(request, Release), request.match_info["agreement"]
        await remedy.release(self._node, agreement, given.reason)
        return reply({"agreement": agreement})

    async def duties(self, request: web.Request) -> web.Response:
        wanted, now = asked.limit(request), self._node.clock.now()
        place = asked.after(request, 4)
        state = asked.one_of(request, "state", STATES)
        after = ("", "", "", "") if place[0] == NEVER else (place[0], place[1], place[2], place[3])
        if after[0] not in ("", "0", "1"):
            raise RefusedError("cursor-invalid", found=after[0][:80])

        def work(tx: Tx) -> list[Owed]:
            partner = request.query.get("partner", "*")
            return control.duties(tx, now, counterparty=partner, state=state, after=after, limit=wanted + 1)

        found = await self._node.db.read(work)
        keys: list[tuple[str, ...]] = [
            (str(int(bool(each.evidence))), each.deadline, each.delivery, each.action) for each in found
        ]
        return reply(asked.page([self._duty(each) for each in found], keys, wanted))

    def _stop(self, each: Stopped) -> Json:
        return {
            "participant": each.participant,
            "name": dict(self._desk.name_of(each.participant)),
            "reason": each.reason,
            "at": each.at,
            "everybody": each.participant == EVERYBODY,
        }

    def _hold(self, each: Held) -> Json:
        return {"agreement": each.agreement, "action": each.action, "reason": each.reason, "at": each.at}

    def _duty(self, each: Owed) -> Json:
        """Who owes what to whom, until when."""
        ours = self._node.participant
        debtor, creditor = (ours, each.counterparty) if each.role.value == "consumer" else (each.counterparty, ours)
        return {
            "delivery": each.delivery,
            "action": each.action,
            "agreement": each.agreement,
            "dataset": each.dataset,
            "debtor": debtor,
            "creditor": creditor,
            "partner_name": dict(self._desk.name_of(each.counterparty)),
            "since": each.since,
            "deadline": each.deadline if each.deadline != NEVER else None,
            "days_left": each.days_left(self._node.clock.now()),
            "state": each.state(self._node.clock.now()),
            "evidence": each.evidence or None,
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/stops", self.stops),
            web.post("/v1/stops", self._repeats.once(self.stop)),
            web.post("/v1/stops/lift", self._repeats.once(self.lift)),
            web.get("/v1/holds", self.holds),
            web.post("/v1/breaches", self._repeats.once(self.breach)),
            web.post("/v1/holds/{agreement}/release", self._repeats.once(self.release)),
            web.get("/v1/duties", self.duties),
        ]
