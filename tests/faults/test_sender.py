"""A store that cannot write on the side that sends, fetches or crawls: nothing runs hot, nothing dies, all of it goes on after."""

import asyncio
from pathlib import Path

import pytest

from connector.store import delivery as deliveries
from contracts.negotiation.table import State
from tests.deliveries import agree, ended, offer_file, rows_of, sent, start
from tests.faults.outages import OUTAGES
from tests.faults.stub import good
from tests.faults.test_peers import STUB, ask, reached, trio
from tests.offers import publish
from tests.pair import community, did, eventually

pytestmark = pytest.mark.slow
STEEL = did("p-steel")


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_answer_that_cannot_be_kept_is_asked_for_again_in_good_time(tmp_path, outage):
    """The peer has taken our message and we cannot write that down: it hears it again at the pace of retries, not as fast as we can."""
    async with trio(tmp_path, send_timeout_s=10, retry_first_s=0.5, retry_limit_s=1, give_up_s=60) as (
        stub,
        _,
        zhengshu,
    ):
        out = asyncio.Event()

        async def answers_into_the_outage(stub, heard, writer):
            await out.wait()
            await good(stub, heard, writer)

        stub.answers["request"] = answers_into_the_outage
        pid = await ask(zhengshu, STUB)
        await stub.until("request")
        async with OUTAGES[outage](zhengshu):
            out.set()
            with pytest.raises(TimeoutError):
                await stub.until("request", 10, timeout_s=1.5)
        found = await reached(zhengshu, pid, State.REQUESTED)
        assert found.peer_pid == stub.pid


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_delivery_waits_out_an_outage_of_its_receiver(tmp_path, outage):
    """What cannot be written down is no failure of the delivery: it goes on by itself, without a restart."""
    source = tmp_path / "source.csv"
    source.write_text(rows_of(3000))
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, source)
        ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
        identifier = await zhengshu.receiver.start(ours.pid)
        async with OUTAGES[outage](zhengshu):
            # One pass of its task: whatever it has fetched by now, it cannot keep.
            await asyncio.wait(set(zhengshu.receiver._tasks.values()), timeout=0.5)
        delivery = await ended(zhengshu, identifier)
        assert delivery.state is deliveries.State.RECEIVED, delivery.reason
        assert Path(delivery.path).read_bytes() == source.read_bytes()
        (provided,) = await sent(steel, theirs.pid)
        assert provided.state is deliveries.State.RECEIVED


@pytest.mark.parametrize("outage", OUTAGES)
async def test_the_member_list_and_the_catalogs_are_followed_again_after_an_outage(tmp_path, outage):
    """The tasks that keep them fresh outlive it: a new list is taken, and a crawl succeeds, without a restart."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel)
        listed = tmp_path / "space" / "members.json"
        kept = listed.read_bytes()
        async with OUTAGES[outage](zhengshu):
            listed.write_bytes(b"{}")  # refused, and the refusal cannot be recorded
            await eventually(lambda: watched(zhengshu), timeout_s=10)
            await zhengshu.crawler.refresh(STEEL)
        listed.write_bytes(kept)
        assert all(not task.done() for task in zhengshu._tasks)
        (outcome,) = await zhengshu.crawler.refresh(STEEL)
        assert (outcome.result, outcome.datasets) == ("ok", 1)


async def watched(daemon):
    """Whether the watch of the member list has looked since, or is dead."""
    return daemon.node.members._reported or any(task.done() for task in daemon._tasks)
