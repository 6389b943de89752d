"""Journeys with a peer that behaves like an EDC: every one ends well, and nothing of ours comes too early for it."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.daemon import Daemon
from connector.errors import RefusedError
from connector.exchange import command
from connector.exchange.peer import EDC_CONTEXT, PEERS, Peers, make_of
from connector.store import agreement as agreements
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from tests.deliveries import expected, offer_file, records, scenario_offer
from tests.interop.conftest import members
from tests.interop.live_scenario import agreed_in_story, know_documents, rules_of
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import START, did, until
from tests.wire.edc_double import edc_double

# What an EDC under load may need to store what it has done: longer than our pause.
BUSY_S = 0.06
PAUSE_S = 0.02


@contextlib.asynccontextmanager
async def beside(root, *, ours="weft", theirs="acme", known=True):
    """A daemon of ours and an EDC; it is `known` that it is one."""
    async with edc_double(theirs) as edc:
        peer = SimpleNamespace(participant=theirs, dsp=edc.dsp)
        listed = members(root, [peer], participant=ours, test_clock_start=START)
        async with Daemon(listed, peers=Peers({theirs: "edc"} if known else {})) as daemon:
            yield daemon, edc


async def in_state(daemon, look, state):
    """Our process as `look` finds it, once it is in this state; fails when it has ended otherwise."""

    def work(tx):
        found = look(tx)
        if found is None or found.state == state:
            return found
        assert found.state not in ("TERMINATED", "FINALIZED", "COMPLETED"), (found.state, found.code, found.reason)
        return None

    return await until(daemon, "audit", work)


async def agreed_by_us(daemon, edc):
    """Our negotiation about the EDC's only dataset, finalized on both sides."""
    pid = await command.request(daemon.node, provider=edc.participant, dataset="asset-1")
    found = await in_state(daemon, lambda tx: negotiations.get(tx, pid), "FINALIZED")
    await edc.until(edc.processes[found.peer_pid], "FINALIZED")
    return found


async def agreed_by_them(daemon, edc, offer=None, target=DATASET):
    """The EDC's negotiation about a dataset of ours, finalized on both sides."""
    theirs = await edc.negotiate(daemon.node.participant, daemon.node.base, target, offer or free_offer())
    await edc.until(theirs, "FINALIZED")
    found = await in_state(daemon, lambda tx: negotiations.by_peer(tx, edc.participant, theirs.pid), "FINALIZED")
    return theirs, found


async def pulled_by_them(daemon, edc, tmp_path):
    """A pull of the EDC from us that has started: its side and ours."""
    source = tmp_path / "press.csv"
    source.write_text("batch,torque\n1,7\n")
    await offer_file(daemon, source)
    theirs, _ = await agreed_by_them(daemon, edc)
    process = await edc.transfer(daemon.node.participant, daemon.node.base, theirs.agreements[-1])
    await edc.until(process, "STARTED")
    ours = await in_state(daemon, lambda tx: transfers.by_peer(tx, edc.participant, process.pid), "STARTED")
    return process, ours


# -- negotiation -----------------------------------------------------------------------------------------------------


async def test_we_agree_with_an_edc_that_provides(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        found = await agreed_by_us(daemon, edc)
        kept = await daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert (kept.id, kept.in_force != "") == (edc.processes[found.peer_pid].agreements[0], True)


async def test_an_edc_that_asks_us_is_agreed_with(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        await publish(daemon)
        theirs, found = await agreed_by_them(daemon, edc)
        kept = await daemon.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert (theirs.agreements, kept.in_force != "") == ([kept.id], True)


async def test_each_message_of_ours_waits_until_an_edc_may_have_stored_its_state(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        await publish(daemon)
        for _ in range(3):
            await agreed_by_them(daemon, edc)
            await agreed_by_us(daemon, edc)
        assert len(edc.pauses) >= 9
        assert min(edc.pauses) >= PAUSE_S


async def test_what_came_too_early_for_a_busy_edc_is_tried_again_and_taken(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.slow_s = BUSY_S
        await publish(daemon)
        await agreed_by_them(daemon, edc)
        assert edc.early


async def test_an_edc_shows_itself_by_its_context(tmp_path):
    """No setting names it: its first message does."""
    async with beside(tmp_path, known=False) as (daemon, edc):
        await publish(daemon)
        assert daemon.node.peers.of("acme").name == "plain"
        edc.slow_s = BUSY_S
        await agreed_by_them(daemon, edc)
        assert daemon.node.peers.of("acme").name == "edc"


@pytest.mark.parametrize("keeps_last", [False, True])
async def test_a_second_agreement_under_another_id_is_noted_and_the_one_that_counts_is_found(tmp_path, keeps_last):
    async with beside(tmp_path) as (daemon, edc):
        edc.slow_s, edc.keeps_last = BUSY_S, keeps_last
        found = await agreed_by_us(daemon, edc)
        theirs = edc.processes[found.peer_pid]
        assert len(theirs.agreements) == 2
        assert await records(daemon, "negotiation.agreed-again")
        mine = await command.start(daemon.node, agreement=found.agreement, push=True)
        await in_state(daemon, lambda tx: transfers.get(tx, mine), "COMPLETED")
        kept = await daemon.node.db.read(lambda tx: negotiations.get(tx, found.pid))
        held = await daemon.node.db.read(lambda tx: agreements.get(tx, kept.agreement))
        assert held.id == theirs.agreements[-1 if keeps_last else 0]


async def test_a_dataset_that_an_edc_does_not_have_is_refused_with_its_reason(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.assets = {}
        with pytest.raises(RefusedError):
            await command.request(daemon.node, provider="acme", dataset="asset-1")


async def test_an_edc_gets_no_offer_that_it_has_not_asked_for(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        await publish(daemon)
        with pytest.raises(RefusedError) as refused:
            await command.offer(daemon.node, consumer="acme", dataset=DATASET, offer=OFFER)
        assert refused.value.code == "peer-takes-no-offers"
        assert edc.processes == {}


async def test_a_refusal_of_ours_is_what_an_edcs_user_reads(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        theirs = await edc.negotiate("weft", daemon.node.base, DATASET, free_offer("urn:uuid:of-nobody"))
        await edc.until(theirs, "TERMINATED")
        assert "urn:uuid:of-nobody" in theirs.detail


@pytest.mark.parametrize("who", ["edc", "weft"])
async def test_either_side_ends_what_nobody_has_decided(tmp_path, who):
    async with beside(tmp_path) as (daemon, edc):
        await publish(daemon, decision="person")
        theirs = await edc.negotiate("weft", daemon.node.base, DATASET, free_offer())
        await edc.until(theirs, "REQUESTED")
        found = await in_state(daemon, lambda tx: negotiations.by_peer(tx, "acme", theirs.pid), "REQUESTED")
        if who == "edc":
            await edc.end(theirs)
        else:
            await command.terminate(daemon.node, found.pid, reason="not for you")
        await edc.until(theirs, "TERMINATED")
        await in_state(daemon, lambda tx: negotiations.get(tx, found.pid), "TERMINATED")


# -- profile ---------------------------------------------------------------------------------------------------------

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


# -- transfers -------------------------------------------------------------------------------------------------------


async def test_an_edc_pulls_from_us_with_the_raw_token(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, _ = await pulled_by_them(daemon, edc, tmp_path)
        (address,) = process.starts
        properties = {each["name"].rpartition("/")[2]: each["value"] for each in address["endpointProperties"]}
        headers = {"Authorization": properties["authorization"]}
        async with edc.session.get(properties["endpoint"], headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "batch,torque\n1,7\n")


async def test_an_edc_pauses_and_goes_on_with_a_new_address(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        await edc.suspend(process)
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "SUSPENDED")
        await edc.resume(process)
        await edc.until(process, "STARTED")
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "STARTED")
        first, second = process.starts
        assert first != second


async def test_an_edc_that_resumes_slowly_gets_our_start_all_the_same(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        edc.slow_s = BUSY_S
        await edc.suspend(process)
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "SUSPENDED")
        await edc.resume(process)
        await edc.until(process, "STARTED")
        assert len(process.starts) == 2


@pytest.mark.parametrize("who", ["edc", "weft"])
async def test_either_side_terminates_a_started_pull(tmp_path, who):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        if who == "edc":
            await edc.end(process, reason=["enough"])
        else:
            await command.terminate_transfer(daemon.node, ours.pid, reason="enough")
        await edc.until(process, "TERMINATED")
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "TERMINATED")


@pytest.mark.parametrize("with_address", [False, True])
async def test_an_edc_pushes_to_us_whether_its_start_repeats_our_address_or_not(tmp_path, with_address):
    async with beside(tmp_path) as (daemon, edc):
        edc.start_address = with_address
        found = await agreed_by_us(daemon, edc)
        mine = await command.start(daemon.node, agreement=found.agreement, push=True)
        await in_state(daemon, lambda tx: transfers.get(tx, mine), "COMPLETED")

        def delivered(tx):
            return [kept for kept in deliveries.of_transfer(tx, mine) if kept.path]

        assert await until(daemon, "audit", delivered)


async def test_a_pull_that_an_edc_cannot_serve_ends_with_its_reason(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        found = await agreed_by_us(daemon, edc)
        mine = await command.start(daemon.node, agreement=found.agreement)
        ended = await in_state(daemon, lambda tx: transfers.get(tx, mine), "TERMINATED")
        assert "No Endpoint generator" in ended.reason


# -- what is no EDC ----------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=40) | st.just("https://w3id.org/dspace/2025/1/context.jsonld")), st.text(min_size=1))
def test_no_message_waits_for_a_peer_that_is_no_edc(context, participant):
    if EDC_CONTEXT in context:
        return
    row = Peers().of(participant)
    assert make_of(context) == ""
    assert (row.pause_s, row.doubt_s, dict(row.again)) == (0, 0, {})
    assert [name for name, row in PEERS.items() if row.pause_s] == ["edc"]
