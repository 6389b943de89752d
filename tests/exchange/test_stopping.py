"""What a stop or a hold must outlive: a start that is under way, an acceptance, a crash, a product that is licensed after all."""

import asyncio
import sqlite3
import time
from http import HTTPStatus

import aiohttp
import pytest

from connector.daemon import Daemon
from connector.dataplane.derivation import Checked
from connector.dispatch.transport import HttpTransport
from connector.exchange import approve, command, remedy, stop
from connector.store import control, queries
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store.lineage import Input
from connector.store.migrate import migrate
from contracts.negotiation.table import State as NegotiationState
from contracts.transfer.table import State
from tests.deliveries import address, agree, ended, fetched, offer_file, reaches, records, rows_of, start
from tests.faulty import Delay, Fault, FaultyTransport
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import community, did, found_space, settings, types, until

WEFT = "https://w3id.org/weft/policy/v1#"
STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
SUSPENDED = {"odrl:remedy": [{"action": f"{WEFT}alert"}, {"action": f"{WEFT}suspend"}]}
PROFILE = ["https://w3id.org/weft/policy/v1"]
CLOSED = free_offer(
    profile=PROFILE, prohibition=[{"action": f"odrl:{name}", **SUSPENDED} for name in ("distribute", "derive")]
)
SECOND = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0002"


def table(folder, rows=20):
    path = folder / "rows.csv"
    path.write_text(rows_of(rows), encoding="utf-8")
    return path


def breaches(daemon):
    return records(daemon, "policy.breach")


async def test_a_stream_is_cut_within_a_second_and_the_next_pull_finds_nothing(tmp_path):
    """A-E2: both logs say why; the token that was good a moment ago is not."""
    limits = {"test_rate_limit_bytes_s": 8192, "chunk_bytes": 4096}
    async with community(tmp_path, "p-steel", "s-zhengshu", **limits) as (steel, zhengshu):
        await offer_file(steel, table(tmp_path, 3000))
        ours, _ = await start(steel, zhengshu, await agree(steel, zhengshu))
        flowing = asyncio.Event()
        zhengshu.receiver.listen(lambda _, verified, __: flowing.set() if verified else None)
        identifier = await zhengshu.receiver.start(ours.pid, columns=None)
        await flowing.wait()
        url, headers = address(ours)
        began = time.monotonic()
        await stop.stop(steel.node, ZHENGSHU, "a leak")
        await until(steel, "audit:delivery.cut", lambda tx: "delivery.cut" in types(steel)(tx))
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == HTTPStatus.FORBIDDEN
            assert "stopped-by-provider" in await answer.text()
        await ended(zhengshu, identifier)
        assert time.monotonic() - began < 1
        (cut,) = await records(steel, "delivery.cut")
        (failed,) = await records(zhengshu, "delivery.failed")
        assert cut["reason"] == failed["reason"] == "stopped-by-provider"


async def test_no_data_follows_a_start_that_was_under_way_when_the_agreement_was_held(tmp_path):
    """The start message arrives after the hold: the consumer has a fresh address and token, the gate knows better."""
    slow = lambda _method, url: Delay(0.3) if url.endswith("/start") else Fault.NONE  # noqa: E731
    async with community(tmp_path, "p-steel", "s-zhengshu", script=slow) as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), CLOSED)
        agreement = await agree(steel, zhengshu)
        pid = await command.start(zhengshu.node, agreement=agreement)
        await reaches(zhengshu, pid, State.REQUESTED)
        await remedy.report(steel.node, agreement, action="odrl:distribute", reason="seen in a shop")
        ours = await reaches(zhengshu, pid, State.STARTED)
        delivery = await fetched(zhengshu, pid)
        assert (delivery.state, delivery.code) == (deliveries.State.FAILED, "suspended-by-remedy")
        assert await steel.node.db.read(lambda tx: deliveries.of_transfer(tx, ours.peer_pid)) == []
        (denied,) = [each for each in await records(steel, "policy.decision") if each["decision"] == "deny"]
        assert (denied["reason"], denied["details"]["at"]) == ("suspended-by-remedy", "gate")


async def test_an_offer_that_is_accepted_while_stopped_waits_for_a_person(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path))
        pid = await command.offer(steel.node, consumer=ZHENGSHU, dataset=DATASET, offer=OFFER)
        (offered,) = await until(zhengshu, "audit", negotiations.waiting)
        await stop.stop(steel.node, ZHENGSHU, "a leak")
        await command.accept(zhengshu.node, offered.pid)
        (waiting,) = await until(steel, "audit", negotiations.waiting)
        assert (waiting.pid, waiting.state, waiting.agreement) == (pid, NegotiationState.ACCEPTED, "")
        assert approve.subject(waiting) == "acceptance"
        await approve.approve(steel.node, pid, reason="we trust them again")

        def final(tx):
            return negotiations.get(tx, pid).state is NegotiationState.FINALIZED

        await until(steel, f"negotiation:{pid}", final)


@pytest.mark.parametrize("arrived", [False, True], ids=["message lost", "answer lost"])
async def test_a_stop_whose_termination_did_not_get_out_is_told_after_a_restart(tmp_path, arrived):
    """The provider dies between the commit of the stop and the consumer's answer: both end terminated, for the same reason."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    fault = Fault.LOSE_ANSWER if arrived else Fault.LOSE_REQUEST

    def faulty(guard):
        return FaultyTransport(HttpTransport(guard.check), lambda _, url: fault if "termination" in url else Fault.NONE)

    async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu:
        async with Daemon(settings(tmp_path, "p-steel"), transport=faulty) as steel:
            await offer_file(steel, table(tmp_path))
            ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
            await stop.stop(steel.node, "*", "a leak")
        async with Daemon(settings(tmp_path, "p-steel")) as steel:
            there = await reaches(steel, theirs.pid, State.TERMINATED)
            here = await reaches(zhengshu, ours.pid, State.TERMINATED)
            assert (there.code, there.reason) == (here.code, here.reason) == ("stopped-by-provider", "a leak")
            assert len(await records(zhengshu, "transfer.terminated")) == 1


@pytest.mark.parametrize("columns", [None, ("number",)], ids=["as it is", "as delivered"])
async def test_what_was_delivered_is_known_again_by_its_content(tmp_path, monkeypatch, columns):
    """The bytes that left count, whatever was done to them before; a connector that does not check itself is caught."""
    monkeypatch.setattr("connector.dataplane.publish.check_distribution", lambda *_: Checked())
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), CLOSED)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        delivery = await fetched(zhengshu, ours.pid, columns=columns)
        await offer_file(zhengshu, delivery.path, free_offer(SECOND), dataset="resold")
        await steel.crawler.refresh(ZHENGSHU)
        assert (await steel.node.db.read(lambda tx: control.held(tx, agreement))).action == "odrl:distribute"
        (breach,) = await breaches(steel)
        assert breach["details"]["facts"]["dataset"] == "resold"


async def test_a_product_is_no_breach_where_another_agreement_allows_it(tmp_path, monkeypatch):
    """The partner bought the same dataset twice, the second time with the right to derive: what it makes is licensed."""
    allowed = free_offer(SECOND)
    allowed["permission"] = [{"action": "odrl:use"}, {"action": "odrl:derive"}]
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, table(tmp_path), CLOSED, allowed)
        first = await agree(steel, zhengshu)
        inputs = Checked(inputs=(Input(DATASET, STEEL, first),))
        monkeypatch.setattr("connector.dataplane.publish.check_inputs", lambda *_: inputs)
        other = tmp_path / "mix.csv"
        other.write_text("coil,score\nA1,7\n", encoding="utf-8")
        second = await agree(steel, zhengshu, offer=SECOND)
        await offer_file(zhengshu, other, free_offer("urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0003"), dataset="mix")
        await steel.crawler.refresh(ZHENGSHU)
        assert await breaches(steel) == []
        # Without that licence the same catalog is a breach.
        await steel.node.db.transact(
            lambda tx: tx._connection.execute("UPDATE agreement SET in_force = '' WHERE digest = ?", (second,))
        )
        await steel.crawler.refresh(ZHENGSHU)
        assert [each["agreement"] for each in await breaches(steel)] == [first]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("control.passed_on", {"participant": "p"}),
        ("control.made_of", {"participant": "p", "owner": "o"}),
        ("control.stopped", {"participant": "p"}),
        ("control.held", {"agreement": "a"}),
    ],
)
def test_nothing_is_scanned(statement, values):
    """What every crawl and every request asks is a seek, however large the tables are."""
    connection = sqlite3.connect(":memory:")
    migrate(connection, ":memory:")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {queries.load()[statement]}", values)]
    assert not any(step.startswith("SCAN") for step in plan), plan


def test_a_page_of_duties_is_read_in_the_order_of_the_index():
    connection = sqlite3.connect(":memory:")
    migrate(connection, ":memory:")
    values = {"fulfilled": -1, "deadline": "", "delivery": "", "action": "", "counterparty": "*", "state": "*"}
    sql = f"EXPLAIN QUERY PLAN {queries.load()['control.duties']}"
    plan = [row[3] for row in connection.execute(sql, {**values, "now": "", "most": 50})]
    assert len(plan) == 1, plan
    assert "duty_deadline" in plan[0]
