"""Figures worked out by hand, with other names and prices than the scenario's: they need no shared data."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import AmountError, InputError, PeriodError, TermsError
from contracts.settlement.bundle import Books, bundle_statement, differences, period_input
from contracts.settlement.inputs import read_input
from contracts.settlement.lines import read_lines
from contracts.settlement.metering import Usage, metered
from contracts.settlement.period import period_at, period_number, period_of
from contracts.settlement.positions import my_lines, net_positions
from contracts.settlement.seals import bundle_seal, statement_seal, unsigned
from contracts.settlement.statement import statement
from contracts.settlement.terms import check_terms, read_terms
from policies.canonical import digest_of
from tests.terms import FORGE, MILL, OWNER, bundle, free, purchase, subscription

BUYER = "did:web:p-oem.example"
EQUAL = {"id": "base", "rate": "1/5", "weightBy": "equal"}
BY_POINTS = {"id": "contribution", "rate": "rest", "weightBy": "points"}


def counted(ref, accepted):
    return metered([Usage(f"{ref}-1", ref, "2026-11-03T08:00:00+01:00", "part", accepted, 0)])


def record_of(terms, declared, points):
    """A record of November with a declared income; `points` are (accepted, grade) by ref."""
    usage = {ref: counted(ref, accepted) for ref, (accepted, _) in points.items()}
    books = Books(usage, {ref: grade for ref, (_, grade) in points.items()}, {})
    return period_input(terms, period_of(terms, "2026-11"), books=books, declared=declared)


def by_party(document, *kinds):
    """Amounts of a statement by (party, kind)."""
    return {(line.party, line.kind): line.amount for line in read_lines(document) if not kinds or line.kind in kinds}


def poured(waterfall, declared, points, *, refs=("I1", "I2"), **members):
    """The statement of a bundle with these steps before a pool over `refs`."""
    pool = {"step": "Pool", "id": "pool", "parts": [EQUAL, BY_POINTS], "refs": list(refs), **members.pop("pool", {})}
    made = read_terms(bundle(waterfall=[*waterfall, pool], **{"adjustments": [], **members}))
    return bundle_statement(made, record_of(made, declared, points))


def test_a_third_to_the_operator_then_half_alike_and_half_by_points():
    """100,001: a third is 33,334, half of the 66,667 left is 33,334 (half-even), and 33,333 go 300 : 100."""
    terms = read_terms(bundle())
    found = bundle_statement(terms, record_of(terms, 100_001, {"I1": (300, "X"), "I2": (300, "Y")}))
    assert found["waterfall"] == {
        "netIncome": 100_001,
        "operatorShare": 33_334,
        "pool": 66_667,
        "basePool": 33_334,
        "byPointsPool": 33_333,
        "pointsTotal": "400",
        "shares": [
            {
                "ref": "I1",
                "party": MILL,
                "points": "300",
                "base": 16_667,
                "byPoints": 25_000,
                "byPointsExact": "99999/4",
            },
            {
                "ref": "I2",
                "party": FORGE,
                "points": "100",
                "base": 16_667,
                "byPoints": 8_333,
                "byPointsExact": "33333/4",
            },
        ],
    }
    assert by_party(found, "floor", "declared-income", "operator-share") == {
        (FORGE, "floor"): 15_000,
        (OWNER, "floor"): -15_000,
        (OWNER, "declared-income"): -100_001,
        (OWNER, "operator-share"): 33_334,
    }
    assert {total["party"]: total["amount"] for total in found["totals"]} == {
        MILL: 41_667,
        FORGE: 40_000,
        OWNER: -81_667,
        BUYER: 0,
    }


HALF_UP = {"rounding": {"fees": "half-up", "split": "largest-remainder", "ties": "party-id"}}


def test_the_parts_of_a_pool_and_its_floors_are_those_of_the_reference():
    """revenue-share.md 4.2: 101 in a fifth alike and the rest 3 : 1; a floor of 50 over 10 + 20 and over 10 + 61."""
    floors = [
        {"id": "floor", "kind": "Floor", "ref": ref, "party": party, "minimum": 50, "payer": OWNER, "over": over}
        for ref, party, over in (("I1", MILL, ["base", "contribution"]), ("I2", FORGE, ["base", "contribution"]))
    ]
    points = {"I1": (3, "X"), "I2": (1, "X")}
    found = by_party(poured([], 101, points, adjustments=floors, **HALF_UP))
    assert found == {
        (FORGE, "base"): 10,
        (FORGE, "contribution"): 20,
        (FORGE, "floor"): 20,
        (MILL, "base"): 10,
        (MILL, "contribution"): 61,
        (OWNER, "declared-income"): -101,
        (OWNER, "floor"): -20,
    }


@pytest.mark.parametrize(
    ("net", "steps", "shares"),
    [
        (10, [10, 0], [0, 0, 0]),
        (51, [50, 0], [1, 0, 0]),
        (999, [50, 474], [159, 158, 158]),
        (10_000_000, [100_000, 4_950_000], [1_650_000, 1_650_000, 1_650_000]),
    ],
)
def test_percentages_have_their_floor_and_cap_and_never_take_more_than_is_left(net, steps, shares):
    """revenue-share.md 4.2: 2.5 % of the net income, at least 50, at most 100,000; half of the rest; then thirds."""
    agreements = bundle()["agreements"]
    agreements.append({"ref": "I3", "role": "input", "provider": BUYER, "consumer": OWNER, "product": "third"})
    percents = [
        {"step": "Percent", "id": "fee", "to": OWNER, "of": "net", "rate": "1/40", "floor": 50, "cap": 100_000},
        {"step": "Percent", "id": "half", "to": OWNER, "of": "remaining", "rate": "1/2"},
    ]
    alike = {"parts": [{"id": "alike", "rate": "rest", "weightBy": "equal"}]}
    points = dict.fromkeys(("I1", "I2", "I3"), (1, "X"))
    found = poured(percents, net, points, refs=("I1", "I2", "I3"), agreements=agreements, pool=alike)
    assert [found["waterfall"]["fee"], found["waterfall"]["half"]] == steps
    assert [share["alike"] for share in found["waterfall"]["shares"]] == shares


def test_parts_that_make_one_without_a_rest_lose_nothing():
    parts = [{"id": name, "rate": "1/3", "weightBy": "equal"} for name in ("a", "b", "c")]
    found = poured([], 100, {"I1": (1, "X"), "I2": (1, "X")}, pool={"parts": parts})["waterfall"]
    assert [found[f"{name}Pool"] for name in "abc"] == [34, 33, 33]


def billed(document, *, label="2026-11", accepted=0, days=(), **members):
    terms = read_terms(document)
    return statement(
        terms,
        ref=terms.id,
        period=period_of(terms, label),
        usage=counted(terms.id, accepted) if terms.meter else None,
        days=list(days) if terms.credits_days else None,
        **members,
    )


@pytest.mark.parametrize(
    ("accepted", "days", "lines"),
    [
        (1_000, 0, {"base-fee": 30_000}),
        (1_001, 0, {"base-fee": 30_000, "parts": 2}),
        (1_003, 0, {"base-fee": 30_000, "parts": 8}),
        (1_005, 2, {"base-fee": 30_000, "parts": 12, "outage": -2_400}),
        (0, 30, {"base-fee": 30_000, "outage": -30_000}),
    ],
)
def test_a_line_is_rounded_once_and_credits_are_at_most_the_charges(accepted, days, lines):
    """Two and a half cents for each part beyond 1,000, half-even: 2.5 is 2, 7.5 is 8, 12.5 is 12."""
    found = billed(subscription(), accepted=accepted, days=[f"2026-11-{day + 1:02d}" for day in range(days)])
    assert {line.kind: line.amount for line in read_lines(found) if line.party == MILL} == lines
    assert {line.kind: -line.amount for line in read_lines(found) if line.party == OWNER} == lines
    assert found["sum"] == 0


def test_a_purchase_is_due_once():
    assert by_party(billed(purchase(), label="2026-12")) == {(OWNER, "price"): -99_900, (MILL, "price"): 99_900}
    assert billed(purchase(), label="2026-11") is None
    assert billed(purchase(), label="2027-12") is None


def test_a_statement_that_no_document_can_hold_is_refused():
    with pytest.raises(AmountError, match="parts"):
        billed(subscription(rate=str(2**50)), accepted=10_000)
    terms = read_terms(subscription(rate="0"))
    many = metered([Usage(name, "press", "2026-11-03T08:00:00+01:00", "part", 2**52, 0) for name in "ab"])
    with pytest.raises(AmountError, match=r"usage\.accepted"):
        statement(terms, ref="press", period=period_of(terms, "2026-11"), usage=many, days=[])


SOLD = {"product": "index", "payer": BUYER, "payee": OWNER}


def settled(**changes):
    """A bundle, its record of a month with one income statement, and the books of whoever holds all of it."""
    terms = read_terms(bundle())
    sold = billed(subscription(**SOLD, id="S1"), accepted=1_400, days=["2026-11-09"], settled_in=terms.id)
    books = Books({"I1": counted("I1", 10), "I2": counted("I2", 20)}, {"I1": "X", "I2": "Y"}, {"S1": sold})
    return terms, period_input(terms, period_of(terms, "2026-11"), books=books, **changes), books


def test_a_right_digest_beside_wrong_amounts_is_seen_by_the_payer():
    terms, record, books = settled()
    altered = record.document()
    for line in altered["income"][0]["lines"]:
        line["amount"] += 700 if line["kind"] == "base-fee" else 0
    altered["netIncome"] += 700
    found = differences(terms, read_input(altered), member=BUYER, books=books)
    assert [(each.ref, each.member, each.recorded, each.own) for each in found] == [
        ("S1", "base-fee", "30700", "30000")
    ]
    moved = copy.deepcopy(record.document())
    moved["availability"][0]["fullDaysWithoutService"] = ["2026-11-10"]
    (day,) = differences(terms, read_input(moved), member=BUYER, books=books)
    assert (day.member, day.recorded, day.own) == ("fullDaysWithoutService", "2026-11-10", "2026-11-09")


def test_each_member_judges_its_own_rows_and_the_operator_all():
    terms, record, books = settled()
    nothing = Books({}, {}, {})
    rows = {
        party: {each.ref for each in differences(terms, record, member=party, books=nothing)}
        for party in terms.signatories
    }
    assert rows == {MILL: {"I1"}, FORGE: {"I2"}, BUYER: {"S1"}, OWNER: {"I1", "I2", "S1"}}
    assert all(differences(terms, record, member=party, books=books) == () for party in terms.signatories)


def test_a_record_that_leaves_out_a_statement_differs_for_its_payer():
    terms, _, books = settled()
    without = Books(books.usage, books.quality, {})
    record = period_input(terms, period_of(terms, "2026-11"), books=without, declared=31_000)
    found = differences(terms, record, member=BUYER, books=books)
    assert ("statement", "-", digest_of(books.statements["S1"])) in {
        (each.member, each.recorded, each.own) for each in found
    }


@pytest.mark.parametrize(("missing", "said"), [("usage", "usage"), ("quality", "grade")])
def test_a_record_needs_the_usage_and_the_grade_of_every_share(missing, said):
    terms, _, books = settled()
    held = {"usage": books.usage, "quality": books.quality, "statements": books.statements}
    held[missing] = {ref: value for ref, value in held[missing].items() if ref != "I2"}
    with pytest.raises(InputError, match=said) as caught:
        period_input(terms, period_of(terms, "2026-11"), books=Books(**held))
    assert caught.value.member == "contributions.I2"


def test_income_is_never_inferred():
    terms, _, books = settled()
    with pytest.raises(InputError, match="declaredIncome"):
        period_input(terms, period_of(terms, "2026-11"), books=Books(books.usage, books.quality, {}))
    with pytest.raises(InputError, match="declaredIncome"):
        settled(declared=0)


def test_a_declared_loss_is_the_operators_and_nobody_pays_for_it():
    terms = read_terms(bundle(adjustments=[]))
    found = bundle_statement(terms, record_of(terms, -500, {"I1": (1, "X"), "I2": (1, "X")}))
    assert {party: amount for (party, _), amount in by_party(found).items() if amount} == {OWNER: -500}
    assert by_party(found, "loss", "declared-income") == {(OWNER, "loss"): -500, (OWNER, "declared-income"): 500}
    assert found["sum"] == 0


def test_null_is_no_value():
    assert [(each.path, each.problem[:7]) for each in check_terms(free(payer=None))] == [("payer", "is null")]
    with pytest.raises(TermsError, match=r"charges\[1\]\.due"):
        document = subscription()
        document["charges"][1]["due"] = None
        read_terms(document)
    record = settled()[1].document()
    record["replaces"] = None
    with pytest.raises(InputError, match="replaces"):
        read_input(record)


@pytest.mark.parametrize("member", ["version", "type", "operator", "netIncome", "contributions"])
def test_no_member_of_a_record_has_a_default(member):
    record = settled()[1].document()
    del record[member]
    with pytest.raises(InputError, match=member):
        read_input(record)


def test_every_fault_of_terms_is_told_at_once():
    document = subscription(currency="yuan", exponent=40)
    document["charges"][1]["tiers"] = []
    assert [each.path for each in check_terms(document)] == ["currency", "exponent", "charges[1].tiers"]
    assert check_terms(subscription()) == check_terms(bundle()) == []


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        ({"step": "loss"}, "loss"),
        ({"step": "shares"}, "shares"),
        ({"part": "operator.share"}, None),
        ({"part": "points"}, "points"),
        ({"step": "base-pool", "part": "base"}, "basePool"),
    ],
)
def test_ids_that_would_stand_for_two_members_of_a_statement_are_refused(ids, problem):
    document = bundle()
    document["waterfall"][0]["id"] = ids.get("step", "operator-share")
    document["waterfall"][1]["parts"][0]["id"] = ids.get("part", "base")
    document["adjustments"] = []
    found = check_terms(document)
    assert [problem in each.problem for each in found] == ([True] if problem else [])


def test_what_a_bundle_repeats_is_not_counted_twice():
    terms, record, books = settled()
    whole = bundle_statement(terms, record)
    sold, bought = books.statements["S1"], billed(purchase(), label="2026-12")
    assert net_positions([sold, whole]) == net_positions([whole])
    assert net_positions([sold])["EUR", 2] == {BUYER: -29_800, OWNER: 29_800}
    both = net_positions([bought, whole, sold])["EUR", 2]
    assert sum(both.values()) == 0
    assert both[MILL] == sum(line.amount for line in my_lines([whole, sold, bought], MILL))


def test_seals_say_who_signed_what_and_the_missing_are_named():
    terms = read_terms(bundle())
    assert bundle_seal(terms.digest, signatory=MILL, signed_at="2026-11-30T00:00:00Z") == {
        "typ": "bundle-seal/1",
        "terms": terms.digest,
        "signatory": MILL,
        "signedAt": "2026-11-30T00:00:00Z",
    }
    seal = statement_seal("s", agreements=["b", "a"], signatory=MILL, checkpoint="c", signed_at="t")
    assert seal["agreements"] == ["a", "b"]
    assert unsigned(terms, {MILL, OWNER, BUYER}) == (FORGE,)
    assert unsigned(terms, set(terms.signatories)) == ()


ANCHORS = [
    "2024-01-31T00:00:00+01:00",
    "2026-03-29T01:30:00+01:00",
    "2026-10-25T02:30:00+02:00",
    "2024-02-29T23:59:59+01:00",
]


@given(
    st.sampled_from(ANCHORS),
    st.sampled_from(["P1D", "P1W", "P10D", "P1M", "P3M", "P1Y"]),
    st.integers(min_value=0, max_value=400),
)
def test_every_instant_belongs_to_one_period_also_when_clocks_change(anchor, length, k):
    terms = read_terms(free(anchor=anchor, period=length))
    period, following = period_number(terms, k), period_number(terms, k + 1)
    assert period.end == following.start
    start, end = period.start.astimezone(UTC), period.end.astimezone(UTC)
    for moment in (start, start + (end - start) // 2, end - timedelta(seconds=1)):
        assert period_at(terms, moment) == period_at(terms, moment.astimezone(terms.zone)) == period
        assert period.holds(moment)
        assert period.holds(moment.astimezone(terms.zone))
    assert period_at(terms, end) == following
    assert not period.holds(end)
    assert period_of(terms, period.label) == period


def test_an_hour_that_clocks_strike_twice_is_told_apart():
    """The anchor is the first 02:30 of that night: the first 02:15 is before it, the second one an hour later is not."""
    terms = read_terms(free(anchor="2026-10-25T02:30:00+02:00", period="P1D"))
    first = datetime(2026, 10, 25, 2, 15, tzinfo=terms.zone)
    with pytest.raises(PeriodError):
        period_at(terms, first)
    assert period_at(terms, first.replace(fold=1)) == period_number(terms, 0)
    assert not period_number(terms, 0).holds(first)
    assert period_number(terms, 0).holds(first.replace(fold=1))
