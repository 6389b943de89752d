"""Case 13: the same protocol message twice is one event; another party's equal pid is another party's."""

import asyncio
import json

import pytest

from connector.daemon import Daemon
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import outbox
from contracts.negotiation.table import State
from tests.cases.inputs import case
from tests.cases.stub import Stub
from tests.deliveries import records
from tests.offers import OFFER, free_offer, publish
from tests.pair import community, did, found_space, settings, until
from tests.speaker import Speaker

STEEL, ZHENGSHU, OEM = did("p-steel"), did("s-zhengshu"), did("p-oem")
DATASET = "coil-17"


def filled(document, **values):
    """A message of the case with its placeholders replaced."""
    text = json.dumps(document)
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


async def offered(steel):
    """The dataset and offer that the message of the case asks for."""
    offer = free_offer(permission=[{"action": "use"}])
    await publish(steel, offer, dataset=DATASET)


def request(base):
    given = filled(case("13-duplicates")["request"], OFFER_ID=OFFER, PROVIDER_DID=STEEL)
    return {**given, "callbackAddress": base}


async def negotiations_of(daemon):
    return await daemon.node.db.read(negotiations.page)


@pytest.fixture
async def provider(tmp_path):
    """A provider, and two members that speak by hand."""
    found_space(tmp_path, ["p-steel", "s-zhengshu", "p-oem"])
    async with (
        Stub(tmp_path / "s-zhengshu") as one,
        Stub(tmp_path / "p-oem") as two,
        Daemon(settings(tmp_path, "p-steel")) as steel,
    ):
        await offered(steel)
        async with Speaker(one.speaks_as, steel) as speaker, Speaker(two.speaks_as, steel) as other:
            yield steel, one, speaker, two, other


async def test_two_requests_at_once_open_one_negotiation(provider):
    """The second is sent before the first is answered: one negotiation, the same providerPid, one agreement."""
    steel, one, speaker, _, _ = provider
    body = json.dumps(request(one.base)).encode()
    answers = await asyncio.gather(*(speaker.send("/negotiations/request", body) for _ in range(2)))
    assert [status for status, _ in answers] == [201, 201], answers
    assert len({answer["providerPid"] for _, answer in answers}) == 1
    await one.until("ContractAgreementMessage")
    (found,) = await negotiations_of(steel)
    assert found.pid == answers[0][1]["providerPid"]
    assert len(await steel.node.db.read(agreements.page)) == 1
    assert len(await records(steel, "negotiation.requested")) == 1


async def test_the_same_pid_of_another_party_is_a_negotiation_of_its_own(provider):
    """Both use one consumerPid: each has its own process, and neither sees the other's."""
    steel, one, speaker, two, other = provider
    _, first = await speaker.send("/negotiations/request", request(one.base))
    status, second = await other.send("/negotiations/request", request(two.base))
    assert status == 201
    assert second["providerPid"] != first["providerPid"]
    assert {each.counterparty for each in await negotiations_of(steel)} == {ZHENGSHU, OEM}
    assert (await other.send(f"/negotiations/{first['providerPid']}", method="GET"))[0] == 404
    assert [each.body["agreement"]["assignee"] for each in await two.until("ContractAgreementMessage")] == [OEM]


async def test_a_verification_twice_is_one_event(provider):
    """The second one is a success or a wrong-state error: the state stays, and there is one of everything."""
    steel, one, speaker, _, _ = provider
    _, opened = await speaker.send("/negotiations/request", request(one.base))
    pid = opened["providerPid"]
    await one.until("ContractAgreementMessage")
    await until(steel, f"negotiation:{pid}", lambda tx: negotiations.get(tx, pid).state is State.AGREED)
    verification = filled(case("13-duplicates")["verification"], PROVIDER_PID=pid)
    path = f"/negotiations/{pid}/agreement/verification"
    assert (await speaker.send(path, verification))[0] == 200
    await until(steel, f"negotiation:{pid}", lambda tx: negotiations.get(tx, pid).state is State.FINALIZED)
    status, answer = await speaker.send(path, verification)
    assert status == 200 or (status, answer["code"]) == (400, "illegal-transition")
    assert len(one.received("ContractNegotiationEventMessage")) == 1
    assert [each.state for each in await negotiations_of(steel)] == [State.FINALIZED]
    assert len(await steel.node.db.read(agreements.page)) == 1
    for type_ in ("negotiation.agreed", "negotiation.verified", "negotiation.finalized"):
        assert len(await records(steel, type_)) == 1
    assert await records(steel, "usage.recorded") == []


async def test_an_agreement_refused_with_503_is_repeated_until_it_is_taken_and_then_no_more(provider):
    """Three times 503, then 200: the same message four times, the negotiation goes on to its end, the outbox is empty."""
    steel, one, speaker, _, _ = provider
    one.statuses["ContractAgreementMessage"] = [503, 503, 503]
    _, opened = await speaker.send("/negotiations/request", request(one.base))
    pid = opened["providerPid"]
    sent = await one.until("ContractAgreementMessage", 4)
    assert len({each.body["@id"] for each in sent}) == 1
    await until(steel, f"negotiation:{pid}", lambda tx: negotiations.get(tx, pid).state is State.AGREED)
    verification = filled(case("13-duplicates")["verification"], PROVIDER_PID=pid)
    assert (await speaker.send(f"/negotiations/{pid}/agreement/verification", verification))[0] == 200
    await until(steel, f"negotiation:{pid}", lambda tx: negotiations.get(tx, pid).state is State.FINALIZED)
    assert len(one.received("ContractAgreementMessage")) == 4
    assert len(one.received("ContractNegotiationEventMessage")) == 1
    assert await steel.node.db.read(lambda tx: outbox.first_of_process(tx, pid)) is None


async def test_both_sides_of_a_real_pair_count_one(tmp_path):
    """What the steps forbid does not happen between two daemons either: one agreement and one pair of records each."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offered(steel)
        async with Speaker(zhengshu, steel) as speaker:
            body = json.dumps(request(zhengshu.node.base)).encode()
            answers = await asyncio.gather(*(speaker.send("/negotiations/request", body) for _ in range(3)))
        assert len({answer["providerPid"] for _, answer in answers}) == 1
        # The consumer never asked: it refuses the agreement, and the provider ends what nobody wants.
        (found,) = await negotiations_of(steel)
        ended = await until(
            steel,
            f"negotiation:{found.pid}",
            lambda tx: n if (n := negotiations.get(tx, found.pid)).state is State.TERMINATED else None,
        )
        assert ended.code
        assert len(await records(steel, "negotiation.terminated")) == 1
