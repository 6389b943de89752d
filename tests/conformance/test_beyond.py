"""What the official kit does not test: who may speak, error bodies, 201, pids, repeats, offers that come first, callbacks with a slash."""

import pytest

from connector.exchange import command
from connector.identity.keys import KeyRing
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.negotiation.table import State
from contracts.transfer.table import State as TransferState
from tests.conformance.bodies import NEGOTIATION, TRANSFER, Facts, enveloped, fresh
from tests.conformance.driven import ERRORS, PROCESSES, driven, refused
from tests.conformance.tables import NEGOTIATION_PATHS, TRANSFER_PATHS
from tests.dspschema import validate
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import community, did, until
from tests.speaker import Speaker, message, pid

STEEL, ZHENGSHU, OEM = did("p-steel"), did("s-zhengshu"), did("p-oem")
ZERO = "urn:uuid:00000000-0000-0000-0000-000000000000"


async def reaches(daemon, table, name, pid, state):
    def check(tx):
        found = table.get(tx, pid)
        return found if found and found.state is state else None

    return await until(daemon, f"{name}:{pid}", check)


async def agreed(consumer):
    """The consumer's negotiation with p-steel, finalized."""
    mine = await command.request(consumer.node, provider=STEEL, dataset=DATASET, offer=OFFER)
    return await reaches(consumer, negotiations, "negotiation", mine, State.FINALIZED)


@pytest.fixture
async def space(tmp_path):
    """p-steel provides; s-zhengshu has an agreement with it and a transfer under way; p-oem is a member, too."""
    async with community(tmp_path, "p-steel", "s-zhengshu", "p-oem") as (steel, zhengshu, oem):
        await publish(steel)
        negotiation = await agreed(zhengshu)
        agreement = await zhengshu.node.db.read(lambda tx: agreements.get(tx, negotiation.agreement))
        mine = await command.start(zhengshu.node, agreement=negotiation.agreement)
        transfer = await reaches(zhengshu, transfers, "transfer", mine, TransferState.STARTED)
        await reaches(steel, transfers, "transfer", transfer.peer_pid, TransferState.STARTED)
        async with (
            Speaker(zhengshu, steel) as speaker,
            Speaker(oem, steel) as third,
            Speaker(steel, zhengshu) as answering,
            Speaker(oem, zhengshu) as other,
        ):
            yield {
                "daemons": (steel, zhengshu),
                "agreement": agreement.id,
                "pids": {
                    True: (negotiation.peer_pid, negotiation.pid),
                    False: (transfer.peer_pid, transfer.pid),
                },
                # who is asked, by a party to the process, by a member that is none
                "provider": (speaker, third),
                "consumer": (answering, other),
            }


def every_message(pids, base):
    """Each message of both protocols about processes with these pids (provider's, consumer's): protocol, path, body."""
    for negotiates, words, paths in ((True, NEGOTIATION, NEGOTIATION_PATHS), (False, TRANSFER, TRANSFER_PATHS)):
        provider, consumer = pids[negotiates]
        facts = Facts(base, ZHENGSHU, consumer, provider, DATASET, OFFER, "urn:uuid:none", "HttpData-PULL")
        for name, say in words.items():
            yield negotiates, paths[name], say(facts)


async def states(daemons):
    """Every process of these daemons and its state."""

    def work(tx):
        return [(process.pid, process.state) for table in (negotiations, transfers) for process in table.page(tx)]

    return [sorted(await daemon.node.db.read(work)) for daemon in daemons]


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_stranger_is_refused_at_every_address(space, side):
    """Without a token, with a stranger's and with one for somebody else, every address says 401 alike, and nothing changes."""
    speaker, _ = space[side]
    mine = {kind: pids[side == "consumer"] for kind, pids in space["pids"].items()}
    tokens = [
        "",
        "not-a-token",
        speaker.token(ring=KeyRing.generate("did:web:p-outsider.example")),
        speaker.token(ring=KeyRing.generate(speaker.daemon.node.participant)),
        speaker.token(audience=OEM),
    ]
    before = await states(space["daemons"])
    places = [
        (negotiates, "POST", path.replace("{pid}", mine[negotiates]), body)
        for negotiates, path, body in every_message(space["pids"], speaker.daemon.node.base)
    ]
    places += [(True, "GET", f"/negotiations/{mine[True]}", None), (False, "GET", f"/transfers/{mine[False]}", None)]
    for negotiates, method, path, body in places:
        for token in tokens:
            status, answer = await speaker.send(path, body, method=method, token=token)
            assert (status, answer["code"]) == (401, "unauthorized"), (path, token[:20])
            validate(answer, ERRORS[negotiates])
            assert {answer["providerPid"], answer["consumerPid"]} <= {ZERO, mine[negotiates]}
    for method, path in (("POST", "/catalog/request"), ("GET", f"/catalog/datasets/{DATASET}")):
        body = enveloped("CatalogRequestMessage") if method == "POST" else None
        for token in tokens:
            status, answer = await speaker.send(path, body, method=method, token=token)
            assert (status, answer["code"]) == (401, "unauthorized")
            validate(answer, "catalog/catalog-error-schema.json")
    assert await states(space["daemons"]) == before


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_process_of_others_is_as_unknown_as_none(space, side):
    """A member that is no party gets the 404 of an unknown pid at every address, whatever it says there, and nothing changes."""
    party, third = space[side]
    mine = {kind: pids[side == "consumer"] for kind, pids in space["pids"].items()}
    before = await states(space["daemons"])
    for negotiates, path, body in every_message(space["pids"], third.daemon.node.base):
        if "{pid}" not in path:
            continue
        answers = []
        for known in (mine[negotiates], pid()):
            status, answer = await third.send(path.replace("{pid}", known), {**body, "@id": pid()})
            assert (status, answer["code"]) == (404, "process-unknown"), path
            validate(answer, ERRORS[negotiates])
            answers.append({**answer, "reason": answer["reason"][0].replace(known, "")})
        assert answers[0] == answers[1]
    for negotiates, kind in ((True, "negotiations"), (False, "transfers")):
        path = f"/{kind}/{mine[negotiates]}"
        assert (await third.send(path, method="GET"))[0] == 404
        status, found = await party.send(path, method="GET")
        assert (status, found["state"]) == (200, "FINALIZED" if negotiates else "STARTED")
        assert (found["providerPid"], found["consumerPid"]) == space["pids"][negotiates]
    assert await states(space["daemons"]) == before


async def test_what_opens_a_process_is_answered_with_201_and_the_process(space):
    """A request and a first offer are 201 with the process in its first state, valid by its schema, with the sender's pid."""
    (speaker, _), (answering, _) = space["provider"], space["consumer"]
    offer = free_offer(target=DATASET, assigner=STEEL)
    asked = {"agreementId": space["agreement"], "format": "HttpData-PULL"}
    opening = [
        (speaker, "/negotiations/request", "ContractRequestMessage", "consumerPid", {"offer": offer}, "REQUESTED"),
        (answering, "/negotiations/offers", "ContractOfferMessage", "providerPid", {"offer": offer}, "OFFERED"),
        (speaker, "/transfers/request", "TransferRequestMessage", "consumerPid", asked, "REQUESTED"),
    ]
    for says, path, type_, member, more, state in opening:
        body = message(type_, **{member: pid()}, callbackAddress=says.daemon.node.base, **more)
        status, answer = await says.send(path, body)
        assert (status, answer["state"], answer[member]) == (201, state, body[member]), path
        validate(answer, PROCESSES["negotiations" in path])
        assert answer["providerPid"] != answer["consumerPid"]


BAD_CALLBACKS = {
    "elsewhere": ("http://127.0.0.1:1/dsp/2025-1", "address-outside-list"),
    "with a query": ("http://127.0.0.1:1/dsp?x=1", "address-malformed"),
    "of no scheme that is known": ("file:///etc/passwd", "address-malformed"),
}


@pytest.mark.parametrize("name", BAD_CALLBACKS)
async def test_a_callback_that_cannot_be_called_opens_no_process(space, name):
    """A transfer request and a first offer with a bad callback address are 400 with the protocol's error, and nothing is opened."""
    (speaker, _), (answering, _) = space["provider"], space["consumer"]
    address, code = BAD_CALLBACKS[name]
    asked = {"agreementId": space["agreement"], "format": "HttpData-PULL"}
    offered = {"offer": free_offer(target=DATASET, assigner=STEEL)}
    before = await states(space["daemons"])
    for says, path, type_, more in (
        (speaker, "/transfers/request", "TransferRequestMessage", {"consumerPid": pid(), **asked}),
        (answering, "/negotiations/offers", "ContractOfferMessage", {"providerPid": pid(), **offered}),
    ):
        status, answer = await says.send(path, message(type_, callbackAddress=address, **more))
        assert (status, answer["code"]) == (400, code)
        validate(answer, ERRORS["negotiations" in path])
    assert await states(space["daemons"]) == before


async def test_a_consumer_pid_counts_for_its_member_alone(space):
    """Who asks for a transfer with another member's consumerPid learns nothing about it and gets a process of its own."""
    (speaker, third), (provider, consumer) = space["provider"], space["pids"][False]
    asked = {"consumerPid": consumer, "format": "HttpData-PULL", "callbackAddress": third.daemon.node.base}
    body = message("TransferRequestMessage", **asked, agreementId=space["agreement"])
    status, answer = await third.send("/transfers/request", body)
    assert (status, answer["code"]) == (400, "agreement-unknown")
    own = await agreed(third.daemon)
    document = await third.daemon.node.db.read(lambda tx: agreements.get(tx, own.agreement))
    status, answer = await third.send(
        "/transfers/request", message("TransferRequestMessage", **asked, agreementId=document.id)
    )
    assert (status, answer["consumerPid"]) == (201, consumer)
    assert answer["providerPid"] != provider
    repeated = body | {"@id": pid(), "callbackAddress": speaker.daemon.node.base}
    status, answer = await speaker.send("/transfers/request", repeated)
    assert (answer["providerPid"], answer["state"]) == (provider, "STARTED")


# -- with the kit's own steps --------------------------------------------------------------------------------------------


async def processes(weft):
    """One process of each role of each protocol, all in REQUESTED, with the kit as counterparty."""
    waiting = "expect request, webhook {}, wait REQUESTED"
    return [
        await weft.drive("CN", "send request", dataset="ACN0202", offer="CD123:ACN0202:456"),
        await weft.drive("CN_C", waiting.format("negotiation"), dataset="ACNC0201", offer="offerACNC0201"),
        await weft.drive("TP", "send request", agreement="ATP0205"),
        await weft.drive("TP_C", waiting.format("transfer"), agreement="ATPC0301"),
    ]


@pytest.mark.slow
async def test_the_pids_of_path_and_body_are_those_of_one_process(tmp_path):
    """At every address a body that names another pid on either side is refused by that member, and no process moves."""
    async with driven(tmp_path) as weft:
        for process, another in zip(await processes(weft), await processes(weft), strict=True):
            for name in NEGOTIATION if process.negotiates else TRANSFER:
                if name == "request":
                    continue
                for member in ("providerPid", "consumerPid"):
                    for value in (getattr(another.facts, member.replace("Pid", "_pid")), fresh()):
                        body = weft.words(process, name) | {member: value}
                        status, answer = await weft.post(weft.place(process, name), body)
                        assert (status, answer["code"]) == (400, "pid-mismatch"), name
                        assert member in answer["reason"][0]
                        validate(answer, ERRORS[process.negotiates])
                status, answer = await weft.post(weft.place(another, name), weft.words(process, name))
                assert (status, answer["code"]) == (400, "pid-mismatch")
            assert await weft.state(process) == await weft.state(another) == "REQUESTED"


@pytest.mark.slow
@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_offer_comes_first_and_answers_go_to_its_callback(tmp_path, slash):
    """A negotiation that the provider opens: accepted, agreed, verified, finalized; a slash after the callback is not doubled."""
    async with driven(tmp_path) as weft:
        weft.under_test.daemon.node.reactions._table["beyond"] = {"OFFERED": ["accept"], "AGREED": ["verify"]}
        process = weft.player("CN_C", "", dataset="beyond", offer="urn:uuid:first-offer")
        process.base = weft.under_test.dsp
        await process.expect("accepted")
        opening = weft.words(process, "offer") | {"callbackAddress": weft.callbacks.address + slash}
        del opening["consumerPid"]
        status, answer = await weft.post(f"{weft.under_test.dsp}/negotiations/offers", opening)
        assert (status, answer["state"]) == (201, "OFFERED")
        process.peer_pid, process.state = answer["consumerPid"], "OFFERED"
        await process.wait("ACCEPTED")
        await process.expect("verification")
        await process.send("agreement")
        await process.wait("VERIFIED")
        await process.send("finalized")
        assert await weft.state(process) == "FINALIZED"


@pytest.mark.slow
async def test_a_slash_after_a_callback_is_not_doubled(tmp_path):
    """A consumer's callback address with a slash at its end is the same address, in negotiation and transfer."""
    async with driven(tmp_path) as weft:
        weft.callbacks.address += "/"
        await weft.drive("CN", "expect offer, send request, wait OFFERED", dataset="ACN0204", offer="CD123:ACN0204:456")
        await weft.drive("TP", "expect start, send request, wait STARTED", agreement="ATP0201")


async def test_a_request_at_a_process_needs_its_pid(tmp_path):
    """A first request sent to the address of a counter-request, and a counter-request sent to that of a first one, are refused."""
    async with driven(tmp_path) as weft:
        process = await weft.drive(
            "CN", "expect offer, send request, wait OFFERED", dataset="ACN0204", offer="CD123:ACN0204:456"
        )
        first, counter = (weft.words(process, name) for name in ("request", "counter-request"))
        status, answer = await weft.post(weft.place(process, "counter-request"), first)
        assert refused(process, status, answer)
        status, answer = await weft.post(weft.place(process, "request"), counter)
        assert refused(process, status, answer)
        assert await weft.state(process) == "OFFERED"
