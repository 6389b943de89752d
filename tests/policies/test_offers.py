"""The twelve offers of scenario A: allowed as agreed, refused as the scenario says, with reason and operand."""

from datetime import datetime, timedelta

import pytest

from policies.compile import compile_policy
from policies.decision import REASONS, Outcome
from policies.evaluate import evaluate
from policies.facts import granted_columns, required_transforms, terms_digests, valid_until
from policies.parse import parse_policy
from policies.publishable import check_publishable
from policies.world import Request
from tests.policies.scenario import NOON, OFFERS, PURPOSE, expected, offer, plan, request, state, used_up

END = datetime.fromisoformat("2026-12-31T23:59:59+08:00")
COUNTED = ("A1", "A2", "A3", "A4")


@pytest.mark.parametrize("name", OFFERS)
@pytest.mark.parametrize("profile", [True, False])
def test_allowed(name, profile):
    """Every offer allows its consumer a pull of the granted columns, with the transform first and one count reserved if it counts.

    An EDC does not write `profile`; the terms alone give the same decision.
    """
    document = offer(name)
    if not profile:
        document.pop("profile")
    policy = compile_policy(parse_policy(document))
    for columns in (None, granted_columns(policy)):
        decision = evaluate(policy, request(name, columns=columns), state(policy))
        assert (decision.outcome, decision.reason, decision.left_operand) == (Outcome.ALLOW, None, None)
        assert required_transforms(policy) == tuple(owed.value for owed in decision.duties if owed.role == "duty")
        assert (name in COUNTED) == bool(decision.reserve)
        assert decision.tree is None


@pytest.mark.parametrize("name", OFFERS)
def test_facts(name):
    """Terms, transform and end date are those the scenario states."""
    contracts = expected()["contracts"]
    stated = contracts["agreements"][name]
    compiled = plan(name)
    assert tuple(contracts["terms"][term] for term in stated["terms"]) == terms_digests(compiled.policy)
    wanted = () if stated["transform"] is None else (contracts["transforms"][stated["transform"]],)
    assert wanted == required_transforms(compiled)
    assert valid_until(compiled) == END


@pytest.mark.parametrize("name", OFFERS)
def test_publishable(name):
    """The offers are written as every peer can carry them."""
    assert check_publishable(offer(name)) == ()


REFUSALS = {
    "A-R1": {"columns": ("coil_no", "inspector_name")},
    "A-R2": {"used": 3},
    "A-R3": {"now": datetime.fromisoformat("2027-01-01T00:00:00+08:00")},
    "A-R3b": {"now": END},
    "A-R4": {"action": "odrl:distribute"},
    "A-R5": {"purpose": "model-training"},
    "A-R5b": {"purpose": None},
}


@pytest.mark.parametrize("identifier", REFUSALS)
def test_refusal_table(identifier):
    """Each refusal of the scenario that a policy decides has exactly the stated reason and operand, and reserves nothing."""
    stated = next(each for each in expected()["refusals"] if each["id"] == identifier)
    asked = REFUSALS[identifier]
    compiled = plan(stated["agreement"])
    world = {name: asked[name] for name in ("now",) if name in asked}
    if "used" in asked:
        world["used"] = used_up(compiled, NOON, asked["used"])
    wanted = {name: asked[name] for name in ("columns", "purpose", "action") if name in asked}
    decision = evaluate(compiled, request(stated["agreement"], **wanted), state(compiled, **world))
    assert (stated["reason"], stated["left_operand"]) == (decision.reason, decision.left_operand)
    assert (stated["decision"] == "allow") == decision.allowed
    assert decision.allowed or not decision.reserve


@pytest.mark.parametrize(
    ("change", "reason", "operand"),
    [
        ({"assignee": "did:web:p-oem.example"}, "constraint-not-satisfied", "odrl:recipient"),
        ({"region": "DE-BY"}, "constraint-not-satisfied", "odrl:spatial"),
        ({"region": None}, "value-missing", "odrl:spatial"),
        ({"transforms": frozenset()}, "duty-unfulfilled", "https://w3id.org/weft/policy/v1#transform"),
        ({"columns": ("no_such_column",)}, "constraint-not-satisfied", "https://w3id.org/weft/policy/v1#columns"),
        ({"action": "odrl:grantUse"}, "prohibited", None),
        ({"action": "odrl:sell"}, "no-permission", None),
        ({"action": "https://example.org/teleport"}, "unsupported-action", None),
    ],
)
def test_other_refusals(change, reason, operand):
    """A wrong recipient or region, a missing transform and other actions are refused with their own reasons."""
    compiled = plan("A1")
    wanted = {name: value for name, value in change.items() if name in ("assignee", "columns", "action")}
    world = {name: value for name, value in change.items() if name in ("region", "transforms")}
    decision = evaluate(compiled, request("A1", **wanted), state(compiled, **world))
    assert (False, reason, operand) == (decision.allowed, decision.reason, decision.left_operand)
    assert decision.reason in REASONS


@pytest.mark.parametrize("name", OFFERS)
def test_second_before_and_after(name):
    """The last permitted second is permitted, the next one is not."""
    compiled = plan(name)
    assert evaluate(compiled, request(name), state(compiled, now=END)).allowed
    late = evaluate(compiled, request(name), state(compiled, now=END + timedelta(seconds=1)))
    assert late.reason == "outside-validity"


def test_day_boundary_in_shanghai():
    """Counts are per calendar day in Shanghai: the fourth delivery of a day is denied, the first after midnight is allowed."""
    compiled = plan("A4")
    last = datetime.fromisoformat("2026-11-10T15:59:59.999999Z")
    used = used_up(compiled, last, 3)
    assert [window.window for window in compiled.counters("odrl:use", last)] == ["2026-11-10"]
    denied = evaluate(compiled, request("A4"), state(compiled, now=last, used=used))
    assert (denied.reason, denied.left_operand, denied.actual) == ("counter-exhausted", "odrl:count", "4")
    midnight = last + timedelta(microseconds=1)
    allowed = evaluate(compiled, request("A4"), state(compiled, now=midnight, used=used))
    assert [window.window for window in allowed.reserve] == ["2026-11-11"]
    assert allowed.reserve == compiled.counters("odrl:use", midnight)


def test_third_delivery_is_allowed():
    """`lteq 3` allows three deliveries: the count includes the one asked for."""
    compiled = plan("A4")
    assert evaluate(compiled, request("A4"), state(compiled, used=used_up(compiled, NOON, 2))).allowed


def test_spelling_of_the_action():
    """The requested action may be bare, prefixed or an IRI."""
    compiled = plan("A1")
    decisions = {
        evaluate(compiled, request("A1", action=name), state(compiled)).digest
        for name in ("use", "odrl:use", "http://www.w3.org/ns/odrl/2/use")
    }
    assert len(decisions) == 1


def test_derive_is_not_undercut_by_use():
    """The nearest action decides: `derive` asks for its own permission with its own duties, not for the broader `use`."""
    compiled = plan("A1")
    decision = evaluate(compiled, request("A1", action="odrl:derive"), state(compiled))
    assert (decision.reason, decision.left_operand) == ("duty-unfulfilled", "https://w3id.org/weft/policy/v1#inherits")


@pytest.mark.parametrize("name", [name for name in OFFERS if name not in COUNTED])
def test_no_product_from_bought_data(name):
    """A5 to A12 prohibit deriving, although `use` includes it."""
    compiled = plan(name)
    assert evaluate(compiled, request(name, action="odrl:derive"), state(compiled)).reason == "prohibited"


def test_agreement_is_for_its_assignee():
    """An agreement permits nobody but its assignee anything."""
    document = {
        **offer("A11"),
        "@type": "Agreement",
        "assignee": "did:web:p-oem.example",
        "assigner": "did:web:p-seat.example",
    }
    document["permission"][0]["constraint"] = []
    compiled = compile_policy(parse_policy(document))
    assert evaluate(compiled, request("A11"), state(compiled)).allowed
    stranger = evaluate(compiled, Request("use", "did:web:p-stamp.example", PURPOSE), state(compiled))
    assert Outcome.DEFAULT_DENY is stranger.outcome


@pytest.mark.parametrize("name", OFFERS)
def test_trace_of_an_allowed_request(name):
    """Asked for, an allowed request shows every constraint with its actual value, and decides the same."""
    compiled = plan(name)
    silent = evaluate(compiled, request(name), state(compiled))
    traced = evaluate(compiled, request(name), state(compiled), trace=True)
    assert silent.reserve == traced.reserve
    assert traced.tree is not None
    assert len(traced.explain("en")) == len(traced.explain("zh")) > 5
