"""A disk on which no file may grow any further, under a daemon that runs as a process: what happens to the bytes of a delivery."""

import asyncio
import contextlib
import resource

import pytest
import pytest_asyncio

from connector.client import Client
from connector.client.errors import DeliveryFailedError
from tests.offers import OFFER, free_offer
from tests.pair import did, eventually, found_space
from tests.processes import Process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits a process that runs already"),
]
STEEL = did("p-steel")
MIB = 1024 * 1024
# The store's own files stay below this; the large dataset does not, with one column either.
ROOM = 6 * MIB
ROWS = "coil,torque\n" + "".join(f"C{number:08d},{'7' * 80}\n" for number in range(100_000))  # some 9 MB
SMALL = "coil,torque\nC1,7\n"


@contextlib.contextmanager
def no_file_beyond(process, limit_bytes):
    """Every write beyond that place in a file fails in this process, as on a disk that is full."""
    resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory):
    """A provider with a large dataset and a small one, and a consumer; each with a client."""
    tmp_path = tmp_path_factory.mktemp("disk")
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    processes = [Process(tmp_path / name) for name in ("p-steel", "s-zhengshu")]
    try:
        for process in processes:
            await process.start()
        steel, zhengshu = processes
        async with (
            Client(steel.url, key_file=steel.key_file) as provider,
            Client(zhengshu.url, key_file=zhengshu.key_file) as consumer,
        ):
            for name, text, offer in (("large", ROWS, OFFER), ("small", SMALL, OFFER.replace("1", "2"))):
                source = tmp_path / f"{name}.csv"
                source.write_text(text)
                await provider.publish(
                    source, id=name, title={"en": name, "zh": name}, offers=[free_offer(offer)], visible_to="all"
                )
            yield steel, zhengshu, provider, consumer
    finally:
        for process in processes:
            process.end()


async def agreed(consumer, dataset):
    """The digest of an agreement about a dataset, once it is in force."""
    offer = OFFER if dataset == "large" else OFFER.replace("1", "2")
    asked = await consumer.negotiate(offer, provider=STEEL, dataset=dataset)
    return (await asked.wait("FINALIZED", timeout_s=20)).agreement


async def test_a_receiver_without_room_fails_with_the_reason_and_serves_on(pair):
    """The part that arrived is removed, the delivery says why it failed, others arrive; with room again, so does this one."""
    _, zhengshu, _, consumer = pair
    digest = await agreed(consumer, "large")
    with no_file_beyond(zhengshu, ROOM):
        delivery = await consumer.deliver(agreement=digest)
        with pytest.raises(DeliveryFailedError):
            await delivery.wait(timeout_s=30)
        failed = await consumer.delivery(delivery.id)
        assert (failed.state, failed.code) == ("failed", "received-unwritable")
        assert "File too large" in failed.reason
        received = zhengshu.settings.data_dir / "received"
        assert [path for path in received.rglob("*") if path.is_file() and path.stat().st_size > MIB] == []
        other = await consumer.deliver(agreement=await agreed(consumer, "small"))
        assert (await (await other.wait(timeout_s=30)).text()) == SMALL
    again = await consumer.deliver(agreement=digest)
    assert (await (await again.wait(timeout_s=30)).text()) == ROWS


async def test_a_provider_without_room_to_prepare_a_delivery_says_to_come_again(pair):
    """What has to be written before it can leave waits; other data leaves, and with room again so does this."""
    steel, _, provider, consumer = pair
    digest = await agreed(consumer, "large")
    with no_file_beyond(steel, ROOM):
        waiting = await consumer.deliver(agreement=digest, columns=["torque"])
        log = steel.directory / "serve.log"

        async def told():
            return "spool-unwritable" in await asyncio.to_thread(log.read_text)

        await eventually(told)
        other = await consumer.deliver(agreement=await agreed(consumer, "small"))
        assert (await (await other.wait(timeout_s=30)).text()) == SMALL
        assert (await consumer.delivery(waiting.id)).state in ("fetching", "waiting")
        assert (await provider.status()).outbox["depth"] == 0

        async def cleared():
            """What was begun is removed; the next attempt begins anew."""
            return list((steel.settings.data_dir / "spool").glob("*.tmp")) == []

        await eventually(cleared)
    text = await (await waiting.wait(timeout_s=30)).text()
    assert text.splitlines()[:2] == ["torque", "7" * 80]
