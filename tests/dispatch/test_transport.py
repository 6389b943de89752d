"""The transport against a real server on loopback, and the faulty one around it."""

import asyncio
import gzip
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from connector.dispatch.guard import OneAddress
from connector.dispatch.transport import Answer, HttpTransport, client_tls, conditional_get
from connector.errors import RefusedError, SettingsError, UnreachableError
from tests.faulty import Delay, Fault, FaultyTransport, in_order

MEMBER = "did:web:p-steel.example"


def allow(*_given):
    """A guard that lets everything pass."""


class Server:
    """Answers by path, counts connections, remembers requests."""

    def __init__(self):
        self.requests = []
        self.connections = set()
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport.get_extra_info("peername"))
        self.requests.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        match request.path:
            case "/echo":
                return web.Response(body=await request.read(), headers={"X-Kind": "echo"}, status=201)
            case "/redirect":
                return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})
            case "/gzip":
                return web.Response(body=gzip.compress(b"x" * 100_000), headers={"Content-Encoding": "gzip"})
            case "/cookie":
                return web.Response(headers={"Set-Cookie": "a=b"})
            case "/slow":
                await asyncio.sleep(10)
            case "/tag":
                same = request.headers.get("If-None-Match") == '"1"'
                return web.Response(status=304) if same else web.Response(body=b"list", headers={"ETag": '"1"'})
            case "/endless":
                return await self._endless(request)
            case "/stall":
                return await self._stall(request)
            case "/cut":
                return await self._cut(request)
        return web.Response(status=404)

    async def _endless(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async def _stall(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.sleep(10)
        return response

    async def _cut(self, request):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"first")
        request.transport.close()
        return response


@asynccontextmanager
async def serving():
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server():
    async with serving() as running:
        yield running


@pytest.fixture
async def transport():
    transport = HttpTransport(allow)
    yield transport
    await transport.close()


async def send(transport, url, *, method="GET", body=None, limit_bytes=1000, timeout_s=5, headers=None):
    return await transport.request(
        method, url, participant=MEMBER, headers=headers or {}, body=body, limit_bytes=limit_bytes, timeout_s=timeout_s
    )


def stream(transport, url, *, timeout_s=5):
    return transport.open("GET", url, participant=MEMBER, headers={}, timeout_s=timeout_s)


async def drain(transport, url, pieces, **more):
    """Read a stream to its end into `pieces`."""
    async with stream(transport, url, **more) as download:
        async for piece in download.chunks():
            pieces.append(piece)


async def test_a_request_and_its_answer(server, transport):
    """Bytes, headers and status go through unchanged; header names come in lower case."""
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    answer = await send(transport, server.base + "/echo", method="POST", body=b'{"a":1}', headers=headers)

    assert (answer.status, answer.body, answer.headers["x-kind"]) == (201, b'{"a":1}', "echo")
    _, _, sent, body = server.requests[0]
    assert headers.items() <= sent.items()
    assert sent["Accept-Encoding"] == "identity"
    assert body == b'{"a":1}'


async def test_connections_are_kept_and_cookies_are_not(server, transport):
    """Ten requests use one connection, and nothing of the first is repeated in the second."""
    for _ in range(10):
        await send(transport, server.base + "/cookie")

    assert len(server.connections) == 1
    assert not any("Cookie" in headers for _, _, headers, _ in server.requests)


async def test_the_address_is_sent_as_it_was_checked(server, transport):
    """No second reading: escapes and doubled slashes stay."""
    await send(transport, server.base + "/a%7Eb//c%20d?columns=a%2Cb,c")

    assert server.requests[0][1] == "/a%7Eb//c%20d?columns=a%2Cb,c"


async def test_the_guard_is_asked_first(server):
    """Nothing is sent to an address that is not allowed, neither way."""
    transport = HttpTransport(OneAddress(server.base + "/tag").check)
    for url in (server.base + "/echo", server.base + "/tag?", "http://127.0.0.1:1/"):
        with pytest.raises(RefusedError, match="address-outside-list"):
            await send(transport, url)
        with pytest.raises(RefusedError, match="address-outside-list"):
            async with stream(transport, url):
                pass
    await transport.close()

    assert not server.requests


async def test_redirects_are_never_followed(server, transport):
    """A redirect is a refusal that names where it wanted to lead."""
    with pytest.raises(RefusedError, match="redirect-refused") as caught:
        await send(transport, server.base + "/redirect")
    assert caught.value.facts["location"] == "http://127.0.0.1:1/"
    with pytest.raises(RefusedError, match="redirect-refused"):
        async with stream(transport, server.base + "/redirect"):
            pass

    assert len(server.requests) == 2


async def test_an_answer_is_read_up_to_its_limit(server, transport):
    """Exactly the limit passes, one byte more does not; an endless answer ends at once."""
    url = server.base + "/echo"
    assert len((await send(transport, url, method="POST", body=b"x" * 1000)).body) == 1000
    with pytest.raises(RefusedError, match="answer-too-large"):
        await send(transport, url, method="POST", body=b"x" * 1001)
    started = time.monotonic()
    with pytest.raises(RefusedError, match="answer-too-large"):
        await send(transport, server.base + "/endless", limit_bytes=200_000)

    assert time.monotonic() - started < 2


async def test_an_encoded_answer_is_refused(server, transport):
    """A small body must not become a large one."""
    with pytest.raises(RefusedError, match="answer-encoded"):
        await send(transport, server.base + "/gzip", limit_bytes=1_000_000)


@pytest.mark.parametrize("path", ["/slow", "/stall", "/cut"])
async def test_whatever_the_network_does_is_one_error(server, transport, path):
    """No answer in time, half an answer, a broken one."""
    with pytest.raises(UnreachableError) as caught:
        await send(transport, server.base + path, timeout_s=0.2)

    assert caught.value.code == "unreachable"
    assert caught.value.facts["cause"]


async def test_nobody_there(transport):
    """A closed port and a name that does not resolve."""
    for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/"):
        with pytest.raises(UnreachableError, match="unreachable"):
            await send(transport, url)


async def test_a_body_is_streamed(server, transport):
    """In pieces, as long as the reader wants; leaving early closes the connection."""
    size = 0
    async with stream(transport, server.base + "/endless") as download:
        assert download.status == 200
        async for piece in download.chunks():
            size += len(piece)
            if size > 5_000_000:
                break
    async with stream(transport, server.base + "/echo") as download:
        assert [piece async for piece in download.chunks()] == []

    assert size > 5_000_000


@pytest.mark.parametrize("path", ["/stall", "/cut"])
async def test_a_stream_that_breaks_off_is_unreachable(server, transport, path):
    """After what had arrived; a stall counts as broken after its time-out."""
    pieces = []
    with pytest.raises(UnreachableError):
        await drain(transport, server.base + path, pieces, timeout_s=0.2)

    assert pieces == [b"first"]


async def test_a_dead_member_does_not_stall_the_others(server):
    """Its connections are its own."""
    transport = HttpTransport(allow, connections_per_destination=2)
    waiting = [asyncio.create_task(send(transport, server.base + "/slow", timeout_s=3)) for _ in range(5)]
    await asyncio.sleep(0.05)
    async with serving() as other, asyncio.timeout(1):
        assert (await send(transport, other.base + "/echo", method="POST", body=b"x")).status == 201
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await transport.close()


async def test_a_document_is_fetched_once(server, transport):
    """With its tag there is nothing to read; a wrong status is not a list."""
    url = server.base + "/tag"
    first = await conditional_get(transport, url, None, limit_bytes=1000, timeout_s=5)
    again = await conditional_get(transport, url, first.tag, limit_bytes=1000, timeout_s=5)

    assert (first.data, first.tag) == (b"list", '"1"')
    assert (again.data, again.tag) == (None, '"1"')
    with pytest.raises(UnreachableError, match="HTTP 404"):
        await conditional_get(transport, server.base + "/none", None, limit_bytes=1000, timeout_s=5)


def test_a_further_authority_must_be_readable(tmp_path):
    """The setting and the file are named."""
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    assert client_tls(None) is None
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(SettingsError, match="tls-unusable"):
            client_tls(tmp_path / name)


async def test_the_faulty_transport_fails_by_script(server, transport):
    """Each fault does what it says, in order, and then no more."""
    faulty = FaultyTransport(
        transport,
        in_order(Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.DUPLICATE, Delay(0.01), Fault.BREAK),
    )
    arrived = []
    for _ in range(4):
        try:
            outcome = await send(faulty, server.base + "/echo", method="POST", body=b"x")
        except UnreachableError as error:
            outcome = error.code
        arrived.append((len(server.requests), outcome.status if isinstance(outcome, Answer) else outcome))
    pieces = []
    with pytest.raises(UnreachableError):
        await drain(faulty, server.base + "/endless", pieces)

    assert len(pieces) == 1
    assert arrived == [(0, "unreachable"), (1, "unreachable"), (3, 201), (4, 201)]
    assert len(faulty.sent) == 5


async def test_nothing_else_leaves(server, transport, monkeypatch):
    """Whatever the client library raises arrives as UnreachableError."""

    async def fail(*_given, **_more):
        raise aiohttp.ServerDisconnectedError

    monkeypatch.setattr(aiohttp.ClientSession, "_request", fail)
    with pytest.raises(UnreachableError, match="ServerDisconnectedError"):
        await send(transport, server.base + "/echo")
    with pytest.raises(UnreachableError, match="ServerDisconnectedError"):
        async with stream(transport, server.base + "/echo"):
            pass
