"""The dispatcher as a task: it can be stopped at any moment, whatever else happens in that moment."""

import asyncio
from datetime import timedelta

import pytest

from connector.daemon import Daemon
from connector.dispatch.dispatcher import Dispatcher
from connector.errors import StoreError
from connector.exchange import command
from connector.store import outbox
from connector.store.outbox import Outgoing
from tests.offers import DATASET, publish
from tests.pair import community, did, found_space, settings


@pytest.mark.parametrize("ticks", range(6))
async def test_it_stops_also_when_it_is_woken_in_the_same_moment(tmp_path, ticks):
    """A stop that meets a wake-up is not forgotten: closing ends in time, however the two fall together."""
    found_space(tmp_path, ["p-steel"])
    waiting = Outgoing(
        "urn:uuid:1", "seal", "seal:1", "seal", "did:web:p-oem.example", "PUT", "http://x/", b"{}", "", ""
    )
    async with Daemon(settings(tmp_path, "p-steel")) as daemon:
        # Something is postponed, so that it waits with a limit.
        later = daemon.clock.now() + timedelta(hours=1)
        await daemon.node.db.transact(lambda tx: outbox.add(tx, waiting, later))
        for _ in range(5):
            dispatcher = Dispatcher(daemon.node)
            dispatcher.open()
            await daemon.node.db.transact(lambda tx: tx.one("outbox.depth"))
            await asyncio.sleep(0.01)
            dispatcher._wake.set()
            for _ in range(ticks):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await dispatcher.close()


async def test_a_store_that_takes_nothing_does_not_make_it_send_again_at_once(tmp_path):
    """What was answered and cannot be written down keeps its turn: one request, not a flood of them."""
    async with community(tmp_path, "p-steel", "s-zhengshu", retry_first_s=3600) as (steel, zhengshu):
        await publish(steel)
        healthy, calls, failed = zhengshu.node.db.transact, [], asyncio.Event()
        real = zhengshu.dispatcher._call

        async def counted(method, *given):
            calls.append(method)
            return await real(method, *given)

        async def broken(work):
            if calls.count("POST") and work != zhengshu.dispatcher._look:  # reading goes on
                failed.set()
                raise StoreError("store-failed", path="weft.db", cause="disk I/O error")
            return await healthy(work)

        zhengshu.dispatcher._call = counted
        zhengshu.node.db.transact = broken
        await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET)
        async with asyncio.timeout(10):
            await failed.wait()
        for _ in range(50):
            await zhengshu.node.db.read(lambda tx: tx.one("outbox.depth"))
        assert calls.count("POST") == 1
        zhengshu.node.db.transact = healthy
