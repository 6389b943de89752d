"""Transfers with a peer that behaves like an EDC: pulls from us, pushes to us, pauses and ends."""

import pytest

from connector.exchange import command
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from tests.deliveries import records
from tests.pair import until
from tests.wire.edc_journeys import agreed_by_us, beside, in_state, pulled_by_them


async def test_an_edc_pulls_from_us_with_the_raw_token(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, _ = await pulled_by_them(daemon, edc, tmp_path)
        (address,) = process.starts
        properties = {each["name"].rpartition("/")[2]: each["value"] for each in address["endpointProperties"]}
        headers = {"Authorization": properties["authorization"]}
        async with edc.session.get(properties["endpoint"], headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "batch,torque\n1,7\n")


async def test_an_edc_pauses_and_goes_on_with_a_new_address(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        await edc.suspend(process)
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "SUSPENDED")
        await edc.resume(process)
        await edc.until(process, "STARTED")
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "STARTED")
        first, second = process.starts
        assert first != second


async def test_an_edc_that_resumes_slowly_gets_our_start_all_the_same(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        edc.busy = {"start"}
        await edc.suspend(process)
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "SUSPENDED")
        await edc.resume(process)
        await edc.until(process, "STARTED")
        assert len(process.starts) == 2


async def test_an_edc_that_says_all_of_it_twice_pauses_goes_on_and_ends(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.twice = {"request", "suspension", "start", "termination"}
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        await edc.suspend(process)
        await edc.resume(process)
        await edc.until(process, "STARTED")
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "STARTED")
        await edc.end(process, reason=["enough"])
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "TERMINATED")
        assert len(process.starts) == 2
        assert await records(daemon, "message.refused") == []


async def test_an_edc_that_says_all_of_its_push_twice_ends_well(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        edc.twice = {"start", "completion"}
        found = await agreed_by_us(daemon, edc)
        mine = await command.start(daemon.node, agreement=found.agreement, push=True)
        await in_state(daemon, lambda tx: transfers.get(tx, mine), "COMPLETED")
        theirs = next(each for each in edc.processes.values() if each.kind == "transfers")
        await edc.until(theirs, "COMPLETED")
        assert await records(daemon, "message.refused") == []


@pytest.mark.parametrize("who", ["edc", "weft"])
async def test_either_side_terminates_a_started_pull(tmp_path, who):
    async with beside(tmp_path) as (daemon, edc):
        process, ours = await pulled_by_them(daemon, edc, tmp_path)
        if who == "edc":
            await edc.end(process, reason=["enough"])
        else:
            await command.terminate_transfer(daemon.node, ours.pid, reason="enough")
        await edc.until(process, "TERMINATED")
        await in_state(daemon, lambda tx: transfers.get(tx, ours.pid), "TERMINATED")


@pytest.mark.parametrize("with_address", [False, True])
async def test_an_edc_pushes_to_us_whether_its_start_repeats_our_address_or_not(tmp_path, with_address):
    async with beside(tmp_path) as (daemon, edc):
        edc.start_address = with_address
        found = await agreed_by_us(daemon, edc)
        mine = await command.start(daemon.node, agreement=found.agreement, push=True)
        await in_state(daemon, lambda tx: transfers.get(tx, mine), "COMPLETED")

        def delivered(tx):
            return [kept for kept in deliveries.of_transfer(tx, mine) if kept.path]

        assert await until(daemon, "audit", delivered)


async def test_a_pull_that_an_edc_cannot_serve_ends_with_its_reason(tmp_path):
    async with beside(tmp_path) as (daemon, edc):
        found = await agreed_by_us(daemon, edc)
        mine = await command.start(daemon.node, agreement=found.agreement)
        ended = await in_state(daemon, lambda tx: transfers.get(tx, mine), "TERMINATED")
        assert "No Endpoint generator" in ended.reason
