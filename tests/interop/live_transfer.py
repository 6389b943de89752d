"""Transfers between Weft and a live EDC: pulls from us, pushes both ways, and every way to end or pause them."""

import asyncio
import contextlib
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from connector.exchange import command
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from contracts.transfer.messages import DataAddress
from tests.deliveries import offer_file
from tests.interop.conftest import WEFT, quickly
from tests.interop.live_negotiation import ask, in_state, ours
from tests.offers import DATASET, free_offer
from tests.pair import until

ROW = "transferprocesses"
EDC_NAME = "https://w3id.org/edc/v0.0.1/ns/"
CONTENT = b"batch,torque\n" + b"".join(b"%d,%d\n" % (row, row * 7 % 113) for row in range(4000))


@contextlib.asynccontextmanager
async def listener():
    """A server of the EDC's user: what is posted arrives in a queue, a GET brings the content."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request):
        arrived.put_nowait(await request.read())
        return web.Response()

    async def give(_request):
        return web.Response(body=CONTENT)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes([web.post("/{any:.*}", take), web.get("/{any:.*}", give)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", arrived
    finally:
        await runner.cleanup()


@pytest.fixture
async def offered(weft, tmp_path):
    """A file of ours in the catalog."""
    source = tmp_path / "press.csv"
    source.write_bytes(CONTENT)
    await offer_file(weft, source)
    return DATASET


async def agreed_by(weft, edc):
    """The agreement that the EDC has made with us about our file, by the id that its user has."""
    pid = await edc.negotiate(WEFT, weft.node.base, DATASET, free_offer())
    return await edc.finalized(pid)


async def moved(weft, edc, pid, *states):
    """Our side of the EDC's transfer, once it is in one of these states."""

    def look(tx):
        return in_state(transfers.by_peer(tx, edc.participant, pid), states)

    return await until(weft, "audit", look, timeout_s=30)


async def pulling(weft, edc, tell=""):
    """A pull of the EDC that has started on both sides; its pid."""
    agreement = await agreed_by(weft, edc)
    pid = await edc.transfer(WEFT, weft.node.base, agreement, tell=tell)
    await edc.until(ROW, pid, "STARTED")
    await moved(weft, edc, pid, "STARTED")
    return pid


async def told(arrived):
    """The data address in the event that the EDC tells its user of."""
    async with asyncio.timeout(20):
        event = json.loads(await arrived.get())
    address = event["payload"]["dataAddress"]["properties"]
    return address[EDC_NAME + "endpoint"], address[EDC_NAME + "authorization"]


async def fetched(url, token):
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": token}) as answer:
        return answer.status, await answer.read()


async def test_an_edcs_user_pulls_from_us_with_the_raw_token(weft, edc, offered):
    async with quickly(), listener() as (address, arrived):
        pid = await pulling(weft, edc, tell=address)
        url, token = await told(arrived)
        assert await fetched(url, token) == (200, CONTENT)
        await command.complete(weft.node, (await moved(weft, edc, pid, "STARTED")).pid)
        await edc.until(ROW, pid, "COMPLETED", "DEPROVISIONED")


@pytest.mark.parametrize("who", ["edc", "weft"])
async def test_either_side_terminates_a_started_pull(weft, edc, offered, who):
    async with quickly():
        pid = await pulling(weft, edc)
        if who == "edc":
            await edc.end(ROW, pid)
        else:
            await command.terminate_transfer(weft.node, (await moved(weft, edc, pid, "STARTED")).pid, reason="enough")
        await edc.until(ROW, pid, "TERMINATED", "DEPROVISIONED")
        await moved(weft, edc, pid, "TERMINATED")


async def test_an_edc_pauses_and_goes_on_with_a_new_token(weft, edc, offered):
    async with quickly(), listener() as (address, arrived):
        pid = await pulling(weft, edc, tell=address)
        url, old = await told(arrived)
        await edc.suspend(pid)
        await edc.until(ROW, pid, "SUSPENDED")
        await moved(weft, edc, pid, "SUSPENDED")
        assert (await fetched(url, old))[0] in {401, 403}
        await edc.resume(pid)
        await edc.until(ROW, pid, "STARTED")
        await moved(weft, edc, pid, "STARTED")
        url, new = await told(arrived)
        assert await fetched(url, new) == (200, CONTENT)
        assert (await fetched(url, old))[0] in {401, 403}


async def test_we_pause_and_go_on(weft, edc, offered):
    async with quickly():
        pid = await pulling(weft, edc)
        mine = (await moved(weft, edc, pid, "STARTED")).pid
        await command.suspend(weft.node, mine, reason="audit")
        await edc.until(ROW, pid, "SUSPENDED")
        await moved(weft, edc, pid, "SUSPENDED")
        await command.resume(weft.node, mine)
        await moved(weft, edc, pid, "STARTED")
        await edc.until(ROW, pid, "STARTED")


async def test_a_format_that_we_do_not_serve_is_refused_with_a_reason_that_its_user_reads(weft, edc, offered):
    async with quickly():
        pid = await edc.transfer(WEFT, weft.node.base, await agreed_by(weft, edc), kind="Pigeon-PULL")
        ended = await edc.until(ROW, pid, "TERMINATED", "DEPROVISIONED")
        assert "Pigeon-PULL" in ended["errorDetail"]


async def test_we_push_to_an_edcs_user(weft, edc, offered):
    async with quickly(), listener() as (address, arrived):
        agreement = await agreed_by(weft, edc)
        destination = {"type": "HttpData", "baseUrl": f"{address}/sink"}
        pid = await edc.transfer(WEFT, weft.node.base, agreement, kind="HttpData-PUSH", destination=destination)
        assert await asyncio.wait_for(arrived.get(), 20) == CONTENT
        await edc.until(ROW, pid, "COMPLETED", "DEPROVISIONED")
        await moved(weft, edc, pid, "COMPLETED")


async def test_an_edc_pushes_to_us(weft, edc):
    async with quickly(), listener() as (address, _):
        pid = await ask(weft, edc, await edc.offer(source=f"{address}/source"))
        found = await ours(weft, pid, "FINALIZED")
        mine = await command.start(weft.node, agreement=found.agreement, push=True)
        await until(weft, "audit", lambda tx: in_state(transfers.get(tx, mine), ("COMPLETED",)), timeout_s=30)

        def delivered(tx):
            return [kept for kept in deliveries.of_transfer(tx, mine) if kept.path]

        (kept,) = await until(weft, "audit", delivered, timeout_s=30)
        assert Path(kept.path).read_bytes() == CONTENT


async def test_what_an_edc_cannot_serve_ends_with_its_reason(weft, edc):
    """EDC 0.15.1 lists HttpData-PULL and cannot serve it (nobody generates the endpoint): it ends the transfer."""
    async with quickly(), listener() as (address, _):
        pid = await ask(weft, edc, await edc.offer(source=f"{address}/source"))
        found = await ours(weft, pid, "FINALIZED")
        mine = await command.start(weft.node, agreement=found.agreement)
        ended = await until(weft, "audit", lambda tx: in_state(transfers.get(tx, mine), ("TERMINATED",)), timeout_s=30)
        assert ended.state == "TERMINATED"


def test_the_address_of_a_start_names_what_an_edc_reads():
    address = {"@type": "DataAddress", "endpointType": "HttpData", "endpoint": "http://x/y"}
    assert DataAddress.model_validate(address).url == "http://x/y"
