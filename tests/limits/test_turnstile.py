"""Places and tokens: what one side takes, no other side misses; nothing is remembered for ever."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dsp import limits
from connector.dsp.connections import side_of
from connector.dsp.limits import Turnstile, retry_after
from connector.errors import RefusedError
from connector.health import Counters
from connector.settings import Settings

LEAST = {
    "participant": "did:web:a.example",
    "space_key": "ed25519:" + "A" * 43,
    "members": "m",
    "dsp": "https://a.example",
}


class Time:
    """Seconds, moved by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def turnstile(tmp_path, time=None, **changes):
    return Turnstile(Settings.of(tmp_path, LEAST | changes), time or Time(), Counters())


def refusal(call, *given):
    try:
        call(*given)
    except RefusedError as error:
        return error
    return None


def test_a_participant_has_so_many_places(tmp_path):
    """The next is refused, and says when to come again; a place given back is taken by the next one."""
    gate = turnstile(tmp_path, peer_requests=3)
    for _ in range(3):
        gate.enter("a")
    error = refusal(gate.enter, "a")
    assert (error.code, retry_after(error)) == ("too-many-requests", {"Retry-After": "1"})
    gate.leave("a")
    gate.enter("a")
    assert refusal(gate.enter, "a")


def test_tokens_come_back_at_their_rate_and_no_more_than_the_burst(tmp_path):
    time = Time()
    gate = turnstile(tmp_path, time, peer_requests=1, peer_requests_per_s=0.25, peer_burst=2)

    def served():
        count = 0
        while not refusal(gate.enter, "a"):
            gate.leave("a")
            count += 1
        return count

    assert served() == 2
    assert retry_after(refusal(gate.enter, "a")) == {"Retry-After": "4"}
    time.now += 3.9
    assert served() == 0
    time.now += 0.2
    assert served() == 1
    time.now += 10_000
    assert served() == 2


SIDES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "leave"])), max_size=200)


FEW = Settings.of(Path(), LEAST | {"peer_requests": 4, "peer_burst": 9, "peer_requests_per_s": 0.001})


@given(SIDES)
def test_what_one_side_does_changes_nothing_for_another(steps):
    """With the same requests of its own, each participant meets the same refusals, whoever else floods."""
    together = Turnstile(FEW, Time(), Counters())
    alone = {name: Turnstile(FEW, Time(), Counters()) for name in "abc"}
    held = dict.fromkeys("abc", 0)
    for name, step in steps:
        if step == "leave":
            if held[name]:
                held[name] -= 1
                together.leave(name)
                alone[name].leave(name)
            continue
        outcomes = [refusal(gate.enter, name) for gate in (together, alone[name])]
        assert bool(outcomes[0]) == bool(outcomes[1])
        held[name] += not outcomes[0]
        assert held[name] <= 4


def test_an_address_has_places_for_those_who_are_not_known_yet(tmp_path):
    gate = turnstile(tmp_path, address_requests=8)
    for _ in range(8):
        gate.enter_side("10.0.0.1")
    assert refusal(gate.enter_side, "10.0.0.1").code == "too-many-requests"
    gate.enter_side("10.0.0.2")
    for _ in range(8):
        gate.leave_side("10.0.0.1")
    assert not gate._sides["10.0.0.1"]
    assert "10.0.0.1" not in gate._sides


def test_an_address_that_only_fails_has_to_wait(tmp_path):
    """Signatures cost us time; after so many bad ones nothing is verified for a while."""
    time = Time()
    gate = turnstile(tmp_path, time, address_failures_per_min=60)
    for _ in range(60):
        gate.enter_side("10.0.0.1")
        gate.leave_side("10.0.0.1")
        gate.failed("10.0.0.1")
    error = refusal(gate.enter_side, "10.0.0.1")
    assert retry_after(error) == {"Retry-After": "1"}
    gate.enter_side("10.0.0.2")
    time.now += 1.01
    gate.enter_side("10.0.0.1")


def test_the_tables_are_bounded(tmp_path, monkeypatch):
    """By the newest addresses that failed, and by participants that hold or owe something."""
    monkeypatch.setattr(limits, "ENTRIES_MOST", 10)
    time = Time()
    gate = turnstile(tmp_path, time, peer_requests_per_s=1, peer_burst=2)
    for number in range(50):
        gate.failed(f"10.0.0.{number}")
        gate.enter(f"did:web:{number}")
        if number:
            gate.leave(f"did:web:{number}")
        time.now += 1
    assert list(gate._failures) == [f"10.0.0.{number}" for number in range(40, 50)]
    assert len(gate._participants) <= 11
    assert gate._participants["did:web:0"].open == 1
    gate.leave("did:web:0")


def test_behind_a_proxy_nobody_is_judged_by_address(tmp_path):
    gate = turnstile(tmp_path, behind_tls_proxy=True, connections=100, connections_per_address=8)
    assert gate.connections._per_address is None
    assert turnstile(tmp_path, connections=100, connections_per_address=60).connections._per_address == 50


@pytest.mark.parametrize(
    ("host", "side"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_a_side_is_who_can_change_its_address_at_will(host, side):
    assert side_of(host) == side
