"""The turnstile around handlers of any kind, on a real server."""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.http_exceptions import BadHttpMessage

from connector.dsp.httplog import UNREADABLE, HttpLog
from connector.dsp.limits import VISIT, Turnstile
from connector.health import Counters
from connector.settings import Settings
from tests.pair import eventually

LEAST = {
    "participant": "did:web:a.example",
    "space_key": "ed25519:" + "A" * 43,
    "members": "m",
    "dsp": "https://a.example",
}


@contextlib.asynccontextmanager
async def serving(handler, path="/x", **changes):
    """The turnstile and its server's address."""
    turnstile = Turnstile(Settings.of(Path(), LEAST | changes), time.monotonic, Counters())
    app = web.Application(middlewares=[turnstile.middleware])
    app.router.add_post(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield turnstile, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def half_sent(port, path, status):
    """Sends half a body; whether the answer has this status and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    try:
        async with asyncio.timeout(5):
            answer = await reader.read()
        return int(answer.split()[1]) == status
    finally:
        writer.close()


async def reads(request):
    return web.Response(body=await request.read())


async def test_any_handler_is_freed_of_a_body_that_does_not_come():
    async with serving(reads, message_timeout_s=0.1) as (_, port):
        assert await half_sent(port, "/x", 408)


async def test_data_that_streams_in_has_its_own_clock():
    """What is pushed to us may take hours."""

    async def first(request):
        got = await request.content.read(4)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await request.content.read(1)
        return web.Response(body=got)

    async with serving(first, "/inbox/1", message_timeout_s=0.1) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /inbox/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()


async def test_a_time_out_of_the_handlers_own_is_not_the_senders():
    async def slow(_request):
        raise TimeoutError

    async with serving(slow) as (_, port), ClientSession() as session:
        answer = await session.post(f"http://127.0.0.1:{port}/x", data=b"whole")
        assert answer.status == 504


async def test_every_place_comes_back():
    """Answered, refused, failed, gone: in the end nobody holds anything."""
    entered, free = asyncio.Event(), asyncio.Event()

    async def handler(request):
        request[VISIT].known("did:web:b.example")
        how = await request.text()
        if how == "fail":
            raise RuntimeError
        if how == "wait":
            entered.set()
            await free.wait()
        return web.Response(status=401 if how == "refuse" else 200)

    async with serving(handler, peer_requests=2) as (turnstile, port), ClientSession() as session:
        url = f"http://127.0.0.1:{port}/x"
        for how, status in (("", 200), ("refuse", 401), ("fail", 500)):
            for _ in range(3):
                async with session.post(url, data=how) as answer:
                    assert answer.status == status
        gone = asyncio.create_task(session.post(url, data="wait"))
        await entered.wait()
        assert turnstile._participants["did:web:b.example"].open == 1
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        free.set()

        async def all_back():
            return not turnstile._participants["did:web:b.example"].open and not turnstile._sides

        assert await eventually(all_back)


def test_errors_of_ours_are_written_and_unreadable_requests_are_counted(caplog):
    counters = Counters()
    log = HttpLog(counters)
    with caplog.at_level(logging.INFO):
        for error in (BadHttpMessage("Bearer secret"), RuntimeError("ours")):
            log.exception("Error handling request from %s", "10.0.0.1", exc_info=error)  # noqa: LOG004  as aiohttp does
    assert [record.getMessage() for record in caplog.records] == ["Error handling request from 10.0.0.1"]
    assert list(counters) == [("weft_requests_refused_total", {"reason": UNREADABLE}, 1)]
