"""Statements as pure functions: the documents of the scenario byte for byte, and what must hold for every month."""

import copy
import csv
import io
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.settlement.amount import largest_remainder
from contracts.settlement.bundle import Books, bundle_statement, check_input, differences, period_input
from contracts.settlement.contribution import points
from contracts.settlement.export import csv_of
from contracts.settlement.inputs import read_input
from contracts.settlement.lines import read_lines
from contracts.settlement.metering import metered, read_ledger
from contracts.settlement.period import period_of
from contracts.settlement.positions import my_lines, net_positions
from contracts.settlement.statement import statement
from contracts.settlement.terms import parse_terms
from contracts.settlement.waterfall import flow
from policies.canonical import canonical, digest_of
from tests.pair import did
from tests.settling import GRADES, NAMES, OCTOBER, OUTAGES, expected, names, scenario
from tests.settling import terms as body

NOVEMBER = "2026-11"
BUNDLE = parse_terms(body("RISK-2026"))
PARTIES = {name: did(name) for name in NAMES}


def figures(label=OCTOBER):
    return expected()["settlement"][label]


def usage(label=OCTOBER):
    """The books of a month, by ref."""
    found = defaultdict(list)
    for row in read_ledger(scenario(f"data/metering_{label}.csv").read_bytes(), names=names()).rows:
        found[row.usage.ref].append(row.usage)
    return {ref: metered(rows) for ref, rows in found.items()}


def bilateral(ref, **changes):
    terms = parse_terms(body(ref))
    return statement(
        terms,
        **{
            "ref": ref,
            "period": period_of(terms, OCTOBER),
            "usage": usage().get(ref),
            "days": OUTAGES if ref == "A5" else None,
            "settled_in": None if ref == "A7" else "RISK-2026",
            **changes,
        },
    )


def record(label=OCTOBER, **changes):
    income = {ref: bilateral(ref) for ref in ("A5", "A6")} if label == OCTOBER else {}
    made = period_input(
        BUNDLE,
        period_of(BUNDLE, label),
        books=Books(usage=usage(label), quality=GRADES, statements=income),
        declared=None if income else 7_333_333,
    )
    return read_input(copy.deepcopy(made.document()) | changes)


@pytest.mark.parametrize("ref", ["A5", "A6", "A7"])
def test_the_statements_of_two_parties_are_those_of_the_scenario(ref):
    wanted = figures()["bilateral_statements"][ref]
    assert bilateral(ref) == wanted["statement"]
    assert digest_of(bilateral(ref)) == wanted["digest"]


def test_october_comes_out_byte_for_byte():
    wanted = figures()
    assert record().document() == wanted["period_input"]
    assert record().digest == wanted["period_input_digest"]
    found = bundle_statement(BUNDLE, record())
    assert found == wanted["bundle_statement"]
    assert digest_of(found) == wanted["bundle_statement_digest"]
    assert canonical(bundle_statement(BUNDLE, record())) == canonical(found)


def test_november_is_rounded_to_the_fen_has_its_floor_and_cites_october():
    wanted = figures(NOVEMBER)
    assert record(NOVEMBER).digest == wanted["period_input_digest"]
    found = bundle_statement(BUNDLE, record(NOVEMBER), previous=figures()["bundle_statement_digest"])
    assert found == wanted["bundle_statement"]
    assert digest_of(found) == wanted["bundle_statement_digest"]
    shares = {share["ref"]: share for share in found["waterfall"]["shares"]}
    for name, exact in wanted["contribution_exact_fen"].items():
        ref = next(ref for ref, slot in BUNDLE.slots.items() if slot.role == "input" and slot.provider == PARTIES[name])
        assert shares[ref]["contributionExact"] == exact
        assert shares[ref]["contribution"] == wanted["contribution_fen"][name]


@pytest.mark.parametrize("name", NAMES)
def test_each_party_sees_its_lines_and_the_net_positions_sum_to_zero(name):
    documents = [bundle_statement(BUNDLE, record()), *(bilateral(ref) for ref in ("A5", "A6", "A7"))]
    wanted = figures()["statements"][name]
    lines = my_lines(documents, PARTIES[name])
    assert sorted((line.kind, line.ref, line.amount) for line in lines) == sorted(
        (line["kind"], line["ref"], line["fen"]) for line in wanted["lines"]
    )
    positions = net_positions(documents)["CNY", 2]
    assert positions[PARTIES[name]] == wanted["total_fen"] == figures()["net_positions_fen"][name]
    assert sum(positions.values()) == 0


def test_the_export_has_one_line_each_in_currency_units_and_no_formula():
    documents = [bundle_statement(BUNDLE, record()), bilateral("A7")]
    rows = list(csv.DictReader(io.StringIO(csv_of(documents))))
    assert len(rows) == 18
    assert csv_of(documents) == csv_of(list(reversed(documents)))
    (floor,) = [row for row in rows if row["kind"] == "floor-top-up" and not row["amount"].startswith("-")]
    assert (floor["party"], floor["amount"], floor["currency"]) == (PARTIES["p-logistics"], "500.00", "CNY")


# -- what must hold for every month -----------------------------------------------------------------------------------

NETS = st.integers(min_value=-(10**12), max_value=10**14)
COUNTS = st.fixed_dictionaries({ref: st.integers(min_value=0, max_value=10**9) for ref in BUNDLE.pool.refs})


@given(NETS, COUNTS, st.fixed_dictionaries({ref: st.sampled_from("ABC") for ref in BUNDLE.pool.refs}))
def test_whatever_comes_in_goes_out(net, accepted, grades):
    run = flow(BUNDLE, net, points(BUNDLE, accepted, grades))
    out = sum(run.steps.values()) + sum(amount for share in run.shares for amount in share.amounts.values())
    assert out + run.loss == net
    assert all(amount >= 0 for share in run.shares for amount in share.amounts.values())
    for share in run.shares:
        for part, exact in share.exact.items():
            assert abs(share.amounts[part] - exact) < 1


@given(NETS, COUNTS)
def test_the_bundle_statement_sums_to_zero_and_has_a_total_for_every_signatory(net, accepted):
    made = record(NOVEMBER).document()
    declared = max(0, net)
    made |= {"netIncome": declared, "declaredIncome": declared}
    for each in made["contributions"]:
        each["accepted"] = accepted[each["ref"]]
    found = bundle_statement(BUNDLE, read_input(made))
    assert found["sum"] == sum(line.amount for line in read_lines(found)) == 0
    assert [total["party"] for total in found["totals"]] == list(BUNDLE.signatories)
    floor = BUNDLE.adjustments[0]
    reached = sum(line.amount for line in read_lines(found) if line.party == floor.party)
    assert reached >= floor.minimum


def test_a_negative_income_is_the_operators_loss_and_nobody_pays_for_it():
    made = record().document()
    for slot in made["income"]:
        slot["lines"] = [{"kind": "sla-credit", "amount": -250}]
    made["netIncome"] = -500
    found = bundle_statement(BUNDLE, read_input(made))
    lines = [(line.party, line.kind, line.amount) for line in read_lines(found) if line.kind == "loss"]
    assert lines == [(BUNDLE.operator, "loss", -500)]
    assert found["waterfall"]["netIncome"] == -500
    assert all(share["base"] == share["contribution"] == 0 for share in found["waterfall"]["shares"])
    assert found["sum"] == 0


def test_without_any_points_the_part_goes_to_all_alike():
    made = record(NOVEMBER).document()
    for each in made["contributions"]:
        each["accepted"] = 0
    shares = bundle_statement(BUNDLE, read_input(made))["waterfall"]["shares"]
    assert {share["contribution"] for share in shares} == {880_000}


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=31))
def test_a_credit_is_at_most_what_is_charged(volume, days):
    found = bilateral("A5", days=[f"2026-10-{day + 1:02d}" for day in range(days)])
    by_kind = {line.kind: line.amount for line in read_lines(found) if line.party == PARTIES["s-zhengshu"]}
    assert sum(by_kind.values()) >= 0
    assert volume >= 0


def test_a_month_without_charges_has_no_statement():
    terms = parse_terms(body("A7"))
    assert statement(terms, ref="A7", period=period_of(terms, NOVEMBER), usage=None, days=None, settled_in=None) is None
    free = parse_terms(body("free"))
    assert statement(free, ref="x", period=period_of(free, OCTOBER), usage=None, days=None, settled_in=None) is None


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [["2026-10-32"], ["2026-11-01"], ["2026-10-14", "2026-10-14"], ["x"]])
def test_days_that_are_none_of_the_period_are_refused(days):
    with pytest.raises(InputError):
        bilateral("A5", days=days)


def test_nothing_is_inferred_from_silence():
    with pytest.raises(InputError, match="not stated"):
        bilateral("A5", days=None)
    with pytest.raises(InputError, match="usage"):
        bilateral("A5", usage=None)


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"netIncome": 8_000_001}, "netIncome"),
        ({"declaredIncome": 1}, "declaredIncome"),
        ({"surprise": 1}, "surprise"),
        ({"period": "2026-13"}, "period"),
        ({"terms": "sha-256:" + "0" * 64}, "terms"),
        ({"bundle": "RISK-2027"}, "bundle"),
        ({"operator": did("p-oem")}, "operator"),
        ({"from": "2026-10-02T00:00:00+08:00"}, "from"),
        ({"income": []}, "declaredIncome"),
    ],
)
def test_a_record_that_is_none_of_the_bundle_is_refused_with_the_member(change, member):
    with pytest.raises(InputError) as caught:
        check_input(BUNDLE, record(**change))
    assert member in f"{caught.value.member} {caught.value}"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("quality", "D"),
        ("accepted", -1),
        ("accepted", 2**63),
        ("records", "63"),
        ("party", did("p-oem")),
        ("ref", "A9"),
    ],
)
def test_a_contribution_that_cannot_be_is_refused(member, value):
    rows = copy.deepcopy(record().document()["contributions"])
    rows[1][member] = value
    with pytest.raises(InputError):
        check_input(BUNDLE, record(contributions=rows))


def test_a_member_whose_rows_differ_sees_which():
    own = Books(usage=usage(), quality=GRADES, statements={ref: bilateral(ref) for ref in ("A5", "A6")})
    for name in NAMES:
        assert differences(BUNDLE, record(), member=PARTIES[name], books=own) == ()
    less = {**own.usage, "A2": metered(())}
    found = differences(BUNDLE, record(), member=PARTIES["p-stamp"], books=Books(less, GRADES, own.statements))
    assert {(each.ref, each.member) for each in found} >= {("A2", "accepted"), ("A2", "usageRoot")}
    assert [(each.recorded, each.own) for each in found if each.member == "accepted"] == [("3000", "0")]
    graded = Books(own.usage, {**GRADES, "A2": "A"}, own.statements)
    (grade,) = differences(BUNDLE, record(), member=PARTIES["p-stamp"], books=graded)
    assert (grade.member, grade.recorded, grade.own) == ("quality", "B", "A")


def test_the_micro_split_of_the_scenario():
    wanted = expected()["settlement"]["micro_largest_remainder"]
    weights = [(name, Fraction(1)) for name in ("a", "b", "c")]
    assert largest_remainder(wanted["total_fen"], weights, "party-id") == wanted["parts_fen"]
