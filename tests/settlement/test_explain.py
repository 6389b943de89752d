"""Terms in words: everything that a document states is said, in both languages."""

import copy
from fractions import Fraction

import pytest

from contracts.errors import TermsError
from contracts.settlement.explain import clauses, decimal, explain, share
from contracts.settlement.terms import parse_terms
from tests.shared import shared
from tests.terms import FORGE, MILL, OWNER, bundle, free, purchase, subscription, terms

# Members that can hold one value only, or two that mean the same: there is nothing to tell apart.
SILENT = {
    "version",
    "tolerance",
    "aggregation",
    "metric",
    "evidence",
    "split",
    "otherwise",
    "kind",
    "step",
    "proration",
}
OTHER = {
    "currency": "USD",
    "exponent": 3,
    "period": "P3M",
    "anchor": "2026-12-01T00:00:00+01:00",
    "timezone": "Europe/Paris",
    "fees": "half-up",
    "ties": "party-id",
    "tax": "included",
    "grace": "PT36H",
    "statementDue": "P1W",
    "onSilence": "Accept",
    "due": "2027-01",
    "of": "remaining",
    "weightBy": {"equal": "points", "points": "equal"},
    "rate": {"5/2": "3", "1200": "1300", "1/3": "1/4", "1/2": "1/5", "rest": "1/2"},
    "role": {"input": "income"},
    "model": {},
    "scheme": {},
}


def leaves(value, path=()):
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, (*path, name))
    elif isinstance(value, list):
        for place, element in enumerate(value):
            yield from leaves(element, (*path, place))
    else:
        yield path, value


def changed(document, path, value):
    """The document with another valid value at a path, None where there is no other."""
    name = next(part for part in reversed(path) if isinstance(part, str))
    other = OTHER.get(name)
    if isinstance(other, dict):
        other = other.get(value)
    elif other is None:
        other = value + 1 if isinstance(value, int) else f"{value}x"
        if str(value).startswith("did:"):
            other = MILL if value != MILL else FORGE
    if other is None:
        return None
    whole = copy.deepcopy(document)
    place = whole
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = other
    return whole


@pytest.mark.parametrize("document", [subscription(), bundle(), free(), purchase()], ids=lambda each: each["id"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_another_value_anywhere_is_another_explanation(document, lang):
    """Comparing rests on this: no two documents that mean different things are explained alike."""
    told, tried = explain(terms(document), lang), 0
    for path, value in leaves(document):
        other = changed(document, path, value) if not SILENT & set(map(str, path[-1:])) else None
        if other is None:
            continue
        try:
            others = terms(other)
        except TermsError:
            continue  # this member must agree with another one
        tried += 1
        assert explain(others, lang) != told, path
    assert tried > 10


def test_a_price_reads_as_a_person_says_it():
    """Amounts in the currency, rates exactly, included units, and when it is settled."""
    called = {MILL: "the mill", OWNER: "the owner", "press-shop-2026-11": "the torques"}
    said = clauses(terms(subscription()), "en", called.__getitem__)
    assert said["head"] == "Terms press, a subscription: the owner pays the mill for the torques."
    assert said["charges.base-fee"] == "base-fee: 300.00 EUR for each month."
    assert said["charges.parts"] == "parts: 0.025 EUR per part beyond the first 1,000 of each month."
    assert said["credits.outage"].startswith("outage: 12.00 EUR back per full calendar day without service")
    assert "half to even" in said["rounding"]
    assert said["period"].startswith("Settled is each month, counted from 2026-11-01T00:00:00+01:00 in Europe/Berlin")


def test_the_waterfall_reads_in_the_order_in_which_it_runs():
    said = explain(terms(bundle()), "en")
    order = [
        "operator-share",
        "pool: what is left",
        "base: 50 %",
        "by-points: the rest",
        "floor: if base and by-points",
    ]
    places = [next(place for place, each in enumerate(said) if start in each) for start in order]
    assert places == sorted(places)
    assert "takes 1/3 of the net income" in said[places[0]]
    assert "X 1 and Y 1/3" in clauses(terms(bundle()), "en")["points"]


@pytest.mark.parametrize("name", ["A5", "A5-asked", "A6", "A7", "RISK-2026", "free", "reciprocal"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_terms_of_the_scenario_are_explained_without_a_gap(name, lang):
    body = shared(f"scenarios/supply-chain-control/contracts/terms/{name}.json").read_bytes()
    for each in explain(parse_terms(body), lang):
        assert "{" not in each
        assert "None" not in each


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Fraction(4, 5), 2, "0.80"),
        (Fraction(1, 400), 2, "0.0025"),
        (Fraction(16, 3), 2, "16/3"),
        (Fraction(60000), 2, "60,000.00"),
        (Fraction(0), 0, "0"),
    ],
)
def test_exact_numbers_are_decimals_where_they_end(value, places, text):
    assert decimal(value, places) == text


@pytest.mark.parametrize(("rate", "text"), [("2/5", "40 %"), ("1/3", "1/3"), ("1/1000", "0.1 %"), ("1", "100 %")])
def test_a_share_is_a_percentage_where_that_is_exact(rate, text):
    assert share(Fraction(rate)) == text
