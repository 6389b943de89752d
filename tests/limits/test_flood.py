"""Peers that flood, drip or sit there, at a running connector: they are held back, and nobody else notices."""

import asyncio
import contextlib
import json
import threading
import zlib

import pytest

from tests.dspschema import validate
from tests.offers import DATASET, free_offer, publish
from tests.pair import community, did, eventually, types
from tests.speaker import Speaker, message, pid

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
REQUEST = "/negotiations/request"


def asked(speaker):
    offer = {**free_offer(), "target": DATASET, "assigner": STEEL}
    members = {"consumerPid": pid(), "callbackAddress": speaker.daemon.node.base, "offer": offer}
    return message("ContractRequestMessage", **members)


async def post(speaker, path, body, **headers):
    """Status, headers and body of one message."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {speaker.token()}", "Content-Type": "application/json", **headers}
    async with speaker.session.post(speaker.base + path, data=content, headers=headers) as response:
        return response.status, response.headers, json.loads(await response.read())


@contextlib.asynccontextmanager
async def writer_held(daemon):
    """The writer is busy until `free` is called: whatever needs it stays under way."""
    free = threading.Event()
    busy = asyncio.create_task(daemon.node.db.transact(lambda _tx: free.wait(20)))
    try:
        yield free.set
    finally:
        free.set()
        await busy


async def first_done(tasks, count):
    """Wait until so many of the tasks have ended; those."""

    async def look():
        done = [task for task in tasks if task.done()]
        return done if len(done) >= count else None

    return [task.result() for task in await eventually(look)]


@contextlib.asynccontextmanager
async def space(tmp_path, **changes):
    """p-steel provides; s-zhengshu floods, p-oem is honest. Both speak by hand only: their own daemons are stopped."""
    async with community(tmp_path, "p-steel", "s-zhengshu", "p-oem", **changes) as (steel, zhengshu, oem):
        await publish(steel, decision="person")
        await zhengshu.close()
        await oem.close()
        async with Speaker(zhengshu, steel) as flooding, Speaker(oem, steel) as honest:
            yield steel, flooding, honest


async def test_a_peer_that_floods_is_held_back_and_an_honest_one_is_served(tmp_path):
    """Of sixty at once four are taken up; all places of the honest one are free. What was refused left no trace, and is taken later."""
    async with space(tmp_path, peer_requests=4) as (steel, flooding, honest):
        before = len(await steel.node.db.read(types(steel)))
        bodies = [asked(flooding) for _ in range(60)]
        async with writer_held(steel) as free:
            flood = [asyncio.create_task(post(flooding, REQUEST, body)) for body in bodies]
            refused = await first_done(flood, 56)
            served = [asyncio.create_task(post(honest, REQUEST, asked(honest))) for _ in range(4)]
            free()
            assert [status for status, _, _ in await asyncio.gather(*served)] == [201] * 4
            answers = await asyncio.gather(*flood)
        assert sorted(status for status, _, _ in answers) == [201] * 4 + [429] * 56
        for status, headers, error in refused:
            assert (status, headers["Retry-After"], error["code"]) == (429, "1", "too-many-requests")
            validate(error, "negotiation/contract-negotiation-error-schema.json")
        recorded = (await steel.node.db.read(types(steel)))[before:]
        assert not [kind for kind in recorded if kind == "message.refused"]
        for (status, _, _), body in zip(answers, bodies, strict=True):
            if status != 201:
                assert (await post(flooding, REQUEST, body))[0] == 201
                break


async def test_a_peer_that_ends_its_process_at_any_4xx_is_told_503(tmp_path):
    """As the table of peers says."""
    async with space(tmp_path, peer_requests=1, peers={ZHENGSHU: "edc"}) as (steel, flooding, honest):
        async with writer_held(steel):
            told = []
            for speaker in (flooding, honest):
                posts = [asyncio.create_task(post(speaker, REQUEST, asked(speaker))) for _ in range(3)]
                told += [(status, headers["Retry-After"]) for status, headers, _ in await first_done(posts, 2)]
        assert told == [(503, "1"), (503, "1"), (429, "1"), (429, "1")]


async def test_messages_and_reads_draw_from_one_bucket(tmp_path):
    """Each kind of answer has the body of its protocol."""
    async with space(tmp_path, peer_burst=8, peer_requests_per_s=0.001) as (_, flooding, honest):
        assert (await post(flooding, REQUEST, asked(flooding)))[0] == 201
        assert (await post(flooding, "/catalog/request", message("CatalogRequestMessage")))[0] == 200
        reads = [(await flooding.send("/negotiations/none", method="GET"))[0] for _ in range(8)]
        assert reads == sorted(reads)
        assert set(reads) == {404, 429}
        for path, schema in (
            (REQUEST, "negotiation/contract-negotiation-error-schema.json"),
            ("/transfers/request", "transfer/transfer-error-schema.json"),
            ("/catalog/request", "catalog/catalog-error-schema.json"),
        ):
            status, headers, error = await post(flooding, path, asked(flooding))
            assert (status, error["code"], headers["Retry-After"]) == (429, "too-many-requests", "1000")
            validate(error, schema)
        assert (await flooding.send("/negotiations/none", method="GET"))[0] == 429
        assert (await post(honest, REQUEST, asked(honest)))[0] == 201


async def test_a_reader_with_more_tokens_than_can_be_remembered_comes_again(tmp_path):
    """It is no stranger: it is told when, and the others read on."""
    async with space(tmp_path) as (steel, flooding, honest):
        steel.node.door._seen.limit = 5
        reads = [(await flooding.send("/negotiations/none", method="GET"))[0] for _ in range(7)]
        assert reads[-1] == 429
        assert (await honest.send("/negotiations/none", method="GET"))[0] == 404


class Line:
    """A connection on which bytes are written by hand."""

    def __init__(self, daemon):
        self.port = daemon.protocol_port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def say(self, *lines):
        self.writer.write(b"".join(lines))
        await self.writer.drain()

    async def status(self):
        return int((await self.reader.readuntil(b"\r\n")).split()[1])

    async def end(self):
        """Everything to the end, which the other side has to make."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
            return b""


def head(speaker, size, token=None):
    path = f"/dsp/2025-1{REQUEST}"
    token = speaker.token() if token is None else token
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


async def test_a_body_that_drips_is_given_up(tmp_path):
    """However often a byte comes; its connection is closed, and the message may be sent again as it was."""
    async with space(tmp_path, message_timeout_s=0.3) as (steel, flooding, _):
        body = json.dumps(asked(flooding)).encode()
        async with Line(steel) as line, asyncio.timeout(8):
            await line.say(head(flooding, len(body)), body[:100])

            async def drip():
                with contextlib.suppress(ConnectionError):
                    for byte in body[100:200]:
                        await line.say(bytes([byte]))
                        await asyncio.sleep(0.01)  # the drip itself

            dripping = asyncio.create_task(drip())
            assert await line.status() == 408
            rest = await line.end()
            assert b"message-slow" in rest
            await dripping
        assert (await post(flooding, REQUEST, body))[0] == 201


async def test_a_stranger_that_drips_is_refused_before_its_body(tmp_path):
    async with space(tmp_path) as (steel, flooding, _), Line(steel) as line, asyncio.timeout(8):
        await line.say(head(flooding, 1000, token="x"), b"{")
        assert await line.status() == 401
        assert b"unauthorized" in await line.reader.readuntil(b"}")


@pytest.mark.parametrize(
    "begun", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_a_connection_that_rests_or_drips_headers_is_closed(tmp_path, begun):
    """Nothing said, half a head said, or nothing more said after an answer."""
    async with space(tmp_path, idle_timeout_s=0.3) as (steel, _, _), Line(steel) as line:
        await line.say(begun)
        answer = await line.end()
        assert answer.startswith(b"HTTP/1.1 200") == begun.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "headers",
    [b"X: y\r\n" * 200, b"X: %s\r\n" % (b"y" * 20_000), b"%s: y\r\n" % (b"x" * 20_000)],
    ids=["too many", "too long", "name too long"],
)
async def test_headers_beyond_their_bounds_are_refused(tmp_path, headers, caplog):
    """And nothing of them is written anywhere but their number."""
    async with space(tmp_path) as (steel, _, honest), Line(steel) as line:
        await line.say(b"GET /health HTTP/1.1\r\nHost: x\r\n", headers, b"\r\n")
        assert (await line.end()).split()[1] == b"400"
        assert ("weft_requests_refused_total", {"reason": "http-unreadable"}, 1) in steel.node.counters
        assert not caplog.records
        assert (await post(honest, REQUEST, asked(honest)))[0] == 201


async def test_an_address_holds_so_many_connections(tmp_path):
    """What comes on top is closed unheard; what is open goes on, and room that was given back is used again."""
    async with space(tmp_path, connections_per_address=8) as (steel, _, _), contextlib.AsyncExitStack() as lines:
        open_lines = [await lines.enter_async_context(Line(steel)) for _ in range(8)]

        async def turned_away():
            async with Line(steel) as line:
                return await line.end() == b""

        assert await eventually(turned_away)
        await open_lines[0].say(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await open_lines[0].end()).startswith(b"HTTP/1.1 200")

        async def taken():
            async with Line(steel) as line:
                await line.say(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return (await line.end()).startswith(b"HTTP/1.1 200")

        assert await eventually(taken)


async def test_a_crowd_of_strangers_makes_room_for_members(tmp_path):
    """All connections are taken by those who say nothing; a member that comes is heard, and stays."""
    many = {"connections": 16, "connections_per_address": 512, "behind_tls_proxy": True}
    async with space(tmp_path, **many) as (steel, _, honest), contextlib.AsyncExitStack() as lines:
        for _ in range(20):
            await lines.enter_async_context(Line(steel))
        assert (await post(honest, REQUEST, asked(honest)))[0] == 201
        for _ in range(20):
            await lines.enter_async_context(Line(steel))
        connections = len(honest.session.connector._conns)
        assert (await post(honest, REQUEST, asked(honest)))[0] == 201
        assert len(honest.session.connector._conns) == connections == 1


async def test_an_address_that_only_fails_waits_before_it_is_heard(tmp_path):
    """Nothing is verified for it meanwhile, and it is told how long."""
    async with space(tmp_path, address_failures_per_min=2) as (_, flooding, _):
        for _ in range(2):
            assert (await flooding.send(REQUEST, asked(flooding), token="x"))[0] == 401
        status, headers, error = await post(flooding, REQUEST, asked(flooding))
        assert (status, error["code"]) == (503, "too-many-requests")
        assert 1 <= int(headers["Retry-After"]) <= 30


@pytest.mark.parametrize(
    ("encoding", "bits", "status"),
    [("deflate", zlib.MAX_WBITS, 415), ("gzip", zlib.MAX_WBITS | 16, 413)],
)
async def test_a_small_body_does_not_become_a_large_one(tmp_path, encoding, bits, status):
    """Bombs are refused, whichever way they are packed, and counted as what they would be."""
    async with space(tmp_path) as (_, flooding, _):
        packer = zlib.compressobj(wbits=bits)
        bomb = packer.compress(b" " * 20_000_000) + packer.flush()
        assert (await post(flooding, REQUEST, bomb, **{"Content-Encoding": encoding}))[0] == status
