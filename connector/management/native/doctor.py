"""`/v1/partners/{id}/doctor`: what is wrong between us and a partner, as a list, or line by line as it is found."""

from typing import Any

import orjson
from aiohttp import web

from connector.dispatch.doctor import Doctor
from connector.dispatch.finding import Finding
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from policies.sentences import LANGUAGES, sentence

LINES = "application/jsonl"


class Nothing(Body):
    """No members: the address says it all."""


class DoctorOf:
    """The route about what stands between us and a partner."""

    def __init__(self, desk: Desk) -> None:
        self._node = desk.node

    async def examine(self, request: web.Request) -> web.StreamResponse:
        """Every check with its state; a partner that is not listed is a finding, no error."""
        await asked.body(request, Nothing)
        doctor = Doctor(self._node, request.match_info["id"])
        if LINES not in request.headers.get("Accept", ""):
            found = [told(finding) async for finding in doctor.examine()]
            return reply({"items": found, "next": None})
        answer = web.StreamResponse(headers={"Content-Type": LINES, "Cache-Control": "no-store"})
        await answer.prepare(request)
        async for finding in doctor.examine():
            await answer.write(orjson.dumps(told(finding), option=orjson.OPT_APPEND_NEWLINE))
        await answer.write_eof()
        return answer

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/partners/{id}/doctor", self.examine)]


def told(finding: Finding) -> dict[str, Any]:
    """A finding as JSON, with its sentence in both languages."""
    return {
        "check": finding.check,
        "state": finding.state,
        "code": finding.code,
        "who": finding.who if finding.state in ("warn", "fail") else "nobody",
        "facts": dict(finding.facts),
        "sentence": {lang: sentence(finding.sentence, lang, **finding.facts) for lang in LANGUAGES},
    }
