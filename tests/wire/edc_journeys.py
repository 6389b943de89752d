"""The ways that a contract and a pull take between a daemon of ours and the double of an EDC."""

import contextlib
from types import SimpleNamespace

from connector.daemon import Daemon
from connector.exchange import command
from connector.exchange.peer import Peers
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from tests.deliveries import offer_file
from tests.interop.conftest import members
from tests.offers import DATASET, free_offer
from tests.pair import START, until
from tests.wire.edc_double import edc_double


@contextlib.asynccontextmanager
async def beside(root, *, ours="weft", theirs="acme", known=True):
    """A daemon of ours and an EDC; it is `known` that it is one."""
    async with edc_double(theirs) as edc:
        peer = SimpleNamespace(participant=theirs, dsp=edc.dsp)
        listed = members(root, [peer], participant=ours, test_clock_start=START)
        async with Daemon(listed, peers=Peers({theirs: "edc"} if known else {})) as daemon:
            yield daemon, edc


async def in_state(daemon, look, state):
    """Our process as `look` finds it, once it is in this state; fails when it has ended otherwise."""

    def work(tx):
        found = look(tx)
        if found is None or found.state == state:
            return found
        assert found.state not in ("TERMINATED", "FINALIZED", "COMPLETED"), (found.state, found.code, found.reason)
        return None

    return await until(daemon, "audit", work)


async def agreed_by_us(daemon, edc):
    """Our negotiation about the EDC's only dataset, finalized on both sides."""
    pid = await command.request(daemon.node, provider=edc.participant, dataset="asset-1")
    found = await in_state(daemon, lambda tx: negotiations.get(tx, pid), "FINALIZED")
    await edc.until(edc.processes[found.peer_pid], "FINALIZED")
    return found


async def agreed_by_them(daemon, edc, offer=None, target=DATASET):
    """The EDC's negotiation about a dataset of ours, finalized on both sides."""
    theirs = await edc.negotiate(daemon.node.participant, daemon.node.base, target, offer or free_offer())
    await edc.until(theirs, "FINALIZED")
    found = await in_state(daemon, lambda tx: negotiations.by_peer(tx, edc.participant, theirs.pid), "FINALIZED")
    return theirs, found


async def pulled_by_them(daemon, edc, tmp_path):
    """A pull of the EDC from us that has started: its side and ours."""
    source = tmp_path / "press.csv"
    source.write_text("batch,torque\n1,7\n")
    await offer_file(daemon, source)
    theirs, _ = await agreed_by_them(daemon, edc)
    process = await edc.transfer(daemon.node.participant, daemon.node.base, theirs.agreements[-1])
    await edc.until(process, "STARTED")
    ours = await in_state(daemon, lambda tx: transfers.by_peer(tx, edc.participant, process.pid), "STARTED")
    return process, ours
