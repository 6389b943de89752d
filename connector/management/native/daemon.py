"""`/v1/status`, `/v1/members`, `/v1/keys`: the daemon itself."""

from dataclasses import asdict
from typing import Any

from aiohttp import web
from pydantic import Field

from connector.clock import stamp
from connector.errors import WeftError
from connector.management import asked
from connector.management.access import LABEL, add_key
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native.discovery import catalogs
from connector.store import audit, control
from connector.store import management as listed
from connector.store.database import Tx
from connector.version import version


class Label(Body):
    """What a key is for."""

    label: str = Field(min_length=1, max_length=100)


class Nothing(Body):
    """No members."""


class Itself:
    """The routes about the daemon itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def status(self, request: web.Request) -> web.Response:
        del request
        settings = self._node.settings
        figures = await self._node.db.read(_figures)
        defaults = {
            name: field.get_default(call_default_factory=True) for name, field in type(settings).model_fields.items()
        }
        return reply(
            {
                "version": version(),
                "participant": self._node.participant,
                "name": self._desk.name_of(self._node.participant),
                "dsp": settings.dsp,
                "protocol_port": self._desk.daemon.protocol_port,
                "management_port": self._desk.daemon.management_port,
                "started": self._desk.daemon.started,
                "now": stamp(self._node.clock.now()),
                "clock_offset_s": round(self._node.clock.offset.total_seconds(), 3),
                "production": settings.production,
                # Names only: a test key among them is a secret all the same.
                "test_settings": [
                    name for name in defaults if name.startswith("test_") and getattr(settings, name) != defaults[name]
                ],
                "members": _members(self._desk),
                **figures,
                "catalogs": await catalogs(self._desk),
                "store": {"commits": self._node.db.groups, "functions": self._node.db.functions},
                "streams": len(self._desk.streams),
            }
        )

    async def members(self, request: web.Request) -> web.Response:
        wanted, after = asked.limit(request), asked.after(request, 1)[0]
        listed_ = sorted(self._node.members.current().members.values(), key=lambda member: member.participant_id)
        found = [member for member in listed_ if after == "~" or member.participant_id > after][: wanted + 1]
        items = [
            {
                "participant": member.participant_id,
                "connector": member.connector_id,
                "name": dict(member.name),
                "dsp": member.dsp,
                "roles": list(member.roles),
                "region": member.region,
                "ours": member.participant_id == self._node.participant,
                "keys": [
                    {
                        "kid": key.kid,
                        "use": key.use,
                        "alg": key.alg,
                        "from": stamp(key.valid_from),
                        "until": stamp(key.until) if key.until else None,
                    }
                    for key in member.keys
                ],
            }
            for member in found
        ]
        return reply(asked.page(items, [(member.participant_id,) for member in found], wanted))

    async def reload(self, request: web.Request) -> web.Response:
        await asked.body(request, Nothing)
        changed = await self._node.members.reload()
        current = self._node.members.current()
        return reply(
            {
                "changed": changed,
                "seq": current.seq,
                "expires": stamp(current.expires),
                "members": len(current.members),
            }
        )

    async def keys(self, request: web.Request) -> web.Response:
        del request
        rows = await self._node.db.read(lambda tx: tx.all("fact.keys"))
        return reply({"items": [dict(row) for row in rows], "next": None})

    async def new_key(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Label)
        by = request[LABEL]
        key = await self._node.db.transact(lambda tx: add_key(tx, self._node, given.label, by))
        # Never repeated by its idempotency key: that would mean keeping it.
        return reply({"key": key, "label": given.label}, 201)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self.status),
            web.get("/v1/members", self.members),
            web.post("/v1/members/reload", self.reload),
            web.get("/v1/keys", self.keys),
            web.post("/v1/keys", self.new_key),
        ]


def _figures(tx: Tx) -> dict[str, Any]:
    depth, waiting = listed.outbox_depth(tx), tx.all("outbox.waiting")
    counted = listed.counts(tx)
    size, note = audit.latest(tx)
    return {
        "outbox": {"depth": depth, "waiting": [dict(row) for row in waiting]},
        "counts": {
            "datasets": listed.dataset_counts(tx),
            "agreements": listed.agreement_counts(tx),
            **{name: _by_state(found) for name, found in counted.items()},
        },
        "audit": {"size": size, "checkpoint": note},
        "stops": [asdict(each) for each in control.stops(tx)],
        "holds": [asdict(each) for each in control.holds(tx)],
    }


def _by_state(found: list[listed.Count]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for each in found:
        totals[each.state or "new"] = totals.get(each.state or "new", 0) + each.number
    return totals


def _members(desk: Desk) -> dict[str, Any]:
    """The list in force, or why there is none."""
    try:
        current = desk.node.members.current()
    except WeftError as error:
        return {"in_force": False, "problem": error.code, **{k: str(v) for k, v in error.facts.items()}}
    return {
        "in_force": True,
        "space": current.space,
        "seq": current.seq,
        "issued": stamp(current.issued),
        "expires": stamp(current.expires),
        "number": len(current.members),
        "digest": current.digest,
    }
