"""Connectors that are right but for one thing, and the tests of the kit that look at that thing."""

import json

from aiohttp import web

from contracts.errors import IllegalTransitionError
from tests.conformance.stub import Stub


class HidesRefusals(Stub):
    refuses_with = 404


class BreaksAtRefusals(Stub):
    refuses_with = 500


class Redirects(Stub):
    refuses_with = 307


class Forgives(Stub):
    """Takes what the state does not allow."""

    def next(self, process, trigger, by):
        try:
            return super().next(process, trigger, by)
        except IllegalTransitionError:
            return process.state


class EndsAtRefusals(Stub):
    """Refuses, but moves all the same."""

    def next(self, process, trigger, by):
        try:
            return super().next(process, trigger, by)
        except IllegalTransitionError:
            process.state = "TERMINATED"
            raise


class ShowsLate(Stub):
    """A look shows the state before last, until it has been looked at once."""

    def __init__(self, scenarios):
        super().__init__(scenarios)
        self.before = {}

    def move(self, process, state):
        self.before[process.pid] = process.state
        super().move(process, state)

    async def look(self, request):
        pid = request.match_info["pid"]
        shown = self.shown(self.processes[pid])
        return web.json_response(shown | {"state": self.before.pop(pid, None) or shown["state"]})


class Hasty(Stub):
    """Reacts before it acknowledges."""

    async def take(self, request):
        later, self._later = self._later, self.held
        try:
            self.waiting = []
            answer = await super().take(request)
        finally:
            self._later = later
        for work in self.waiting:
            await self._quietly(work)
        return answer

    delay_s = 0

    def held(self, work):
        self.waiting.append(work)


class Spoils(Stub):
    """Says its messages with one member changed."""

    def words(self, process, message):
        said = super().words(process, message)
        self.spoil(said)
        return said


class OffersWithoutTarget(Spoils):
    def spoil(self, said):
        if said["@type"] == "ContractOfferMessage":
            del said["offer"]["target"]


class ContextAsText(Spoils):
    def spoil(self, said):
        said["@context"] = said["@context"][0]


class OtherContext(Spoils):
    def spoil(self, said):
        said["@context"].append("https://example.org/context.jsonld")


class TypeAsList(Spoils):
    def spoil(self, said):
        said["@type"] = [said["@type"]]


class OtherPid(Spoils):
    def spoil(self, said):
        if "providerPid" in said:
            said["providerPid"] = "urn:uuid:0"


class OtherOffer(Spoils):
    def spoil(self, said):
        if "offer" in said:
            said["offer"]["@id"] = "urn:uuid:0"


class LooksAway(Stub):
    """Does not let its own processes be looked at."""

    async def look(self, request):
        return web.Response(status=404)


class ShowsWithoutPids(Stub):
    def shown(self, process):
        return {name: value for name, value in super().shown(process).items() if name != "consumerPid"}


class KnowsByContent(Stub):
    """Takes a message for a repeat when it says the same, whatever its @id."""

    def __init__(self, scenarios):
        super().__init__(scenarios)
        self.heard = set()

    async def take(self, request):
        said = json.dumps({**await request.json(), "@id": ""})
        if (request.path, said) in self.heard:
            return web.json_response({})
        self.heard.add((request.path, said))
        return await super().take(request)


class HasEveryDataset(Stub):
    async def dataset(self, request):
        return web.json_response({"@context": [], **self.advertised(request.match_info["id"])})


class SpeaksAnotherVersion(Stub):
    async def version(self, request):
        return web.json_response({"protocolVersions": [{"version": "2024-1", "path": "/", "binding": "HTTPS"}]})


class HasNoHooks(Stub):
    async def hook(self, request):
        return web.Response(status=404)


class Busy(Stub):
    """Turns every message away a number of times."""

    times, status = 2, 409

    def __init__(self, scenarios):
        super().__init__(scenarios)
        self.asked = {}

    async def take(self, request):
        known = (await request.json())["@id"]
        self.asked[known] = self.asked.get(known, 0) + 1
        if self.asked[known] <= self.times:
            return web.json_response({}, status=self.status)
        return await super().take(request)


class TooBusy(Busy):
    times = 3


class Down(Busy):
    times, status = 1, 503


# Which of these tests fail, which pass, and what the reason of each failure says.
WRONG = {
    HidesRefusals: ({"CN:03-02", "TP:03-01"}, {"CN:02-02"}, "answered with 404 instead of"),
    BreaksAtRefusals: ({"CN:03-02", "TP:03-01"}, {"TP:02-05"}, "answered with 500 instead of"),
    Redirects: ({"CN:03-02"}, {"CN:02-02"}, "answered with 307 instead of"),
    Forgives: ({"CN:03-02", "TP_C:03-01"}, {"CN_C:02-01"}, "answered with 200 instead of"),
    EndsAtRefusals: ({"CN_C:03-01", "TP:03-01"}, {"CN:03-02"}, "TERMINATED"),
    ShowsLate: ({"CN:02-02", "CN_C:02-01"}, {"TP:02-05", "TP_C:01-05"}, "the connector is in REQUESTED"),
    Hasty: ({"CN:02-01", "CN:01-01", "TP:01-01"}, {"CN:02-02", "TP:02-05"}, "that the kit could take came"),
    OffersWithoutTarget: ({"CN:01-01"}, {"CN:02-01", "CN:02-03"}, "'target' is a required property"),
    ContextAsText: ({"CN:02-01", "TP_C:01-05"}, {"CN:02-02"}, "$['@context']"),
    OtherContext: ({"CN:02-01", "TP:01-05"}, {"TP:02-05"}, "https://example.org/context.jsonld"),
    TypeAsList: ({"CN_C:02-01", "TP:01-05"}, {"CN:02-02"}, "Message expected"),
    OtherPid: ({"CN:02-01", "TP:01-05"}, {"CN:02-02"}, "providerPid"),
    OtherOffer: ({"CN_C:02-01"}, {"TP_C:01-01"}, "the request is about urn:uuid:0"),
    LooksAway: ({"CN:02-02", "TP_C:01-05"}, {"CN:02-01"}, "answered with 404"),
    ShowsWithoutPids: ({"CN:02-02", "TP:02-05"}, {"MET:01-01"}, "'consumerPid' is a required property"),
    KnowsByContent: ({"CN:03-04"}, {"CN:03-03", "CN:01-02"}, "answered with 200 instead of"),
    HasEveryDataset: ({"CAT:01-02", "CAT:01-03"}, {"CAT:01-01"}, ""),
    SpeaksAnotherVersion: ({"MET:01-01"}, {"CAT:01-01"}, "no entry with version 2025-1"),
    HasNoHooks: ({"CN_C:02-01", "TP_C:01-05"}, {"CN:02-02"}, "answered with 404"),
}
