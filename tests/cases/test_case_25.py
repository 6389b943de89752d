"""Case 25: half a gigabyte and a whole one, alone and four at a time, in memory that does not grow with them."""

import asyncio
import hashlib
import os
import sys

import aiohttp
import pytest

from connector.client import Client
from connector.exchange import command
from connector.store import delivery as deliveries
from tests.cases.inputs import case
from tests.deliveries import address, agree, ended, offer_file, records, start
from tests.offers import free_offer
from tests.pair import community, did, found_space
from tests.processes import Process
from tests.random_messages.test_memory import resident

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc"),
]
STEEL = did("p-steel")
MIB = 1024 * 1024
GROWTH_BYTES = 64 * MIB
SIZES = {"half": 500_000_000, "whole": 1024 * MIB}


def written(path, size):
    """A file of random bytes; its SHA-256."""
    hashed = hashlib.sha256()
    with path.open("wb") as file:
        for at in range(0, size, 8 * MIB):
            piece = os.urandom(min(8 * MIB, size - at))
            hashed.update(piece)
            file.write(piece)
    return hashed.hexdigest()


async def digest_of(delivery):
    """SHA-256 of what the consumer's connector keeps, read piece by piece."""
    hashed = hashlib.sha256()
    async for piece in delivery.stream():
        hashed.update(piece)
    return hashed.hexdigest()


class Peak:
    """The largest resident memory of some processes while a block runs, looked at many times a second."""

    def __init__(self, *processes):
        self.processes = processes

    async def __aenter__(self):
        self.before = [resident(each) for each in self.processes]
        self.most = list(self.before)
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()

    async def _look(self):
        while True:
            self.most = [max(most, resident(each)) for most, each in zip(self.most, self.processes, strict=True)]
            await asyncio.sleep(0.02)

    @property
    def growth(self):
        return [most - before for most, before in zip(self.most, self.before, strict=True)]


@pytest.mark.parametrize(("size", "parallel"), [("half", 1), ("half", 4), ("whole", 1)], ids=str)
async def test_a_pull_is_byte_identical_and_memory_stays(tmp_path, size, parallel):
    """Each daemon is a process of its own; neither grows by 64 MiB, whatever the size and the number."""
    assert case("25-big")["parallel"] == [1, 4]
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    small, big = tmp_path / "small.bin", tmp_path / "big.bin"
    written(small, 1000)
    expected = written(big, SIZES[size])
    steel, zhengshu = (Process(tmp_path / name) for name in ("p-steel", "s-zhengshu"))
    try:
        await asyncio.gather(steel.start(), zhengshu.start())
        async with (
            Client(steel.url, key_file=steel.key_file, timeout_s=300) as owner,
            Client(zhengshu.url, key_file=zhengshu.key_file, timeout_s=300) as asker,
        ):
            for name, path in (("small", small), ("big", big)):
                offer = free_offer(f"urn:uuid:{name}")
                await owner.publish(
                    path, id=name, title={"en": name, "zh": name}, offers=[offer], media_type="application/octet-stream"
                )
            await asker.refresh()
            await asker.fetch("small", provider=STEEL)  # whatever is loaded at the first delivery is loaded now
            async with Peak(steel, zhengshu) as peak:
                got = await asyncio.gather(
                    *(asker.fetch("big", provider=STEEL, timeout_s=400) for _ in range(parallel))
                )
            assert [each.state for each in got] == ["received"] * parallel
            assert {await digest_of(each) for each in got} == {expected}
            assert max(peak.growth) < GROWTH_BYTES, [grown // MIB for grown in peak.growth]
    finally:
        steel.end()
        zhengshu.end()
        for path in (big, *(tmp_path / "s-zhengshu").rglob("*")):
            if path.is_file() and path.stat().st_size > MIB:
                path.unlink()


async def test_a_cut_at_60_percent_is_a_cut_on_both_sides(tmp_path):
    """The provider ends the transfer there: its log says cut, the consumer's delivery has failed, nobody says delivered."""
    source = tmp_path / "big.bin"
    written(source, 50_000_000)
    async with community(tmp_path, "p-steel", "s-zhengshu", test_rate_limit_bytes_s=20_000_000) as (steel, zhengshu):
        await offer_file(steel, source, media_type="application/octet-stream")
        ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
        far = asyncio.Event()
        zhengshu.receiver.listen(lambda _, verified, total: far.set() if verified >= 0.6 * total else None)
        identifier = await zhengshu.receiver.start(ours.pid, columns=None)
        async with asyncio.timeout(60):
            await far.wait()
        await command.terminate_transfer(steel.node, theirs.pid, reason="cut")
        delivery = await ended(zhengshu, identifier)
        assert delivery.state is deliveries.State.FAILED
        assert len(await records(steel, "delivery.cut")) == 1
        assert len(await records(zhengshu, "delivery.failed")) == 1
        for daemon in (steel, zhengshu):
            assert await records(daemon, "usage.recorded") == []
        url, headers = address(ours)
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status in (401, 403)


def test_a_push_and_an_object_store():
    pytest.skip("needs an S3 source, which is not built; pushes have tests of their own")
