"""Negotiations between Weft and a live EDC, each as consumer of the other."""

import asyncio

import pytest

from connector.errors import RefusedError
from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from contracts.machine import Role
from tests.interop.conftest import WEFT, quickly
from tests.interop.peer import offers_of
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import until

ROW = "contractnegotiations"


async def ask(weft, edc, dataset):
    """Ask the EDC for its offer of a dataset; returns our pid."""
    return await command.request(weft.node, provider=edc.participant, dataset=dataset)


def in_state(found, states):
    """The process if it is in one of these states; fails with its reason if it has ended in another."""
    if found is None or found.state in states:
        return found
    assert found.state not in ("TERMINATED", "FINALIZED"), (found.state, found.code, found.reason)
    return None


async def ours(weft, pid, *states):
    """Our negotiation once it is in one of these states."""
    return await until(weft, "audit", lambda tx: in_state(negotiations.get(tx, pid), states), timeout_s=30)


async def ours_with(weft, counterpart_pid, *states):
    """Our negotiation with that counterparty's pid, once it is in one of these states."""

    def look(tx):
        return in_state(negotiations.by_peer(tx, "acme", counterpart_pid), states)

    return await until(weft, "audit", look, timeout_s=30)


async def asked_by(weft, edc, **published):
    """Let the EDC ask us for the offer of a dataset; returns its pid."""
    await publish(weft, **published)
    catalog = await edc.catalog(WEFT, weft.node.base)
    (dataset,) = [each for each in catalog["dataset"] if each["@id"] == published.get("dataset", DATASET)]
    return await edc.negotiate(WEFT, weft.node.base, dataset["@id"], offers_of(dataset)[0])


async def test_we_agree_with_an_edc_that_provides(weft, edc):
    async with quickly():
        pid = await ask(weft, edc, await edc.offer())
        found = await ours(weft, pid, "FINALIZED")
        theirs = await edc.until(ROW, found.peer_pid, "FINALIZED")
        agreed = await weft.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        agreement = await edc.call("GET", f"/{ROW}/{found.peer_pid}/agreement")
        assert theirs["contractAgreementId"] == agreement["@id"]
        assert agreed.in_force
        assert agreed.id in (agreement["@id"], agreement.get("agreementId"))


async def test_an_edc_that_asks_us_is_agreed_with(weft, edc):
    async with quickly():
        theirs = await asked_by(weft, edc)
        agreement = await edc.finalized(theirs)
        found = await ours_with(weft, theirs, "FINALIZED")
        agreed = await weft.node.db.read(lambda tx: agreements.get(tx, found.agreement))
        assert (agreed.in_force != "", agreed.role) == (True, Role.PROVIDER)
        kept = await edc.call("GET", f"/{ROW}/{theirs}/agreement")
        assert agreed.id in (agreement, kept.get("agreementId"))


async def test_an_unknown_offer_is_refused_to_an_edc_with_a_reason_that_its_user_reads(weft, edc):
    async with quickly():
        await publish(weft)
        pid = await edc.negotiate(WEFT, weft.node.base, DATASET, free_offer("urn:uuid:of-nobody"))
        ended = await edc.until(ROW, pid, "TERMINATED")
        assert "urn:uuid:of-nobody" in ended["errorDetail"]


async def test_a_dataset_that_the_edc_does_not_have_is_refused_to_us(weft, edc):
    async with quickly():
        with pytest.raises(RefusedError) as refused:
            await ask(weft, edc, "asset-of-nobody")
        assert refused.value.code == "dataset-unknown"


async def test_the_edc_ends_what_we_have_not_decided(weft, edc):
    async with quickly():
        theirs = await asked_by(weft, edc, decision="person")
        await ours_with(weft, theirs, "REQUESTED")
        await edc.until(ROW, theirs, "REQUESTED")
        await edc.end(ROW, theirs)
        await ours_with(weft, theirs, "TERMINATED")


async def test_we_end_what_the_edc_has_asked(weft, edc):
    async with quickly():
        theirs = await asked_by(weft, edc, decision="person")
        found = await ours_with(weft, theirs, "REQUESTED")
        await command.terminate(weft.node, found.pid, reason="not for you")
        await edc.until(ROW, theirs, "TERMINATED")
        await ours_with(weft, theirs, "TERMINATED")


async def test_a_person_agrees_with_what_the_edc_has_asked(weft, edc):
    async with quickly():
        theirs = await asked_by(weft, edc, decision="person")
        found = await ours_with(weft, theirs, "REQUESTED")
        await command.agree(weft.node, found.pid, reason="they may")
        await edc.finalized(theirs)
        await ours_with(weft, theirs, "FINALIZED")


@pytest.mark.parametrize("who", ["edc", "weft"])
async def test_either_side_ends_after_a_counter_offer_that_an_edc_leaves_to_its_user(weft, edc, who):
    async with quickly():
        theirs = await asked_by(weft, edc, decision="person")
        found = await ours_with(weft, theirs, "REQUESTED")
        await command.counter(weft.node, found.pid, free_offer())
        await ours_with(weft, theirs, "OFFERED")
        await edc.until(ROW, theirs, "OFFERED")
        if who == "edc":
            await edc.end(ROW, theirs)
        else:
            await command.terminate(weft.node, found.pid, reason="too slow")
        await ours_with(weft, theirs, "TERMINATED")
        await edc.until(ROW, theirs, "TERMINATED")


async def test_an_edc_gets_no_offer_that_it_has_not_asked_for(weft, edc):
    """EDC 0.15.1 answers such an offer with 500: it is refused here, once we know that it is an EDC."""
    async with quickly():
        await edc.finalized(await asked_by(weft, edc))
        with pytest.raises(RefusedError) as refused:
            await command.offer(weft.node, consumer=edc.participant, dataset=DATASET, offer=OFFER)
        assert refused.value.code == "peer-takes-no-offers"


async def test_a_hundred_negotiations_with_an_edc_that_provides(weft, edc):
    async with quickly(240):
        dataset = await edc.offer()
        for _ in range(100):
            await ours(weft, await ask(weft, edc, dataset), "FINALIZED")


async def test_a_hundred_negotiations_of_an_edc_with_us(weft, edc):
    async with quickly(240):
        await publish(weft)
        for _ in range(100):
            pid = await edc.negotiate(WEFT, weft.node.base, DATASET, free_offer())
            await edc.finalized(pid)
            await ours_with(weft, pid, "FINALIZED")


async def test_many_at_once_in_both_directions(weft, edc):
    async with quickly(120):
        await publish(weft)
        dataset = await edc.offer()

        async def we():
            await ours(weft, await ask(weft, edc, dataset), "FINALIZED")

        async def they():
            await edc.finalized(await edc.negotiate(WEFT, weft.node.base, DATASET, free_offer()))

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(we())
                group.create_task(they())
