"""A peer that is down for most of a day, and one that is down for longer: what waits for it, and what becomes of that."""

import contextlib

import pytest

from connector.daemon import Daemon
from contracts.negotiation.table import State
from tests.clocks import SteppingClock
from tests.faults.stub import Stub, bytes_then_end
from tests.faults.test_peers import STUB, ask, reached, why_it_waits
from tests.pair import START, eventually, found_space, settings

pytestmark = pytest.mark.slow
HOUR_S = 3600


@contextlib.asynccontextmanager
async def asked(root):
    """A consumer on a clock of ours, whose request the peer has not taken; the peer is gone when the block begins."""
    found_space(root, ["p-stub", "s-zhengshu"])
    chosen = settings(root, "s-zhengshu", retry_first_s=60, retry_limit_s=HOUR_S / 2, send_timeout_s=2)
    daemon = Daemon(chosen)
    daemon.clock = SteppingClock(START)
    async with daemon:
        async with Stub(root / "p-stub") as stub:
            stub.answers["request"] = bytes_then_end(b"")
            pid = await ask(daemon, STUB)
            await stub.until("request")
        yield daemon, pid


async def attempts(daemon, pid):
    row = await daemon.node.db.read(lambda tx: tx.one("outbox.first_of_process", process=pid))
    return row["attempts"] if row else None


async def an_hour_later(daemon, pid):
    """The clock moves on, and what is due by then has been tried once more."""
    tried = await attempts(daemon, pid)
    daemon.clock.advance(HOUR_S)
    await daemon.node.db.transact(lambda tx: tx.wake("outbox"))

    async def again():
        return await attempts(daemon, pid) != tried

    await eventually(again)


async def test_a_peer_that_comes_back_within_the_day_gets_its_message(tmp_path):
    """For 23 hours the message waits with its reason; then the peer is back, and takes it."""
    async with asked(tmp_path) as (daemon, pid):
        for _ in range(23):
            await an_hour_later(daemon, pid)
        assert "unreachable" in (await why_it_waits(daemon))[STUB]
        async with Stub(tmp_path / "p-stub") as stub:
            daemon.clock.advance(HOUR_S / 2)
            await daemon.node.db.transact(lambda tx: tx.wake("outbox"))
            assert (await reached(daemon, pid, State.REQUESTED)).peer_pid == stub.pid
        assert await why_it_waits(daemon) == {}


async def test_a_peer_that_stays_away_is_given_up_after_a_day(tmp_path):
    """A day and an hour later the negotiation has ended, and says that the peer could not be reached."""
    async with asked(tmp_path) as (daemon, pid):
        for _ in range(24):
            await an_hour_later(daemon, pid)
        assert await attempts(daemon, pid)
        await an_hour_later(daemon, pid)
        found = await reached(daemon, pid, State.TERMINATED)
        assert found.code == "unreachable"
        assert "unreachable" in found.reason
        assert await why_it_waits(daemon) == {}
