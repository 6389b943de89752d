"""What an EDC answered and said as provider, given to our client: its catalog, its agreement, its word that it is final."""

import pytest
from aiohttp import web

from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.pair import until
from tests.wire.edc_recorded import alike, one, replay

OFFERED = ("@id", "@type", "permission", "target", "assigner")
OURS = {"consumerPid", "callbackAddress", "offer"}


async def reaches(replayed, pid, state):
    def look(tx):
        found = negotiations.get(tx, pid)
        return found if found.state is state else None

    return await until(replayed.daemon, "audit", look)


async def asked(replayed, answer):
    """Our pid of a request for the recorded dataset, to which the EDC gives its recorded answer."""
    catalog = one("consumer", 1)["response"]
    (listed,) = catalog["dataset"]
    replayed.member.datasets = {listed["@id"]: {**listed, "@context": catalog["@context"]}}
    recorded = one("consumer", 2)

    def reply(heard):
        if not heard.path.endswith("/request"):
            return web.Response(content_type="application/json")
        replayed.put(recorded["request"]["consumerPid"], heard.body["consumerPid"])
        return answer(replayed.told(recorded["response"]))

    replayed.member.answer = reply
    pid = await command.request(replayed.daemon.node, provider="provider", dataset=listed["@id"])
    said = await replayed.member.said("ContractRequestMessage")
    alike(said, recorded["request"], but=OURS)
    offer = recorded["request"]["offer"]
    assert {name: said["offer"][name] for name in OFFERED} == {name: offer[name] for name in OFFERED}
    return pid


ANSWERS = {
    "200 instead of 201": lambda document: web.json_response(document, status=200),
    "an empty body": lambda _: web.Response(content_type="application/json"),
}


@pytest.mark.parametrize("form", ANSWERS)
async def test_a_negotiation_with_an_edc_is_finalized_by_its_own_words(tmp_path, form):
    async with replay(tmp_path, ours="consumer", theirs="provider") as replayed:
        pid = await asked(replayed, ANSWERS[form])
        await replayed.move(one("consumer", 3))
        verification = await replayed.member.said("ContractAgreementVerificationMessage")
        alike(verification, one("consumer", 4)["request"], but={"consumerPid"})
        assert verification["consumerPid"] == pid
        await replayed.move(one("consumer", 5))
        found = await reaches(replayed, pid, State.FINALIZED)
        kept = await replayed.daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert kept.document == one("consumer", 3)["request"]["agreement"]
        assert kept.in_force


async def test_an_edc_that_gives_up_ends_our_negotiation_with_its_reason(tmp_path):
    ended = one("freedoms-edc-provides", 506)
    async with replay(tmp_path, ours="consumer", theirs="provider") as replayed:
        pid = await asked(replayed, ANSWERS["200 instead of 201"])
        await reaches(replayed, pid, State.REQUESTED)
        replayed.put(ended["request"]["consumerPid"], pid)
        replayed.put(ended["request"]["providerPid"], one("consumer", 2)["response"]["providerPid"])
        await replayed.move(ended)
        found = await reaches(replayed, pid, State.TERMINATED)
        assert found.reason == ended["request"]["reason"][0]
