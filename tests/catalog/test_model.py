"""The record: what is refused, what is derived, what is equal."""

import json

import pytest
from pydantic import ValidationError

from catalog.model import Dataset, Keyword, Offer, Price, best, price_of
from tests.catalog.samples import BUNDLE, DATASET, OEM, STEEL, TERMS, TRANSFORM, document, simple
from tests.shared import shared


def test_digests_come_from_the_document():
    """What an offer names is read from its policy: its own terms first."""
    offer = DATASET.offers[1]
    assert offer.terms == (TERMS, BUNDLE)
    assert offer.transforms == (TRANSFORM,)


def test_equal_content_is_an_equal_record():
    """Order of keywords, offers and inputs, and the offset of a time, make no difference."""
    other = DATASET.to_dict()
    for name in ("keywords", "offers", "inputs"):
        other[name].reverse()
    other["modified"] = "2026-11-10T01:00:00Z"
    assert Dataset.model_validate(other) == DATASET
    assert DATASET.digest() == Dataset.model_validate(other).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"title": {}},
        {"title": {"ZH": "x"}},
        {"rows": -1},
        {"sha256": "ABC"},
        {"modified": "2026-11-10T01:00:00"},
        {"columns": [{"name": "a"}, {"name": "a"}]},
        {"colour": "red"},
    ],
)
def test_what_is_no_dataset_is_refused(change):
    """Empty texts, unknown members, a time without offset, two columns of one name."""
    with pytest.raises(ValidationError):
        Dataset.model_validate({**DATASET.to_dict(), **change})


@pytest.mark.parametrize("change", [{"target": "x"}, {"@id": "other"}, {"@type": "Agreement"}])
def test_what_is_no_offer_of_a_dataset_is_refused(change):
    """No target, and the id and type it says."""
    with pytest.raises(ValidationError):
        Offer(id="o", document=document("o") | change)


def test_two_offers_with_one_id_are_refused():
    """An offer id is unique."""
    offer = Offer(id="o", document=document("o"))
    with pytest.raises(ValidationError):
        Dataset(id="x", owner=STEEL, title={"en": "x"}, description={"en": "x"}, offers=(offer, offer))


def test_keywords_may_be_written_in_three_ways():
    """By language, plain, or with their tag."""
    given = simple("x", keywords=[{"zh": "钢卷", "en": "coil"}, "S235JR", {"text": "钢", "lang": "zh"}])
    expected = (Keyword(text="S235JR"), Keyword(text="coil", lang="en"), Keyword(text="钢", lang="zh"))
    assert (*expected, Keyword(text="钢卷", lang="zh")) == given.keywords


def test_a_viewer_sees_its_own_offers():
    """Offers for others are not in its view."""
    assert len(DATASET.for_viewer(OEM).offers) == 2
    assert len(DATASET.for_viewer("did:web:other.example").offers) == 1


def test_the_best_text_for_a_language():
    """The language asked for, else Chinese, English, none, any."""
    assert best(DATASET.title, "en") == "Coil quality"
    assert best(DATASET.title, "de") == "钢卷质量"
    assert best({"de": "Spule"}) == "Spule"


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("free", Price(kind="Free")),
        ("reciprocal", Price(kind="Reciprocal")),
        ("RISK-2026", Price(kind="RevenueShare")),
        ("A5", Price(kind="Subscription", amount="60000.00", currency="CNY")),
        ("A7", Price(kind="Purchase", amount="5000.00", currency="CNY")),
    ],
)
def test_prices_of_the_scenario(name, price):
    """A price is the model of the terms and its first charge, as text."""
    terms = json.loads(
        shared(f"scenarios/supply-chain-control/contracts/terms/{name}.json").read_text(encoding="utf-8")
    )
    assert price == price_of(terms)


@pytest.mark.parametrize(
    ("charge", "amount"),
    [
        ({"rate": "80"}, "0.80"),
        ({"rate": "0.5"}, "0.005"),
        ({"rate": "16/3"}, None),
        ({"fixed": 0}, "0.00"),
        ({}, None),
    ],
)
def test_rates(charge, amount):
    """Minor units become a decimal text; an exact fraction is not shown as one."""
    terms = {"model": "Metered", "currency": "CNY", "exponent": 2, "charges": [charge]}
    assert Price(kind="Metered", amount=amount, currency="CNY" if amount else None) == price_of(terms)


def test_terms_without_a_model_have_no_price():
    """Nothing is guessed."""
    assert price_of({"charges": []}) is None
