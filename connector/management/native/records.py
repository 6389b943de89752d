"""`/v1/audit`: search, show and export the audit log."""

from aiohttp import web

from connector.clock import moment, stamp
from connector.errors import RefusedError
from connector.management import asked
from connector.management.answers import reply
from connector.management.desk import Desk
from connector.management.native import views
from connector.store import audit

NEWEST = 2**53 - 1
SEQ_DIGITS = 15


class Records:
    """The routes about the audit log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def search(self, request: web.Request) -> web.Response:
        wanted = asked.limit(request)
        place = asked.after(request, 1)[0]
        before = int(place) if place.isdigit() else NEWEST
        query = request.query
        since, until = _instant(request, "since"), _instant(request, "until")
        found = await self._node.db.read(
            lambda tx: audit.search(
                tx,
                type_=query.get("type", ""),
                agreement=query.get("agreement", ""),
                peer=query.get("peer", ""),
                policy=query.get("policy", ""),
                decision=query.get("decision", ""),
                text=query.get("about", ""),
                since=since,
                until=until or audit.FOREVER,
                before=before,
                limit=wanted + 1,
            )
        )
        items = [views.record(each) for each in found]
        return reply(asked.page(items, [(str(each.seq),) for each in found], wanted))

    async def one(self, request: web.Request) -> web.Response:
        text = request.match_info["seq"]
        seq = int(text) if text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS else -1
        found = await self._node.db.read(lambda tx: audit.show(tx, seq))
        if found is None:
            raise RefusedError("record-unknown", seq=text[:20])
        return reply(views.record(found))

    async def export(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={
                "Content-Type": "application/jsonl",
                "Content-Disposition": 'attachment; filename="audit.jsonl"',
                "Cache-Control": "no-store",
            }
        )
        await answer.prepare(request)
        async for block in audit.export(self._node.db, participant=self._node.participant, key=self._node.audit.key):
            await answer.write(block)
        await answer.write_eof()
        return answer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/audit", self.search),
            web.get("/v1/audit/export", self.export),
            web.get("/v1/audit/{seq}", self.one),
        ]


def _instant(request: web.Request, name: str) -> str:
    text = request.query.get(name)
    if not text:
        return ""
    try:
        return stamp(moment(text))
    except ValueError as error:
        raise RefusedError("request-invalid", path=name, problem="is no instant with an offset from UTC") from error
