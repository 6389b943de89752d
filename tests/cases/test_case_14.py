"""Case 14: terminated means stopped. The data follows the process within a second, on both sides."""

import asyncio
import contextlib
import time

import aiohttp
import pytest

from connector.exchange import command
from connector.store import delivery as deliveries
from contracts.transfer.table import State
from tests.cases.inputs import case
from tests.deliveries import address, agree, ended, offer_file, reaches, records, rows_of, sent, start
from tests.management.conftest import Caller, http  # noqa: F401  the fixture
from tests.pair import community

WITHIN_S = 1.0
REFUSED = (401, 403)


@pytest.fixture
async def pair(tmp_path):
    """A provider with a file, a consumer, and the digest of their agreement."""
    source = tmp_path / "rows.csv"
    source.write_text(rows_of(100))
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, source)
        yield steel, zhengshu, await agree(steel, zhengshu)


async def status_of(http, url, headers):  # noqa: F811
    async with http.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


async def refused_within(http, url, headers, began):  # noqa: F811
    """Look until the data is refused; it must be within a second from `began`. A body that is cut on the way is no data either."""
    status = 0
    while status not in REFUSED:
        assert time.monotonic() - began < WITHIN_S
        with contextlib.suppress(aiohttp.ClientPayloadError):
            status = await status_of(http, url, headers)
        await asyncio.sleep(0.01)
    assert time.monotonic() - began < WITHIN_S


async def test_the_steps_are_those_of_the_case():
    assert len(case("14-terminate-means-stop")["steps"]) == 5


async def test_a_termination_by_the_consumer_kills_its_token_within_a_second(pair, http):  # noqa: F811
    """Through the consumer's own management API: 200 before, 401 or 403 after; both sides say TERMINATED, so do the deliveries."""
    steel, zhengshu, agreement = pair
    ours, theirs = await start(steel, zhengshu, agreement)
    url, headers = address(ours)
    assert await status_of(http, url, headers) == 200
    began = time.monotonic()
    caller = Caller(zhengshu, http)
    status, shown = await caller.ask("POST", f"/v1/transfers/{ours.pid}/terminate", json={"reason": "enough"})
    assert status == 200, shown
    await refused_within(http, url, headers, began)
    assert (await reaches(zhengshu, ours.pid, State.TERMINATED)).reason == "enough"
    assert (await reaches(steel, theirs.pid, State.TERMINATED)).reason == "enough"
    for each in await sent(steel, theirs.pid):
        assert each.state is not deliveries.State.RECEIVED


async def test_a_suspended_transfer_gives_nothing_and_the_old_token_stays_dead_after_the_resumption(pair, http):  # noqa: F811
    """The provider pauses: refused. It resumes (who paused decides, DECISIONS 22): a new address, the old token dead, the new alive."""
    steel, zhengshu, agreement = pair
    ours, theirs = await start(steel, zhengshu, agreement)
    url, old = address(ours)
    assert await status_of(http, url, old) == 200
    began = time.monotonic()
    await command.suspend(steel.node, theirs.pid, reason="recall")
    await refused_within(http, url, old, began)
    await reaches(zhengshu, ours.pid, State.SUSPENDED)
    caller = Caller(zhengshu, http)
    status, answer = await caller.ask("POST", f"/v1/transfers/{ours.pid}/resume", json={})
    assert (status, answer["code"]) == (400, "suspended-by-other")
    assert await status_of(http, url, old) in REFUSED
    await command.resume(steel.node, theirs.pid)
    again = await reaches(zhengshu, ours.pid, State.STARTED)
    fresh_url, fresh = address(again)
    assert fresh != old
    assert await status_of(http, url, old) in REFUSED
    assert await status_of(http, fresh_url, fresh) == 200


async def test_a_consumer_that_paused_resumes_with_a_fresh_token(pair, http):  # noqa: F811
    """The consumer pauses and resumes by itself: data again, and what it was given before the pause is dead."""
    steel, zhengshu, agreement = pair
    ours, theirs = await start(steel, zhengshu, agreement)
    url, old = address(ours)
    assert await status_of(http, url, old) == 200
    began = time.monotonic()
    await command.suspend(zhengshu.node, ours.pid, reason="lunch")
    await refused_within(http, url, old, began)
    await reaches(steel, theirs.pid, State.SUSPENDED)
    await command.resume(zhengshu.node, ours.pid)
    await reaches(steel, theirs.pid, State.STARTED)
    async with http.post(
        f"{url}/token", headers={"Authorization": await zhengshu.node.identity.authorisation(steel.node.participant)}
    ) as answer:
        assert answer.status == 200, await answer.text()
        token = (await answer.json())["access_token"]
    assert await status_of(http, url, {"Authorization": f"Bearer {token}"}) == 200
    assert await status_of(http, url, old) in REFUSED


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_running_stream_of_500_mb_breaks_and_the_part_is_not_taken_for_the_whole(tmp_path, http):  # noqa: F811
    """The provider terminates while the body runs: both streams end within a second, the consumer's delivery has failed."""
    source = tmp_path / "big.bin"
    with source.open("wb") as file:
        file.truncate(500_000_000)
    pace = {"test_rate_limit_bytes_s": 50_000_000}
    async with community(tmp_path, "p-steel", "s-zhengshu", **pace) as (steel, zhengshu):
        await offer_file(steel, source, media_type="application/octet-stream")
        ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
        flowing = asyncio.Event()
        zhengshu.receiver.listen(lambda _, verified, __: flowing.set() if verified else None)
        identifier = await zhengshu.receiver.start(ours.pid, columns=None)
        url, headers = address(ours)
        async with asyncio.timeout(60):
            await flowing.wait()
        async with http.get(url, headers=headers) as raw:
            await raw.content.readexactly(1000)
            began = time.monotonic()
            await command.terminate_transfer(steel.node, theirs.pid, reason="recall")
            with pytest.raises(aiohttp.ClientPayloadError):
                while await raw.content.readany():
                    pass
            assert time.monotonic() - began < WITHIN_S
        delivery = await ended(zhengshu, identifier)
        assert time.monotonic() - began < 3 * WITHIN_S
        assert delivery.state is deliveries.State.FAILED
        assert delivery.code
        assert not list((tmp_path / "s-zhengshu").rglob("*.bin"))
        assert await records(steel, "delivery.cut")
        assert await records(steel, "usage.recorded") == []
