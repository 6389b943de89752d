"""Either side ends a process in every state in which it can stand still between Weft and a live EDC.

What passes by itself within one loop of the EDC cannot be held: AGREED with an EDC that consumes, VERIFIED with one that provides.
ACCEPTED cannot be reached: an EDC's user has no way to accept an offer.
"""

import contextlib

import pytest

from connector.daemon import Daemon
from connector.exchange import command
from connector.exchange.automate import Automation
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from tests.deliveries import offer_file
from tests.interop.conftest import WEFT, members, quickly
from tests.interop.live_negotiation import ask, asked_by, in_state, ours, ours_with
from tests.interop.live_transfer import agreed_by, moved, pulling
from tests.offers import publish
from tests.pair import until

NEGOTIATION, TRANSFER = "contractnegotiations", "transferprocesses"
BOTH = pytest.mark.parametrize("who", ["edc", "weft"])


class Held(Automation):
    """Stands still in these states of a protocol."""

    def __init__(self, protocol, *states):
        self._held = {(protocol, state) for state in states}

    def moved(self, tx, node, protocol, process, now):
        if (protocol, process.state.value) in self._held:
            return process
        return super().moved(tx, node, protocol, process, now)


@contextlib.asynccontextmanager
async def holding(root, edc, protocol, *states):
    async with quickly(), Daemon(members(root, [edc]), reactions=Held(protocol, *states)) as daemon:
        yield daemon


async def both_end(weft, edc, who, mine, theirs):
    """One side ends the negotiation, and both are TERMINATED."""
    if who == "edc":
        await edc.end(NEGOTIATION, theirs)
    else:
        await command.terminate(weft.node, mine, reason="we end it")
    await edc.until(NEGOTIATION, theirs, "TERMINATED")

    def look(tx):
        return in_state(negotiations.get(tx, mine), ("TERMINATED",))

    await until(weft, "audit", look, timeout_s=30)


@BOTH
async def test_in_requested_while_an_edc_consumes(tmp_path, edc, who):
    async with holding(tmp_path, edc, "negotiation", "REQUESTED") as weft:
        theirs = await asked_by(weft, edc)
        mine = (await ours_with(weft, theirs, "REQUESTED")).pid
        await edc.until(NEGOTIATION, theirs, "REQUESTED")
        await both_end(weft, edc, who, mine, theirs)


@BOTH
async def test_in_agreed_while_an_edc_provides(tmp_path, edc, who):
    async with holding(tmp_path, edc, "negotiation", "AGREED") as weft:
        mine = await ask(weft, edc, await edc.offer())
        theirs = (await ours(weft, mine, "AGREED")).peer_pid
        await edc.until(NEGOTIATION, theirs, "AGREED")
        await both_end(weft, edc, who, mine, theirs)


@BOTH
async def test_in_verified_while_an_edc_consumes(tmp_path, edc, who):
    async with holding(tmp_path, edc, "negotiation", "VERIFIED") as weft:
        theirs = await asked_by(weft, edc)
        mine = (await ours_with(weft, theirs, "VERIFIED")).pid
        await edc.until(NEGOTIATION, theirs, "VERIFIED")
        await both_end(weft, edc, who, mine, theirs)


async def test_a_termination_that_meets_the_end_changes_nothing(weft, edc):
    """FINALIZED is the end on both sides, whoever is told to terminate."""
    async with quickly():
        await publish(weft)
        theirs = await asked_by(weft, edc)
        await edc.finalized(theirs)
        await ours_with(weft, theirs, "FINALIZED")
        with pytest.raises(RuntimeError, match="terminate"):
            await edc.end(NEGOTIATION, theirs)
        await edc.until(NEGOTIATION, theirs, "FINALIZED")


@BOTH
async def test_a_transfer_in_requested(tmp_path, edc, who):
    source = tmp_path / "press.csv"
    source.write_bytes(b"batch\n1\n")
    async with holding(tmp_path, edc, "transfer", "REQUESTED") as weft:
        await offer_file(weft, source)
        theirs = await edc.transfer(WEFT, weft.node.base, await agreed_by(weft, edc))
        await edc.until(TRANSFER, theirs, "REQUESTED")
        mine = (await moved(weft, edc, theirs, "REQUESTED")).pid
        await transfer_ends(weft, edc, who, mine, theirs)


@BOTH
async def test_a_transfer_in_suspended(weft, edc, tmp_path, who):
    source = tmp_path / "press.csv"
    source.write_bytes(b"batch\n1\n")
    async with quickly():
        await offer_file(weft, source)
        theirs = await pulling(weft, edc)
        await edc.suspend(theirs)
        await edc.until(TRANSFER, theirs, "SUSPENDED")
        mine = (await moved(weft, edc, theirs, "SUSPENDED")).pid
        await transfer_ends(weft, edc, who, mine, theirs)


async def transfer_ends(weft, edc, who, mine, theirs):
    """One side ends the transfer, and both are over."""
    if who == "edc":
        await edc.end(TRANSFER, theirs)
    else:
        await command.terminate_transfer(weft.node, mine, reason="we end it")
    await edc.until(TRANSFER, theirs, "TERMINATED", "DEPROVISIONED")

    def look(tx):
        return in_state(transfers.get(tx, mine), ("TERMINATED",))

    await until(weft, "audit", look, timeout_s=30)
