"""What terms would come to: the arithmetic of settlement on supposed figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.errors import InputError, PeriodError
from contracts.settlement.lines import read_totals
from contracts.settlement.simulate import example_volumes, simulate, simulate_bundle
from contracts.settlement.terms import parse_terms
from tests.shared import shared
from tests.terms import FORGE, MILL, OWNER, bundle, free, purchase, subscription, terms

COUNTS, GRADES = {"I1": 300, "I2": 300}, {"I1": "X", "I2": "Y"}


def test_a_period_has_its_lines_and_its_total():
    found = simulate(terms(subscription()), 3_000, days=2)
    assert [(line.kind, line.amount, line.quantity) for line in found.lines] == [
        ("base-fee", 30_000, None),
        ("parts", 5_000, 2_000),
        ("outage", -2_400, 2),
    ]
    assert (found.period, found.total) == ("2026-11", 32_600)


def test_a_single_payment_is_shown_when_it_is_due_and_not_in_another_period():
    assert simulate(terms(purchase()), 0).total == 99_900
    assert simulate(terms(purchase()), 0, period="2027-01").total == 0
    with pytest.raises(PeriodError):
        simulate(terms(purchase()), 0, period="2026-10")


def test_example_volumes_lie_around_what_is_included():
    assert example_volumes(terms(subscription())) == (750, 1_000, 1_250)
    assert example_volumes(terms(subscription(free=0))) == (1, 100, 1_000)
    assert example_volumes(terms(free())) == (0,)


@given(some.integers(0, 10**9), some.integers(0, 31))
def test_nobody_is_ever_owed_more_than_was_charged(volume, days):
    """Credits are at most what the charges come to."""
    assert simulate(terms(subscription(fixed=1)), volume, days=days).total >= 0


def test_a_bundle_shows_what_each_party_gets():
    """900.00: 300 to the operator; 300 in equal shares, 300 by points 300 : 100; the floor of 400.00 is not reached."""
    found = simulate_bundle(terms(bundle()), income=90_000, accepted=COUNTS, quality=GRADES)
    totals = read_totals(found)
    assert totals[MILL] == 15_000 + 22_500
    assert totals[FORGE] == 15_000 + 7_500 + 17_500
    assert totals[OWNER] == -90_000 + 30_000 - 17_500
    assert sum(totals.values()) == found["sum"] == 0


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"accepted": {"I1": 300}}, "contributions.I2"),
        ({"quality": {"I1": "X"}}, "contributions.I2"),
        ({"quality": {"I1": "X", "I2": "Z"}}, "contributions.I2.quality"),
    ],
    ids=["count missing", "grade missing", "grade unknown"],
)
def test_what_is_missing_or_not_defined_is_named(change, member):
    given_ = {"accepted": COUNTS, "quality": GRADES} | change
    with pytest.raises(InputError) as caught:
        simulate_bundle(terms(bundle()), income=90_000, **given_)
    assert caught.value.member == member


def test_october_of_the_scenario_is_simulated():
    """The figures of the story: 61,040.00 for the car maker, and what the four suppliers get of 80,000.00."""
    folder = shared("scenarios/supply-chain-control/contracts/terms")
    assert simulate(parse_terms((folder / "A5.json").read_bytes()), 12_500, days=2).total == 6_104_000
    found = simulate_bundle(
        parse_terms((folder / "RISK-2026.json").read_bytes()),
        income=8_000_000,
        accepted={"A1": 1_200, "A2": 3_000, "A3": 1_500, "A4": 2_400},
        quality={"A1": "A", "A2": "B", "A3": "A", "A4": "C"},
    )
    totals = read_totals(found)
    shares = {name: totals[f"did:web:{name}.example"] for name in ("p-steel", "p-stamp", "p-seat", "p-logistics")}
    assert shares == {"p-steel": 880_000, "p-stamp": 1_680_000, "p-seat": 1_040_000, "p-logistics": 1_250_000}
