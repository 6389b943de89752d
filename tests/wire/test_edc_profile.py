"""An EDC compares `profile` and never writes it: the twelve offers of the supply chain, with it and without, and the double itself."""

import contextlib
import json

import aiohttp
import pytest

from connector.store import agreement as agreements
from tests.deliveries import scenario_offer
from tests.interop.live_scenario import agreed_in_story, know_documents, rules_of
from tests.offers import DATASET, free_offer, publish
from tests.pair import did
from tests.wire.edc_journeys import agreed_by_them, beside
from tests.wire.edc_recorded import recording
from tests.wire.edc_words import meaning

COMPANIES = [f"A{number}" for number in range(1, 13)]


@contextlib.asynccontextmanager
async def trade(root, name):
    """The provider of an offer of the supply chain as Weft, its consumer as an EDC; and the product."""
    provider, consumer, product = agreed_in_story(name)
    async with beside(root, ours=did(provider), theirs=did(consumer)) as (daemon, edc):
        await know_documents(daemon)
        await publish(daemon, scenario_offer(name), dataset=product)
        yield daemon, edc, product


@pytest.mark.parametrize("name", COMPANIES)
async def test_each_offer_of_the_supply_chain_is_taken_with_its_profile(tmp_path, name):
    offer = scenario_offer(name)
    async with trade(tmp_path, name) as (daemon, edc, product):
        _, found = await agreed_by_them(daemon, edc, offer, product)
        kept = await daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert kept.document["profile"] == offer["profile"]
        assert 400 not in [status for _, _, status in edc.heard]
        assert rules_of(kept.document) == rules_of(offer)


@pytest.mark.parametrize("name", COMPANIES)
async def test_an_offer_whose_profile_the_user_left_out_is_agreed_without_it(tmp_path, name):
    bare = {member: value for member, value in scenario_offer(name).items() if member != "profile"}
    async with trade(tmp_path, name) as (daemon, edc, product):
        theirs, found = await agreed_by_them(daemon, edc, bare, product)
        kept = await daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert ("profile" in kept.document, theirs.agreements) == (False, [kept.id])
        refused = [path for _, path, status in edc.heard if status == 400]
        assert len(refused) == 1
        assert rules_of(kept.document) == rules_of(bare)


async def test_the_double_refuses_an_agreement_that_differs_in_one_constraint_or_its_assigner(tmp_path):
    """What it lets through would prove nothing."""
    wrongs = ({"permission": [{"action": "use"}, {"action": "use"}]}, {"assigner": "somebody"}, {"profile": ["x"]})
    async with beside(tmp_path) as (daemon, edc):
        await publish(daemon, decision="person")
        theirs = await edc.negotiate("weft", daemon.node.base, DATASET, free_offer())
        await edc.until(theirs, "REQUESTED")
        header = {"Authorization": json.dumps({"region": "eu", "clientId": "weft"})}
        context = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}
        for wrong in (*wrongs, {}):
            agreement = {**theirs.policy, "@id": "a", "@type": "Agreement", **wrong}
            said = {**context, "@type": "ContractAgreementMessage", "agreement": agreement}
            url = f"{edc.dsp}/negotiations/{theirs.pid}/agreement"
            async with aiohttp.ClientSession() as session, session.post(url, json=said, headers=header) as answer:
                assert answer.status == (400 if wrong else 200)


# What an EDC's user had said otherwise than its request shows: numbers and arrays.
UNSEEN = ("number 5 asked", "array")


def judged():
    """Each recorded agreement about ODRL terms with the request that it answers, and what the EDC said to it."""
    asked = {}
    for each in recording("odrl-terms"):
        if each["request"]["@type"] == "ContractRequestMessage":
            asked[each["request"]["consumerPid"]] = each["request"]["offer"]
        elif not any(word in each["note"] for word in UNSEEN):
            yield asked[each["request"]["consumerPid"]], each["request"]["agreement"], each["status"]


def test_the_double_judges_agreements_as_the_recorded_edc_did():
    found = list(judged())
    assert {status for _, _, status in found} == {200, 400}
    for offer, agreement, status in found:
        alike = meaning(agreement, edc=False) == meaning(offer, edc=True)
        assert alike == (status == 200), agreement
