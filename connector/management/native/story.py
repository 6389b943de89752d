"""`/v1/story/{id}`: where a process stands and why, told from the audit log and the outbox, on either side of it."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connector.errors import RefusedError
from connector.exchange import story as stories
from connector.exchange.process import PROTOCOLS
from connector.exchange.told import Around
from connector.management.answers import reply
from connector.management.desk import Desk
from connector.management.native import views
from connector.store import story as stored
from connector.store.database import Tx

_VIEWS: dict[str, Callable[[Desk, Any], views.Json]] = {
    "negotiation": views.negotiation,
    "transfer": views.transfer,
}


class StoryOf:
    """The route about the story of a process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def one(self, request: web.Request) -> web.Response:
        """By our pid, the counterparty's, the beginning of either, or of the digest of an agreement."""
        typed = request.match_info["id"]
        return reply(await self._node.db.read(lambda tx: self._told(tx, typed)))

    def _told(self, tx: Tx, typed: str) -> dict[str, Any]:
        around = self._around()
        found = stored.find(tx, typed)
        if len(found) > 1:
            raise RefusedError("process-ambiguous", id=typed, candidates=", ".join(pid for _, pid in found[:5]))
        if not found:
            records = stored.records(tx, typed)
            if not any(each.record["type"] == "message.refused" for each in records.records):
                raise RefusedError("process-unknown", pid=typed)
            return {"id": typed, "process": None, **stories.to_json(around, stories.tell_refused(around, records))}
        ((kind, pid),) = found
        process = PROTOCOLS[kind].get(tx, pid)
        if process is None:
            raise RefusedError("process-unknown", pid=typed)
        records = stored.records(tx, pid, process.counterparty)
        told = stories.tell(around, kind, process, records, stored.pending(tx, pid))
        return {"id": pid, "process": _VIEWS[kind](self._desk, process), **stories.to_json(around, told)}

    def _around(self) -> Around:
        node = self._node
        return Around(
            participant=node.participant,
            callback=node.base,
            now=node.clock.now(),
            give_up_s=node.settings.give_up_s,
            names=self._desk.name_of,
        )

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/story/{id}", self.one)]
