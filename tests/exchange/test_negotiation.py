"""Two daemons on loopback negotiate: every path through the table, both roles, and what is refused."""

import asyncio
from urllib.parse import urlsplit

import pytest

from connector.errors import WeftError
from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from contracts.errors import IllegalTransitionError
from contracts.machine import Role
from contracts.negotiation.table import State
from tests.faulty import Fault
from tests.offers import DATASET, OFFER, constrained, free_offer, publish
from tests.pair import community, did, types, until

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


def state_is(pid, *states):
    def check(tx):
        found = negotiations.get(tx, pid)
        return found if found and found.state in states else None

    return check


async def reaches(daemon, pid, *states):
    return await until(daemon, f"negotiation:{pid}", state_is(pid, *states))


async def theirs(daemon, negotiation):
    """The counterparty's side of a negotiation."""
    return await daemon.node.db.read(lambda tx: negotiations.get(tx, negotiation.peer_pid))


async def finalized(steel, zhengshu, **arguments):
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER, **arguments)
    ours = await reaches(zhengshu, pid, State.FINALIZED)
    await reaches(steel, ours.peer_pid, State.FINALIZED)
    return ours


async def test_a_request_for_an_offer_ends_finalized_on_both_sides(pair):
    """Asked for as offered, a contract is in force on both sides, with the same agreement and both seals."""
    steel, zhengshu = pair
    await publish(steel)
    ours = await finalized(steel, zhengshu)
    other = await theirs(steel, ours)
    assert other.agreement == ours.agreement
    for daemon in pair:
        agreed = await daemon.node.db.read(lambda tx: agreements.get(tx, ours.agreement))
        assert agreed.in_force
        assert agreed.document["assigner"] == STEEL
        assert agreed.document["assignee"] == ZHENGSHU
        sealed = await until(
            daemon, "audit", lambda tx: len(found := agreements.seals(tx, ours.agreement)) == 2 and found
        )
        assert set(sealed) == {STEEL, ZHENGSHU}


async def test_every_state_change_is_one_audit_record_on_each_side(pair):
    """The four messages of a negotiation stand in both logs, each once and in order."""
    steel, zhengshu = pair
    await publish(steel)
    await finalized(steel, zhengshu)
    expected = ["negotiation.requested", "negotiation.agreed", "negotiation.verified", "negotiation.finalized"]
    for daemon in pair:
        seen = await daemon.node.db.read(types(daemon))
        assert [item for item in seen if item.startswith("negotiation.")] == expected


async def test_an_idempotency_key_opens_one_negotiation(pair):
    """The same command with the same key returns the first one's identifier, also when both run at once."""
    steel, zhengshu = pair
    await publish(steel)
    pids = await asyncio.gather(
        *(
            command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER, idempotency="order-7")
            for _ in range(5)
        )
    )
    assert len(set(pids)) == 1


async def test_other_terms_wait_for_a_person_who_counters_and_the_consumer_accepts(pair):
    """A request that differs from the offer is decided by a person; the counter-offer is accepted and agreed."""
    steel, zhengshu = pair
    offer = constrained(leftOperand="odrl:purpose", operator="eq", rightOperand="quality")
    await publish(steel, offer)
    asked = constrained(leftOperand="odrl:purpose", operator="eq", rightOperand="training")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, document=asked)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    await command.counter(steel.node, ours.peer_pid, offer)
    offered = await reaches(zhengshu, pid, State.OFFERED)
    assert offered.offer["permission"] == offer["permission"]
    await reaches(steel, ours.peer_pid, State.OFFERED)
    await command.accept(zhengshu.node, pid)
    final = await reaches(zhengshu, pid, State.FINALIZED)
    agreed = await zhengshu.node.db.read(lambda tx: agreements.get(tx, final.agreement))
    assert agreed.document["permission"] == offer["permission"]


async def test_a_consumer_counters_an_offer_and_gets_what_it_asks_for(pair):
    """After a counter-offer the consumer may ask again; asking for the published offer is agreed at once."""
    steel, zhengshu = pair
    offer = constrained(leftOperand="odrl:purpose", operator="eq", rightOperand="quality")
    await publish(steel, offer)
    asked = constrained(leftOperand="odrl:purpose", operator="eq", rightOperand="training")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, document=asked)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    await command.counter(steel.node, ours.peer_pid, free_offer(prohibition=[{"action": "odrl:distribute"}]))
    await reaches(zhengshu, pid, State.OFFERED)
    await command.counter(zhengshu.node, pid, offer)
    await reaches(zhengshu, pid, State.FINALIZED)


async def test_a_person_agrees_to_a_request(pair):
    """Where the dataset says a person decides, nothing happens until one does."""
    steel, zhengshu = pair
    await publish(steel, decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    await command.agree(steel.node, ours.peer_pid)
    await reaches(zhengshu, pid, State.FINALIZED)


async def test_a_provider_offers_first(pair):
    """A provider-initiated offer is accepted by the consumer and ends in an agreement."""
    steel, zhengshu = pair
    await publish(steel)
    pid = await command.offer(steel.node, consumer=ZHENGSHU, dataset=DATASET, offer=OFFER)
    ours = await reaches(steel, pid, State.OFFERED)
    other = await theirs(zhengshu, ours)
    assert other.role is Role.CONSUMER
    await command.accept(zhengshu.node, other.pid)
    await reaches(steel, pid, State.FINALIZED)


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_either_side_ends_a_negotiation_with_a_reason(pair, side):
    """A termination reaches the other side with its code and reason, and nothing is sent after it."""
    steel, zhengshu = pair
    await publish(steel, decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    daemon, mine = (zhengshu, pid) if side == "consumer" else (steel, ours.peer_pid)
    await command.terminate(daemon.node, mine, reason="prices changed")
    for each, identifier in ((zhengshu, pid), (steel, ours.peer_pid)):
        ended = await reaches(each, identifier, State.TERMINATED)
        assert ended.reason == "prices changed"
    with pytest.raises(WeftError, match="process-ended"):
        await command.terminate(daemon.node, mine, reason="again")


async def test_commands_ask_the_table(pair):
    """What the state does not allow is refused before anything is written."""
    steel, zhengshu = pair
    await publish(steel, decision="person")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    with pytest.raises(IllegalTransitionError):
        await command.accept(zhengshu.node, pid)
    with pytest.raises(IllegalTransitionError):
        await command.counter(zhengshu.node, pid, free_offer())
    await command.agree(steel.node, ours.peer_pid)
    await reaches(zhengshu, pid, State.FINALIZED)


async def test_an_offer_for_somebody_else_does_not_exist(pair):
    """An offer that another member may see is unknown to the one who may not."""
    steel, zhengshu = pair
    await publish(steel, audience=(did("p-oem"),))
    with pytest.raises(WeftError) as caught:
        await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    assert caught.value.code == "dataset-unknown"


async def test_terms_that_could_never_be_fulfilled_are_not_agreed(pair):
    """A provider does not agree to a policy that names another recipient; both sides learn why."""
    steel, zhengshu = pair
    await publish(steel, constrained(leftOperand="odrl:recipient", operator="eq", rightOperand=did("p-oem")))
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    ended = await reaches(zhengshu, pid, State.TERMINATED)
    assert ended.code == "terms-never-fulfilled"
    assert "message.refused" in await steel.node.db.read(types(steel))


async def test_sixty_four_at_once_all_end_finalized(pair):
    """A crowd of negotiations between two connectors loses none and mixes none up."""
    steel, zhengshu = pair
    await publish(steel)
    pids = await asyncio.gather(
        *(command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER) for _ in range(64))
    )
    ended = await asyncio.gather(*(reaches(zhengshu, pid, State.FINALIZED) for pid in pids))
    assert len({negotiation.agreement for negotiation in ended}) == 64


async def test_another_datasets_offer_does_not_speak_for_this_one(pair):
    """A counter-request that names the offer of a cheaper dataset is not agreed by itself: a person decides."""
    steel, zhengshu = pair
    await publish(
        steel, constrained("urn:uuid:dear", leftOperand="odrl:purpose", operator="eq", rightOperand="x"), dataset="dear"
    )
    await publish(steel, free_offer("urn:uuid:cheap"), dataset="cheap")
    pid = await command.offer(steel.node, consumer=ZHENGSHU, dataset="dear", offer="urn:uuid:dear")
    ours = await reaches(steel, pid, State.OFFERED)
    other = await theirs(zhengshu, ours)
    await command.counter(zhengshu.node, other.pid, free_offer("urn:uuid:cheap"))
    waiting = await reaches(steel, pid, State.REQUESTED)
    assert waiting.agreement == ""
    await command.terminate(steel.node, pid, reason="no")
    await reaches(zhengshu, other.pid, State.TERMINATED)


@pytest.fixture
async def watched(tmp_path):
    """A pair, and every request that either of the two sends; `steps` says what becomes of one."""
    sent, steps = [], []

    def script(method, url):
        sent.append((method, url))
        return next((fault for fits, fault in steps if fits(method, url)), Fault.NONE)

    async with community(tmp_path, "p-steel", "s-zhengshu", script=script) as daemons:
        yield *daemons, sent, steps


def about_seals(sent):
    return [url for method, url in sent if method == "PUT" and url.endswith("/seals")]


async def both_sealed(daemons, digest):
    for daemon in daemons:
        await until(daemon, "audit", lambda tx: len(agreements.seals(tx, digest)) == 2)


async def test_two_seals_take_one_request(watched):
    """The answer to the provider's seal carries the consumer's, which then does not leave by itself."""
    steel, zhengshu, sent, _ = watched
    await publish(steel)
    ours = await finalized(steel, zhengshu)
    await both_sealed((steel, zhengshu), ours.agreement)
    assert [urlsplit(url).port for url in about_seals(sent)] == [zhengshu.protocol_port]
    for daemon in (steel, zhengshu):
        assert (await daemon.node.db.read(lambda tx: tx.one("outbox.depth")))["n"] == 0


async def test_a_lost_answer_to_a_seal_costs_no_seal(watched):
    steel, zhengshu, sent, steps = watched
    lost = iter([Fault.LOSE_ANSWER])
    steps.append((lambda method, _url: method == "PUT" and next(lost, None) is not None, Fault.LOSE_ANSWER))
    await publish(steel)
    ours = await finalized(steel, zhengshu)
    await both_sealed((steel, zhengshu), ours.agreement)
    assert len(about_seals(sent)) == 2


async def test_a_consumer_whose_provider_sends_no_seal_sends_its_own(watched):
    steel, zhengshu, _, steps = watched
    steps.append((lambda method, url: method == "PUT" and f":{zhengshu.protocol_port}/" in url, Fault.LOSE_REQUEST))
    await publish(steel)
    ours = await finalized(steel, zhengshu)
    await both_sealed((steel, zhengshu), ours.agreement)


async def test_an_offer_that_was_seen_is_not_asked_for_again(watched):
    steel, zhengshu, sent, _ = watched
    await publish(steel)
    offer = {**free_offer(), "@id": OFFER}
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, seen=offer)
    await reaches(zhengshu, pid, State.FINALIZED)
    assert [url for method, url in sent if method == "GET" and "/datasets/" in url] == []


async def test_an_offer_that_was_seen_too_long_ago_is_refused_by_its_provider(watched):
    steel, zhengshu, _, _ = watched
    await publish(steel)
    offer = {**free_offer(), "@id": "urn:uuid:of-last-year"}
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, seen=offer)
    ended = await reaches(zhengshu, pid, State.TERMINATED)
    assert "urn:uuid:of-last-year" in ended.reason


async def test_terms_of_ones_own_are_asked_for_under_an_offer_that_was_seen(watched):
    steel, zhengshu, _, _ = watched
    await publish(steel, decision="person")
    offer = {**free_offer(), "@id": OFFER}
    asked = constrained(leftOperand="odrl:purpose", operator="eq", rightOperand="quality")
    pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, seen=offer, document=asked)
    ours = await reaches(zhengshu, pid, State.REQUESTED)
    assert (ours.offer["permission"], ours.answers["permission"]) == (asked["permission"], offer["permission"])
