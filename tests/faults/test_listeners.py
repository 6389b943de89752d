"""A daemon that has stopped leaves no connection open behind it, whenever that connection came."""

import asyncio
import gc
import socket
import time

import pytest

from connector.daemon import Daemon
from tests.daemon.test_tls import found, secured
from tests.pair import found_space, settings

TURNS = 6  # of the event loop: more than a connection needs from the system to its handler


def came_to_its_end(connection):
    """Whether the other side has closed or reset a connection; one that still stands is silent."""
    connection.settimeout(1)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("served", [0, 1], ids=["all-new", "one-served"])
async def test_a_connection_that_comes_while_the_daemon_stops_is_closed(tmp_path, served):
    """Also one that was accepted and is not served yet when the listener is shut: nobody waits on a dead daemon."""
    found_space(tmp_path, ["p-steel"])
    daemon = Daemon(settings(tmp_path, "p-steel"))
    await daemon.open()
    ports = daemon.protocol_port, daemon.management_port
    connections = [socket.create_connection(("127.0.0.1", port)) for port in ports * served]
    for _ in range(TURNS * served):
        await asyncio.sleep(0)
    for _ in range(TURNS):
        connections += [socket.create_connection(("127.0.0.1", port)) for port in ports]
        await asyncio.sleep(0)
    await daemon.close()
    ended = [came_to_its_end(each) for each in connections]
    assert all(ended)
    gc.collect()  # a transport that nobody closed warns here, and a warning is an error


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00"], ids=["silent", "half-a-hello"])
async def test_a_peer_that_never_finishes_its_greeting_holds_nothing_up(tmp_path, said):
    """Under TLS a connection has no handler before both sides have agreed; it ends with the daemon all the same."""
    found(tmp_path)
    daemon = Daemon(secured(tmp_path, "p-steel"))
    await daemon.open()
    connection = socket.create_connection(("127.0.0.1", daemon.protocol_port))
    connection.sendall(said)
    for _ in range(2 * TURNS):
        await asyncio.sleep(0)
    began = time.monotonic()
    await daemon.close()
    assert time.monotonic() - began < 5
    assert came_to_its_end(connection)
    gc.collect()


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        b"POST /dsp/2025-1/negotiations/request HTTP/1.1\r\nHost: a\r\n",
        b"POST /v1/negotiations HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\nContent-Length: 900\r\n\r\n{",
    ],
    ids=["half-a-header", "half-a-body"],
)
async def test_a_request_that_never_ends_does_not_delay_the_stop(tmp_path, said):
    """The stop gives what is under way a few seconds, then cuts it off; ten seconds are the limit of the whole."""
    found_space(tmp_path, ["p-steel"])
    daemon = Daemon(settings(tmp_path, "p-steel"))
    await daemon.open()
    if b"%b" in said:
        said %= daemon.settings.management_key.read_bytes().strip()
    port = daemon.management_port if b"/v1/" in said else daemon.protocol_port
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(said)
    for _ in range(2 * TURNS):
        await asyncio.sleep(0)
    began = time.monotonic()
    await daemon.close()
    assert time.monotonic() - began < 10
    assert came_to_its_end(connection)
    gc.collect()
