"""What an EDC said when it asked for contracts, said again: we answer as it needs, and agree as it has accepted."""

import pytest

from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.deliveries import expected, scenario_offer
from tests.interop.live_scenario import know_documents, rules_of
from tests.offers import publish
from tests.pair import did, until
from tests.shared import shared
from tests.wire.edc_recorded import alike, one, recording, replay

# Written by us alone, or new each time.
OURS = ("timestamp", "callbackAddress")
PIDS = {"consumerPid", "providerPid"}


async def reaches(replayed, pid, state):
    """Our negotiation once it is in this state."""

    def look(tx):
        found = negotiations.get(tx, pid)
        return found if found.state is state else None

    return await until(replayed.daemon, "audit", look)


async def offer_it(replayed, request, **members):
    """Publish the offer that the EDC's user has copied from our catalog."""
    asked = request["request"]["offer"]
    rules = {name: asked[name] for name in ("permission", "prohibition", "obligation") if name in asked}
    await publish(replayed.daemon, {"@id": asked["@id"], "@type": "Offer", **rules, **members}, dataset=asked["target"])


async def agreed(replayed, request):
    """Our pid and the agreement that we send to this recorded request."""
    pid = await replayed.open(request)
    said = await replayed.member.said("ContractAgreementMessage")
    assert (said["providerPid"], said["consumerPid"]) == (pid, request["request"]["consumerPid"])
    return pid, said


async def test_a_negotiation_of_an_edc_is_finalized_in_its_own_words(tmp_path):
    request, accepted, verification, finalized = (one("provider", seq) for seq in (1, 2, 3, 4))
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request)
        pid, said = await agreed(replayed, request)
        alike(said, accepted["request"], but=(*OURS, *PIDS, "agreement"))
        alike(said["agreement"], accepted["request"]["agreement"], but=OURS)
        assert (await replayed.move(verification))["state"] == "VERIFIED"
        event = await replayed.member.said("ContractNegotiationEventMessage")
        alike(event, finalized["request"], but=PIDS)
        found = await reaches(replayed, pid, State.FINALIZED)
        kept = await replayed.daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert (kept.document, kept.in_force != "") == (said["agreement"], True)
        assert [each.path.rpartition("/")[2] for each in replayed.member.heard] == ["agreement", "events"]


async def test_what_we_send_says_who_we_are_as_an_edc_reads_it(tmp_path):
    request = one("provider", 1)
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request)
        await agreed(replayed, request)
        (heard,) = replayed.member.heard
        assert heard.clients == {"region": "eu", "audience": replayed.member.dsp, "clientId": "provider"}


@pytest.mark.parametrize("shape", ['{"audience":null,"clientId":"consumer"}', '{"clientId":"consumer","region":"eu"}'])
async def test_each_shape_of_an_edcs_header_is_read(tmp_path, shape):
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, one("provider", 1))
        status, _ = await replayed.say(one("provider", 1), header=shape)
        assert status == 201


async def test_names_of_an_edcs_own_context_go_back_as_full_iris(tmp_path):
    """Bare, under the DSP context alone, they would be other names, and the agreement another one (seq 20 was refused)."""
    request, accepted = one("provider", 15), one("provider", 16)
    (dated,) = request["request"]["offer"]["permission"]
    (taken,) = accepted["request"]["agreement"]["permission"]
    assert (one("provider", 20)["status"], accepted["status"]) == (400, 200)
    async with replay(tmp_path) as replayed:
        # We cannot decide the date: we agree because of the other permission.
        request["request"]["offer"]["permission"] = [dated, {"action": "use"}]
        ours = {"permission": [taken, {"action": "use"}]}
        asked = request["request"]["offer"]
        await publish(replayed.daemon, {"@id": asked["@id"], "@type": "Offer", **ours}, dataset=asked["target"])
        _, said = await agreed(replayed, request)
        assert said["agreement"]["permission"] == ours["permission"]
        assert said["@context"] == accepted["request"]["@context"]


# Asked, and the agreement that the EDC has taken.
ECHOES = {1: 2, 19: 20, 21: 23, 34: 36, 40: 41}
PROFILE = "https://w3id.org/weft/policy/v1"


@pytest.mark.parametrize("asked", ECHOES)
async def test_odrl_terms_go_back_as_an_edc_has_taken_them(tmp_path, asked):
    request, accepted = one("odrl-terms", asked), one("odrl-terms", ECHOES[asked])
    assert accepted["status"] == 200
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request, profile=[PROFILE])
        _, said = await agreed(replayed, request)
        alike(said["agreement"], accepted["request"]["agreement"], but=(*OURS, "profile"))


@pytest.mark.parametrize("asked", [27, 32])
async def test_terms_that_this_edc_could_never_meet_are_refused_with_a_reason_for_people(tmp_path, asked):
    """A region that is not its own; two purposes at once."""
    request = one("odrl-terms", asked)
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request)
        status, body = await replayed.say(request)
        assert (status, body["code"]) == (400, "terms-never-fulfilled")
        (reason,) = body["reason"]
        assert "could never be fulfilled" in reason
        assert ".." not in reason
        assert "{" not in reason


async def test_a_list_that_an_edc_writes_as_a_text_of_json_is_refused_with_a_reason(tmp_path):
    """It cannot be echoed: an agreement with it would be refused (edc-wire, odrl-terms, seq 39)."""
    request = one("odrl-terms", 37)
    async with replay(tmp_path) as replayed:
        offered = {"leftOperand": "odrl:purpose", "operator": "isAnyOf", "rightOperand": "a,b"}
        rules = {"permission": [{"action": "use", "constraint": [offered]}]}
        asked = request["request"]["offer"]
        await publish(replayed.daemon, {"@id": asked["@id"], "@type": "Offer", **rules}, dataset=asked["target"])
        status, body = await replayed.say(request)
        assert (status, bool(body["reason"])) == (400, True)


@pytest.mark.parametrize("asked", [1, 15])
async def test_a_request_for_what_is_not_offered_is_refused_with_a_reason_for_people(tmp_path, asked):
    async with replay(tmp_path) as replayed:
        status, body = await replayed.say(one("provider", asked))
        assert status in {400, 404}
        assert one("provider", asked)["request"]["offer"]["@id"] in body["reason"][0]


async def test_a_verification_said_twice_is_answered_twice_and_acted_upon_once(tmp_path):
    """An EDC that has not read our answer says it again, with the same @id."""
    request, verification = one("provider", 1), one("provider", 3)
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request)
        pid, _ = await agreed(replayed, request)
        first = await replayed.move(verification)
        assert await replayed.move(verification) == first
        await reaches(replayed, pid, State.FINALIZED)
        events = [each for each in replayed.member.heard if each.path.endswith("/events")]
        assert len(events) == 1


# -- terminations ----------------------------------------------------------------------------------------------------

REASONS = {
    "as the EDC wrote it": {"reason": ["Failed to send verification to provider: "]},
    "none": {},
    "empty": {"reason": []},
    "null in it": {"reason": [None]},
    "a text": {"reason": "no"},
    "objects": {"reason": [{"@value": "no"}]},
    "code and texts": {"code": "42", "reason": ["no", "never"]},
}


@pytest.mark.parametrize("form", REASONS)
async def test_a_termination_counts_whatever_its_reason_looks_like(tmp_path, form):
    request, ended = one("provider", 1), one("freedoms-edc-consumes", 655)
    async with replay(tmp_path) as replayed:
        await offer_it(replayed, request)
        pid, _ = await agreed(replayed, request)
        theirs = ended["request"]
        replayed.put(theirs["providerPid"], pid)
        replayed.put(theirs["consumerPid"], request["request"]["consumerPid"])
        bare = {name: value for name, value in theirs.items() if name != "reason"}
        body = await replayed.move(ended | {"request": bare | REASONS[form]})
        assert body["state"] == "TERMINATED"
        found = await reaches(replayed, pid, State.TERMINATED)
        assert found.code == REASONS[form].get("code", "ended-by-counterparty")


# -- the supply chain ------------------------------------------------------------------------------------------------

OFFERS = [f"A{number}" for number in range(1, 13)]


def of_offer(name, type_):
    """The recorded exchange of that kind about an offer of the supply chain."""
    exchanges = recording("scenario-a-edc-consumes")
    found = [each for each in exchanges if each.get("note") == name and each["from"] in ("edc", "peer")]
    (chosen,) = [each for each in found if (each["request"] or {}).get("@type") == type_]
    return chosen


def parties(name):
    (found,) = [each for each in expected()["agreements"] if each["id"] == name]
    return did(found["provider"]), did(found["consumer"])


@pytest.mark.parametrize("name", OFFERS)
async def test_each_offer_of_the_supply_chain_is_finalized_word_for_word(tmp_path, name):
    request = of_offer(name, "ContractRequestMessage")
    accepted = of_offer(name, "ContractAgreementMessage")["request"]["agreement"]
    provider, consumer = parties(name)
    offer = scenario_offer(name)
    async with replay(tmp_path, ours=provider, theirs=consumer) as replayed:
        await know_documents(replayed.daemon)
        await publish(replayed.daemon, offer, dataset=accepted["target"])
        pid, said = await agreed(replayed, request)
        document = said["agreement"]
        assert rules_of(document) == rules_of(offer)
        assert document.get("profile") == offer.get("profile")
        policy = {"as in", "permission", "prohibition", "obligation", "profile"}
        alike(
            {name: value for name, value in document.items() if name not in policy},
            {name: value for name, value in accepted.items() if name not in policy},
            but=OURS,
        )
        await replayed.move(of_offer(name, "ContractAgreementVerificationMessage"))
        await replayed.member.said("ContractNegotiationEventMessage")
        await reaches(replayed, pid, State.FINALIZED)


def test_the_recorded_agreements_are_those_of_our_files():
    """What an EDC has taken is named by file: the file is there."""
    for name in OFFERS:
        accepted = of_offer(name, "ContractAgreementMessage")
        assert accepted["status"] == 200
        named = accepted["request"]["agreement"].get("as in", f"contracts/offers/{name}.json")
        assert shared(f"scenarios/supply-chain-control/{named}").exists()
