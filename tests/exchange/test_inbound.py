"""What arrives at the protocol side and must be refused: each with a clear error, an audit record, and no change."""

import uuid

import pytest

from connector.exchange import command
from connector.identity.keys import KeyRing
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.dspschema import validate
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import community, did, types, until
from tests.speaker import CONTEXT, Speaker, message, pid

STEEL, ZHENGSHU, OEM = did("p-steel"), did("s-zhengshu"), did("p-oem")


@pytest.fixture
async def space(tmp_path):
    """p-steel provides; s-zhengshu is a member that speaks by hand; p-oem is a third member."""
    async with community(tmp_path, "p-steel", "s-zhengshu", "p-oem") as (steel, zhengshu, oem):
        await publish(steel, decision="person")
        async with Speaker(zhengshu, steel) as speaker, Speaker(oem, steel) as third:
            yield steel, speaker, third


def request(speaker, **changes):
    offer = {**free_offer(), "target": DATASET, "assigner": STEEL}
    members = {"consumerPid": pid(), "callbackAddress": speaker.daemon.node.base, "offer": offer} | changes
    return message("ContractRequestMessage", **{name: value for name, value in members.items() if value is not None})


async def opened(speaker):
    status, body = await speaker.send("/negotiations/request", request(speaker))
    assert status == 201
    validate(body, "negotiation/contract-negotiation-schema.json")
    return body


def termination(body, **changes):
    pids = {"providerPid": body["providerPid"], "consumerPid": body["consumerPid"]} | changes
    return message("ContractNegotiationTerminationMessage", **pids, code="x", reason=["done"])


async def records(daemon, type_):
    return (await daemon.node.db.read(types(daemon))).count(type_)


BAD = {
    "not JSON": (b"{", "message-not-json"),
    "not UTF-8": (b'{"a":"\xff"}', "message-not-json"),
    "a member twice": (b'{"@type":"a","@type":"b"}', "message-not-json"),
    "not an object": (b"[]", "message-invalid"),
    "NaN": (b'{"a":NaN}', "message-not-json"),
    "too deep": (b"[" * 70 + b"]" * 70, "message-not-json"),
    "empty": (b"", "message-not-json"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_message_is_refused_with_its_place(space, name):
    """Bytes that are no message get 400 and the protocol's error body, which says what is wrong."""
    steel, speaker, _ = space
    body, code = BAD[name]
    status, answer = await speaker.send("/negotiations/request", body)
    assert (status, answer["code"]) == (400, code)
    assert answer["reason"][0]
    validate(answer, "negotiation/contract-negotiation-error-schema.json")
    assert await records(steel, "message.refused") == 1


async def test_a_message_over_the_limit_is_not_read(space):
    """A body over the limit gets 413 with the limit."""
    steel, speaker, _ = space
    limit = steel.settings.message_limit_bytes
    status, answer = await speaker.send("/negotiations/request", b" " * (limit + 1))
    assert (status, answer["code"]) == (413, "message-too-large")
    assert str(limit) in answer["reason"][0]


WRONG = {
    "wrong type": ({"@type": "CatalogRequestMessage"}, "@type"),
    "context as a string": ({"@context": CONTEXT[0]}, "@context"),
    "context of something else": ({"@context": ["https://example.org/"]}, "@context"),
    "two types": ({"@type": ["ContractRequestMessage", "x"]}, "@type"),
    "pid with a slash": ({"consumerPid": "a/b"}, "consumerPid"),
    "pid missing": ({"consumerPid": None}, "consumerPid"),
    "both addresses": ({"providerPid": "urn:uuid:1"}, "$"),
    "offer without rules": ({"offer": {"@type": "Offer", "@id": OFFER, "target": DATASET}}, "offer"),
    "offer without target": ({"offer": free_offer()}, "offer"),
    "offer without type": ({"offer": {"@id": OFFER, "target": DATASET, "permission": [{"action": "use"}]}}, "offer"),
    "empty permission": ({"offer": {**free_offer(permission=[]), "target": DATASET}}, "offer"),
    "a target inside a rule": (
        {"offer": {**free_offer(permission=[{"action": "use", "target": "x"}]), "target": DATASET}},
        "offer",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_message_of_the_wrong_shape_names_the_member(space, name):
    """The error of a malformed message names the first wrong member."""
    _, speaker, _ = space
    changes, member = WRONG[name]
    body = {**request(speaker), **changes}
    status, answer = await speaker.send("/negotiations/request", {k: v for k, v in body.items() if v is not None})
    assert (status, answer["code"]) == (400, "message-invalid")
    assert member in answer["reason"][0]


REFUSED = {
    "unknown offer": ({"offer": {**free_offer("urn:uuid:none"), "target": DATASET}}, "offer-unknown"),
    "another dataset": ({"offer": {**free_offer(), "target": "other"}}, "offer-unknown"),
    "another assigner": ({"offer": {**free_offer(), "target": DATASET, "assigner": OEM}}, "party-mismatch"),
    "another assignee": ({"offer": {**free_offer(), "target": DATASET, "assignee": OEM}}, "party-mismatch"),
    "callback elsewhere": ({"callbackAddress": "http://127.0.0.1:1/dsp/2025-1"}, "address-outside-list"),
    "callback with a query": ({"callbackAddress": "http://127.0.0.1:1/dsp?x=1"}, "address-malformed"),
    "callback of no scheme": ({"callbackAddress": "file:///etc/passwd"}, "address-malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_message_that_breaks_a_rule_is_refused_and_audited(space, name):
    """Right in shape, wrong in meaning: 400 with the rule's code, one audit record, no negotiation."""
    steel, speaker, _ = space
    changes, code = REFUSED[name]
    status, answer = await speaker.send("/negotiations/request", request(speaker, **changes))
    assert (status, answer["code"]) == (400, code)
    assert await records(steel, "message.refused") == 1
    assert await steel.node.db.read(negotiations.page) == []


async def test_a_repeat_is_answered_and_an_equal_message_is_not(space):
    """The same @id gets the recorded reply; the same content under a new @id is a new message and refused."""
    _, speaker, _ = space
    first = request(speaker)
    assert await speaker.send("/negotiations/request", first) == await speaker.send("/negotiations/request", first)
    status, answer = await speaker.send("/negotiations/request", {**first, "@id": pid()})
    assert (status, answer["code"]) == (400, "pid-reused")


async def test_a_repeat_without_an_id_counts_while_it_is_the_latest(space):
    """A peer that sends no @id is known by its bytes: a repeat is answered, and refused once something came between."""
    _, speaker, _ = space
    body = await opened(speaker)
    path = f"/negotiations/{body['providerPid']}/termination"
    ending = termination(body)
    del ending["@id"]
    assert (await speaker.send(path, ending))[0] == 200
    assert (await speaker.send(path, ending))[0] == 200


async def test_what_the_state_does_not_allow_is_refused(space):
    """A verification in REQUESTED, and anything after the end, is 400 and changes nothing."""
    steel, speaker, _ = space
    body = await opened(speaker)
    pids = {"providerPid": body["providerPid"], "consumerPid": body["consumerPid"]}
    base = f"/negotiations/{body['providerPid']}"
    status, answer = await speaker.send(
        f"{base}/agreement/verification", message("ContractAgreementVerificationMessage", **pids)
    )
    assert (status, answer["code"]) == (400, "illegal-transition")
    validate(answer, "negotiation/contract-negotiation-error-schema.json")
    for event in ("ACCEPTED", "FINALIZED"):
        status, _ = await speaker.send(
            f"{base}/events", message("ContractNegotiationEventMessage", **pids, eventType=event)
        )
        assert status == 400
    assert (await speaker.send(f"{base}/termination", termination(body)))[0] == 200
    assert (await speaker.send(f"{base}/termination", termination(body)))[0] == 400
    found = await steel.node.db.read(lambda tx: negotiations.get(tx, body["providerPid"]))
    assert found.state is State.TERMINATED


async def test_a_process_of_others_does_not_exist(space):
    """An unknown pid and somebody else's process get the same 404, for messages and for looking."""
    _, speaker, third = space
    body = await opened(speaker)
    path = f"/negotiations/{body['providerPid']}"
    unknown = f"/negotiations/{pid()}"
    assert (await speaker.send(path, method="GET"))[1]["state"] == "REQUESTED"
    for place in (path, unknown):
        status, answer = await third.send(place, method="GET")
        assert (status, answer["code"]) == (404, "process-unknown")
        assert (await third.send(f"{place}/termination", termination(body)))[0] == 404
    assert (await speaker.send(path, method="GET"))[1]["state"] == "REQUESTED"


async def test_pids_of_the_body_must_be_those_of_the_process(space):
    """A message for one process that names another one's pids is refused with the member."""
    _, speaker, _ = space
    body = await opened(speaker)
    path = f"/negotiations/{body['providerPid']}/termination"
    for member in ("providerPid", "consumerPid"):
        status, answer = await speaker.send(path, termination(body, **{member: pid()}))
        assert (status, answer["code"]) == (400, "pid-mismatch")
        assert member in answer["reason"][0]


async def test_every_stranger_gets_the_same_401(space, tmp_path):
    """Without a token, with a stranger's, with a stranger's that claims to be a member: one answer, byte for byte."""
    steel, speaker, _ = space
    stranger = KeyRing.generate("did:web:p-outsider.example")
    pretender = KeyRing.generate(ZHENGSHU)
    tokens = [
        "",
        speaker.token(ring=stranger),
        speaker.token(ring=pretender),
        "not-a-token",
        speaker.token(audience=OEM),
    ]
    answers = [
        await speaker.send("/catalog/request", message("CatalogRequestMessage"), token=token) for token in tokens
    ]
    assert {status for status, _ in answers} == {401}
    assert all(answer == answers[0][1] for _, answer in answers)
    assert "dataset" not in answers[0][1]
    assert await records(steel, "authentication.refused") == len(tokens)
    for path in ("/negotiations/request", "/transfers/request"):
        statuses = {(await speaker.send(path, b"{}", token=token))[0] for token in tokens}
        assert statuses == {401}


async def test_a_token_serves_once(space):
    """A token that was used for one message opens no second one, and one of a read no second read."""
    _, speaker, _ = space
    token = speaker.token()
    assert (await speaker.send("/negotiations/request", request(speaker), token=token))[0] == 201
    assert (await speaker.send("/negotiations/request", request(speaker), token=token))[0] == 401
    read = speaker.token()
    assert (await speaker.send(f"/catalog/datasets/{DATASET}", method="GET", token=read))[0] == 200
    assert (await speaker.send(f"/catalog/datasets/{DATASET}", method="GET", token=read))[0] == 401


async def test_an_expired_token_says_so_to_a_member(space):
    """A member whose clock is off learns that, because its signature was proven."""
    _, speaker, _ = space
    old = speaker.token(now=speaker.other.clock.now().replace(year=2025))
    status, answer = await speaker.send("/catalog/request", message("CatalogRequestMessage"), token=old)
    assert (status, answer["code"]) == (401, "token-expired")


async def test_the_catalog_is_valid_and_an_unsupported_filter_is_refused(space):
    """Catalog, dataset and errors follow the official schemas; a filter we do not know is 400."""
    _, speaker, _ = space
    status, catalog = await speaker.send("/catalog/request", message("CatalogRequestMessage"))
    assert status == 200
    validate(catalog, "catalog/catalog-schema.json")
    assert [dataset["@id"] for dataset in catalog["dataset"]] == [DATASET]
    status, dataset = await speaker.send(f"/catalog/datasets/{DATASET}", method="GET")
    assert status == 200
    validate(dataset, "catalog/dataset-schema.json")
    status, error = await speaker.send("/catalog/request", message("CatalogRequestMessage", filter=[{"x": 1}]))
    assert (status, error["code"]) == (400, "filter-unsupported")
    validate(error, "catalog/catalog-error-schema.json")
    status, error = await speaker.send("/catalog/datasets/none", method="GET")
    assert (status, error["code"]) == (404, "dataset-unknown")
    validate(error, "catalog/catalog-error-schema.json")


async def test_the_version_document_needs_no_token(space):
    """Versions are unauthenticated, without a JSON-LD envelope, and their path leads to the base."""
    steel, speaker, _ = space
    root = steel.node.base.removesuffix("/dsp/2025-1")
    for place in (root, f"{root}/dsp"):
        status, document = await speaker.send(f"{place}/.well-known/dspace-version", method="GET", token="")
        assert status == 200
        validate(document, "common/protocol-version-schema.json")
        assert place + document["protocolVersions"][0]["path"] == steel.node.base
    status, document = await speaker.send(f"{root}/.well-known/weft", method="GET", token="")
    assert (status, document["name"]) == (200, "weft")
    assert (await speaker.send(f"{root}/health", method="GET", token="")) == (200, {"status": "up"})


async def test_an_agreement_that_differs_is_refused_by_the_consumer(tmp_path):
    """A provider that sends other rules, parties or a time without zone than negotiated is refused; the right one is taken."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel, decision="person")
        mine = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
        ours = await until(
            zhengshu, f"negotiation:{mine}", lambda tx: (n := negotiations.get(tx, mine)) and n.state and n
        )
        right = {
            "@id": f"urn:uuid:{uuid.uuid4()}",
            "@type": "Agreement",
            "target": DATASET,
            "assigner": STEEL,
            "assignee": ZHENGSHU,
            "timestamp": "2026-11-10T01:00:00Z",
            "permission": [{"action": "odrl:use"}],
        }
        wrong = {
            "permission": [{"action": "odrl:read"}],
            "assignee": OEM,
            "assigner": ZHENGSHU,
            "target": "other",
            "timestamp": "2026-11-10T01:00:00",
        }
        async with Speaker(steel, zhengshu) as speaker:
            pids = {"providerPid": ours.peer_pid, "consumerPid": mine}
            path = f"/negotiations/{mine}/agreement"
            for member, value in wrong.items():
                body = message("ContractAgreementMessage", **pids, agreement={**right, member: value})
                status, answer = await speaker.send(path, body)
                assert (status, answer["code"]) == (400, "agreement-differs"), member
            assert (await zhengshu.node.db.read(lambda tx: negotiations.get(tx, mine))).state is State.REQUESTED
            body = message("ContractAgreementMessage", **pids, agreement=right)
            assert (await speaker.send(path, body))[0] == 200


async def test_without_a_member_list_the_answer_is_503_and_not_a_fault(space, tmp_path):
    """While no list is in force nobody can be known: every address says so, and the sender tries again later."""
    steel, speaker, _ = space
    steel.node.members._current = None
    for path, method in (
        ("/negotiations/request", "POST"),
        ("/transfers/request", "POST"),
        ("/catalog/request", "POST"),
    ):
        status, answer = await speaker.send(path, request(speaker), method=method)
        assert (status, answer["code"]) == (503, "member-list-missing")
