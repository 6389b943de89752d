"""Contracts with a peer that behaves like an EDC: every one ends well, and what came too early is said again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import RefusedError
from connector.exchange import command
from connector.exchange.peer import EDC_CONTEXT, PEERS, Peers, make_of
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import outbox
from connector.store import transfer as transfers
from tests.deliveries import records
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import eventually
from tests.wire.edc_journeys import agreed_by_them, agreed_by_us, beside, in_state
from tests.wire.edc_words import dataset

PAUSE_S = 0.02
DOUBT_US = 10_000_000


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
        edc.busy = {"request", "agreement/verification"}
        await publish(daemon)
        await agreed_by_them(daemon, edc)
        assert {"agreement", "events"} <= set(edc.early)


@pytest.mark.parametrize("path", ["request", "agreement/verification"])
async def test_what_an_edc_says_twice_under_two_ids_counts_once(tmp_path, path):
    """EDC repeats its message when ours came too early: a refusal of the repeat would end the negotiation there."""
    async with beside(tmp_path) as (daemon, edc):
        edc.twice = {path}
        await publish(daemon)
        theirs, found = await agreed_by_them(daemon, edc)
        assert [row.pid for row in await daemon.node.db.read(negotiations.page)] == [found.pid]
        assert theirs.peer_pid == found.pid
        assert await records(daemon, "message.refused") == []


async def test_what_others_say_twice_under_two_ids_is_refused(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        daemon.node.peers = Peers({"acme": "edc"}, {"edc": replace(PEERS["edc"], repeats=False)})
        edc.twice = {"agreement/verification"}
        await publish(daemon)
        theirs = await edc.negotiate("weft", daemon.node.base, DATASET, free_offer())
        await edc.until(theirs, "TERMINATED")
        (refused,) = await records(daemon, "message.refused")
        assert refused["reason"] == "illegal-transition"


async def test_an_edc_shows_itself_by_its_context(tmp_path):
    """No setting names it: its first message does."""
    async with beside(tmp_path, known=False) as (daemon, edc):
        await publish(daemon)
        assert daemon.node.peers.of("acme").name == "plain"
        edc.busy = {"request"}
        await agreed_by_them(daemon, edc)
        assert daemon.node.peers.of("acme").name == "edc"


@pytest.mark.parametrize("keeps_last", [False, True])
async def test_a_second_agreement_under_another_id_is_noted_and_the_one_that_counts_is_found(tmp_path, keeps_last):
    async with beside(tmp_path) as (daemon, edc):
        edc.busy, edc.keeps_last = {"agreement"}, keeps_last
        found = await agreed_by_us(daemon, edc)
        theirs = edc.processes[found.peer_pid]
        assert len(theirs.agreements) == 2
        assert await records(daemon, "negotiation.agreed-again")
        mine = await command.start(daemon.node, agreement=found.agreement, push=True)
        await in_state(daemon, lambda tx: transfers.get(tx, mine), "COMPLETED")
        kept = await daemon.node.db.read(lambda tx: negotiations.get(tx, found.pid))
        held = await daemon.node.db.read(lambda tx: agreements.get(tx, kept.agreement))
        assert held.id == theirs.agreements[-1 if keeps_last else 0]


@pytest.mark.parametrize(
    "header", [{"audience": None}, {"region": "eu", "audience": "http://elsewhere/dsp", "more": 1}]
)
async def test_each_shape_of_its_raw_header_is_read(tmp_path, header):
    async with beside(tmp_path) as (daemon, edc):
        edc.header = header
        await publish(daemon)
        await agreed_by_them(daemon, edc)
        await agreed_by_us(daemon, edc)


async def test_a_page_of_html_with_500_is_a_passing_trouble(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.trouble = [500, 503]
        found = await agreed_by_us(daemon, edc)
        assert len(edc.processes) == 1
        assert [status for _, path, status in edc.heard if path.endswith("/negotiations/request")] == [500, 503, 200]
        assert found.peer_pid in edc.processes


async def test_a_page_of_html_with_415_ends_a_negotiation_without_an_outcry(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.trouble = [415]
        pid = await command.request(daemon.node, provider="acme", dataset="asset-1")
        ended = await in_state(daemon, lambda tx: negotiations.get(tx, pid), "TERMINATED")
        assert ended.code == "http-415"
        assert edc.processes == {}


async def test_a_request_whose_answer_was_lost_is_not_repeated_blindly(tmp_path):
    """Each request opens a negotiation there: the first agreement that comes names the one that counts."""
    async with beside(tmp_path) as (daemon, edc):
        edc.lost = {"request"}
        edc.gate.clear()
        pid = await command.request(daemon.node, provider="acme", dataset="asset-1")

        async def doubted():
            waiting = await daemon.node.db.read(lambda tx: outbox.first_of_process(tx, pid))
            return waiting if waiting.attempts else None

        waiting = await eventually(doubted)
        due_us = await daemon.node.db.read(lambda tx: outbox.next_time(tx, daemon.clock.now()))
        assert due_us - waiting.created_us >= DOUBT_US
        edc.gate.set()
        found = await in_state(daemon, lambda tx: negotiations.get(tx, pid), "FINALIZED")
        assert list(edc.processes) == [found.peer_pid]


async def test_an_offer_is_found_again_under_the_id_that_it_had_before(tmp_path):
    """Its last part is another one in each answer."""
    async with beside(tmp_path) as (daemon, edc):
        (seen,) = dataset("asset-1", edc.assets["asset-1"], edc.dsp)["hasPolicy"]
        pid = await command.request(daemon.node, provider="acme", dataset="asset-1", offer=seen["@id"])
        await in_state(daemon, lambda tx: negotiations.get(tx, pid), "FINALIZED")


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


# -- what is no EDC ----------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=40) | st.just("https://w3id.org/dspace/2025/1/context.jsonld")), st.text(min_size=1))
def test_no_message_waits_for_a_peer_that_is_no_edc(context, participant):
    if EDC_CONTEXT in context:
        return
    row = Peers().of(participant)
    assert make_of(context) == ""
    assert (row.pause_s, row.doubt_s, dict(row.again)) == (0, 0, {})
    assert [name for name, row in PEERS.items() if row.pause_s] == ["edc"]


@pytest.mark.parametrize("status", [400, 408, 409, 425, 429, 503])
def test_what_passes_is_told_an_edc_as_a_trouble_of_ours(status):
    """It ends its process at any 4xx; every other peer is told what HTTP has for it."""
    assert PEERS["edc"].told(status) == (503 if status in (408, 425, 429) else status)
    assert PEERS["plain"].told(status) == status
