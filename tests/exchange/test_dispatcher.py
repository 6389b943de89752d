"""The dispatcher as a task: it can be stopped at any moment, whatever else happens in that moment."""

import asyncio
from datetime import timedelta

import pytest

from connector.daemon import Daemon
from connector.dispatch.dispatcher import Dispatcher
from connector.store import outbox
from connector.store.outbox import Outgoing
from tests.pair import found_space, settings


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
