"""`/v1/story/{id}` and `/v1/partners/{id}/doctor` as programs see them."""

import asyncio
import json
import time

import pytest

from connector.daemon import Daemon
from connector.dispatch.doctor import Doctor
from connector.exchange import command
from connector.store import negotiation as negotiations
from tests.offers import DATASET, OFFER, publish
from tests.pair import did, found_space, settings, until


async def test_an_unknown_process_is_404_and_a_known_one_has_causes_in_both_languages(pair):
    steel, zhengshu = pair
    await publish(steel.daemon, decision="person")
    pids = []
    for _ in range(2):
        pid = await command.request(zhengshu.daemon.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
        pids.append(pid)
    assert (await zhengshu.ask("GET", "/v1/story/urn:uuid:none"))[0] == 404
    status, body = await zhengshu.ask("GET", "/v1/story/urn:uuid:")
    assert (status, body["code"]) == (404, "process-unknown")  # too short to mean anything
    status, body = await zhengshu.ask("GET", f"/v1/story/{pids[0]}")
    assert (status, body["id"], body["kind"]) == (200, pids[0], "negotiation")
    assert set(body["causes"][0]["sentence"]) == {"en", "zh"}


async def test_a_beginning_that_two_processes_share_is_ambiguous(pair):
    steel, zhengshu = pair
    await publish(steel.daemon, decision="person")
    counter = iter(range(100))
    zhengshu.daemon.node.new_id = lambda: f"urn:uuid:00000000-0000-4000-8000-{next(counter):012}"
    for _ in range(2):
        await command.request(zhengshu.daemon.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
    status, body = await zhengshu.ask("GET", "/v1/story/00000000-0000")
    assert (status, body["code"]) == (409, "process-ambiguous")


async def test_only_a_key_may_ask_the_doctor(pair):
    _, zhengshu = pair
    zhengshu.key = "wrong"
    assert (await zhengshu.ask("POST", f"/v1/partners/{did('p-steel')}/doctor", json={}))[0] == 401


async def test_the_findings_come_as_a_list_or_line_by_line(pair):
    _, zhengshu = pair
    path = f"/v1/partners/{did('p-steel')}/doctor"
    status, body = await zhengshu.ask("POST", path, json={})
    assert (status, body["next"]) == (200, None)
    async with zhengshu.open("POST", path, json={}, headers={"Accept": "application/jsonl"}) as answer:
        lines = [json.loads(line) async for line in answer.content]
    assert [each["check"] for each in lines] == [each["check"] for each in body["items"]]
    assert all(each["who"] == "nobody" for each in lines if each["state"] in ("ok", "skipped"))


async def test_an_examination_changes_nothing_but_the_time(pair):
    steel, zhengshu = pair
    before = [await each.daemon.node.db.read(lambda tx: tx.one("audit.next_seq")["seq"]) for each in pair]
    await zhengshu.ask("POST", f"/v1/partners/{did('p-steel')}/doctor", json={})
    after = [await each.daemon.node.db.read(lambda tx: tx.one("audit.next_seq")["seq"]) for each in pair]
    assert (before, steel.daemon.dispatcher.under_way) == (after, 0)


@pytest.mark.slow
async def test_a_partner_that_takes_requests_and_answers_none_ends_the_examination_in_time(tmp_path):
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    held = []

    async def hold(reader, writer):
        held.append(writer)
        await reader.read()

    port = settings(tmp_path, "p-steel").protocol_port
    async with await asyncio.start_server(hold, "127.0.0.1", port), Daemon(settings(tmp_path, "s-zhengshu")) as daemon:
        began = time.monotonic()
        found = {each.check: each async for each in Doctor(daemon.node, did("p-steel")).examine(total_s=1)}
        assert time.monotonic() - began < 3
        assert {name for name, each in found.items() if each.code == "slow"} >= {"identity", "versions"}
        assert (found["connection"].state, found["callback"].state, found["waiting"].state) == ("ok", "ok", "ok")
        for writer in held:
            writer.close()


async def test_a_story_of_long_ago_is_told_from_the_log_alone(pair):
    """Nothing of it is left in the outbox or inbox: what happened stands in the records."""
    steel, zhengshu = pair
    await publish(steel.daemon)
    pid = await command.request(zhengshu.daemon.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
    await until(zhengshu.daemon, f"negotiation:{pid}", lambda tx: negotiations.state(tx, pid) == "FINALIZED")
    await zhengshu.daemon.node.db.transact(lambda tx: tx.run("inbox.prune", before_us=2**60))
    _, body = await zhengshu.ask("GET", f"/v1/story/{pid}")
    told = [(line["what"], line["ours"]) for line in body["timeline"]]
    assert told == [
        ("negotiation.requested", True),
        ("negotiation.agreed", False),
        ("negotiation.verified", True),
        ("negotiation.finalized", False),
    ]
    assert [cause["code"] for cause in body["causes"]] == ["finalized-consumer"]
