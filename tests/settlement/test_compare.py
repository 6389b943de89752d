"""Two terms side by side: only what differs, in sentences and in money."""

import pytest

from contracts.settlement.compare import compare, money_difference
from contracts.settlement.terms import parse_terms
from policies.canonical import canonical
from tests.shared import shared
from tests.terms import bundle, free, purchase, subscription, terms


def test_the_same_document_differs_in_nothing():
    assert compare(terms(subscription()), terms(subscription()), "en") == []


def test_only_the_clause_that_differs_is_said():
    (told,) = compare(terms(subscription()), terms(subscription(free=1_500)), "en")
    assert told == (
        "Offered: parts: 0.025 EUR per part beyond the first 1,000 of each month. "
        "Asked: parts: 0.025 EUR per part beyond the first 1,500 of each month."
    )
    (told,) = compare(terms(subscription()), terms(subscription(free=1_500)), "zh")
    assert told.startswith("要约：")


def test_a_clause_of_one_side_is_named_as_such():
    offered, asked = terms(subscription(credits=[])), terms(subscription())
    (told,) = compare(offered, asked, "en")
    assert told.startswith("Only asked: outage: 12.00 EUR back")
    (told,) = compare(asked, offered, "en")
    assert told.startswith("Only offered: outage")


def test_another_form_of_the_same_is_said_to_be_that():
    """Two digests, one meaning: nobody need look for a difference that is none."""
    charges = [{**charge, "proration": "none"} if "fixed" in charge else charge for charge in subscription()["charges"]]
    one, other = terms(subscription()), terms(subscription(charges=charges))
    (told,) = compare(one, other, "en")
    assert one.digest in told
    assert other.digest in told


def test_a_bundle_is_compared_clause_by_clause():
    changed = bundle()
    changed["points"] = {**changed["points"], "qualityFactor": {"X": "1", "Y": "1/2"}}
    (told,) = compare(terms(bundle()), terms(changed), "en")
    assert "Y 1/3" in told
    assert "Y 0.5" in told
    assert money_difference(terms(bundle()), terms(changed)) == []


def test_money_is_shown_around_what_either_side_includes():
    """300 + 2.5 cents beyond 1,000 against 1,500: below both nothing differs, beyond both 12.50."""
    rows = money_difference(terms(subscription()), terms(subscription(free=1_500)))
    assert [row.volume for row in rows] == [750, 1_000, 1_125, 1_250, 1_500, 1_875]
    assert [row.difference for row in rows] == [0, 0, -312, -625, -1_250, -1_250]  # half-even: 312.5 is 312
    assert {row.unit for row in rows} == {"part"}
    assert (rows[-1].offered, rows[-1].asked) == (32_188, 30_938)  # 2187.5 is 2188, 937.5 is 938


def test_stated_volumes_take_the_place_of_the_examples():
    (row,) = money_difference(terms(subscription()), terms(subscription(fixed=20_000)), [2_000])
    assert (row.offered, row.asked, row.difference) == (32_500, 22_500, -10_000)


def test_other_credits_are_shown_with_days_without_service():
    rows = money_difference(terms(subscription()), terms(subscription(credits=[])), [1_000])
    assert [(row.days, row.difference) for row in rows] == [(0, 0), (1, 1_200), (2, 2_400)]


def test_a_single_payment_is_compared_in_the_period_in_which_it_is_due():
    cheaper = purchase(charges=[{"id": "price", "scheme": "Fixed", "fixed": 80_000, "due": "2027-01"}])
    (row,) = money_difference(terms(purchase()), terms(cheaper))
    assert row.difference == -19_900


@pytest.mark.parametrize(
    "asked",
    [subscription(currency="USD"), subscription(payer="did:web:p-oem.example"), bundle()],
    ids=["currency", "payer", "bundle"],
)
def test_what_cannot_be_set_against_each_other_is_not(asked):
    assert money_difference(terms(subscription()), terms(asked)) == []


def test_free_terms_are_set_against_a_price():
    """A side that asks for nothing to be charged saves all of it."""
    rows = money_difference(terms(subscription()), terms(free()), [1_000])
    assert (rows[0].offered, rows[0].asked) == (30_000, 0)


def test_the_counter_offer_of_the_scenario():
    """12,000 scores included are asked, 10,000 offered: at 12,500 scores that is 1,600.00 CNY."""
    folder = shared("scenarios/supply-chain-control/contracts/terms")
    offered, asked = (parse_terms((folder / f"{name}.json").read_bytes()) for name in ("A5", "A5-asked"))
    assert canonical(dict(offered.document)) != canonical(dict(asked.document))
    (told,) = compare(offered, asked, "en")
    assert "10,000" in told
    assert "12,000" in told
    rows = {row.volume: row for row in money_difference(offered, asked)}
    assert (rows[12_500].offered, rows[12_500].asked, rows[12_500].difference) == (6_200_000, 6_040_000, -160_000)
    assert rows[10_000].difference == 0
