"""What is given up, when, and what is still said then: decisions of the dispatcher as functions of a store."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from connector.clock import micros
from connector.dispatch import verdict
from connector.store import outbox
from connector.store.outbox import Outgoing
from tests.clocks import START
from tests.pair import community

SEAL = Outgoing("urn:uuid:1", "seal", "seal:1", "seal", "did:web:x.example", "PUT", "http://x/", b"{}", "", "")
DAY = 86400


async def tried(node, message, *, attempts, age_s):
    """Whether a message of this age, after so many failures, still waits after another one; and for how long."""
    clock = SimpleNamespace(now=lambda: START + timedelta(seconds=age_s))
    settings = SimpleNamespace(give_up_s=DAY, retry_first_s=1.0, retry_limit_s=300.0)
    around = SimpleNamespace(clock=clock, settings=settings, peers=node.peers)
    kept = replace(message, attempts=attempts, created_us=micros(START))

    def work(tx):
        outbox.add(tx, kept, START)
        waits = verdict.postpone(tx, around, kept, "no answer", 0.0)
        row = tx.one("outbox.get", message=kept.message)
        outbox.remove(tx, kept.message)
        return waits, (row["next_us"] - micros(clock.now())) / 1e6 if row is not None else None

    return await node.db.transact(work)


REQUEST = replace(SEAL, kind="negotiation", process="urn:uuid:2", trigger="agreement", expects="REQUESTED")
END = replace(REQUEST, trigger="termination", expects="*")


@pytest.fixture
async def node(tmp_path):
    async with community(tmp_path, "p-steel") as (daemon,):
        yield daemon.node


async def test_a_clock_that_jumps_ends_nothing_at_the_first_failure(node):
    """Two days old after one attempt: the machine slept. The same after a day of attempts is given up."""
    assert (await tried(node, REQUEST, attempts=0, age_s=2 * DAY))[0]
    assert not (await tried(node, REQUEST, attempts=20, age_s=2 * DAY))[0]


@pytest.mark.parametrize("message", [END, SEAL], ids=["termination", "seal"])
async def test_what_is_owed_is_said_for_a_month_and_ever_more_rarely(node, message):
    """A termination and what is said beside the protocol outlive a long weekend of the other side."""
    waits, pause_s = await tried(node, message, attempts=20, age_s=8 * DAY)
    assert waits
    assert pause_s == pytest.approx(DAY, rel=0.01)
    assert (await tried(node, message, attempts=20, age_s=DAY / 2))[1] <= 300
    assert not (await tried(node, message, attempts=60, age_s=31 * DAY))[0]
