"""Networks and the resolver: what a name may lead to, and that the connection is made to what was judged."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dispatch.guard import OneAddress
from connector.dispatch.resolve import LOOKUPS, Kind, Networks, PinningResolver, carried, kind_of
from connector.dispatch.transport import HttpTransport
from connector.errors import RefusedError, UnreachableError

INNER = [
    ("127.0.0.1", "loopback"),
    ("127.8.9.10", "loopback"),
    ("::1", "loopback"),
    ("10.1.2.3", "private"),
    ("172.31.255.255", "private"),
    ("192.168.0.1", "private"),
    ("100.64.0.1", "private"),
    ("100.127.255.255", "private"),
    ("198.18.0.1", "private"),
    ("fd12:3456::1", "private"),
    ("fec0::1", "private"),
    ("169.254.1.1", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("0.0.0.0", "unspecified"),  # noqa: S104  called, not bound
    ("0.1.2.3", "unspecified"),
    ("::", "unspecified"),
    ("224.0.0.251", "multicast"),
    ("ff02::1", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("192.0.2.7", "reserved"),
    ("2001:db8::1", "reserved"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
    ("64:ff9b:1::7f00:1", "reserved"),
    ("4000::1", "reserved"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:0:10.0.0.1", "private"),
    ("::10.0.0.1", "private"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b::127.0.0.1", "loopback"),
    ("2002:7f00:1::1", "loopback"),
    ("2002:a00:1::1", "private"),
    ("169.254.169.254", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("100.100.100.200", "metadata"),
    ("168.63.129.16", "metadata"),
    ("fe80::a9fe:a9fe%eth0", "metadata"),
    ("::ffff:169.254.169.254", "metadata"),
    ("64:ff9b::169.254.169.254", "metadata"),
    ("2002:a9fe:a9fe::1", "metadata"),
]
OUTER = ["93.184.216.34", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize(("address", "kind"), INNER)
def test_a_name_leads_to_no_inner_address(address, kind):
    """Whatever form it is written in."""
    assert Networks().refusal(address, host="p-steel.example") == kind


@pytest.mark.parametrize("address", OUTER)
def test_a_name_leads_to_public_addresses(address):
    assert Networks().refusal(address, host="p-steel.example") == ""


def test_a_listed_literal_address_may_be_private_and_nothing_else():
    """The authority signed it. Loopback is for a space on this machine."""
    allowed = {kind for address, kind in INNER if not Networks().refusal(address, listed=True)}
    assert allowed == {"private"}
    on_one_machine = {kind for address, kind in INNER if not Networks(loopback=True).refusal(address, listed=True)}
    assert on_one_machine == {"private", "loopback"}


def test_localhost_is_as_good_as_its_address_and_no_other_name_is():
    assert Networks(loopback=True).refusal("127.0.0.1", host="localhost") == ""
    assert Networks(loopback=True).refusal("::1", host="localhost") == ""
    assert Networks(loopback=True).refusal("127.0.0.1", host="p-steel.example") == "loopback"
    assert Networks().refusal("127.0.0.1", host="localhost") == "loopback"
    assert Networks(loopback=True).refusal("10.0.0.1", host="localhost") == "private"


def test_a_network_that_is_named_is_allowed_and_its_neighbour_is_not():
    networks = Networks.read(["10.0.0.0/8", "fd12::/16", "127.0.0.0/8"])
    for address in ("10.255.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "fd12::1", "127.0.0.1"):
        assert networks.refusal(address, host="p-steel.example") == ""
    for address in ("11.0.0.0", "192.168.0.1", "fd13::1"):
        assert Networks.read(["10.0.0.0/8"]).refusal(address) == ("" if address == "11.0.0.0" else "private")


def test_metadata_is_allowed_by_its_own_address_only():
    """No network is wide enough to hold it by accident."""
    wide = Networks.read(["0.0.0.0/0", "::/0", "169.254.0.0/16", "169.254.169.254/31"], loopback=True)
    for address, kind in INNER:
        assert bool(wide.refusal(address, listed=True)) == (kind in {"metadata", "multicast", "unspecified"}), address
    exact = Networks.read(["169.254.169.254", "fd00:ec2::254/128"])
    assert exact.refusal("169.254.169.254") == exact.refusal("fd00:ec2::254") == ""
    assert exact.refusal("169.254.170.2") == "metadata"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_every_ipv6_form(address):
    """No spelling of an address opens what another one closes."""
    number = int(address)
    forms = [
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
    ]
    for form in map(ipaddress.IPv6Address, forms):
        if form not in (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1")):
            assert carried(form) == address
            assert kind_of(form) is kind_of(address)


@given(st.ip_addresses())
def test_only_global_addresses_are_public(address):
    """The table agrees with the standard library's wherever that says private, and never raises."""
    target = carried(address)
    if kind_of(address) is Kind.PUBLIC:
        assert not any((target.is_loopback, target.is_link_local, target.is_multicast, target.is_unspecified))
        assert target.version == 6 or not target.is_private


class Names:
    """A name server: each answer in turn, the last one for ever; counts the questions."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host):
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Listener:
    """A port on loopback that counts connections and answers each with an empty 200."""

    async def __aenter__(self):
        self.connections = 0
        self.server = await asyncio.start_server(self.met, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def met(self, reader, writer):
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()


async def get(transport, url):
    return await transport.request("GET", url, participant="", headers={}, limit_bytes=100, timeout_s=3)


async def both_ways(transport, url):
    """The codes of the refusals of `request` and of `open`."""
    codes = []
    try:
        await get(transport, url)
    except (RefusedError, UnreachableError) as error:
        codes.append(error.code)
    try:
        async with transport.open("GET", url, participant="", headers={}, timeout_s=3):
            pass
    except (RefusedError, UnreachableError) as error:
        codes.append(error.code)
    return codes


async def test_a_name_that_leads_inside_gets_no_connection():
    """Neither a whole answer nor a stream; where nothing stands in the way, the same name is called."""
    async with Listener() as inner:
        url = f"http://p-steel.example:{inner.port}/"
        names = Names(["127.0.0.1"])
        strict = HttpTransport(OneAddress(url).check, lookup=names)
        assert await both_ways(strict, url) == ["address-private", "address-private"]
        assert (inner.connections, names.asked) == (0, 2)
        opened = HttpTransport(OneAddress(url).check, lookup=names, networks=Networks.read(["127.0.0.1"]))
        assert await both_ways(opened, url) == []
        assert inner.connections == 2
        await strict.close()
        await opened.close()


async def test_a_second_answer_of_the_name_server_gets_no_connection():
    """Rebinding: first an address that may be called (and is dead), then our own."""
    async with Listener() as inner:
        url = f"http://p-steel.example:{inner.port}/"
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        only_dead = Networks.read(["127.0.0.2"])
        transport = HttpTransport(OneAddress(url).check, lookup=names, networks=only_dead)
        with pytest.raises(UnreachableError):
            await get(transport, url)
        assert names.asked == 1, "between the judgement and the connection nobody looks again"
        transport._session.connector.clear_dns_cache()
        with pytest.raises(RefusedError, match="address-private"):
            await get(transport, url)
        assert (inner.connections, names.asked) == (0, 2)
        await transport.close()


async def test_of_several_addresses_only_the_admitted_are_tried():
    """A public one in front does not lend its right to the others."""
    networks = Networks.read(["127.0.0.1"])
    resolver = PinningResolver(networks, Names(["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1"]))
    found = await resolver.resolve("p-steel.example", 80)
    assert [(each["host"], each["port"]) for each in found] == [("127.0.0.1", 80)]
    with pytest.raises(RefusedError) as caught:
        await PinningResolver(networks, Names(["169.254.169.254"])).resolve("p-steel.example", 80)
    assert caught.value.facts == {"host": "p-steel.example", "address": "169.254.169.254", "kind": "metadata"}


async def test_what_is_never_meant_gets_no_socket():
    """Also if guard and resolver were both wrong."""
    transport = HttpTransport(lambda *_: None)
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "0.1.2.3", "224.0.0.1", "[64:ff9b::a9fe:a9fe]"):
        assert await both_ways(transport, f"http://{host}/latest/meta-data") == ["address-private", "address-private"]
    await transport.close()


async def test_other_spellings_of_an_address_are_no_addresses():
    """What the system would read as 127.0.0.1 is looked up and judged like a name, or not called at all."""
    async with Listener() as inner:
        transport = HttpTransport(lambda *_: None)
        for host in ("127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0x7f000001"):
            assert len(await both_ways(transport, f"http://{host}:{inner.port}/")) == 2
        assert inner.connections == 0
        await transport.close()


async def test_the_system_is_asked_once_for_a_name_and_no_more_than_so_many_at_a_time(monkeypatch):
    """Slow name servers hold threads of their own, not those of the process."""
    free, all_run = asyncio.Event(), asyncio.Event()
    resolver = PinningResolver(Networks.everything())
    loop, running = asyncio.get_running_loop(), []

    def in_thread(_pool, _work, host):
        running.append(host)
        if len(running) == LOOKUPS:
            all_run.set()
        return loop.create_task(free.wait())

    monkeypatch.setattr(loop, "run_in_executor", in_thread)
    waiting = [asyncio.create_task(resolver._system.lookup(f"n{index % LOOKUPS}")) for index in range(2 * LOOKUPS)]
    await all_run.wait()
    with pytest.raises(OSError, match="looked up"):
        await resolver._system.lookup("one-too-many")
    free.set()
    await asyncio.gather(*waiting)
    assert sorted(running) == sorted(f"n{index}" for index in range(LOOKUPS))
    assert not resolver._system._running
    await resolver.close()


async def test_localhost_is_called_where_the_space_lies_on_this_machine():
    async with Listener() as inner:
        url = f"http://localhost:{inner.port}/"
        strict = HttpTransport(OneAddress(url).check)
        assert await both_ways(strict, url) == ["address-private", "address-private"]
        at_home = HttpTransport(OneAddress(url).check, networks=Networks(loopback=True))
        assert await both_ways(at_home, url) == []
        await strict.close()
        await at_home.close()


async def test_a_family_that_was_not_asked_for_is_left_out():
    resolver = PinningResolver(Networks.everything(), Names(["127.0.0.1", "::1"]))
    assert [each["host"] for each in await resolver.resolve("x", 1, socket.AF_INET6)] == ["::1"]
    assert len(await resolver.resolve("x", 1)) == 2
