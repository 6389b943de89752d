"""The event stream: the audit log as it grows, resumable; one process as it changes; an end when the daemon ends."""

import asyncio
import json

from connector.management import events
from tests.offers import DATASET, publish
from tests.pair import eventually


async def read(answer, count):
    """The next events of a stream as (id, name, data)."""
    found, fields = [], {}
    async with asyncio.timeout(10):
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(found) == count:
                    return found
    return found


def listening(subscribers, topic):
    async def look():
        return subscribers.get(topic)

    return look


async def test_a_reader_that_comes_back_misses_nothing(caller):
    node = caller.daemon.node
    async with caller.open("GET", "/v1/events?since=-1") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        before = await read(answer, 2)
    for number in range(3):
        await node.db.transact(lambda tx, n=number: node.audit.append(tx, "admin.tested", details={"n": n}))
    async with caller.open("GET", "/v1/events", headers={"Last-Event-ID": before[-1][0]}) as answer:
        after = await read(answer, 3)
    assert [int(number) for number, _, _ in before + after] == list(range(5))
    assert [data["details"]["n"] for _, _, data in after] == [0, 1, 2]


async def test_without_a_place_only_what_is_new_is_told(caller):
    node = caller.daemon.node
    async with caller.open("GET", "/v1/events?types=admin") as answer:
        await node.db.transact(lambda tx: node.audit.append(tx, "policy.tested"))
        await node.db.transact(lambda tx: node.audit.append(tx, "admin.tested"))
        [(_, name, data)] = await read(answer, 1)
    assert (name, data["type"]) == ("admin.tested", "admin.tested")


async def test_progress_is_told_without_a_number(caller):
    async with caller.open("GET", "/v1/events?types=delivery.progress") as answer:
        await eventually(listening({"all": caller.daemon.receiver._listeners}, "all"))
        caller.daemon.receiver._tell("urn:d", 5, 10)
        [(number, name, data)] = await read(answer, 1)
    assert (number, name) == (None, "delivery.progress")
    assert data["details"] == {"delivery": "urn:d", "verified": 5, "size": 10}


async def test_one_process_is_followed_to_its_end(pair):
    steel, zhengshu = pair
    await publish(steel.daemon)
    body = {"provider": steel.daemon.node.participant, "dataset": DATASET}
    _, made = await zhengshu.ask("POST", "/v1/negotiations", json=body)
    async with zhengshu.open("GET", f"/v1/events?watch=negotiation:{made['id']}") as answer:
        seen = await read(answer, 20)
    assert {name for _, name, _ in seen} == {"negotiation.state"}
    assert seen[-1][2]["state"] == "FINALIZED"
    assert seen[-1][2]["agreement"].startswith("sha-256:")
    async with zhengshu.open("GET", f"/v1/events?watch=negotiation:{made['id']}") as answer:
        assert [data["state"] for _, _, data in await read(answer, 20)] == ["FINALIZED"]


async def test_silence_is_broken_by_a_comment(caller, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.01)
    async with caller.open("GET", "/v1/events") as answer, asyncio.timeout(5):
        assert (await answer.content.readline()).startswith(b":")


async def test_the_end_of_the_daemon_is_the_end_of_the_stream(caller):
    async with caller.open("GET", "/v1/events") as answer:
        started = asyncio.get_running_loop().time()
        closing = asyncio.create_task(caller.daemon.close())
        async with asyncio.timeout(5):
            while await answer.content.readline():
                pass
        await closing
        assert asyncio.get_running_loop().time() - started < 3
