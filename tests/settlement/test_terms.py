"""Terms are read strictly: what cannot be settled is refused with the member that says it, before anybody agrees."""

import copy
import json
from datetime import UTC, datetime

import pytest

from contracts.errors import PeriodError, TermsError
from contracts.settlement.period import period_at, period_number, period_of, written
from contracts.settlement.terms import Bundle, Terms, parse_terms, read_terms
from policies.canonical import canonical
from tests.settling import expected
from tests.settling import terms as body

NAMES = ("A5", "A5-asked", "A6", "A7", "free", "reciprocal", "RISK-2026")
ZHENGSHU, OEM = "did:web:s-zhengshu.example", "did:web:p-oem.example"


def document(name):
    return copy.deepcopy(json.loads(body(name)))


def changed(name, path, value):
    """A terms document with one member replaced; `...` removes it."""
    made = document(name)
    place = made
    *way, last = path
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_of_the_scenario_are_read_and_have_their_digest(name):
    found = parse_terms(body(name))
    assert found.digest == expected()["contracts"]["terms"][name]
    assert found.document == document(name)


def test_what_the_terms_say_is_there_to_compute_with():
    a5, bundle = parse_terms(body("A5")), parse_terms(body("RISK-2026"))
    assert isinstance(a5, Terms)
    assert (a5.payer, a5.payee, a5.meter.unit, a5.charges[1].free, a5.credits[0].rate) == (
        OEM,
        ZHENGSHU,
        "score",
        10_000,
        48_000,
    )
    assert isinstance(bundle, Bundle)
    assert bundle.slot_of(ZHENGSHU, OEM, a5.product).ref == "A5"
    assert [part.id for part in bundle.pool.parts] == ["base", "contribution"]


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        # another kind or member
        ("A5", ["model"], "Auction", "model"),
        ("A5", ["charges", 0, "scheme"], "Graduated", "charges[0]"),
        ("A5", ["charges", 0, "proration"], "time", "charges[0].proration"),
        ("A5", ["charges", 1, "tiers"], [], "charges[1].tiers"),
        ("A5", ["surprise"], 1, "surprise"),
        ("A5", ["charges", 1, "meter", "metric"], "bytes", "charges[1].meter.metric"),
        ("A5", ["charges", 1, "meter", "aggregation"], "max", "charges[1].meter.aggregation"),
        ("A5", ["charges", 1, "meter", "evidence"], "ConsumerDeclared", "charges[1].meter"),
        ("RISK-2026", ["waterfall", 0, "step"], "Recoup", "waterfall[0]"),
        ("RISK-2026", ["adjustments", 0, "kind"], "Cap", "adjustments[0].kind"),
        # amounts and rates
        ("A5", ["charges", 0, "fixed"], -1, "charges[0]"),
        ("A5", ["charges", 0, "fixed"], "6000000", "charges[0]"),
        ("A5", ["charges", 0, "fixed"], 2**63, "charges[0]"),
        ("A5", ["charges", 1, "rate"], "-80", "charges[1].rate"),
        ("A5", ["charges", 1, "rate"], 80, "charges[1].rate"),
        ("A5", ["charges", 1, "rate"], "2/4", "charges[1].rate"),
        ("A5", ["charges", 1, "per"], 0, "charges[1].per"),
        ("A5", ["charges", 1, "free"], -1, "charges[1].free"),
        ("A5", ["exponent"], 40, "exponent"),
        ("A5", ["currency"], "yuan", "currency"),
        # weights that do not sum
        ("RISK-2026", ["waterfall", 1, "parts", 0, "rate"], "6/5", "waterfall[1]"),
        ("RISK-2026", ["waterfall", 1, "parts", 1, "rate"], "3/5", "waterfall[1]"),
        ("RISK-2026", ["waterfall", 1, "parts", 0, "rate"], "rest", "waterfall[1]"),
        # zones and dates
        ("A5", ["timezone"], "Asia/Atlantis", "timezone"),
        ("A5", ["timezone"], "Europe/Berlin", "anchor"),
        ("A5", ["anchor"], "2026-02-30T00:00:00+08:00", "anchor"),
        ("A5", ["anchor"], "2026-10-01T00:00:00", "anchor"),
        ("A5", ["period"], "P0M", "period"),
        ("A5", ["period"], "monthly", "period"),
        ("A5", ["grace"], "PT0S", "grace"),
        ("A7", ["charges", 0, "due"], "2026-13", "due"),
        ("A7", ["charges", 0, "due"], "2026-09", "due"),
        # no default
        ("A5", ["rounding"], ..., "rounding"),
        ("A5", ["rounding", "fees"], "down", "rounding.fees"),
        ("A5", ["tolerance"], 1, "tolerance"),
        # parties
        ("A5", ["payer"], ..., "payer"),
        ("A5", ["payee"], OEM, "payee"),
        ("A5", ["payer"], "p-oem", "payer"),
        ("free", ["charges"], [{"id": "x", "scheme": "Fixed", "fixed": 1}], "charges"),
        ("reciprocal", ["inReturnFor"], ..., "model"),
        ("reciprocal", ["inReturnFor"], "RISK-2026", "inReturnFor"),
        ("RISK-2026", ["signatories"], [ZHENGSHU, OEM], "signatories"),
        ("RISK-2026", ["operator"], "did:web:somebody.example", "signatories"),
        ("RISK-2026", ["income", "refs"], ["A9"], "income"),
        ("RISK-2026", ["waterfall", 1, "refs"], ["A1", "A5"], "waterfall"),
        ("RISK-2026", ["waterfall", 1, "refs"], ["A1", "A1"], "waterfall"),
        ("RISK-2026", ["agreements", 1, "ref"], "A1", "agreements"),
        ("RISK-2026", ["adjustments", 0, "ref"], "A5", "adjustments"),
        ("RISK-2026", ["adjustments", 0, "over"], ["bonus"], "adjustments"),
        ("RISK-2026", ["points", "qualityFactor"], {}, "points.qualityFactor"),
        ("A5", ["charges", 1, "id"], "subscription", "charges"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_settled_are_refused_with_the_member(name, path, value, said):
    with pytest.raises(TermsError) as caught:
        read_terms(changed(name, path, value))
    # The path, or a sentence about the whole that begins with the member.
    told = f"{caught.value.path}: {caught.value.problem}"
    assert said.split(".")[-1].split("[")[0] in told, told
    assert caught.value.problem


@pytest.mark.parametrize(
    "mangled",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        body("free") + b"\n",
        b" " + body("free"),
        body("free").replace(b'"charges"', b'"charges" '),
        b"\xff",
    ],
)
def test_bytes_that_are_not_the_canonical_form_are_refused(mangled):
    with pytest.raises(TermsError):
        parse_terms(mangled)


def test_floats_have_no_canonical_form():
    with pytest.raises(TermsError):
        parse_terms(body("A5").replace(b'"per":1', b'"per":1.5'))
    with pytest.raises(TermsError):
        read_terms({**document("A5"), "exponent": 2.0})


def test_periods_are_counted_from_the_anchor_in_the_zone_of_the_terms():
    a5 = parse_terms(body("A5"))
    october = period_of(a5, "2026-10")
    assert (written(october.start), written(october.end)) == ("2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00")
    assert period_at(a5, datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)).label == "2026-10"
    assert period_at(a5, datetime(2026, 10, 31, 16, 0, tzinfo=UTC)).label == "2026-11"
    assert len(october.days) == 31


@pytest.mark.parametrize("label", ["2026-09", "2026-13", "2026-1", "2026", "", "2026-10-01", "10/2026", "9999-12"])
def test_a_label_that_names_no_period_is_refused(label):
    if label == "9999-12":  # its end lies beyond the calendar
        label = "10000-01"
    with pytest.raises(PeriodError):
        period_of(parse_terms(body("A5")), label)


def test_a_day_that_a_month_lacks_is_its_last_one():
    made = document("free") | {"anchor": "2026-01-31T00:00:00+08:00"}
    terms = read_terms(made)
    starts = [written(period_number(terms, k).start)[:10] for k in range(4)]
    assert starts == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert [period_of(terms, label).label for label in ("2026-02", "2026-04")] == ["2026-02", "2026-04"]


def test_a_period_keeps_its_local_hour_over_a_change_of_clocks():
    made = document("free") | {"anchor": "2026-10-01T00:00:00+02:00", "timezone": "Europe/Berlin"}
    terms = read_terms(made)
    assert written(period_number(terms, 1).start) == "2026-11-01T00:00:00+01:00"


@pytest.mark.parametrize(
    ("length", "label", "start"),
    [
        ("P1Y", "2027", "2027-10-01"),
        ("P2W", "2026-10-15", "2026-10-15"),
        ("P3M", "2027-01-01", "2027-01-01"),
        ("P10D", "2026-10-11", "2026-10-11"),
    ],
)
def test_other_lengths_have_names_of_their_own(length, label, start):
    terms = read_terms(document("free") | {"period": length})
    second = period_number(terms, 1)
    assert (second.label, written(second.start)[:10]) == (label, start)
    assert period_of(terms, label) == second


def test_the_same_document_gives_the_same_digest_in_any_order_of_members():
    made = document("A5")
    assert read_terms(dict(reversed(made.items()))).digest == parse_terms(canonical(made)).digest
