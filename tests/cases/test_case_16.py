"""Case 16: a callback out of reach is refused by name; prefixes and slashes work; an end needs no reason."""

from datetime import timedelta

import pytest

from connector.daemon import Daemon
from connector.exchange import command
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.cases.inputs import case
from tests.cases.stub import Stub
from tests.cases.test_case_13 import filled, negotiations_of, offered
from tests.dspschema import validate
from tests.offers import OFFER, free_offer, publish
from tests.pair import did, found_space, settings, until
from tests.speaker import Speaker

STEEL = did("p-steel")
LOCALHOST, PREFIX, SLASH, QUERY, DOUBLE = range(5)


@pytest.fixture
async def provider(tmp_path):
    """A provider, and a consumer that speaks by hand and hears at every path of its port."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with (
        Stub(tmp_path / "s-zhengshu") as consumer,
        Daemon(settings(tmp_path, "p-steel")) as steel,
        Speaker(consumer.speaks_as, steel) as speaker,
    ):
        yield steel, consumer, speaker


def request(consumer, variant):
    given = case("16-unreachable-callback")
    callback = given["variants"][variant].partition(" ")[0].replace("{CONSUMER}", consumer.root)
    return {**filled(given["request"], OFFER_ID=OFFER, PROVIDER_DID=STEEL), "callbackAddress": callback}


async def test_a_callback_that_is_not_the_members_is_refused_by_name(provider):
    """(a) `localhost` seen from another host: 400 at once, the reason has the address and where the member is listed."""
    steel, consumer, speaker = provider
    await offered(steel)
    status, answer = await speaker.send("/negotiations/request", request(consumer, LOCALHOST))
    assert (status, answer["code"]) == (400, "address-outside-list")
    assert "http://localhost:29194/protocol/" in answer["reason"][0]
    assert consumer.root in answer["reason"][0]
    validate(answer, "negotiation/contract-negotiation-error-schema.json")
    assert await negotiations_of(steel) == []


@pytest.mark.slow
async def test_a_callback_that_nobody_answers_ends_within_the_retry_budget(tmp_path):
    """(a) The listed address is right but dead: the negotiation ends on our side with the address as the reason."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with Daemon(settings(tmp_path, "p-steel", give_up_s=1)) as steel:
        await offered(steel)
        async with Stub(tmp_path / "s-zhengshu") as consumer:
            speaks_as, base = consumer.speaks_as, consumer.base
        async with Speaker(speaks_as, steel) as speaker:
            _, opened = await speaker.send(
                "/negotiations/request", {**request(consumer, PREFIX), "callbackAddress": base}
            )
            pid = opened["providerPid"]
            given_up = await until(
                steel, f"negotiation:{pid}", lambda tx: n if (n := negotiations.get(tx, pid)).code else None
            )
            assert given_up.code == "unreachable"
            assert base in given_up.reason
            steel.clock.offset += timedelta(days=30)  # the end itself is told for longer than anything else

            ended = await until(
                steel,
                f"negotiation:{pid}",
                lambda tx: n if (n := negotiations.get(tx, pid)).state is State.TERMINATED else None,
            )
    assert base in ended.reason


@pytest.mark.parametrize(
    ("variant", "path"), [(PREFIX, "/deep/prefix"), (SLASH, "/deep/prefix"), (DOUBLE, "//deep")], ids=str
)
async def test_a_prefix_with_or_without_slash_is_called_as_it_is(provider, variant, path):
    """(c) The agreement arrives below the prefix, with exactly one slash between; so does the answer to a verification."""
    steel, consumer, speaker = provider
    await offered(steel)
    status, opened = await speaker.send("/negotiations/request", request(consumer, variant))
    assert status == 201
    (agreement,) = await consumer.until("ContractAgreementMessage")
    pid = agreement.body["consumerPid"]
    assert agreement.path == f"{path}/negotiations/{pid}/agreement"
    assert opened["consumerPid"] == pid


async def test_a_callback_with_a_query_is_refused(provider):
    """(c) Paths are appended to a callback, so a query has no place in it: 400 that says so."""
    steel, consumer, speaker = provider
    await offered(steel)
    status, answer = await speaker.send("/negotiations/request", request(consumer, QUERY))
    assert (status, answer["code"]) == (400, "address-malformed")
    assert "query" in answer["reason"][0]
    assert await negotiations_of(steel) == []


async def test_a_termination_without_reason_is_taken_and_ours_arrives(provider):
    """(d) Theirs: 200 and the negotiation is over. Ours: valid by the schema, without null and without an empty list."""
    steel, consumer, speaker = provider
    await publish(steel, free_offer(permission=[{"action": "use"}]), dataset="coil-17", decision="person")
    _, opened = await speaker.send("/negotiations/request", request(consumer, PREFIX))
    pid = opened["providerPid"]
    ending = filled(case("16-unreachable-callback")["termination_without_reason"], PROVIDER_PID=pid)
    assert (await speaker.send(f"/negotiations/{pid}/termination", ending))[0] == 200
    assert [each.state for each in await negotiations_of(steel)] == [State.TERMINATED]
    again = {**request(consumer, PREFIX), "consumerPid": "urn:uuid:16161616-0000-4000-8000-000000000002"}
    _, opened = await speaker.send("/negotiations/request", again)
    await command.terminate(steel.node, opened["providerPid"], reason="")
    (sent,) = await consumer.until("ContractNegotiationTerminationMessage")
    validate(sent.body, "negotiation/contract-negotiation-termination-message-schema.json")
    assert "reason" not in sent.body
    assert None not in sent.body.values()
