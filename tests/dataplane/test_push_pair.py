"""A push between two daemons when things go wrong: lost answers, lies, pauses, restarts. One count, one file, or the reason."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector.client import Client
from connector.client.errors import InvalidRequestError
from connector.daemon import Daemon
from connector.dispatch.transport import HttpTransport
from connector.errors import UnreachableError
from connector.exchange import command
from connector.store import counter, usage
from connector.store import delivery as deliveries
from connector.store.delivery import State
from contracts.transfer.table import State as TransferState
from tests.deliveries import agree, offer_file, reaches, records, rows_of, sent, start
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import community, did, eventually, found_space, settings, until
from tests.processes import Process

CHUNK = 4096
SMALL = {"chunk_bytes": CHUNK, "data_timeout_s": 5}
ONCE = {"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "1"}
COUNTED = free_offer(permission=[{"action": "odrl:use", "constraint": [ONCE]}])


class Bent:
    """A transport whose uploads pass through the next of `bends` (pieces -> pieces); `lost` answers are not heard."""

    def __init__(self, inner):
        self.inner = inner
        self.bends = []
        self.lost = 0
        self.uploads = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def upload(self, method, url, *, body, **more):
        self.uploads += 1
        pieces = self.bends.pop(0)(body) if self.bends else body
        answer = await self.inner.upload(method, url, body=pieces, **more)
        if self.lost:
            self.lost -= 1
            raise UnreachableError("unreachable", url=url, cause="the answer was lost")
        return answer


@dataclass
class Stage:
    """Two daemons on fixed ports, of which either can be stopped and started again."""

    root: Path
    stack: contextlib.AsyncExitStack
    bent: list[Bent] = field(default_factory=list)

    async def provider(self, **changes):
        def transport(guard):
            self.bent.append(Bent(HttpTransport(guard.check, networks=guard.networks)))
            return self.bent[-1]

        return await self._enter("p-steel", transport, changes)

    async def consumer(self, **changes):
        return await self._enter("s-zhengshu", None, changes)

    async def _enter(self, name, transport, changes):
        return await self.stack.enter_async_context(
            Daemon(settings(self.root, name, **SMALL | changes), transport=transport)
        )


@pytest.fixture
async def stage(tmp_path):
    found_space(tmp_path, ("p-steel", "s-zhengshu"))
    async with contextlib.AsyncExitStack() as stack:
        yield Stage(tmp_path, stack)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text(rows_of(4000))
    return path


async def played(stage, source, offer=COUNTED, *, provider=None, consumer=None):
    """Both daemons and an agreement."""
    steel, zhengshu = await stage.provider(**provider or {}), await stage.consumer(**consumer or {})
    await offer_file(steel, source, offer)
    return steel, zhengshu, await agree(steel, zhengshu)


async def ended(daemon, transfer, *, timeout_s=30):
    """The delivery of a transfer to us once it has come to its end."""

    def check(tx):
        (found,) = deliveries.of_transfer(tx, transfer)
        return found if found.finished else None

    known = (await daemon.node.db.read(lambda tx: deliveries.of_transfer(tx, transfer)))[0]
    return await until(daemon, deliveries.topic(known.id), check, timeout_s=timeout_s)


async def good(steel, zhengshu, mine, source, agreement):
    """The file is whole and true, both sides have completed, and it was one count and one usage record."""
    delivery = await ended(zhengshu, mine)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert Path(delivery.path).read_bytes() == Path(source).read_bytes()
    ours = await reaches(zhengshu, mine, TransferState.COMPLETED)
    await reaches(steel, ours.peer_pid, TransferState.COMPLETED)
    assert [count for _, _, count in await steel.node.db.read(lambda tx: counter.of_agreement(tx, agreement))] == [1]
    for daemon in (steel, zhengshu):
        assert len(await daemon.node.db.read(usage.page)) == 1
    (provided,) = await sent(steel, ours.peer_pid)
    assert provided.receipt == delivery.receipt
    return delivery


async def test_an_answer_that_is_lost_is_asked_for_again(stage, source):
    """The provider sends everything once more; the consumer has it, says so, and nothing is counted or kept twice."""
    steel, zhengshu, agreement = await played(stage, source)
    stage.bent[0].lost = 2
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    await good(steel, zhengshu, mine, source, agreement)
    assert stage.bent[0].uploads == 3
    assert len(await records(zhengshu, "receipt.sent")) == 1


@pytest.mark.slow
async def test_what_breaks_off_begins_anew_and_ends_whole(stage, source):
    """A connection that ends in the middle, twice: what was verified is kept, the rest comes with the next POST."""
    steel, zhengshu, agreement = await played(stage, source, provider={"test_rate_limit_bytes_s": 400_000})

    async def broken(body):
        left = 2
        async for piece in body:
            yield piece
            left -= 1
            if not left:
                raise ConnectionResetError("the network breaks")

    stage.bent[0].bends = [broken, broken]
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    await good(steel, zhengshu, mine, source, agreement)
    assert stage.bent[0].uploads == 3


async def test_a_byte_that_is_not_what_the_manifest_says_ends_it(stage, source):
    """The consumer keeps nothing, says why, and the provider ends the transfer with that answer: no second try."""
    _, zhengshu, agreement = await played(stage, source)

    async def lying(body):
        async for piece in body:
            yield bytes([piece[0] ^ 1]) + bytes(piece[1:])

    stage.bent[0].bends = [lying] * 9
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    delivery = await ended(zhengshu, mine)
    assert (delivery.state, delivery.code) == (State.FAILED, "chunk-differs")
    assert not [each for each in (zhengshu.settings.data_dir / "received").rglob("*") if each.is_file()]
    ours = await reaches(zhengshu, mine, TransferState.TERMINATED)
    assert ours.code == "push-refused"
    assert "HTTP 422" in ours.reason
    assert stage.bent[0].uploads == 1


async def test_columns_that_are_granted_are_what_is_pushed(stage, source):
    """The permission chooses the columns, the copy is the one that a pull gets."""
    granted = {"leftOperand": "https://w3id.org/weft/policy/v1#columns", "operator": "isPartOf", "rightOperand": "text"}
    offer = free_offer(
        profile=["https://w3id.org/weft/policy/v1"], permission=[{"action": "odrl:use", "constraint": [granted]}]
    )
    steel, zhengshu, agreement = await played(stage, source, offer)
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    pushed = await ended(zhengshu, mine)
    pulled, _ = await start(steel, zhengshu, agreement)
    fetched = await zhengshu.receiver.wait(await zhengshu.receiver.start(pulled.pid))
    assert Path(pushed.path).read_text().splitlines()[0] == "text"
    assert Path(pushed.path).read_bytes() == Path(fetched.path).read_bytes()
    assert (pushed.root, pushed.rows) == (fetched.root, 4000)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_pause_in_the_middle_and_then_the_rest(stage, source, side):
    """Either side suspends while bytes move: the stream is cut; resumed, the same delivery ends whole, as one count."""
    steel, zhengshu, agreement = await played(stage, source, provider={"test_rate_limit_bytes_s": 100_000})
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    ours = await moving(zhengshu, mine)
    paused, pid = (steel, ours.peer_pid) if side == "provider" else (zhengshu, mine)
    await command.suspend(paused.node, pid, reason="maintenance")
    await reaches(steel, ours.peer_pid, TransferState.SUSPENDED)
    await reaches(zhengshu, mine, TransferState.SUSPENDED)
    await eventually(lambda: records(steel, "delivery.cut")) if side == "provider" else None
    assert not (await zhengshu.node.db.read(lambda tx: deliveries.of_transfer(tx, mine)))[0].finished
    await command.resume(paused.node, pid)
    await good(steel, zhengshu, mine, source, agreement)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_restart_in_the_middle_takes_it_up(stage, source, side):
    """Either daemon stops while bytes move and starts again: nobody does anything, and the delivery ends whole."""
    steel, zhengshu, agreement = await played(stage, source, provider={"test_rate_limit_bytes_s": 100_000})
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    await moving(zhengshu, mine)
    if side == "provider":
        await steel.close()
        steel = await stage.provider(test_clock_start=zhengshu.clock.now())
    else:
        await zhengshu.close()
        zhengshu = await stage.consumer(test_clock_start=steel.clock.now())
    await good(steel, zhengshu, mine, source, agreement)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1], ids=["provider", "consumer"])
async def test_a_push_survives_sigkill_on_either_side(tmp_path, victim):
    """`kill -9` in the middle of the bytes: after the restart the delivery is taken up, verified and receipted."""
    found_space(tmp_path, ("p-steel", "s-zhengshu"))
    rate = {"WEFT_TEST_RATE_LIMIT_BYTES_S": "4000000"}
    daemons = [Process(tmp_path / name, **rate) for name in ("p-steel", "s-zhengshu")]
    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(8 * 1024 * 1024))
    try:
        for daemon in daemons:
            await daemon.start()
        steel, zhengshu = daemons
        async with clients(*daemons) as (provider, consumer):
            await provider.publish(source, id=DATASET, title={"en": "Large", "zh": "大"}, offers=[free_offer()])
            agreement = await agreement_of(consumer)
            delivery = await consumer.deliver(agreement=agreement, push=True)
            received = zhengshu.settings.data_dir / "received"
            await eventually(lambda: grown(received, 1024 * 1024))
            daemons[victim].kill()
            await daemons[victim].start()
            done = await delivery.wait(timeout_s=60)
        assert done.state == "received"
        assert Path(done.path).read_bytes() == source.read_bytes()
        async with clients(steel) as (provider,):
            (transfer,) = await provider.transfers().all()
            await transfer.wait("COMPLETED", timeout_s=30)
    finally:
        for daemon in daemons:
            daemon.end()


@pytest.mark.slow
async def test_a_large_push_needs_little_memory_on_both_sides(tmp_path):
    """64 MiB go through two processes whose largest size grows by less than half of that."""
    found_space(tmp_path, ("p-steel", "s-zhengshu"))
    daemons = [Process(tmp_path / name) for name in ("p-steel", "s-zhengshu")]
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(os.urandom(1024))
    large.write_bytes(os.urandom(64 * 1024 * 1024))
    try:
        for daemon in daemons:
            await daemon.start()
        async with clients(*daemons) as (provider, consumer):
            peaks = []
            for number, path in enumerate((small, large)):
                offer = free_offer(f"urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e000{number}")
                await provider.publish(path, id=f"data-{number}", title={"en": "Data", "zh": "数据"}, offers=[offer])
                agreement = await agreement_of(consumer, dataset=f"data-{number}", offer=offer["@id"])
                done = await (await consumer.deliver(agreement=agreement, push=True)).wait(timeout_s=60)
                assert Path(done.path).read_bytes() == path.read_bytes()
                peaks.append([peak_bytes(daemon) for daemon in daemons])
        for before, after in zip(*peaks, strict=True):
            assert after - before < 32 * 1024 * 1024
    finally:
        for daemon in daemons:
            daemon.end()


@pytest.mark.slow
async def test_the_client_asks_for_a_push_in_one_call(tmp_path, source):
    """`fetch(push=True)` ends with the same verified file; columns cannot be chosen then, and a transfer says its format."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, source)
        urls = [f"http://127.0.0.1:{each.management_port}" for each in (steel, zhengshu)]
        async with Client(urls[1], key_file=zhengshu.settings.management_key) as consumer:
            await consumer.refresh()
            target = tmp_path / "got.csv"
            done = await consumer.fetch(DATASET, provider=did("p-steel"), push=True, save=target)
            assert target.read_bytes() == source.read_bytes()
            assert done.manifest["document"]["consumer"] == did("s-zhengshu")
            transfer = await (await consumer.transfer_process(done.transfer)).wait("COMPLETED")
            assert transfer.format == "HttpData-PUSH"
            with pytest.raises(InvalidRequestError, match="Columns cannot be chosen"):
                await consumer.deliver(agreement=done.agreement, columns=["text"], push=True)
            plain = await consumer.transfer(done.agreement, push=True)
            await plain.wait("COMPLETED")


async def moving(daemon, pid):
    """The transfer once a part of its delivery is there."""
    await eventually(lambda: grown(daemon.settings.data_dir / "received", CHUNK))
    return await reaches(daemon, pid, TransferState.STARTED)


async def grown(folder, least):
    return any(path.stat().st_size >= least for path in folder.rglob("*.part"))


def peak_bytes(process):
    """The largest memory a process has had."""
    status = Path(f"/proc/{process.child.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) * 1024


@contextlib.asynccontextmanager
async def clients(*daemons):
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Client(each.url, key_file=each.key_file)) for each in daemons]


async def agreement_of(consumer, *, dataset=DATASET, offer=OFFER):
    negotiation = await consumer.negotiate(offer, provider=did("p-steel"), dataset=dataset)
    return (await negotiation.wait("FINALIZED", timeout_s=30)).agreement
