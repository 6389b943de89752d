"""The four rules of exchange over a network that loses, repeats and delays: both sides end in the same state."""

import asyncio
import random

import pytest

from connector.exchange import command
from connector.store import negotiation as negotiations
from contracts.negotiation.table import MACHINE, State
from tests.faulty import Delay, Fault
from tests.offers import DATASET, OFFER, publish
from tests.pair import community, did, until

pytestmark = pytest.mark.slow

STEEL = did("p-steel")


def ended(pid):
    def check(tx):
        found = negotiations.get(tx, pid)
        return found if found and found.state in MACHINE.terminal else None

    return check


async def outcome(steel, zhengshu, pid):
    """The final state on both sides, once both have one."""
    ours = await until(zhengshu, f"negotiation:{pid}", ended(pid), timeout_s=30)
    theirs = await until(steel, f"negotiation:{ours.peer_pid}", ended(ours.peer_pid), timeout_s=30)
    return ours, theirs


def sometimes(seed):
    """Each request is lost, answered into the void, repeated or held back with the given luck."""
    luck = random.Random(seed)

    def script(_method, _url):
        draw = luck.random()
        if draw < 0.10:
            return Fault.LOSE_REQUEST
        if draw < 0.25:
            return Fault.LOSE_ANSWER
        if draw < 0.35:
            return Fault.DUPLICATE
        return Delay(luck.random() * 0.02) if draw < 0.5 else Fault.NONE

    return script


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_faulty_network_leaves_no_two_opinions(tmp_path, seed):
    """With a third of all requests hurt, twelve negotiations all end finalized, with one agreement on both sides."""
    async with community(tmp_path, "p-steel", "s-zhengshu", script=sometimes(seed)) as (steel, zhengshu):
        await publish(steel)
        pids = []
        for _ in range(12):
            while True:
                try:
                    pids.append(await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER))
                    break
                except Exception:  # noqa: BLE001, S110  the look at the offer was lost: a person would ask again, too
                    pass
        for pid in pids:
            ours, theirs = await outcome(steel, zhengshu, pid)
            assert (ours.state, theirs.state) == (State.FINALIZED, State.FINALIZED)
            assert ours.agreement == theirs.agreement != ""


@pytest.mark.parametrize("lost", range(4))
async def test_a_lost_answer_is_no_lost_step(tmp_path, lost):
    """Whichever acknowledgement of the four messages is lost, the repeat gets the recorded reply and both go on."""
    seen = []

    def script(_method, url):
        if not url.endswith(("/request", "/agreement", "/verification", "/events")) or "catalog" in url:
            return Fault.NONE
        seen.append(url)
        return Fault.LOSE_ANSWER if len(seen) == lost + 1 else Fault.NONE

    async with community(tmp_path, "p-steel", "s-zhengshu", script=script) as (steel, zhengshu):
        await publish(steel)
        pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
        ours, theirs = await outcome(steel, zhengshu, pid)
        assert ours.state == theirs.state == State.FINALIZED


async def test_a_process_the_counterparty_does_not_know_ends_here_too(tmp_path):
    """When the other side has lost its store, a look finds nothing, and our process ends instead of hanging."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel, decision="person")
        pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
        requested = await until(
            zhengshu, f"negotiation:{pid}", lambda tx: (n := negotiations.get(tx, pid)) and n.state and n
        )
        await steel.node.db.transact(lambda tx: tx._connection.execute("DELETE FROM negotiation"))
        await command.terminate(zhengshu.node, pid, reason="no longer needed")
        ended_here = await until(zhengshu, f"negotiation:{pid}", ended(pid))
        assert ended_here.state is State.TERMINATED
        assert requested.peer_pid


async def test_crossing_terminations_end_terminated_on_both_sides(tmp_path):
    """Both sides end it at once: two messages cross, one state remains."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel, decision="person")
        pid = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
        ours = await until(
            zhengshu, f"negotiation:{pid}", lambda tx: (n := negotiations.get(tx, pid)) and n.state and n
        )
        await asyncio.gather(
            command.terminate(zhengshu.node, pid, reason="ours"),
            command.terminate(steel.node, ours.peer_pid, reason="theirs"),
        )
        here, there = await outcome(steel, zhengshu, pid)
        assert here.state == there.state == State.TERMINATED
