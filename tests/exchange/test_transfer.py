"""Transfer processes between two daemons: start, denial, suspension, resumption, end. The data itself is tests/dataplane's."""

import json

import pytest

from connector.dispatch import verdict
from connector.errors import WeftError
from connector.exchange import command
from connector.exchange.process import TAKEN
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.errors import IllegalTransitionError
from contracts.negotiation.table import State as NegotiationState
from contracts.transfer.table import State
from tests.dspschema import validate
from tests.offers import DATASET, OFFER, constrained, publish
from tests.pair import community, did, types, until
from tests.speaker import Speaker, message, pid

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
PURPOSE = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}


@pytest.fixture
async def agreed(tmp_path):
    """Two daemons with an agreement in force that demands the purpose `quality`; yields both and its digest."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel, constrained(**PURPOSE))
        mine = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)

        def final(tx):
            found = negotiations.get(tx, mine)
            return found if found.state is NegotiationState.FINALIZED else None

        ours = await until(zhengshu, f"negotiation:{mine}", final)
        yield steel, zhengshu, ours.agreement


async def reaches(daemon, pid, state):
    def check(tx):
        found = transfers.get(tx, pid)
        return found if found and found.state is state else None

    return await until(daemon, f"transfer:{pid}", check)


async def started(steel, zhengshu, agreement):
    mine = await command.start(zhengshu.node, agreement=agreement, purpose="quality")
    ours = await reaches(zhengshu, mine, State.STARTED)
    theirs = await reaches(steel, ours.peer_pid, State.STARTED)
    return ours, theirs


async def test_a_start_carries_an_address_with_a_token(agreed):
    """A transfer that the policy allows is started with an endpoint and a token that only the consumer holds."""
    steel, zhengshu, agreement = agreed
    ours, theirs = await started(steel, zhengshu, agreement)
    validate(
        {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], **ours.data_address},
        "transfer/data-address-schema.json",
    )
    assert ours.data_address["endpoint"].endswith(f"/data/{theirs.pid}")
    assert ours.purpose == theirs.purpose == "quality"


@pytest.mark.parametrize(("purpose", "reason"), [("training", "constraint-not-satisfied"), ("", "value-missing")])
async def test_a_denied_request_ends_with_the_reason_on_both_sides(agreed, purpose, reason):
    """A wrong or missing purpose ends the transfer; the reason is the termination's code and stands in both logs."""
    steel, zhengshu, agreement = agreed
    mine = await command.start(zhengshu.node, agreement=agreement, purpose=purpose)
    ours = await reaches(zhengshu, mine, State.TERMINATED)
    assert ours.code == reason
    assert ours.reason
    theirs = await reaches(steel, ours.peer_pid, State.TERMINATED)
    assert theirs.code == reason
    assert "policy.decision" in await steel.node.db.read(types(steel))
    for daemon in (steel, zhengshu):
        rows = await daemon.node.db.read(lambda tx: tx.all("audit.after", after=-1, limit=1000))
        records = [json.loads(row["body"]) for row in rows]
        assert [record["reason"] for record in records if record["type"] == "transfer.terminated"] == [reason]


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_who_pauses_resumes(agreed, side):
    """Either side suspends; the other cannot resume; the one that paused can, and the provider then gives a new address."""
    steel, zhengshu, agreement = agreed
    ours, theirs = await started(steel, zhengshu, agreement)
    mine, other = ((zhengshu, ours), (steel, theirs)) if side == "consumer" else ((steel, theirs), (zhengshu, ours))
    await command.suspend(mine[0].node, mine[1].pid, reason="maintenance")
    for daemon, transfer in (mine, other):
        paused = await reaches(daemon, transfer.pid, State.SUSPENDED)
        assert paused.suspended_by == side
        assert paused.halted == "transfer-suspended"
    with pytest.raises(WeftError, match="suspended-by-other"):
        await command.resume(other[0].node, other[1].pid)
    await command.resume(mine[0].node, mine[1].pid)
    for daemon, transfer in (mine, other):
        resumed = await reaches(daemon, transfer.pid, State.STARTED)
        assert resumed.halted == ""
    if side == "provider":
        fresh = (await reaches(zhengshu, ours.pid, State.STARTED)).data_address
        assert fresh["endpoint"] == ours.data_address["endpoint"]
        assert fresh != ours.data_address


async def test_what_was_said_before_its_sender_answered_comes_too_late(agreed):
    """A suspension of the provider on its way while the consumer paused and went on: taken, it would pause one side alone.

    The provider has sent no message since; its answers say when it took the consumer's.
    """
    steel, zhengshu, agreement = agreed
    ours, theirs = await started(steel, zhengshu, agreement)
    left = steel.clock.now()
    await command.suspend(zhengshu.node, ours.pid, reason="lunch")
    await reaches(zhengshu, ours.pid, State.SUSPENDED)
    await command.resume(zhengshu.node, ours.pid)
    await reaches(zhengshu, ours.pid, State.STARTED)
    pids = {"consumerPid": ours.pid, "providerPid": theirs.pid}
    async with Speaker(steel, zhengshu) as speaker:
        path = f"/transfers/{ours.pid}/suspension"
        said = message("TransferSuspensionMessage", code="x", reason=["recall"], **pids)
        status, answer = await speaker.send(path, said, token=speaker.token(now=left))
        assert (status, answer["code"]) == (425, "message-overtaken")
        assert (await speaker.send(path, said))[0] == 200
    assert await reaches(zhengshu, ours.pid, State.SUSPENDED)


@pytest.mark.parametrize("taken", ["", "x", "-1", "1.5", "9" * 99])
async def test_an_answer_that_tells_no_time_is_an_answer(taken):
    """Others say nothing there, or what they like: only a number counts."""
    assert verdict.taken_us({TAKEN.lower(): taken} if taken else {}) == 0


async def test_no_byte_may_move_from_the_command_on(agreed):
    """Our own suspension halts a transfer in the commit of the command, whatever the counterparty answers."""
    steel, zhengshu, agreement = agreed
    _, theirs = await started(steel, zhengshu, agreement)
    await zhengshu.close()
    await command.suspend(steel.node, theirs.pid, reason="recall")
    halted = await steel.node.db.read(lambda tx: transfers.get(tx, theirs.pid))
    assert halted.state is State.STARTED
    assert halted.halted == "transfer-suspended"


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_either_side_completes_or_terminates(agreed, side):
    """A completed transfer is over on both sides; nothing can be done with it any more."""
    steel, zhengshu, agreement = agreed
    ours, theirs = await started(steel, zhengshu, agreement)
    daemon, mine = (zhengshu, ours.pid) if side == "consumer" else (steel, theirs.pid)
    await command.complete(daemon.node, mine)
    await reaches(zhengshu, ours.pid, State.COMPLETED)
    await reaches(steel, theirs.pid, State.COMPLETED)
    await command.complete(daemon.node, mine)
    with pytest.raises(IllegalTransitionError):
        await command.suspend(daemon.node, mine, reason="late")
    ours, theirs = await started(steel, zhengshu, agreement)
    daemon, mine = (zhengshu, ours.pid) if side == "consumer" else (steel, theirs.pid)
    await command.terminate_transfer(daemon.node, mine, reason="stop")
    assert (await reaches(zhengshu, ours.pid, State.TERMINATED)).reason == "stop"
    assert (await reaches(steel, theirs.pid, State.TERMINATED)).reason == "stop"


async def test_a_transfer_request_is_idempotent_on_its_consumer_pid(agreed):
    """The same consumer asking with the same consumerPid gets the same process; another member's pid is its own."""
    steel, zhengshu, agreement = agreed
    document = (await zhengshu.node.db.read(lambda tx: tx.one("agreement.get", digest=agreement)))["id"]
    async with Speaker(zhengshu, steel) as speaker:
        body = message(
            "TransferRequestMessage",
            consumerPid=pid(),
            agreementId=document,
            format="HttpData-PULL",
            callbackAddress=zhengshu.node.base,
        )
        status, first = await speaker.send("/transfers/request", body)
        assert status == 201
        validate(first, "transfer/transfer-process-schema.json")
        status, second = await speaker.send("/transfers/request", {**body, "@id": pid()})
        assert status == 201
        assert first["providerPid"] == second["providerPid"]


async def test_a_transfer_needs_an_agreement_of_these_two_and_a_known_format(agreed):
    """An unknown agreement, an unknown format and two different purposes are refused with the rule's code."""
    steel, zhengshu, agreement = agreed
    known = (await zhengshu.node.db.read(lambda tx: tx.one("agreement.get", digest=agreement)))["id"]
    purpose = "https://w3id.org/weft/policy/v1#purpose"
    property_ = {"@type": "EndpointProperty", "name": purpose, "value": "training"}
    address = {"@type": "DataAddress", "endpointType": "HttpProxy", "endpointProperties": [property_]}
    cases = [
        ({"agreementId": "urn:uuid:none"}, "agreement-unknown"),
        ({"format": "AmazonS3-PUSH"}, "format-unsupported"),
        ({purpose: "quality", "dataAddress": address}, "message-invalid"),
    ]
    async with Speaker(zhengshu, steel) as speaker:
        for changes, code in cases:
            body = message(
                "TransferRequestMessage",
                **(
                    {
                        "consumerPid": pid(),
                        "agreementId": known,
                        "format": "HttpData-PULL",
                        "callbackAddress": zhengshu.node.base,
                    }
                    | changes
                ),
            )
            status, answer = await speaker.send("/transfers/request", body)
            assert (status, answer["code"]) == (400, code)
            validate(answer, "transfer/transfer-error-schema.json")
