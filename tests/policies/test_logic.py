"""Three-valued logic, comparisons, and where Unknown resolves."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.compile import compile_policy
from policies.evaluate import evaluate
from policies.operators import (
    all_of,
    any_of,
    names_are_all_part,
    names_are_part,
    one_of,
    region_differs,
    region_is_part,
)
from policies.parse import parse_policy
from policies.world import Request, State
from tests.policies.scenario import NOON

TRUTHS = st.sampled_from([True, False, None])
LISTS = st.lists(TRUTHS, max_size=5)


def negated(truth):
    return None if truth is None else not truth


@given(LISTS)
def test_de_morgan(truths):
    """`and` and `or` are dual under Kleene's negation."""
    assert negated(all_of(truths)) is any_of([negated(truth) for truth in truths])


@given(LISTS, st.randoms())
def test_order_is_irrelevant(truths, random):
    """The order of operands changes no result."""
    shuffled = list(truths)
    random.shuffle(shuffled)
    assert (all_of(truths), any_of(truths), one_of(truths)) == (all_of(shuffled), any_of(shuffled), one_of(shuffled))


@given(LISTS)
def test_unknown_stands_for_both(truths):
    """A definite result stays the same whatever the unknown operands turn out to be; an indefinite one depends on them."""
    filled = [
        [next(choices) if truth is None else truth for truth in truths]
        for choice in product([True, False], repeat=truths.count(None))
        for choices in [iter(choice)]
    ]
    for combine in (all_of, any_of, one_of):
        outcomes = {combine(each) for each in filled}
        result = combine(truths)
        if result is not None:
            assert {result} == outcomes


@pytest.mark.parametrize(
    ("truths", "result"),
    [
        ([True], True),
        ([True, False], True),
        ([True, True, None], False),
        ([True, None], None),
        ([False, None], None),
        ([False, False], False),
        ([], False),
    ],
)
def test_xone(truths, result):
    """`xone` as in the table of the reference: two True decide, one True with an Unknown does not."""
    assert one_of(truths) is result


@pytest.mark.parametrize(
    ("region", "area", "part", "differs"),
    [
        ("CN-32", "CN", True, None),
        ("CN-32", "CN-32", True, False),
        ("CN", "CN-32", None, None),
        ("CN-32", "CN-3", False, True),
        ("DE-BY", "CN", False, True),
    ],
)
def test_regions(region, area, part, differs):
    """A part lies in its whole; whether a whole lies in, or differs from, its part nobody can say."""
    assert region_is_part(region, area) is part
    assert region_differs(region, area) is differs


def test_columns_leave_no_gap():
    """A list partly inside is outside for a permission, and undecidable for a prohibition."""
    granted = frozenset({"a", "b"})
    assert names_are_part(("a", "c"), granted) is False
    assert names_are_all_part(("a", "c"), granted) is None
    assert names_are_all_part(("c",), granted) is False


def decide(constraint, role="permission", **request):
    """Whether `use` is allowed when a rule of this role has the constraint."""
    rules = {"permission": [{"action": "use"}]}
    rules.setdefault(role, [])
    rules[role] = [{"action": "use", "constraint": [constraint]}]
    document = {"profile": "https://w3id.org/weft/policy/v1", **rules}
    asked = Request("odrl:use", "did:web:c.example", **request)
    return evaluate(compile_policy(parse_policy(document)), asked, State(NOON, "CN-32"))


def purpose(operator, right):
    return {"leftOperand": "odrl:purpose", "operator": operator, "rightOperand": right}


UNKNOWN = {"leftOperand": "ex:mood", "operator": "eq", "rightOperand": "good"}


@pytest.mark.parametrize("role", ["permission", "prohibition"])
@pytest.mark.parametrize(
    "constraint", [UNKNOWN, purpose("neq", "a"), {"or": [UNKNOWN, UNKNOWN]}, {"and": [UNKNOWN]}, {"xone": [UNKNOWN]}]
)
def test_unknown_refuses_by_position(role, constraint):
    """An Unknown constraint makes a permission inactive and a prohibition active; a missing value is Unknown also for `neq`."""
    assert not decide(constraint, role).allowed


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        (purpose("eq", "a"), True),
        (purpose("neq", "b"), True),
        (purpose("neq", "a"), False),
        (purpose("isA", "a"), True),
        (purpose("isA", "parent-of-a"), False),
        ({"or": [purpose("eq", "b"), purpose("eq", "a")]}, True),
        ({"or": [UNKNOWN, purpose("eq", "a")]}, True),
        ({"and": [purpose("neq", "b"), purpose("neq", "c")]}, True),
        ({"xone": [purpose("eq", "a"), purpose("neq", "b")]}, False),
        ({"andSequence": [purpose("eq", "a")]}, False),
        ({"or": [{"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "3"}, purpose("eq", "b")]}, False),
    ],
)
def test_conditions(constraint, allowed):
    """Comparisons and logic decide a declared purpose; a count below `or` and a sequence are undecidable."""
    assert allowed is decide(constraint, purpose="a").allowed


def test_or_over_one_operand_names_it():
    """A denial by alternatives over one operand names that operand and all alternatives."""
    decision = decide({"or": [purpose("eq", "b"), purpose("eq", "c")]}, purpose="a")
    assert (
        decision.reason,
        decision.left_operand,
        decision.operator,
        decision.expected,
        decision.actual,
    ) == ("constraint-not-satisfied", "odrl:purpose", "or", "b, c", "a")


def test_or_over_two_operands_names_none():
    """A denial by alternatives over several operands names none of them."""
    other = {"leftOperand": "odrl:recipient", "operator": "eq", "rightOperand": "x"}
    assert decide({"or": [purpose("eq", "b"), other]}, purpose="a").left_operand is None


def test_prohibited_columns():
    """A prohibition of columns stops every request that touches one, and one that asks for all."""
    secret = {
        "leftOperand": "https://w3id.org/weft/policy/v1#columns",
        "operator": "isPartOf",
        "rightOperand": "secret",
    }
    assert decide(secret, "prohibition", columns=("open",)).allowed
    for columns in (("secret",), ("open", "secret"), None):
        assert not decide(secret, "prohibition", columns=columns).allowed


@pytest.mark.parametrize(
    ("operator", "right", "used", "allowed"),
    [("lteq", "2", 1, True), ("lteq", "2", 2, False), ("lt", "2", 0, True), ("lt", "2", 1, False)],
)
def test_total_count(operator, right, used, allowed):
    """A count without an interval counts in all, the delivery asked for included."""
    count = {"leftOperand": "odrl:count", "operator": operator, "rightOperand": right}
    plan = compile_policy(parse_policy({"permission": [{"action": "use", "constraint": [count]}]}))
    (window,) = plan.counters("use", NOON)
    decision = evaluate(plan, Request("use", "did:web:c.example"), State(NOON, used={window.key: used}))
    assert allowed is decision.allowed
    assert window.window == "total"


def test_eventual_duty_is_conditional():
    """A duty that its profile lets be fulfilled later allows on condition; by default it is a pre-condition."""
    policy = parse_policy({"permission": [{"action": "use", "duty": [{"action": "odrl:compensate"}]}]})
    request, world = Request("use", "did:web:c.example"), State(NOON)
    assert evaluate(compile_policy(policy), request, world).reason == "duty-unfulfilled"
    later = evaluate(compile_policy(policy, eventual=frozenset({"odrl:compensate"})), request, world)
    assert later.outcome.value == "conditional"
    assert later.allowed


@pytest.mark.parametrize(
    ("conflict", "allowed", "reason"),
    [("odrl:perm", True, None), ("odrl:prohibit", False, "prohibited"), ("odrl:invalid", False, "policy-void")],
)
def test_stated_conflict_wins(conflict, allowed, reason):
    """A stated strategy wins over the profile's."""
    document = {
        "profile": "https://w3id.org/weft/policy/v1",
        "odrl:conflict": conflict,
        "permission": [{"action": "use"}],
        "prohibition": [{"action": "odrl:distribute"}],
    }
    plan = compile_policy(parse_policy(document))
    decision = evaluate(plan, Request("odrl:distribute", "did:web:c.example"), State(NOON))
    assert (allowed, reason) == (decision.allowed, decision.reason)
