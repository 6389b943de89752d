"""The guard: a member is called at its listed origin, and nothing else is called at all."""

import json

import pytest

from connector.dispatch.guard import Guard, OneAddress
from connector.errors import RefusedError, VerificationError
from tests.shared import shared
from tests.space import STAMP, STEEL, Space

BASE = "http://p-steel.example:8080/dsp/2025-1"


@pytest.fixture(scope="module")
def guard() -> Guard:
    space = Space(STEEL, STAMP)
    members = space.members(
        members=[space.entry(STEEL, dsp=BASE), space.entry(STAMP, dsp="https://p-stamp.example/dsp/2025-1")]
    )
    return Guard(lambda: members)


def refused(call, *given):
    with pytest.raises(RefusedError) as caught:
        call(*given)
    return caught.value.code


@pytest.mark.parametrize(
    ("participant", "url"),
    [
        (STEEL, BASE),
        (STEEL, BASE + "/catalog/request"),
        (STEEL, "http://p-steel.example:8080/data/urn:uuid:1?columns=a,b"),
        (STEEL, "http://p-steel.example:8080"),
        (STEEL, "HTTP://P-Steel.Example:8080/x"),
        (STEEL, "http://p-steel.example:8080/a%20b/c..d//e"),
        (STAMP, "https://p-stamp.example/x"),
        (STAMP, "https://p-stamp.example:443/x"),
    ],
)
def test_the_listed_origin_is_called(guard, participant, url):
    """Any path below it, whatever the spelling of host and default port."""
    guard.check(participant, url)


@pytest.mark.parametrize(
    ("participant", "url"),
    [
        (STEEL, "https://p-steel.example:8080/dsp"),
        (STEEL, "http://p-steel.example/dsp"),
        (STEEL, "http://p-steel.example:8081/dsp"),
        (STEEL, "http://p-stamp.example:8080/dsp"),
        (STEEL, "http://sub.p-steel.example:8080/dsp"),
        (STEEL, "http://p-steel.example.evil:8080/dsp"),
        (STEEL, "http://127.0.0.1:8080/dsp"),
        (STEEL, "http://169.254.169.254/latest/meta-data"),
        (STEEL, "http://[::1]:8080/"),
        (STAMP, BASE),
        ("did:web:stranger.example", BASE),
        ("", BASE),
    ],
)
def test_any_other_origin_is_refused(guard, participant, url):
    """Another scheme, host, port, member, or nobody's member."""
    assert refused(guard.check, participant, url) == "address-outside-list"
    assert refused(guard.callback, participant, url) == "address-outside-list"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dsp/2025-1",
        "p-steel.example:8080",
        "//p-steel.example:8080/dsp",
        "ftp://p-steel.example:8080/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http:///dsp",
        "http://user@p-steel.example:8080/",
        "http://user:pass@p-steel.example:8080/",
        "http://p-steel.example:8080@evil.example/",
        "http://evil.example\\@p-steel.example:8080/",
        "http://p-steel.example:8080\\.evil.example/",
        "http://p-steel.example:8080/#fragment",
        "http://p-steel.example:8080#@evil.example/",
        "http://p-steel.example:8080/dsp/../admin",
        "http://p-steel.example:8080/dsp/..",
        "http://p-steel.example:8080/./dsp",
        "http://p-steel.example:8080/dsp/%2e%2e/admin",
        "http://p-steel.example:8080/dsp/.%2E/admin",
        "http://p-steel.example:8080/dsp%2Fadmin",
        "http://p-steel.example:8080/dsp%5cadmin",
        "http://p-steel.example:8080/dsp%00",
        "http://p-steel.example:8080/dsp%0d%0aHost:evil",
        "http://p-steel.example:8080/%zz",
        "http://p-steel.example:8080/%2",
        "http://p-steel.example:8080/a b",
        " http://p-steel.example:8080/",
        "http://p-steel.example:8080/\n",
        "http://p-steel.example:80\t80/",
        "http://p-steel.example:/",
        "http://p-steel.example:0/",
        "http://p-steel.example:99999/",
        "http://p-steel.example:x/",
        "http://p-steel.example.:8080/",
        "http://pｰsteel.example:8080/",
        "http://p%2dsteel.example:8080/",
        "http://[::1/",
        "http://[not-an-address]/",
        "http://[fe80::1%25eth0]/",
        "http://[::1]x:8080/",
        "http://p-steel.example:8080/" + "a" * 3000,
    ],
)
def test_an_address_two_readers_could_see_differently_is_refused(guard, url):
    """Before anybody asks whose it is."""
    assert refused(guard.check, STEEL, url) == "address-malformed"
    assert refused(guard.callback, STEEL, url) == "address-malformed"
    assert refused(OneAddress, url) == "address-malformed"


def test_case_16_callbacks(guard):
    """Prefixes with and without a slash work, a query is refused, an address elsewhere is refused by its name."""
    case = json.loads(shared("cases/inputs/16-unreachable-callback.json").read_bytes())
    _, *variants = [variant.replace("{CONSUMER}", "http://p-steel.example:8080") for variant in case["variants"]]
    results = [refused(guard.callback, STEEL, url) if "?" in url else guard.callback(STEEL, url) for url in variants]

    assert results == [
        "http://p-steel.example:8080/deep/prefix",
        "http://p-steel.example:8080/deep/prefix",
        "address-malformed",
        "http://p-steel.example:8080//deep",
    ]
    with pytest.raises(RefusedError) as caught:
        guard.callback(STEEL, case["request"]["callbackAddress"])
    assert caught.value.facts["url"] == "http://localhost:29194/protocol/"
    assert caught.value.facts["listed"] == "http://p-steel.example:8080"


def test_a_callback_has_no_query_not_even_an_empty_one(guard):
    """Paths are appended to it."""
    assert refused(guard.callback, STEEL, BASE + "?") == "address-malformed"
    assert guard.callback(STEEL, "http://p-steel.example:8080/") == "http://p-steel.example:8080"
    assert guard.callback(STEEL, BASE + "//") == BASE + "/"


def test_without_a_list_nobody_is_called():
    """The reason is the list's, not the address's."""

    def none():
        raise VerificationError("member-list-missing", where="members.json")

    with pytest.raises(VerificationError, match="member-list-missing"):
        Guard(none).check(STEEL, BASE)


def test_one_address_and_no_other():
    """For the member list itself, which no member serves."""
    only = OneAddress("https://space.example/members.json")
    only.check("", "https://space.example/members.json")

    assert refused(only.check, "", "https://space.example/members.json?x") == "address-outside-list"
