"""The static check for contradictions, and the voiding of policies."""

import pytest

from policies.compile import compile_policy
from policies.conflicts import Verdict, clashes, never_triggers, void_by
from policies.evaluate import evaluate
from policies.parse import parse_policy
from policies.world import Request, State
from tests.policies.scenario import NOON, OFFERS, offer


def policy(permission, prohibition, **members):
    return parse_policy({"permission": [permission], "prohibition": [prohibition], **members})


def eq(operand, right, operator="eq"):
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


USE = {"action": "use"}
DISTRIBUTE = {"action": "odrl:distribute"}


def test_use_against_distribute_is_void():
    """Outside Weft's profile, `use` with a prohibited `distribute` contradicts itself, denies all, and the two rules are named."""
    void = policy(USE, DISTRIBUTE)
    clash = void_by(void)
    assert clash is not None
    assert (clash.permission.path, clash.prohibition.path) == ("permission[0]", "prohibition[0]")
    decision = evaluate(compile_policy(void), Request("use", "did:web:c.example"), State(NOON))
    assert ("policy-void", clash.prohibition.digest) == (decision.reason, decision.rule)


@pytest.mark.parametrize(
    "members",
    [
        {"profile": "https://w3id.org/weft/policy/v1"},
        {"odrl:conflict": "odrl:prohibit"},
        {"obligation": [{"action": "https://w3id.org/weft/policy/v1#alert"}]},
    ],
)
def test_sound_under_prohibit(members):
    """The same rules are sound under Weft's profile, by its IRI or by one of its terms, and under a stated `prohibit`."""
    sound = policy(USE, DISTRIBUTE, **members)
    assert void_by(sound) is None
    assert evaluate(compile_policy(sound), Request("use", "did:web:c.example"), State(NOON)).allowed


@pytest.mark.parametrize("name", OFFERS)
def test_scenario_offers_are_sound(name):
    """None of the twelve offers is void, with or without the member `profile`."""
    document = offer(name)
    assert void_by(parse_policy(document)) is None
    document.pop("profile")
    assert void_by(parse_policy(document)) is None


@pytest.mark.parametrize(
    ("permitted", "prohibited", "verdict"),
    [
        ([], [], Verdict.CONFLICT),
        ([eq("odrl:purpose", "a")], [eq("odrl:purpose", "a")], Verdict.CONFLICT),
        ([eq("odrl:purpose", "a")], [eq("odrl:purpose", "b")], None),
        ([eq("odrl:purpose", "a")], [eq("odrl:purpose", "a", "neq")], None),
        ([eq("odrl:purpose", "a")], [eq("odrl:spatial", "CN")], Verdict.AMBIGUOUS),
        ([], [eq("ex:mood", "good")], Verdict.AMBIGUOUS),
        (
            [eq("odrl:dateTime", "2026-01-01T00:00:00Z", "lt")],
            [eq("odrl:dateTime", "2026-01-01T00:00:00Z", "gteq")],
            None,
        ),
    ],
)
def test_verdicts(permitted, prohibited, verdict):
    """Constraints that cannot hold together keep rules apart; those that depend on the world make them ambiguous."""
    found = clashes(policy({**USE, "constraint": permitted}, {**DISTRIBUTE, "constraint": prohibited}))
    assert ([] if verdict is None else [verdict]) == [clash.verdict for clash in found]


def test_roots_do_not_overlap():
    """`sell` is not under `use`, so permitting one and prohibiting the other is no contradiction."""
    assert clashes(policy(USE, {"action": "odrl:sell"})) == ()


def test_ambiguous_conflict_denies_when_it_happens():
    """Under `invalid` a contradiction that depends on the world voids the policy in the worlds in which it is one."""
    document = policy(USE, {"action": "odrl:use", "constraint": [eq("odrl:spatial", "CN", "isPartOf")]})
    plan = compile_policy(document)
    request = Request("use", "did:web:c.example")
    assert evaluate(plan, request, State(NOON, "CN-32")).reason == "policy-void"
    assert evaluate(plan, request, State(NOON, "DE-BY")).allowed


def test_rule_that_never_triggers():
    """A rule whose constraints contradict each other is found."""
    never = policy({**USE, "constraint": [eq("odrl:purpose", "a"), eq("odrl:purpose", "b")]}, {"action": "odrl:sell"})
    assert never_triggers(never.permissions[0])
    assert not never_triggers(never.prohibitions[0])
