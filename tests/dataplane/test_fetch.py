"""What goes wrong on the way: interruptions, restarts, lies, refusals, suspensions. A file is whole and true, or not there."""

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from connector.clock import moment
from connector.daemon import Daemon
from connector.dispatch.transport import Answer, HttpTransport
from connector.errors import UnreachableError
from connector.exchange import command
from connector.store import delivery as deliveries
from connector.store import metering, usage
from connector.store.delivery import State
from contracts.evidence.receipt import parse_receipt
from contracts.settlement.period import Period
from contracts.transfer.table import State as TransferState
from policies.canonical import digest_of
from tests.deliveries import agree, ended, fetched, offer_file, reaches, records, rows_of, sent, start
from tests.faulty import Delay, Fault
from tests.pair import community, eventually, found_space, settings, until

pytestmark = pytest.mark.slow

CHUNK = 4096
ALWAYS = Period("always", datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
SMALL = {"chunk_bytes": CHUNK, "receipt_interval_s": 0.1, "data_timeout_s": 2}


class Bent:
    """A transport whose answers about data pass through `bend(suffix, body)` and whose streams through `twist(pieces)`."""

    def __init__(self, inner):
        self.inner = inner
        self.bend = lambda _, body: body
        self.twist = None
        self.status = {}
        self.ranges = []
        self.sent = []

    async def request(self, method, url, **more):
        suffix = url.partition("?")[0].rpartition("/")[2]
        if "/data/" in url:
            self.sent.append((method, suffix))
        if suffix in self.status:
            return Answer(self.status[suffix], {}, b"")
        answer = await self.inner.request(method, url, **more)
        if "/data/" in url and method == "GET":
            return replace(answer, body=self.bend(suffix, answer.body))
        return answer

    @asynccontextmanager
    async def open(self, method, url, **more):
        self.ranges.append(more["headers"].get("Range", ""))
        async with self.inner.open(method, url, **more) as download:
            yield Twisted(download, self.twist) if self.twist else download

    async def close(self):
        await self.inner.close()


@dataclass
class Twisted:
    download: Any
    twist: Any

    @property
    def status(self):
        return self.download.status

    @property
    def headers(self):
        return self.download.headers

    def chunks(self):
        return self.twist(self.download.chunks())


@dataclass
class Stage:
    """Two daemons on fixed ports, of which either can be stopped and started again."""

    root: Path
    stack: contextlib.AsyncExitStack
    bent: Bent | None = None

    async def provider(self, **changes):
        return await self._enter("p-steel", None, changes)

    async def consumer(self, **changes):
        def transport(guard):
            self.bent = Bent(HttpTransport(guard.check))
            return self.bent

        return await self._enter("s-zhengshu", transport, changes)

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


async def played(stage, source, *, provider=None, consumer=None):
    """Both daemons, and a started transfer of the file."""
    steel, zhengshu = await stage.provider(**provider or {}), await stage.consumer(**consumer or {})
    await offer_file(steel, source)
    ours, theirs = await start(steel, zhengshu, await agree(steel, zhengshu))
    return steel, zhengshu, ours, theirs


def received_files(daemon):
    folder = daemon.settings.data_dir / "received"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def contents(delivery):
    return Path(delivery.path).read_bytes()


def heard(daemon):
    """A list that grows with every report of progress, and an event that is set when it holds three chunks."""
    reports, three = [], asyncio.Event()

    def listen(_delivery, verified, total):
        reports.append((verified, total))
        if verified >= 3 * CHUNK:
            three.set()

    daemon.receiver.listen(listen)
    return reports, three


async def test_progress_counts_verified_bytes_exactly(stage, source):
    """Every report is a whole number of chunks, or everything; the last one is everything."""
    _, zhengshu, ours, _ = await played(stage, source, provider={"test_rate_limit_bytes_s": 100_000})
    reports, _ = heard(zhengshu)
    delivery = await fetched(zhengshu, ours.pid)
    size = source.stat().st_size
    assert delivery.state is State.RECEIVED
    assert reports[-1] == (size, size)
    assert all(verified % CHUNK == 0 or verified == size for verified, _ in reports)
    assert [verified for verified, _ in reports] == sorted(verified for verified, _ in reports)
    assert len(reports) > 3


@pytest.mark.slow
async def test_a_provider_that_dies_is_asked_again_from_the_last_verified_chunk(stage, source):
    """The provider stops after three chunks and comes back: no verified byte is sent twice, one count, one usage record."""
    source.write_text(rows_of(20_000))
    steel, zhengshu, ours, theirs = await played(stage, source, provider={"test_rate_limit_bytes_s": 20_000})
    _, three = heard(zhengshu)
    identifier = await zhengshu.receiver.start(ours.pid)
    await asyncio.wait_for(three.wait(), 10)
    await steel.close()
    steel = await stage.provider()
    delivery = await ended(zhengshu, identifier)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert contents(delivery) == source.read_bytes()
    assert stage.bent.ranges[0] == ""
    resumed = int(stage.bent.ranges[-1].removeprefix("bytes=").removesuffix("-"))
    assert resumed >= 3 * CHUNK
    assert resumed % CHUNK == 0
    (provided,) = await sent(steel, theirs.pid)
    assert provided.state is State.RECEIVED
    for daemon in (steel, zhengshu):
        assert len(await daemon.node.db.read(usage.page)) == 1


async def test_a_connection_that_breaks_is_taken_up_from_the_last_verified_chunk(stage, source):
    """It breaks inside the sixth chunk, again and again: every attempt begins where the verified chunks end."""

    async def breaking(pieces):
        position = 0
        async for piece in pieces:
            yield piece[: 5 * CHUNK + 99 - position]
            position += len(piece)
            if position > 5 * CHUNK + 99:
                raise UnreachableError("unreachable", url="-", cause="broken")

    _, zhengshu, ours, _ = await played(stage, source, provider={"test_rate_limit_bytes_s": 2_000_000})
    stage.bent.twist = breaking
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert contents(delivery) == source.read_bytes()
    begins = [int(each.removeprefix("bytes=").removesuffix("-") or 0) for each in stage.bent.ranges]
    assert len(begins) > 2
    assert all(begin % CHUNK == 0 and begin <= 5 * CHUNK * number for number, begin in enumerate(begins))


@pytest.mark.slow
async def test_a_consumer_that_restarts_goes_on_where_it_was(stage, source):
    """Our own restart: the part is verified again, the rest fetched, the delivery keeps its identifier."""
    _, zhengshu, ours, _ = await played(stage, source, provider={"test_rate_limit_bytes_s": 20_000})
    _, three = heard(zhengshu)
    identifier = await zhengshu.receiver.start(ours.pid)
    await asyncio.wait_for(three.wait(), 10)
    await zhengshu.close()
    assert [name.endswith(".part") for name in received_files(zhengshu)] == [True]
    zhengshu = await stage.consumer()
    delivery = await ended(zhengshu, identifier)
    assert delivery.state is State.RECEIVED
    assert contents(delivery) == source.read_bytes()
    assert stage.bent.ranges[0] != ""


def flipped(pieces, at):
    async def twisted():
        position = 0
        async for piece in pieces:
            changed = bytearray(piece)
            if position <= at < position + len(piece):
                changed[at - position] ^= 1
            position += len(piece)
            yield bytes(changed)

    return twisted()


def without(pieces, at):
    async def twisted():
        position = 0
        async for piece in pieces:
            cut = piece
            if position <= at < position + len(piece):
                cut = piece[: at - position] + piece[at - position + 1 :]
            position += len(piece)
            yield cut

    return twisted()


def with_more(pieces, more):
    async def twisted():
        async for piece in pieces:
            yield piece
        yield more

    return twisted()


def swapped(pieces):
    async def twisted():
        whole = b"".join([piece async for piece in pieces])
        yield whole[CHUNK : 2 * CHUNK] + whole[:CHUNK] + whole[2 * CHUNK :]

    return twisted()


@pytest.mark.parametrize(
    ("twist", "code", "chunk"),
    [
        (lambda pieces: flipped(pieces, 5 * CHUNK + 17), "chunk-differs", "5"),
        (lambda pieces: flipped(pieces, 0), "chunk-differs", "0"),
        (lambda pieces: without(pieces, 2 * CHUNK), "chunk-differs", "2"),
        (swapped, "chunk-differs", "0"),
        (lambda pieces: with_more(pieces, b"!"), "bytes-extra", None),
    ],
)
async def test_a_wrong_byte_ends_the_delivery_and_leaves_no_file(stage, source, twist, code, chunk):
    """Flipped, missing, swapped, extra: the chunk is named, in the record too, and nothing that looks like data remains."""
    _, zhengshu, ours, _ = await played(stage, source)
    stage.bent.twist = twist
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.FAILED, code)
    assert received_files(zhengshu) == []
    (record,) = await records(zhengshu, "delivery.failed")
    assert record["reason"] == code
    assert record["details"]["facts"].get("chunk") == chunk
    assert await zhengshu.node.db.read(usage.page) == []


async def test_an_answer_that_ends_early_but_whole_is_a_lie(stage, source):
    """The last bytes never come although the answer is complete: failed with the chunk, not asked for ever."""

    async def cut(pieces):
        position = 0
        async for piece in pieces:
            yield piece[: max(7 * CHUNK - position, 0)]
            position += len(piece)

    _, zhengshu, ours, _ = await played(stage, source)
    stage.bent.twist = cut
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.FAILED, "bytes-missing")
    assert received_files(zhengshu) == []


def altered(**members):
    """The manifest with other members and its old signature."""

    def bend(suffix, body):
        if suffix != "manifest":
            return body
        signed = json.loads(body)
        signed["document"] |= members
        return json.dumps(signed).encode()

    return bend


@pytest.mark.parametrize(
    "bend",
    [
        altered(size=1),
        altered(consumer="did:web:another.example"),
        altered(transfer="urn:uuid:00000000-0000-0000-0000-000000000001"),
        altered(rows=1),
        lambda suffix, body: b"{}" if suffix == "manifest" else body,
        lambda suffix, body: b"not json" if suffix == "manifest" else body,
        lambda suffix, body: body[32:] if suffix == "chunks" else body,
        lambda suffix, body: body[32:] + body[:32] if suffix == "chunks" else body,
        lambda suffix, body: bytes([body[0] ^ 1]) + body[1:] if suffix == "chunks" else body,
    ],
)
async def test_a_manifest_or_leaf_list_that_does_not_hold_fetches_nothing(stage, source, bend):
    """Any member, the signature or one leaf: no byte of data is asked for."""
    _, zhengshu, ours, _ = await played(stage, source)
    stage.bent.bend = bend
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.FAILED, "manifest-invalid")
    assert (stage.bent.ranges, received_files(zhengshu)) == ([], [])


async def test_a_peer_without_the_extension_is_served_with_standard_headers(stage, source):
    """No manifest, no receipts: the digest of RFC 9530 proves the file; there is no usage record."""
    steel, zhengshu, ours, theirs = await played(stage, source)
    stage.bent.status = {"manifest": 404}
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert contents(delivery) == source.read_bytes()
    assert delivery.manifest == b""
    assert ("POST", "receipts") not in stage.bent.sent
    await reaches(steel, theirs.pid, TransferState.COMPLETED)
    (provided,) = await sent(steel, theirs.pid)
    assert provided.state is State.RELEASED


async def test_a_wrong_byte_from_a_plain_peer_is_found_by_its_digest(stage, source):
    """`Repr-Digest` differs: failed, no file."""
    _, zhengshu, ours, _ = await played(stage, source)
    stage.bent.status = {"manifest": 404}
    stage.bent.twist = lambda pieces: flipped(pieces, 100)
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.FAILED, "digest-differs")
    assert received_files(zhengshu) == []


async def test_the_kill_switch_cuts_a_running_stream_within_a_second(stage, source):
    """A-E2: the provider ends the transfer while bytes run; they stop, the temporary file goes, both logs have it."""
    steel, zhengshu, ours, theirs = await played(stage, source, provider={"test_rate_limit_bytes_s": 20_000})
    reports, three = heard(zhengshu)
    identifier = await zhengshu.receiver.start(ours.pid)
    await asyncio.wait_for(three.wait(), 10)
    await command.terminate_transfer(steel.node, theirs.pid, reason="stop", code="stopped-by-provider")
    began = asyncio.get_running_loop().time()
    delivery = await ended(zhengshu, identifier)
    assert asyncio.get_running_loop().time() - began < 1
    assert (delivery.state, delivery.code) == (State.FAILED, "stopped-by-provider")
    assert received_files(zhengshu) == []
    assert reports[-1][0] < source.stat().st_size
    await reaches(steel, theirs.pid, TransferState.TERMINATED)
    assert await records(steel, "transfer.terminated")
    assert await records(zhengshu, "transfer.terminated")
    (cut,) = await eventually(lambda: records(steel, "delivery.cut"))
    assert cut["reason"] == "stopped-by-provider"


@pytest.mark.slow
async def test_a_suspended_delivery_waits_and_goes_on_after_the_resumption(stage, source):
    """Bytes stop at once, the delivery waits, and the resumption finishes it from the last verified chunk."""
    steel, zhengshu, ours, theirs = await played(stage, source, provider={"test_rate_limit_bytes_s": 40_000})
    _, three = heard(zhengshu)
    identifier = await zhengshu.receiver.start(ours.pid)
    await asyncio.wait_for(three.wait(), 10)
    await command.suspend(steel.node, theirs.pid, reason="inventory")
    await until(
        zhengshu,
        deliveries.topic(identifier),
        lambda tx: deliveries.get(tx, identifier).state is State.WAITING,
    )
    await reaches(steel, theirs.pid, TransferState.SUSPENDED)
    await command.resume(steel.node, theirs.pid)
    delivery = await ended(zhengshu, identifier)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert contents(delivery) == source.read_bytes()
    assert int(stage.bent.ranges[-1].removeprefix("bytes=").removesuffix("-")) >= 3 * CHUNK


async def test_a_consumer_that_never_signs_is_paused_at_the_window(stage, tmp_path):
    """Without receipts no byte beyond the credit window leaves; the connection ends after a bounded wait."""
    big = tmp_path / "big.csv"
    big.write_text(rows_of(60_000, width=80))
    window = 1024 * 1024
    steel, zhengshu, ours, theirs = await played(
        stage,
        big,
        provider={"credit_window_bytes": window, "data_timeout_s": 0.3, "test_rate_limit_bytes_s": 4_000_000},
    )
    assert big.stat().st_size > window
    stage.bent.status = {"receipts": 503}
    reports, _ = heard(zhengshu)
    identifier = await zhengshu.receiver.start(ours.pid)
    (cut, *_) = await eventually(lambda: records(steel, "delivery.cut"))
    assert cut["reason"] == "receipts-missing"
    assert reports[-1][0] <= window
    stage.bent.status = {}
    delivery = await ended(zhengshu, identifier)
    assert delivery.state is State.RECEIVED
    assert contents(delivery) == big.read_bytes()
    assert [each.state for each in await sent(steel, theirs.pid)] == [State.RECEIVED]


async def test_a_lost_acknowledgement_changes_nothing(stage, source):
    """The final receipt arrives, its answer does not: it is sent again and acknowledged; one usage record on each side."""
    steel, zhengshu, ours, theirs = await played(stage, source)
    inner, lost = stage.bent.inner, []

    async def request(method, url, **more):
        answer = await type(inner).request(inner, method, url, **more)
        if url.endswith("/receipts") and len(lost) < 2 and answer.status == 200:
            lost.append(url)
            raise UnreachableError("unreachable", url=url, cause="lost")
        return answer

    inner.request = request
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code, len(lost)) == (State.RECEIVED, "", 2)
    for daemon in (steel, zhengshu):
        assert len(await daemon.node.db.read(usage.page)) == 1
        assert len(await records(daemon, "usage.recorded")) == 1
    assert [each.state for each in await sent(steel, theirs.pid)] == [State.RECEIVED]


async def test_a_final_receipt_that_waited_too_long_is_signed_anew_and_both_sides_count_its_time(stage, source):
    """The provider was away for seven minutes: it refuses the old receipt, and no usage gets into the past."""
    steel, zhengshu, ours, _ = await played(stage, source)
    stage.bent.status = {"receipts": 503}
    identifier = await zhengshu.receiver.start(ours.pid)
    (first,) = await eventually(lambda: records(zhengshu, "receipt.sent"))
    assert await zhengshu.node.db.read(usage.page) == []
    for daemon in (steel, zhengshu):
        daemon.clock.offset += timedelta(minutes=7)
    stage.bent.status = {}
    delivery = await ended(zhengshu, identifier)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    books = [(await daemon.node.db.read(usage.page)) for daemon in (steel, zhengshu)]
    ((provided,), (consumed,)) = books
    assert (provided.occurred, provided.receipt, provided.accepted) == (
        consumed.occurred,
        consumed.receipt,
        consumed.accepted,
    )
    assert moment(consumed.occurred) - moment(first["ts"]) >= timedelta(minutes=7) - timedelta(seconds=1)
    ((provider_row,), (consumer_row,)) = [
        await daemon.node.db.read(lambda tx: metering.records(tx, "", ours.agreement, ALWAYS))
        for daemon in (steel, zhengshu)
    ]
    assert provider_row == consumer_row
    beside = json.loads(Path(f"{delivery.path}.receipt.json").read_bytes())
    assert digest_of(beside["document"]) == consumed.receipt


@pytest.mark.parametrize("minutes", [-7, 7])
async def test_a_consumer_whose_clock_is_off_hears_so_and_nothing_is_counted(stage, source, minutes):
    """Signing anew would not help: the file is whole, the refusal names both times, neither side has a usage record."""
    steel, zhengshu, ours, theirs = await played(stage, source)
    zhengshu.clock.offset += timedelta(minutes=minutes)
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "receipt-refused")
    assert "more than 300 seconds apart" in delivery.reason
    assert contents(delivery) == source.read_bytes()
    for daemon in (steel, zhengshu):
        assert await daemon.node.db.read(usage.page) == []
        assert await daemon.node.db.read(lambda tx: metering.records(tx, "", ours.agreement, ALWAYS)) == []
    assert State.RECEIVED not in [each.state for each in await sent(steel, theirs.pid)]


@pytest.mark.slow
async def test_a_token_that_has_ended_is_replaced(stage, source):
    """Data tokens of one second: the next one is asked for with a token of the protocol, the delivery does not notice."""
    _, zhengshu, ours, _ = await played(
        stage,
        source,
        provider={"data_token_lifetime_s": 1, "clock_leeway_s": 0, "test_rate_limit_bytes_s": 60_000},
    )
    await asyncio.sleep(1.2)
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert ("POST", "token") in stage.bent.sent


async def test_two_deliveries_of_two_transfers_run_side_by_side(stage, source):
    """Two transfers of one agreement: two files, two manifests, two usage records."""
    steel, zhengshu, ours, _ = await played(stage, source)
    second, _ = await start(steel, zhengshu, ours.agreement)
    both = await asyncio.gather(fetched(zhengshu, ours.pid), fetched(zhengshu, second.pid, columns=("text",)))
    assert [each.state for each in both] == [State.RECEIVED] * 2
    assert len({each.path for each in both}) == 2
    assert contents(both[1]).startswith(b"text\n000\n111\n")
    for daemon in (steel, zhengshu):
        assert len(await daemon.node.db.read(usage.page)) == 2


async def test_a_repeated_key_and_a_second_call_meanwhile_are_the_same_delivery(stage, source):
    """Idempotency in two forms; the file exists once."""
    _, zhengshu, ours, _ = await played(stage, source, provider={"test_rate_limit_bytes_s": 200_000})
    first = await zhengshu.receiver.start(ours.pid, idempotency="key-1")
    assert await zhengshu.receiver.start(ours.pid) == first
    await ended(zhengshu, first)
    assert await zhengshu.receiver.start(ours.pid, idempotency="key-1") == first


async def test_a_delivery_may_be_asked_for_before_the_transfer_has_started(stage, source):
    """It waits for the start and then runs by itself."""
    steel, zhengshu = await stage.provider(), await stage.consumer()
    await offer_file(steel, source)
    agreement = await agree(steel, zhengshu)
    pid = await command.start(zhengshu.node, agreement=agreement)
    delivery = await ended(zhengshu, await zhengshu.receiver.start(pid))
    assert delivery.state is State.RECEIVED


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
async def test_sizes_at_the_edges_of_chunks(stage, tmp_path, size):
    """Nothing, one byte, one chunk, one more: all arrive, and what is no table has no rows."""
    path = tmp_path / "drawing.pdf"
    path.write_bytes(bytes(range(251)) * (size // 251 + 1))
    path.write_bytes(path.read_bytes()[:size])
    _, zhengshu, ours, _ = await played(stage, path)
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.size, delivery.rows) == (State.RECEIVED, size, None)
    assert contents(delivery) == path.read_bytes()


async def refused_once(stage, *, twist=lambda answer: answer):
    """The first final receipt arrives and counts, but its consumer hears that it is too old, and signs another one.

    `twist` changes the answer to that.
    """
    inner, heard = stage.bent.inner, []

    async def request(method, url, **more):
        answer = await type(inner).request(inner, method, url, **more)
        if not url.endswith("/receipts") or not orjson.loads(answer.body).get("final"):
            return answer
        heard.append(orjson.loads(answer.body))
        if len(heard) == 1:
            problem = {"reason": "receipt-old", "detail": "", "seq": heard[0]["seq"], "upto": heard[0]["upto"]}
            return replace(answer, status=409, body=orjson.dumps(problem))
        return replace(answer, body=orjson.dumps(twist(heard[-1])))

    inner.request = request
    return heard


async def counted(*daemons):
    """What each side has counted: when, and by which receipt."""
    return [[(each.occurred, each.receipt) for each in await daemon.node.db.read(usage.page)] for daemon in daemons]


async def test_an_earlier_receipt_that_the_provider_holds_is_the_one_that_counts_on_both_sides(stage, source):
    """A late copy of a receipt that was signed anew counts there: the answer to the new one carries it."""
    steel, zhengshu, ours, _ = await played(stage, source)
    heard = await refused_once(stage)
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    (provided, consumed) = await counted(steel, zhengshu)
    assert provided == consumed
    assert len(await records(zhengshu, "receipt.sent")) == 2
    assert [set(answer) & {"receipt"} for answer in heard] == [set(), {"receipt"}]
    assert heard[-1]["receipt"] == delivery.signed_receipt
    (beside,) = (zhengshu.settings.data_dir / "received").rglob("*receipt*")
    assert orjson.loads(beside.read_bytes()) == delivery.signed_receipt


@pytest.mark.parametrize(
    "claim",
    [
        lambda _held: "x",
        lambda _held: {},
        lambda held: held | {"document": held["document"] | {"rows": 1}},
        lambda held: held | {"document": held["document"] | {"ts": 10**17}},
        lambda held: held | {"document": held["document"] | {"ts": "now"}},
    ],
)
async def test_a_receipt_that_we_have_not_signed_counts_nothing(stage, source, claim):
    _, zhengshu, ours, _ = await played(stage, source)
    await refused_once(stage, twist=lambda answer: answer | {"receipt": claim(answer["receipt"])})
    delivery = await fetched(zhengshu, ours.pid)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    ((consumed,),) = await counted(zhengshu)
    assert consumed[1] == parse_receipt(delivery.signed_receipt["document"]).digest()


async def test_a_provider_that_gives_nothing_keeps_only_its_own_deliveries_waiting(tmp_path, source):
    """The places for deliveries are counted for each member."""

    def script(_method, url):
        return Delay(600) if f":{ports[0]}/data/" in url else Fault.NONE

    ports = []
    names = ("p-steel", "p-stamp", "s-zhengshu")
    async with community(tmp_path, *names, script=script, downloads=1) as (steel, stamp, zhengshu):
        ports.append(steel.protocol_port)
        ids = {}
        for provider in (steel, stamp):
            await offer_file(provider, source)
            ours, _ = await start(provider, zhengshu, await agree(provider, zhengshu))
            ids[provider.node.participant] = await zhengshu.receiver.start(ours.pid)
        delivery = await ended(zhengshu, ids[stamp.node.participant])
        assert delivery.state is State.RECEIVED
        held = await zhengshu.node.db.read(lambda tx: deliveries.get(tx, ids[steel.node.participant]))
        assert not held.finished
