"""Two real daemons, one of which asks more than the other grants: it waits as it is told, and loses nothing."""

import asyncio
import contextlib

import pytest

from connector.errors import WeftError
from connector.exchange import command
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.offers import DATASET, OFFER, publish
from tests.pair import community, did, eventually, until

STEEL = did("p-steel")
NEGOTIATIONS = 16


def busy_answers(daemon):
    return sum(
        total
        for name, labels, total in daemon.node.counters
        if name == "weft_requests_refused_total" and labels["reason"] == "too-many-requests"
    )


async def begun(daemon):
    """A negotiation asked for; the command reads the offer first, and whoever gives it asks again when the provider is busy."""

    async def ask():
        with contextlib.suppress(WeftError):
            return await command.request(daemon.node, provider=STEEL, dataset=DATASET, offer=OFFER)

    return await eventually(ask)


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits", [{"peer_burst": 4, "peer_requests_per_s": 40}, {"peer_requests": 1}], ids=["by rate", "by places"]
)
async def test_all_negotiations_of_a_held_back_peer_conclude(tmp_path, limits):
    """Some of its messages are refused; each arrives in the end, once."""
    async with community(tmp_path, "p-steel", "s-zhengshu", retry_limit_s=0.2, **limits) as (steel, zhengshu):
        await publish(steel)
        pids = [await begun(zhengshu) for _ in range(NEGOTIATIONS)]

        def concluded(pid):
            def check(tx):
                found = negotiations.get(tx, pid)
                return found is not None and found.state is State.FINALIZED

            return check

        waits = (until(zhengshu, f"negotiation:{pid}", concluded(pid), timeout_s=40) for pid in pids)
        await asyncio.gather(*waits)
        opened = await steel.node.db.read(lambda tx: negotiations.page(tx, limit=1000))
        assert len(opened) == NEGOTIATIONS
        assert busy_answers(steel) > 0
