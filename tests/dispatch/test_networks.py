"""The guard and the networks: which listed addresses are called, from which connector, and where data may be pushed."""

import pytest

from connector.dispatch.guard import Destinations, Guard, networks_of
from connector.dispatch.resolve import Networks
from connector.errors import RefusedError, SettingsError
from connector.settings import Settings
from tests.space import STAMP, STEEL, Space

SPACE = Space(STEEL, STAMP)
LEAST = {"participant": STEEL, "space_key": "ed25519:" + "A" * 43, "members": "members.json"}


def guard(address, *, networks=None, push=()):
    """The guard of a space that lists p-steel at this address."""
    members = SPACE.members(members=[SPACE.entry(STEEL, dsp=address), SPACE.entry(STAMP)])
    return Guard(lambda: members, networks=networks or Networks(), push=Destinations.read(push))


def code(call, *given):
    try:
        call(*given)
    except RefusedError as error:
        return error.code
    return ""


def settings(tmp_path, **changes):
    return Settings.of(tmp_path, LEAST | {"dsp": "https://p-steel.example/dsp"} | changes)


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        ("93.184.216.34", ""),
        ("10.1.2.3", ""),
        ("192.168.1.1", ""),
        ("100.64.3.3", ""),
        ("[fd12::1]", ""),
        ("p-steel.example", ""),  # what it leads to is judged when it is called
        ("127.0.0.1", "address-private"),
        ("[::1]", "address-private"),
        ("[::ffff:127.0.0.1]", "address-private"),
        ("localhost", "address-private"),
        ("169.254.3.4", "address-private"),
        ("169.254.169.254", "address-private"),
        ("100.100.100.200", "address-private"),
        ("[fd00:ec2::254]", "address-private"),
        ("0.0.0.0", "address-private"),  # noqa: S104  called, not bound
        ("[::]", "address-private"),
    ],
)
def test_a_listed_address_between_companies(host, outcome):
    """Private ones are the authority's to list; loopback, link-local and metadata ones are nobody's."""
    base = f"http://{host}:8282/dsp/2025-1"
    judge = guard(base)
    for url in (base, base + "/catalog/request", f"http://{host}:8282/data/x?columns=a"):
        assert code(judge.check, STEEL, url) == outcome
        assert code(judge.destination, STEEL, url) == outcome
    assert code(judge.callback, STEEL, base) == outcome


@pytest.mark.parametrize(
    ("changes", "called"),
    [
        ({}, False),
        ({"dsp": "http://127.0.0.1:8282/dsp/2025-1"}, True),
        ({"dsp": "http://[::1]:8282/dsp/2025-1"}, True),
        ({"dsp": "http://localhost:8282/dsp/2025-1"}, True),
        ({"dsp": "http://127.0.0.1.example:8282/dsp"}, False),
        ({"dsp": "http://10.0.0.1:8282/dsp"}, False),
        ({"production": False}, True),
        ({"outgoing_networks": ["127.0.0.0/8"]}, True),
    ],
)
def test_loopback_is_called_in_a_space_on_one_machine(tmp_path, changes, called):
    """Our own listed address says so, or the operator does, or it is no production."""
    networks = networks_of(settings(tmp_path, **changes))
    for host in ("127.0.0.1", "localhost"):
        base = f"http://{host}:8282/dsp"
        assert code(guard(base, networks=networks).check, STEEL, base) == ("" if called else "address-private")


def test_metadata_is_called_by_nobody_in_no_configuration_but_its_own(tmp_path):
    """The one thing everybody on the machine may ask, and nobody else should."""
    base = "http://169.254.169.254/dsp"
    for changes in ({"production": False}, {"outgoing_networks": ["169.254.0.0/16"]}, {"dsp": "http://127.0.0.1/dsp"}):
        judge = guard(base, networks=networks_of(settings(tmp_path, **changes)))
        assert code(judge.check, STEEL, base) == "address-private"
    exact = networks_of(settings(tmp_path, outgoing_networks=["169.254.169.254"]))
    assert code(guard(base, networks=exact).check, STEEL, base) == ""


def test_a_host_that_some_read_as_an_address_is_malformed():
    judge = guard("http://p-steel.example/dsp")
    for host in ("127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0x7f000001", "1.2.3.4.5", "p-steel.7"):
        for call in (judge.check, judge.callback, judge.destination):
            assert code(call, STEEL, f"http://{host}/dsp") == "address-malformed"


PUSH = ("https://sink.example:8443", "http://10.9.0.7:9000", "10.20.0.0/16", "203.0.113.0/24", "169.254.169.254/32")


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://p-steel.example/data/1", ""),
        ("https://sink.example:8443/drop/1?x=1", ""),
        ("http://10.9.0.7:9000/x", ""),
        ("http://10.20.30.40:1234/x", ""),
        ("http://[::ffff:10.20.0.1]/x", "address-outside-list"),
        ("https://10.20.30.40/x", ""),
        ("http://169.254.169.254/x", ""),
        ("https://sink.example/drop", "address-outside-list"),
        ("http://sink.example:8443/drop", "address-outside-list"),
        ("https://other.example:8443/drop", "address-outside-list"),
        ("http://10.9.0.7:9001/x", "address-outside-list"),
        ("http://10.21.0.1/x", "address-outside-list"),
        ("http://127.0.0.1:18283/dsp/2025-1", "address-outside-list"),
        ("http://169.254.170.2/x", "address-outside-list"),
        ("http://sink.example:8443@evil.example/", "address-malformed"),
        ("ftp://sink.example:8443/", "address-malformed"),
    ],
)
def test_where_data_may_be_pushed(url, outcome):
    """The consumer's own origin, an origin the operator named, a literal address in a network the operator named."""
    judge = guard("https://p-steel.example/dsp", push=PUSH)
    assert code(judge.destination, STEEL, url) == outcome
    if not url.startswith("https://p-steel.example/"):
        assert code(judge.check, STEEL, url) in ("address-outside-list", "address-malformed"), (
            "messages go nowhere else"
        )


def test_without_the_setting_data_goes_to_the_listed_origin_only():
    judge = guard("https://p-steel.example/dsp")
    assert code(judge.destination, STEEL, "https://p-steel.example/inbox/1") == ""
    assert code(judge.destination, STEEL, "https://sink.example:8443/x") == "address-outside-list"
    assert code(judge.destination, "did:web:stranger.example", "https://p-steel.example/x") == "address-outside-list"


def test_a_named_origin_for_pushes_is_still_no_way_inside():
    """Loopback and metadata need their own entry."""
    judge = guard("https://p-steel.example/dsp", push=("http://127.0.0.1:9000", "http://169.254.169.254"))
    assert code(judge.destination, STEEL, "http://127.0.0.1:9000/x") == "address-private"
    assert code(judge.destination, STEEL, "http://169.254.169.254/x") == "address-private"
    at_home = guard("https://p-steel.example/dsp", push=("http://127.0.0.1:9000",), networks=Networks(loopback=True))
    assert code(at_home.destination, STEEL, "http://127.0.0.1:9000/x") == ""


@pytest.mark.parametrize(
    "entry", ["https://sink.example/path", "sink.example", "10.0.0.1/8", "ftp://x", "https://u@x", ""]
)
def test_a_destination_that_means_nothing_stops_the_start(entry):
    with pytest.raises(SettingsError, match="push_destinations"):
        Destinations.read([entry])


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "example.org", "10.0.0.0/33", ""])
def test_a_network_that_means_nothing_is_no_setting(tmp_path, entry):
    with pytest.raises(SettingsError, match="outgoing_networks"):
        settings(tmp_path, outgoing_networks=[entry])
