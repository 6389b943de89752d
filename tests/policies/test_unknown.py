"""Whatever is not understood refuses: no mutation of an offer ever opens it."""

import copy
import json
import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.compile import compile_policy
from policies.decision import REASONS, Decision
from policies.errors import InvalidPolicyError
from policies.evaluate import evaluate
from policies.facts import granted_columns
from policies.parse import parse_policy
from policies.world import Request, State
from tests.policies.scenario import CONSUMERS, NOON, OFFERS, PURPOSE, expected, offer, plan, request, state
from tests.policies.test_parse import DOCUMENTS

ACTIONS = ("odrl:use", "odrl:derive", "odrl:distribute", "odrl:read")
ASSIGNEE = "did:web:s-zhengshu.example"
REQUESTS = [
    *(
        Request(action, ASSIGNEE, PURPOSE, columns)
        for action in ACTIONS
        for columns in (None, ("batch_no", "no_such_column"))
    ),
    Request("odrl:use", ASSIGNEE, "model-training"),
    Request("odrl:use", ASSIGNEE),
    Request("odrl:use", "did:web:p-stranger.example", PURPOSE),
]


@cache
def states() -> tuple[State, ...]:
    """Worlds that differ in region and in the offers of the new product: sound ones, and one that lets it be passed on."""
    digests = frozenset(expected()["contracts"]["transforms"].values())
    sound = tuple(parse_policy(offer(name)) for name in ("A5", "A6"))
    loose = offer("A5")
    loose.pop("prohibition")
    return (
        State(NOON, "CN-32", {}, digests, sound),
        State(NOON, "CN-32", {}, digests, (*sound, parse_policy(loose))),
        State(NOON, "DE-BY", {}, digests),
        State(NOON, None),
    )


def places(value, path=()):
    """The path of every string and member name below a value."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name, "name")
            yield from places(member, (*path, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, (*path, index))
    else:
        yield (*path, "value")


def replaced(document, place, text):
    """The document with the string or member name at a place replaced."""
    changed = copy.deepcopy(document)
    *path, kind = place
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    if kind == "value":
        parent[last] = text
    else:
        items = [(text if name == last else name, member) for name, member in parent.items()]
        parent.clear()
        parent.update(items)
    return changed


def allowed(name, document) -> set[int]:
    """Which of the requests, asked by the consumer of an offer, in which of the states, a document allows."""
    try:
        spoilt = compile_policy(parse_policy(document))
    except InvalidPolicyError:
        return set()
    consumer = f"did:web:{CONSUMERS[name]}.example"
    asked = [replace(each, assignee=consumer) if each.assignee == ASSIGNEE else each for each in REQUESTS]
    pairs = [(asking, world) for asking in asked for world in states()]
    return {index for index, (asking, world) in enumerate(pairs) if evaluate(spoilt, asking, world).allowed}


@pytest.mark.parametrize("name", OFFERS)
def test_an_unknown_string_never_opens(name):
    """Replacing any one string or member name of an offer's rules by an unknown one never turns a denial into an allowance."""
    document = offer(name)
    before = allowed(name, document)
    assert before
    for place in places(document):
        if place[0] in ("@id", "profile", "permission", "prohibition", "obligation"):
            after = allowed(name, replaced(document, place, "https://example.org/unknown"))
            assert after <= before, place


@pytest.mark.parametrize("name", OFFERS)
@pytest.mark.parametrize("place", ["leftOperand", "operator", "rightOperand"])
def test_every_constraint_of_use_refuses_when_unknown(name, place):
    """No constraint of the permission is ever passed over: spoiling any one of them denies."""
    document = offer(name)
    columns = granted_columns(plan(name))
    world = state(plan(name))
    for constraint in document["permission"][0]["constraint"]:
        for atom in constraint.get("and") or [constraint]:
            if "or" in atom:
                continue
            kept = atom[place]
            atom[place] = "https://example.org/unknown"
            spoilt = compile_policy(parse_policy(document))
            assert not evaluate(spoilt, request(name, columns=columns), world).allowed, json.dumps(atom)
            atom[place] = kept
    assert evaluate(compile_policy(parse_policy(document)), request(name, columns=columns), world).allowed


REASON_TABLE = [
    (lambda d: d.update(profile=["https://example.org/profile"]), "unknown-profile", None),
    (lambda d: first(d).update(leftOperand="odrl:event"), "unsupported-operand", "odrl:event"),
    (lambda d: first(d).update(leftOperand="ex:mood"), "unsupported-operand", "ex:mood"),
    (lambda d: first(d).update(operator="hasPart"), "unsupported-operator", "odrl:purpose"),
    (lambda d: first(d).update(operator="term-lteq"), "unsupported-operator", "odrl:purpose"),
    (lambda d: first(d).update(rightOperand=["a", "b"]), "value-incomparable", "odrl:purpose"),
    (lambda d: first(d).update(rightOperand={"@value": PURPOSE}), "value-incomparable", "odrl:purpose"),
    (lambda d: first(d).update({"odrl:unit": "EUR"}), "unsupported-operand", "odrl:purpose"),
    (
        lambda d: d["permission"][0].update(action={"@id": "odrl:use", "refinement": []}),
        "refinement-failed",
        "refinement",
    ),
    (lambda d: d["permission"][0].update(action="ex:look"), "unsupported-action", None),
    (lambda d: d["prohibition"].append({"action": "ex:look"}), "unsupported-action", None),
    (lambda d: d["obligation"].append({"action": "ex:dance"}), "unsupported-action", None),
    (
        lambda d: d["obligation"][1]["constraint"][0].update(rightOperand="P3M"),
        "value-incomparable",
        "odrl:elapsedTime",
    ),
    (lambda d: d["permission"][0]["duty"].append({"action": "odrl:compensate"}), "duty-unfulfilled", None),
    (lambda d: d.update({"odrl:inheritFrom": "urn:parent"}), "unsupported-operand", "inheritFrom"),
    (lambda d: d.update({"odrl:conflict": "odrl:whoever"}), "policy-void", None),
    (
        lambda d: d["permission"][0]["constraint"].append({"andSequence": [{**first(d)}]}),
        "unsupported-operator",
        "odrl:purpose",
    ),
    (lambda d: d["permission"][0]["constraint"].append({"or": []}), "value-missing", None),
    (lambda d: counted(d)[1].update(rightOperand="P1M"), "value-incomparable", "odrl:timeInterval"),
    (
        lambda d: counted(d)[2].update(rightOperand="Mars/Olympus"),
        "value-incomparable",
        "https://w3id.org/weft/policy/v1#timeZone",
    ),
    (lambda d: counted(d).pop(), "value-missing", "https://w3id.org/weft/policy/v1#timeZone"),
    (lambda d: counted(d)[0].update(rightOperand="three"), "value-incomparable", "odrl:count"),
    (
        lambda d: d["permission"][0]["constraint"][3].update(rightOperand="2026-12-31T23:59:59"),
        "value-incomparable",
        "odrl:dateTime",
    ),
]


def first(document) -> dict:
    return document["permission"][0]["constraint"][0]


def counted(document) -> list:
    return document["permission"][0]["constraint"][4]["and"]


@pytest.mark.parametrize(("spoil", "reason", "operand"), REASON_TABLE)
def test_reason_of_what_is_not_understood(spoil, reason, operand):
    """Each kind of unknown denies with its own reason and operand, and the decision has a sentence in both languages."""
    document = offer("A1")
    spoil(document)
    decision = evaluate(compile_policy(parse_policy(document)), REQUESTS[0], states()[0])
    assert (reason, operand) == (decision.reason, decision.left_operand)
    for lang in ("en", "zh"):
        assert not re.search(r"\{\w+\}", decision.sentence(lang))


def test_array_of_one_is_its_element():
    """A right operand in an array of one is read as the string that it is."""
    document = offer("A1")
    first(document)["rightOperand"] = [PURPOSE]
    assert evaluate(compile_policy(parse_policy(document)), REQUESTS[0], states()[0]).allowed


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS, st.sampled_from(REQUESTS), st.integers(0, 3))
def test_total_and_deterministic(document, asked, index):
    """Any policy that parses decides every request without an exception, twice the same, with a reason of the closed list."""
    try:
        policy = parse_policy(document)
    except InvalidPolicyError:
        return
    world = states()[index]
    decision = evaluate(compile_policy(policy), asked, world)
    assert isinstance(decision, Decision)
    assert decision.digest == evaluate(compile_policy(policy), asked, world).digest
    assert decision.allowed == (decision.reason is None)
    assert decision.reason is None or decision.reason in REASONS
    for lang in ("en", "zh"):
        assert decision.explain(lang)


MUTATIONS = st.text(max_size=6) | st.sampled_from(
    ["odrl:count", "odrl:use", "odrl:derive", "or", "xone", "isPartOf", "lt", "9", "P1D", "UTC", "{", "\x00"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(OFFERS), st.data())
def test_mutated_offers_decide(name, data):
    """Offers with any strings and names replaced still decide without an exception."""
    document = offer(name)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(document))))
        document = replaced(document, place, data.draw(MUTATIONS))
    try:
        mutated = compile_policy(parse_policy(document))
    except InvalidPolicyError:
        return
    for asked in REQUESTS[::3]:
        decision = evaluate(mutated, asked, states()[0], trace=True)
        assert decision.digest == evaluate(mutated, asked, states()[0], trace=True).digest


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_ends_of_the_calendar(now):
    """At the two ends of the calendar a count has no day, so it is undecidable, not an error."""
    compiled = plan("A1")
    world = State(type(NOON).fromisoformat(now), "CN-32", {}, states()[0].transforms)
    assert not evaluate(compiled, REQUESTS[0], world).allowed
    assert compiled.counters("odrl:use", world.now) is not None


def test_state_needs_a_zone():
    """A decision at an instant without a zone is a mistake of the caller."""
    with pytest.raises(ValueError, match="zone"):
        State(NOON.replace(tzinfo=None))
