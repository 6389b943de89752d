"""What an EDC said about catalogs and transfers, said again: our answers, our start with its address, and every way on and out."""

import pytest

from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.negotiation.table import State as NegotiationState
from contracts.transfer.table import State
from tests.deliveries import offer_file
from tests.dspschema import validate
from tests.offers import free_offer, publish
from tests.pair import until
from tests.wire.edc_recorded import one, recording, replay, valid

NS = "https://w3id.org/edc/v0.0.1/ns/"
PURPOSE = "https://w3id.org/weft/policy/v1#purpose"
DATASET = "asset-9"


async def reaches(replayed, pid, state):
    def look(tx):
        found = transfers.get(tx, pid)
        return found if found.state is state else None

    return await until(replayed.daemon, "audit", look)


async def agreement(replayed, recorded, source, **rules):
    """An agreement about a file of ours, made in the recorded words of resume.jsonl; the EDC knows it as `recorded`."""
    source.write_text("batch,torque\n1,7\n")
    request, verification = one("resume", 1), one("resume", 3)
    await offer_file(replayed.daemon, source, free_offer("o-1", **rules), dataset=DATASET)
    if rules:
        request["request"]["offer"] |= rules
    pid = await replayed.open(request)
    said = await replayed.member.said("ContractAgreementMessage")
    await replayed.move(verification)
    await replayed.member.said("ContractNegotiationEventMessage")

    def final(tx):
        return negotiations.get(tx, pid).state is NegotiationState.FINALIZED

    await until(replayed.daemon, "audit", final)
    replayed.put(recorded, said["agreement"]["@id"])


async def started(replayed, tmp_path):
    """The pull of resume.jsonl, started: our pid and our start message."""
    request = one("resume", 5)
    await agreement(replayed, request["request"]["agreementId"], tmp_path / "press.csv")
    pid = await replayed.open(request)
    start = await replayed.member.said("TransferStartMessage")
    await reaches(replayed, pid, State.STARTED)
    return pid, start


def named(start):
    """The properties of the address in a start, by name; all are of the type that an EDC demands."""
    properties = start["dataAddress"]["endpointProperties"]
    assert all(each["@type"] == "EndpointProperty" and isinstance(each["value"], str) for each in properties)
    return {each["name"]: each["value"] for each in properties}


async def test_a_pull_starts_with_all_that_an_edc_reads(tmp_path):
    accepted = one("freedoms-edc-consumes", 1094)
    async with replay(tmp_path) as replayed:
        pid, start = await started(replayed, tmp_path)
        taken = accepted["request"]["dataAddress"]
        assert accepted["status"] == 200
        assert start["dataAddress"]["endpointType"] == taken["endpointType"]
        assert set(named(start)) >= {each["name"] for each in taken["endpointProperties"]}
        ours = named(start)
        assert ours[f"{NS}endpoint"] == start["dataAddress"]["endpoint"]
        assert ours[f"{NS}authorization"] == ours["authorization"]
        assert ours[f"{NS}authType"] == "bearer"
        assert (start["providerPid"], start["consumerPid"]) == (pid, one("resume", 5)["request"]["consumerPid"])


async def test_suspension_and_resumption_in_an_edcs_words(tmp_path):
    async with replay(tmp_path) as replayed:
        pid, start = await started(replayed, tmp_path)
        assert (await replayed.move(one("resume", 7)))["state"] == "SUSPENDED"
        assert (await reaches(replayed, pid, State.SUSPENDED)).reason == "pause"
        await replayed.move(one("resume", 8))
        again = await replayed.member.said("TransferStartMessage", 2)
        assert named(again)["authorization"] != named(start)["authorization"]
        await reaches(replayed, pid, State.STARTED)


async def test_a_repeated_transfer_request_returns_the_existing_process(tmp_path):
    async with replay(tmp_path) as replayed:
        pid, _ = await started(replayed, tmp_path)
        request = one("resume", 5)
        status, body = await replayed.say(request | {"request": request["request"] | {"@id": "another"}})
        assert (status // 100, body["providerPid"]) == (2, pid)
        starts = [each for each in replayed.member.heard if each.path.endswith("/start")]
        assert len(starts) == 1


async def test_a_purpose_as_a_property_of_the_destination_counts(tmp_path):
    request = one("scenario-a-edc-consumes", 77)
    assert one("scenario-a-edc-consumes", 76)["from"] == "user"
    constraint = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "supply-chain-control"}
    rules = {"permission": [{"action": "use", "constraint": [constraint]}]}
    async with replay(tmp_path) as replayed:
        await agreement(replayed, request["request"]["agreementId"], tmp_path / "press.csv", **rules)
        pid = await replayed.open(request)
        await replayed.member.said("TransferStartMessage")
        assert (await reaches(replayed, pid, State.STARTED)).purpose == "supply-chain-control"


async def test_a_purpose_that_is_missing_ends_the_transfer_with_the_reason(tmp_path):
    request = one("scenario-a-edc-consumes", 74)
    constraint = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "supply-chain-control"}
    rules = {"permission": [{"action": "use", "constraint": [constraint]}]}
    async with replay(tmp_path) as replayed:
        await agreement(replayed, request["request"]["agreementId"], tmp_path / "press.csv", **rules)
        await replayed.open(request)
        ended = await replayed.member.said("TransferTerminationMessage")
        assert "supply-chain-control" in ended["reason"][0]


REASONS = {
    "as the EDC wrote it": {"reason": ["done"]},
    "none": {},
    "empty": {"reason": []},
    "null in it": {"reason": [None]},
    "a text": {"reason": "done"},
    "objects": {"reason": [{"@value": "done"}]},
}


@pytest.mark.parametrize("form", REASONS)
@pytest.mark.parametrize(("seq", "state"), [(1133, State.SUSPENDED), (1135, State.TERMINATED)])
async def test_an_end_and_a_pause_count_whatever_the_reason_looks_like(tmp_path, form, seq, state):
    said = one("freedoms-edc-consumes", seq)
    async with replay(tmp_path) as replayed:
        pid, start = await started(replayed, tmp_path)
        replayed.put(said["request"]["providerPid"], pid)
        replayed.put(said["request"]["consumerPid"], start["consumerPid"])
        bare = {name: value for name, value in said["request"].items() if name != "reason"}
        assert (await replayed.move(said | {"request": bare | REASONS[form]}))["state"] == state.value
        await reaches(replayed, pid, state)


async def test_our_end_of_a_transfer_reads_as_those_that_an_edc_has_taken(tmp_path):
    accepted = one("freedoms-edc-consumes", 1128)
    async with replay(tmp_path) as replayed:
        pid, start = await started(replayed, tmp_path)
        await command.terminate_transfer(replayed.daemon.node, pid, reason="gone")
        ended = await replayed.member.said("TransferTerminationMessage")
        assert set(ended) - {"@id"} == set(accepted["request"])
        assert (ended["reason"], ended["consumerPid"]) == (accepted["request"]["reason"], start["consumerPid"])
        await reaches(replayed, pid, State.TERMINATED)


async def test_a_transfer_under_an_agreement_of_nobody_is_refused_in_words_for_people(tmp_path):
    async with replay(tmp_path) as replayed:
        request = one("resume", 5)
        status, body = await replayed.say(request)
        assert status in {400, 404}
        assert request["request"]["agreementId"] in body["reason"][0]
        assert await replayed.daemon.node.db.read(agreements.in_force) == []


# -- catalog -----------------------------------------------------------------------------------------------------------


def catalog_requests():
    """Each different catalog request that an EDC has sent."""
    names = ("freedoms-edc-consumes", "scenario-a-edc-consumes")
    found = [each for name in names for each in recording(name) if each["path"].endswith("/catalog/request")]
    return list({str(each["request"]): each for each in found if each["from"] == "edc"}.values())


async def test_an_edcs_question_for_the_catalog_is_answered_with_our_offers(tmp_path):
    async with replay(tmp_path) as replayed:
        await publish(replayed.daemon, free_offer("o-1"), dataset=DATASET)
        requests = catalog_requests()
        assert requests
        for request in requests:
            status, body = await replayed.say(request)
            assert status == 200
            assert body["participantId"] == "provider"
            (dataset,) = body["dataset"]
            assert dataset["@id"] == DATASET
            assert [each["@id"] for each in dataset["hasPolicy"]] == ["o-1"]
            assert "HttpData-PULL" in [each["format"] for each in dataset["distribution"]]
            valid(body)
            validate({"@context": body["@context"], **dataset}, "catalog/dataset-schema.json")
