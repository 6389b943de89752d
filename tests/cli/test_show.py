"""`weft show`: each side sees where a process stands and why, in both languages, with real daemons."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.cli.exits import Exit
from connector.exchange import automate, command, outgoing, stop
from connector.store import audit, catalog
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.queries import load
from contracts.agreement import draw_up
from contracts.negotiation.table import State
from contracts.transfer.table import State as TransferState
from tests.cli.edc import EDC, HTML, beside_an_edc, error
from tests.deliveries import agree, start
from tests.faulty import Fault
from tests.offers import DATASET, OFFER, constrained, free_offer, publish
from tests.pair import community, did, eventually, until
from tests.speaker import Speaker, message

PAIR = ("p-steel", "s-zhengshu")


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, *PAIR) as daemons:
        yield daemons


async def negotiation(daemon, pid, state):
    """The negotiation once it is in this state."""
    return await until(
        daemon,
        f"negotiation:{pid}",
        lambda tx: n if (n := negotiations.get(tx, pid)) is not None and n.state is state else None,
    )


async def transfer(daemon, pid, state):
    return await until(
        daemon,
        f"transfer:{pid}",
        lambda tx: t if (t := transfers.get(tx, pid)) is not None and t.state is state else None,
    )


async def shown(weft, name, pid):
    """What a person reads in both languages, and what a program reads."""
    english, chinese = await weft(name, "show", pid), await weft(name, "show", pid, "--lang", "zh")
    document = await weft(name, "show", pid, "--json")
    assert (english.code, chinese.code, document.code) == (0, 0, 0), english.err
    assert "{" not in english.out + chinese.out
    return english.out, chinese.out, document.json


def codes(document):
    return [cause["code"] for cause in document["causes"]]


async def requested(steel, zhengshu, **publishing):
    """A request that waits for a person at p-steel; the negotiation as the consumer has it."""
    await publish(steel, decision="person", **publishing)
    pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
    return await negotiation(zhengshu, pid, State.REQUESTED)


async def test_both_sides_see_that_a_person_of_the_provider_must_decide(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    english, chinese, document = await shown(weft, "p-steel", found.peer_pid)
    assert codes(document) == ["waiting-person-here"]
    assert f"weft approve {found.peer_pid}" in english
    assert "需要我方人员决定" in chinese
    english, chinese, document = await shown(weft, "s-zhengshu", found.pid)
    assert codes(document) == ["waiting-answer"]
    assert "p-steel has our request since 2026-11-10" in english
    assert "尚未答复" in chinese
    assert [line["what"] for line in document["timeline"]] == ["negotiation.requested"]
    assert "asked for a contract: REQUESTED" in english
    assert "we " in english


async def test_a_process_is_found_by_either_sides_identifier_and_by_beginnings(weft, pair):
    steel, zhengshu = pair
    await publish(steel)
    digest = await agree(steel, zhengshu)
    found = await zhengshu.node.db.read(lambda tx: negotiations.page(tx)[0])
    for typed in (found.pid, found.peer_pid, found.pid[9:17], found.peer_pid[9:17], digest, digest[8:20]):
        done = await weft("s-zhengshu", "show", typed, "--json")
        assert done.code == Exit.DONE, done.err
        assert done.json["id"] == found.pid, typed
    assert codes(done.json) == ["finalized-consumer"]
    unknown = await weft("s-zhengshu", "show", "urn:uuid:00000000-0000-4000-8000-000000000000")
    assert (unknown.code, "no process" in unknown.err) == (Exit.USAGE, True)
    assert codes((await weft("p-steel", "show", found.pid, "--json")).json) == ["finalized-provider"]


class Gate:
    """Loses every message of some addresses until it is opened."""

    def __init__(self, *ends):
        self.ends = ends
        self.open = False

    def __call__(self, method, url):
        return Fault.LOSE_REQUEST if not self.open and method == "POST" and url.endswith(self.ends) else Fault.NONE


async def test_a_partner_that_cannot_be_reached_is_told_with_attempts_and_the_next_one(weft, tmp_path):
    gate = Gate("/negotiations/request")
    async with community(tmp_path, *PAIR, script=gate) as (steel, zhengshu):
        await publish(steel)
        pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)

        async def tried():
            document = (await weft("s-zhengshu", "show", pid, "--json")).json
            return document if document["waiting"] and document["waiting"][0]["facts"]["attempts"] > 1 else None

        document = await eventually(tried)
        assert codes(document) == ["unreachable"]
        assert document["process"]["state"] is None
        assert document["waiting"][0]["facts"]["next"] >= document["waiting"][0]["facts"]["since"]
        english, chinese, _ = await shown(weft, "s-zhengshu", pid)
        assert "p-steel cannot be reached: our contract request has been tried" in english
        assert "the request was lost, by script" in english
        assert "weft doctor did:web:p-steel.example" in english
        assert "Still to be sent:" in english
        assert "无法连接p-steel：我方的合同请求" in chinese
        # Once it has arrived, the record still says what it took.
        gate.open = True
        await negotiation(zhengshu, pid, State.FINALIZED)
        english, chinese, document = await shown(weft, "s-zhengshu", pid)
        assert [line["what"] for line in document["timeline"]][:2] == ["in-vain", "negotiation.requested"]
        assert "attempts came to nothing, last problem: unreachable" in english
        assert "次尝试未成，最近的问题" in chinese


@pytest.mark.slow
async def test_what_was_given_up_says_so(weft, tmp_path):
    quick = {"give_up_s": 0.01, "retry_first_s": 0.01, "retry_limit_s": 0.02}
    async with community(tmp_path, *PAIR, script=Gate("/negotiations/request"), **quick) as (steel, zhengshu):
        await publish(steel)
        pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
        await negotiation(zhengshu, pid, State.TERMINATED)
        english, chinese, document = await shown(weft, "s-zhengshu", pid)
        assert codes(document) == ["given-up"]
        assert [line["ours"] for line in document["timeline"]] == [True]
        assert "could not be reached for as long as we try" in english
        assert "始终无法连接p-steel" in chinese


async def test_a_refused_request_is_told_on_both_sides_in_the_readers_language(weft, tmp_path):
    gate = Gate("/negotiations/request")
    async with community(tmp_path, *PAIR, script=gate) as (steel, zhengshu):
        await publish(steel)
        pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
        now = steel.clock.now()
        await steel.node.db.transact(lambda tx: catalog.withdraw(tx, DATASET, reason="sold", at=now))
        gate.open = True
        await negotiation(zhengshu, pid, State.TERMINATED)
        english, chinese, document = await shown(weft, "s-zhengshu", pid)
        assert codes(document) == ["refused-by-counterparty", "peer.offer-unknown"]
        assert document["causes"][0]["facts"]["status"] == 400
        assert "p-steel refused our contract request (HTTP 400, offer-unknown): There is no offer" in english
        assert f"没有您可见的、针对数据集 {DATASET} 的报价" in chinese
        # The provider has no process: the consumer's identifier finds what it refused.
        english, chinese, document = await shown(weft, "p-steel", pid)
        assert codes(document) == ["never-opened"]
        assert "We refused the ContractRequestMessage of s-zhengshu" in english
        assert "因此没有产生流程" in chinese
        assert document["process"] is None


async def test_an_agreement_with_other_terms_is_told_on_both_sides(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    now = steel.clock.now()

    def agree_to_something_else(tx):
        ours = negotiations.get(tx, found.peer_pid)
        document = draw_up(
            free_offer(target=DATASET, prohibition=[{"action": "odrl:distribute"}]),
            agreement_id=steel.node.new_id(),
            assigner=did("p-steel"),
            assignee=did("s-zhengshu"),
            timestamp="2026-11-10T01:00:00Z",
        )
        agreed = automate.keep(tx, ours, document, now)
        held = replace(ours, agreement=agreed.digest)
        negotiations.save(tx, held, now)
        outgoing.agreement(tx, steel.node, held, document, now)

    await steel.node.db.transact(agree_to_something_else)
    await negotiation(steel, found.peer_pid, State.TERMINATED)
    await negotiation(zhengshu, found.pid, State.TERMINATED)
    english, chinese, document = await shown(weft, "p-steel", found.peer_pid)
    assert codes(document) == ["agreement-refused", "peer.agreement-differs"]
    assert "s-zhengshu refused our agreement because its terms differ from what it asked for" in english
    assert "条款与其请求不同" in chinese
    assert "agreement 应为 the rules of the last offer" in chinese
    english, chinese, document = await shown(weft, "s-zhengshu", found.pid)
    assert codes(document)[:2] == ["terminated-there", "agreement-differs"]
    assert "We refused what p-steel sent at 2026-11-10" in english
    assert "条款与协商结果不符" in chinese
    assert "agreement must be the rules of the last offer, found other rules" in english


async def test_a_policy_that_refuses_names_the_rule_what_it_expected_and_what_it_found(weft, pair):
    steel, zhengshu = pair
    purpose = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}
    await publish(steel, constrained(**purpose))
    digest = await agree(steel, zhengshu)
    pid = await command.start(zhengshu.node, agreement=digest, purpose="advertising")
    ended = await transfer(zhengshu, pid, TransferState.TERMINATED)
    english, chinese, document = await shown(weft, "p-steel", ended.peer_pid)
    facts = document["causes"][0]["facts"]
    assert codes(document) == ["refused-by-policy"]
    assert (facts["operand"], facts["operator"]) == ("odrl:purpose", "eq")
    assert (facts["expected"], facts["actual"]) == ("quality", "advertising")
    record = await weft("p-steel", "audit", "show", str(facts["record"]), "--json")
    assert record.json["details"]["decision"]["rule"] == facts["rule"]
    assert "Our policy refused it." in english
    assert "found: advertising" in english
    assert "实际：advertising" in chinese
    english, chinese, document = await shown(weft, "s-zhengshu", pid)
    assert codes(document) == ["refused-by-their-policy"]
    assert "as p-steel applies it, refused it (constraint-not-satisfied)" in english
    assert "p-steel依据双方协议的策略予以拒绝" in chinese
    assert "使用目的必须为 quality，实际为 advertising" in chinese


async def test_who_ended_it_with_which_reason_is_told_on_both_sides(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    await command.terminate(zhengshu.node, found.pid, reason="budget is spent", code="no-budget")
    await negotiation(steel, found.peer_pid, State.TERMINATED)
    await negotiation(zhengshu, found.pid, State.TERMINATED)
    english, chinese, document = await shown(weft, "s-zhengshu", found.pid)
    assert codes(document) == ["terminated-here"]
    assert "We ended it at" in english
    assert "budget is spent" in chinese
    english, chinese, document = await shown(weft, "p-steel", found.peer_pid)
    assert codes(document) == ["terminated-there"]
    assert "s-zhengshu ended it at" in english
    assert "（no-budget）：budget is spent" in chinese


async def test_a_person_who_said_no_is_told_on_both_sides(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    done = await weft("p-steel", "reject", found.peer_pid, "--reason", "not this year")
    assert done.code == Exit.DONE, done.err
    await negotiation(zhengshu, found.pid, State.TERMINATED)
    await negotiation(steel, found.peer_pid, State.TERMINATED)
    assert codes((await weft("p-steel", "show", found.peer_pid, "--json")).json) == ["rejected-here"]
    english, chinese, document = await shown(weft, "s-zhengshu", found.pid)
    assert codes(document) == ["rejected-there"]
    assert "A person at p-steel said no" in english
    assert "not this year" in chinese


async def test_a_transfer_tells_whether_it_runs_and_who_paused_or_stopped_it(weft, pair):
    steel, zhengshu = pair
    await publish(steel)
    digest = await agree(steel, zhengshu)
    ours, theirs = await start(steel, zhengshu, digest)
    assert codes((await weft("s-zhengshu", "show", ours.pid, "--json")).json) == ["running-consumer"]
    assert codes((await weft("p-steel", "show", theirs.pid, "--json")).json) == ["running-provider"]
    await command.suspend(steel.node, theirs.pid, reason="maintenance")
    await transfer(zhengshu, ours.pid, TransferState.SUSPENDED)
    await transfer(steel, theirs.pid, TransferState.SUSPENDED)
    english, chinese, document = await shown(weft, "s-zhengshu", ours.pid)
    assert codes(document) == ["suspended-there"]
    assert "p-steel paused this transfer" in english
    assert "maintenance" in chinese
    assert codes((await weft("p-steel", "show", theirs.pid, "--json")).json) == ["suspended-here"]
    await stop.stop(steel.node, did("s-zhengshu"), reason="dispute")
    await transfer(zhengshu, ours.pid, TransferState.TERMINATED)
    await transfer(steel, theirs.pid, TransferState.TERMINATED)
    assert codes((await weft("p-steel", "show", theirs.pid, "--json")).json) == ["stopped-here"]
    english, chinese, document = await shown(weft, "s-zhengshu", ours.pid)
    assert codes(document) == ["stopped-there"]
    assert "dispute" in english
    assert "只有对方可以解除" in chinese
    what = [line["what"] for line in document["timeline"]]
    assert what == ["transfer.requested", "transfer.started", "transfer.suspended", "transfer.terminated"]


async def test_a_clock_that_is_off_is_told_with_the_seconds_while_the_message_waits(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    steel.clock.offset -= timedelta(hours=1)
    await command.terminate(zhengshu.node, found.pid, reason="too late")

    async def refused():
        document = (await weft("s-zhengshu", "show", found.pid, "--json")).json
        return document if "identity-refused" in codes(document) else None

    document = await eventually(refused)
    assert codes(document) == ["terminated-here", "identity-refused", "peer.token-not-yet"]
    assert 3590 < float(document["causes"][2]["facts"]["ahead_s"]) < 3610
    english, chinese, _ = await shown(weft, "s-zhengshu", found.pid)
    assert "p-steel does not accept our identity for the termination: HTTP 401 (token-not-yet)" in english
    assert "p-steel不接受我方在终止通知中的身份" in chinese


async def test_a_story_is_found_by_an_index_however_many_records_there_are(pair):
    steel, zhengshu = pair
    await publish(steel)
    await agree(steel, zhengshu)
    values = {"pid": "x", "process": "x", "peer": "x", "after": 0, "first": "x", "last": "y", "limit": 9}
    with closing(sqlite3.connect(zhengshu.settings.data_dir / "weft.db")) as connection:
        for name, statement in load().items():
            if name.startswith("story.") and not name.startswith(("story.outgoing_to", "story.unanswered")):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
                assert [row[3] for row in plan if row[3].startswith("SCAN")] == [], name


async def test_somebody_elses_message_about_a_process_is_no_part_of_its_story(weft, tmp_path):
    async with community(tmp_path, *PAIR, "p-oem") as (steel, zhengshu, oem):
        found = await requested(steel, zhengshu)
        async with Speaker(oem, steel) as stranger:
            body = message("ContractNegotiationTerminationMessage", providerPid=found.peer_pid, consumerPid=found.pid)
            status, _ = await stranger.send(f"/negotiations/{found.peer_pid}/termination", body)
        assert status == 404
        document = (await weft("p-steel", "show", found.peer_pid, "--json")).json
        assert [line["what"] for line in document["timeline"]] == ["negotiation.requested"]
        assert codes(document) == ["waiting-person-here"]


async def test_erased_details_take_their_place_in_the_story_along(weft, pair):
    steel, zhengshu = pair
    found = await requested(steel, zhengshu)
    seq = (await weft("p-steel", "show", found.peer_pid, "--json")).json["timeline"][0]["seq"]
    await steel.node.db.transact(lambda tx: audit.erase(tx, seq))
    english, _, document = await shown(weft, "p-steel", found.peer_pid)
    assert (document["timeline"], codes(document)) == ([], ["waiting-person-here"])
    assert f"weft approve {found.peer_pid}" in english


REFUSALS = [
    ("bad-request", error(400, "Bad request."), "callbackAddress, consumerPid, offer.@id", "请先检查 callbackAddress"),
    ("dataset-gone", error(400, "Contract offer is not valid: Invalid target: coil-17"), "coil-17", "对方已没有数据集"),
    (
        "party-differs",
        error(400, "Invalid client credentials: Invalid counter-party identity"),
        "our identity is not the one that began this process",
        "与发起该流程的身份不一致",
    ),
    ("process-unknown", error(404, "Not found"), "knows no such process or object", "对方没有该流程或对象"),
    ("content-type", (415, "<html></html>"), "did not recognise the message as JSON", "未将该消息识别为 JSON"),
]


@pytest.mark.parametrize(("key", "refusal", "english", "chinese"), REFUSALS, ids=[key for key, *_ in REFUSALS])
async def test_what_an_edc_refuses_is_translated(weft, tmp_path, key, refusal, english, chinese):
    async with beside_an_edc(tmp_path, refusal) as (zhengshu, _):
        pid = await command.request(zhengshu.node, provider=did(EDC), dataset=DATASET, offer=OFFER)
        await negotiation(zhengshu, pid, State.TERMINATED)
        told_en, told_zh, document = await shown(weft, "s-zhengshu", pid)
        assert codes(document) == ["refused-by-counterparty", f"peer.{key}"]
        assert english in told_en
        assert chinese in told_zh
        assert document["causes"][0]["facts"]["status"] == refusal[0]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (error(401, "Unauthorized."), ["identity-refused", "peer.identity"]),
        (HTML, ["peer-failing", "peer.failed"]),
        (error(503, "Busy"), ["peer-failing"]),
    ],
    ids=["unauthorized", "html", "busy"],
)
async def test_what_an_edc_may_take_later_is_told_while_it_waits(weft, tmp_path, refusal, expected):
    async with beside_an_edc(tmp_path, refusal) as (zhengshu, _):
        pid = await command.request(zhengshu.node, provider=did(EDC), dataset=DATASET, offer=OFFER)

        async def tried():
            document = (await weft("s-zhengshu", "show", pid, "--json")).json
            return document if document["waiting"][0]["facts"]["attempts"] else None

        assert codes(await eventually(tried)) == expected
        english, chinese, _ = await shown(weft, "s-zhengshu", pid)
        assert f"HTTP {refusal[0]}" in english
        assert f"HTTP {refusal[0]}" in chinese
