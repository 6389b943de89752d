"""Amounts, rationals and splits: the vectors of revenue-share.md 4.2, and what must hold for every input."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import AmountError
from contracts.settlement.amount import MINOR_MAX, check_amount, largest_remainder, major, minor, rational, rounded
from contracts.settlement.amount import show_rational as shown

WEIGHTS = st.lists(st.fractions(min_value=0, max_value=1000), min_size=1, max_size=8).filter(any)
TOTALS = st.integers(min_value=-MINOR_MAX, max_value=MINOR_MAX)


def split(total, *weights, ties="list-order", keys="abcdefgh"):
    return largest_remainder(total, [(key, Fraction(w)) for key, w in zip(keys, weights, strict=False)], ties)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, (1, 1, 1), [34, 33, 33]),
        (-100, (1, 1, 1), [-34, -33, -33]),
        (1, (1, 1, 1), [1, 0, 0]),
        (0, (1, 2), [0, 0]),
        (10, (0, 1), [0, 10]),
        (1_000_001, (1, 1, 1), [333_334, 333_334, 333_333]),
        (10_330, (5, 3, 1), [5_739, 3_443, 1_148]),
    ],
)
def test_the_split_has_the_parts_of_the_vectors(total, weights, parts):
    assert list(split(total, *weights).values()) == parts


def test_equal_remainders_are_ordered_by_party_or_as_listed():
    assert split(10, 1, 1, 1, keys="cba", ties="party-id") == {"a": 4, "b": 3, "c": 3}
    assert split(10, 1, 1, 1, keys="cba", ties="list-order") == {"c": 4, "b": 3, "a": 3}


@pytest.mark.parametrize(("mode", "results"), [("half-even", [0, 2, 2, 2, 0, -2]), ("half-up", [1, 2, 3, 2, -1, -2])])
def test_halves_are_rounded_as_the_terms_say(mode, results):
    values = (Fraction(1, 2), Fraction(3, 2), Fraction(5, 2), Fraction(7, 3), Fraction(-1, 2), Fraction(-3, 2))
    assert [rounded(value, mode) for value in values] == results


@given(TOTALS, WEIGHTS, st.sampled_from(["party-id", "list-order"]))
def test_a_split_loses_nothing_and_is_within_one_unit_of_the_exact_shares(total, weights, ties):
    parts = split(total, *weights, ties=ties)
    whole = sum(weights)
    assert sum(parts.values()) == total
    for part, weight in zip(parts.values(), weights, strict=True):
        assert abs(part - Fraction(total) * weight / whole) < 1
        assert weight or part == 0


@given(TOTALS, WEIGHTS, st.randoms(use_true_random=False))
def test_by_party_the_order_of_the_list_does_not_matter(total, weights, random):
    listed = list(zip("abcdefgh", weights, strict=False))
    shuffled = listed[:]
    random.shuffle(shuffled)
    assert largest_remainder(total, listed, "party-id") == largest_remainder(total, shuffled, "party-id")


@given(TOTALS, WEIGHTS)
def test_a_negative_total_is_the_positive_one_negated(total, weights):
    assert split(-total, *weights) == {key: -part for key, part in split(total, *weights).items()}


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1)])
def test_weights_that_split_nothing_are_refused(weights):
    with pytest.raises(AmountError):
        split(1, *weights)


@pytest.mark.parametrize(
    ("text", "value"), [("80", 80), ("2/5", Fraction(2, 5)), ("0.8", Fraction(4, 5)), ("-3/4", Fraction(-3, 4))]
)
def test_rationals_are_exact(text, value):
    assert rational(text) == value


@pytest.mark.parametrize(
    "text", ["", "2/4", "1/0", "1e3", ".5", "0,8", "٣", "1/2/3", "01", "9" * 40, " 1", "nan", "-0/1"]
)
def test_what_is_no_exact_rational_is_refused(text):
    with pytest.raises(AmountError):
        rational(text)


@given(st.fractions(max_denominator=10**9))
def test_a_rational_reads_back_as_it_was_written(value):
    if abs(value.numerator) < 10**18:
        assert rational(shown(value)) == value


@pytest.mark.parametrize(
    ("amount", "exponent", "plain", "grouped"),
    [
        (-6_104_000, 2, "-61040.00", "-61,040.00"),
        (5, 2, "0.05", "0.05"),
        (0, 2, "0.00", "0.00"),
        (1234, 0, "1234", "1,234"),
        (1, 6, "0.000001", "0.000001"),
    ],
)
def test_amounts_are_shown_in_currency_units(amount, exponent, plain, grouped):
    assert major(amount, exponent) == plain
    assert major(amount, exponent, group=True) == grouped
    assert minor(plain, exponent) == amount


@pytest.mark.parametrize("text", ["1.001", "1,00", "", "x", "1.", "--1", "9" * 25])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(AmountError):
        minor(text, 2)


def test_amounts_beyond_the_limit_are_refused_and_never_wrapped():
    assert check_amount(MINOR_MAX, "fee") == MINOR_MAX
    for amount in (MINOR_MAX + 1, -MINOR_MAX - 1, 2**63):
        with pytest.raises(AmountError, match="fee"):
            check_amount(amount, "fee")
