"""What a hostile answer may cost us: each way in which it can grow has an end, and no redirect opens a connection."""

import asyncio

import pytest

from connector.dispatch.transport import HEADER_BYTES, HEADERS_MOST, HttpTransport
from connector.errors import RefusedError, UnreachableError

OK = b"HTTP/1.1 200 OK\r\n"


class Raw:
    """A server that writes what it is told, piece by piece, until the other side goes; counts connections."""

    def __init__(self, *pieces, again=b"", every_s=0.0):
        self.pieces, self.again, self.every_s = pieces, again, every_s
        self.connections = 0
        self.left = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.met, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/x"
        return self

    async def met(self, reader, writer):
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
            while self.again:
                writer.write(self.again)
                await writer.drain()
                await asyncio.sleep(self.every_s)
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()


@pytest.fixture
async def transport():
    transport = HttpTransport(lambda *_: None)
    yield transport
    await transport.close()


async def whole(transport, url, *, timeout_s=5, limit_bytes=1000):
    return await transport.request("GET", url, participant="", headers={}, limit_bytes=limit_bytes, timeout_s=timeout_s)


async def streamed(transport, url, *, timeout_s=5):
    async with transport.open("GET", url, participant="", headers={}, timeout_s=timeout_s) as download:
        return b"".join([piece async for piece in download.chunks()])


WAYS = pytest.mark.parametrize("way", [whole, streamed])


def headers(count, size=1):
    return b"".join(b"X-%d: %s\r\n" % (number, b"v" * size) for number in range(count))


@WAYS
async def test_headers_within_their_bounds_are_read(transport, way):
    async with Raw(OK, headers(HEADERS_MOST - 1), b"Content-Length: 0\r\n\r\n") as server:
        await way(transport, server.url)


@WAYS
@pytest.mark.parametrize(
    "head",
    [
        OK + headers(HEADERS_MOST + 1) + b"\r\n",
        OK + headers(1, HEADER_BYTES + 1) + b"\r\n",
        OK + b"X-%s: 1\r\n\r\n" % (b"n" * HEADER_BYTES),
        b"HTTP/1.1 200 %s\r\n\r\n" % (b"r" * (HEADER_BYTES + 1)),
    ],
    ids=["too many", "one too long", "name too long", "status line too long"],
)
async def test_headers_beyond_their_bounds_are_not(transport, way, head):
    async with Raw(head) as server:
        with pytest.raises(UnreachableError):
            await way(transport, server.url)


@WAYS
@pytest.mark.parametrize(
    ("first", "again"),
    [
        (OK, b"X-A: b\r\n"),
        (OK + b"X-A: ", b"b"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
    ],
    ids=["header by header", "byte by byte", "continue", "hints"],
)
async def test_headers_that_drip_end_in_time(transport, way, first, again):
    """Each byte comes in time, the whole does not."""
    async with Raw(first, again=again, every_s=0.02) as server, asyncio.timeout(3):
        with pytest.raises(UnreachableError):
            await way(transport, server.url, timeout_s=0.3)


@WAYS
async def test_a_body_that_drips_ends_in_time(transport, way):
    """A byte now and then keeps no connection: a whole answer has its time, a stream its least pace."""
    async with Raw(OK, b"Content-Length: 1000\r\n\r\n", again=b"x", every_s=0.02) as server, asyncio.timeout(3):
        with pytest.raises(UnreachableError):
            await way(transport, server.url, timeout_s=0.3)


async def test_a_reader_that_takes_its_time_does_not_end_a_stream(transport):
    """Only what we wait for the sender counts."""
    body = b"x" * 100
    async with (
        Raw(OK, b"Content-Length: 300\r\n\r\n", body, body, body) as server,
        transport.open("GET", server.url, participant="", headers={}, timeout_s=0.05) as download,
    ):
        pieces = download.chunks()
        got = await anext(pieces)
        await asyncio.sleep(0.1)  # the reader's own work
        async for piece in pieces:
            got += piece
    assert got == 3 * body


@pytest.mark.parametrize(
    "head", [b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n", b"Content-Length: 99999999999\r\n\r\n"]
)
async def test_an_endless_body_ends_at_its_limit(transport, head):
    """Chunked, until the connection closes, or announced."""
    again = b"4\r\nxxxx\r\n" * 100 if b"chunked" in head else b"x" * 1000
    async with Raw(OK, head, again=again) as server, asyncio.timeout(3):
        with pytest.raises(RefusedError, match="answer-too-large"):
            await whole(transport, server.url, limit_bytes=10_000)


@WAYS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
async def test_a_redirect_opens_no_connection(transport, way, status):
    """Neither to our own machine nor to where credentials lie; the refusal names it."""
    async with Raw(OK + b"Content-Length: 0\r\n\r\n") as inner:
        for target in (inner.url, "http://169.254.169.254/latest/meta-data", "//127.0.0.1/x", "/elsewhere"):
            answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, target.encode())
            async with Raw(answer) as server:
                with pytest.raises(RefusedError, match="redirect-refused") as caught:
                    await way(transport, server.url)
                assert caught.value.facts["location"] == target
                assert server.connections == 1
        assert inner.connections == 0
