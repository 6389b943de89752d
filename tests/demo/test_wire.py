"""The tap relays every byte unchanged, and finds what passed it."""

import asyncio

import pytest

from connector.scenario.wire import Tap


@pytest.fixture
async def tap():
    async def echo(reader, writer):
        while piece := await reader.read(1000):
            writer.write(piece)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Tap(server.sockets[0].getsockname()[1]) as tap:
        yield tap
    server.close()


async def say(tap, data):
    reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
    writer.write(data)
    answer = await reader.readexactly(len(data))
    writer.close()
    return answer


async def test_bytes_pass_unchanged(tap):
    data = bytes(range(256)) * 1000
    assert await say(tap, data) == data


async def test_text_is_found_plain_and_as_json_escapes_it(tap):
    await say(tap, "plate 苏X1 and \\u82cfX2".encode())
    assert tap.holds("苏X1")
    assert tap.holds("苏X2")
    assert tap.found(["苏X3", "plate"]) == ["plate"]


async def test_requests_are_read_also_behind_a_body(tap):
    body = b'{"a":1}'
    post = b"POST /x?y=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n" + body
    get = b"GET /data/1 HTTP/1.1\r\nRange: bytes=5-\r\nHost: h\r\n\r\n"
    await say(tap, post + get)
    assert [each.path for each in tap.requests("POST", "/x")] == ["/x?y=1"]
    [found] = tap.requests("GET", "/data/")
    assert found.headers["range"] == "bytes=5-"


async def test_a_connector_that_is_down_has_no_address(tap):
    down = Tap(1)
    async with down:
        reader, writer = await asyncio.open_connection("127.0.0.1", down.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
