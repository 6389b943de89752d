"""Looking at an address: what its name leads to, whether somebody listens, and what our own address means for a partner."""

import asyncio
from datetime import UTC, datetime

import pytest

from connector.dispatch.probes import connect, is_here, judge_callback, look_up
from connector.dispatch.resolve import Networks
from tests.pair import free_ports

NOW = datetime(2026, 11, 10, tzinfo=UTC)
PUBLIC, PRIVATE, LOOPBACK, LINK = "93.184.216.34", "10.1.2.3", "127.0.0.1", "169.254.7.7"


@pytest.mark.parametrize(
    ("ours", "theirs", "here", "expected"),
    [
        ([LOOPBACK], [PUBLIC], False, "own-machine"),
        (["::1"], [PRIVATE], False, "own-machine"),
        ([LINK], [PUBLIC], False, "own-machine"),
        (["0.0.0.0"], [PUBLIC], False, "own-machine"),  # noqa: S104  judged, never bound to
        ([PUBLIC, LOOPBACK], [PUBLIC], False, "own-machine"),
        ([LOOPBACK], [], False, "own-machine"),
        ([LOOPBACK], [LOOPBACK], True, "fits"),
        ([PRIVATE], [PUBLIC], False, "private"),
        (["fd00::7"], [PUBLIC], False, "private"),
        ([PRIVATE], [PRIVATE], False, "fits"),
        ([PRIVATE, PUBLIC], [PUBLIC], False, "fits"),
        ([PUBLIC], [PUBLIC], False, "fits"),
    ],
)
def test_our_address_is_judged_as_the_partner_sees_it(ours, theirs, here, expected):
    assert judge_callback(ours, theirs, here=here) == expected


def test_this_machine_is_told_from_others():
    assert is_here("127.0.0.1")
    assert is_here("::1")
    assert not is_here("192.0.2.1")


def names(**known):
    """Answers for names; whoever is not known does not exist."""

    async def lookup(host):
        if host.partition(".")[0] not in known:
            raise OSError(f"no address for {host}")
        return known[host.partition(".")[0]]

    return lookup


@pytest.mark.parametrize(
    ("host", "code", "addresses"),
    [
        ("steel.example", "found", (PUBLIC,)),
        (PUBLIC, "literal", (PUBLIC,)),
        (PRIVATE, "literal", (PRIVATE,)),
        ("inside.example", "barred", ()),
        (LINK, "barred", ()),
        ("nobody.example", "unknown", ()),
        ("empty.example", "unknown", ()),
    ],
)
async def test_a_name_leads_to_what_may_be_called(host, code, addresses):
    lookup = names(steel=[PUBLIC], inside=[PRIVATE], empty=[])
    seen = await look_up(("https", host, 443), Networks(), lookup)
    assert (seen.code, seen.addresses) == (code, addresses)


async def test_a_port_that_nobody_listens_at_is_told_from_one_that_takes_connections():
    (port,) = free_ports(1)
    assert (await connect(("http", LOOPBACK, port), [LOOPBACK], None, NOW)).code == "refused"
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), LOOPBACK, port)
    async with server:
        seen = await connect(("http", LOOPBACK, port), ["127.0.0.9", LOOPBACK], None, NOW)
        assert (seen.code, seen.addresses) == ("plain", (LOOPBACK,))


async def test_an_address_without_a_network_is_a_failure_with_a_reason():
    seen = await connect(("http", LOOPBACK, 9), ["255.255.255.255"], None, NOW)
    assert seen.code in ("failed", "refused")
    assert seen.facts["problem"] != "-"
