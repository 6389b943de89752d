"""Deriving a product: the desensitized inputs, and offers that hand down what the inputs' agreements name."""

import pytest

from policies.compile import compile_policy
from policies.evaluate import evaluate
from policies.parse import parse_policy
from tests.policies.scenario import offer, plan, request, state

INHERITS = "https://w3id.org/weft/policy/v1#inherits"


def derive(*documents, name="A1", **world):
    """The decision about deriving from an input when the new product has these offers."""
    compiled = plan(name)
    children = tuple(parse_policy(document) for document in documents)
    return evaluate(compiled, request(name, action="odrl:derive"), state(compiled, next_policies=children, **world))


def changed(change):
    """The offer A5 of the new product, changed."""
    document = offer("A5")
    change(document, document["permission"][0]["constraint"])
    return document


@pytest.mark.parametrize("name", ["A1", "A2", "A3", "A4"])
def test_scenario_offers_inherit(name):
    """The offers of A-P1 carry what A1 to A4 hand down."""
    assert derive(offer("A5"), offer("A6"), name=name).allowed


def test_without_prohibitions():
    """A-R10: an offer that lets the product be distributed is refused, and the term that is lacking is named."""
    decision = derive(offer("A6"), changed(lambda document, _: document.pop("prohibition")))
    assert (decision.reason, decision.left_operand, decision.actual) == (
        "duty-unfulfilled",
        INHERITS,
        "odrl:distribute",
    )


def test_inputs_must_be_desensitized():
    """The input manifests must cite the bound transform."""
    decision = derive(offer("A5"), transforms=frozenset())
    assert (decision.reason, decision.left_operand) == ("duty-unfulfilled", "https://w3id.org/weft/policy/v1#transform")


LOOSER = {
    "odrl:purpose": lambda _, constraints: constraints[0].update(rightOperand="anything"),
    "odrl:spatial": lambda _, constraints: constraints[2]["or"].append(
        {**constraints[2]["or"][0], "rightOperand": "DE-BY"}
    ),
    "odrl:dateTime": lambda _, constraints: constraints[3].update(rightOperand="2027-01-01T00:00:00+08:00"),
    "odrl:distribute": lambda document, _: document["prohibition"][0].update(
        constraint=[{"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "x"}]
    ),
    "odrl:delete": lambda document, _: document["obligation"][1]["constraint"][0].update(rightOperand="P91D"),
}


@pytest.mark.parametrize("term", LOOSER)
def test_looser_is_refused(term):
    """A child that is looser in one inherited term lacks that term."""
    assert term == derive(changed(LOOSER[term])).actual


STRICTER = [
    lambda _, constraints: constraints[2]["or"].pop(),
    lambda _, constraints: constraints.__setitem__(2, constraints[2]["or"][1]),
    lambda _, constraints: constraints[3].update(operator="lt"),
    lambda _, constraints: constraints[3].update(rightOperand="2026-12-31T15:59:59Z"),
    lambda document, _: document["obligation"][1]["constraint"][0].update(rightOperand="P30D"),
    lambda document, _: document["prohibition"][0].update(action="odrl:use"),
    lambda _, constraints: constraints.pop(1),
    lambda document, _: document["obligation"].append({"action": "odrl:inform"}),
]


@pytest.mark.parametrize("change", STRICTER)
def test_stricter_or_unrelated_is_allowed(change):
    """A child that is stricter in inherited terms, or differs in others, inherits."""
    assert derive(changed(change)).allowed


@pytest.mark.parametrize("term", range(4))
def test_missing_constraint_is_refused(term):
    """A child that drops an inherited constraint is refused; the recipient is not inherited."""
    decision = derive(changed(lambda _, constraints: constraints.pop(term)))
    assert (term == 1) == decision.allowed


def test_every_permission_must_inherit():
    """One permission of the child without the constraint is enough to refuse."""
    extra = changed(lambda document, _: document["permission"].append({"action": "odrl:read"}))
    assert derive(extra).actual == "odrl:purpose,odrl:spatial,odrl:dateTime"


def test_a_name_the_parent_does_not_use():
    """What the parent does not have cannot be inherited, so naming it refuses."""
    document = offer("A1")
    duty = document["permission"][1]["duty"][1]
    duty["constraint"][0]["rightOperand"] += ",odrl:industry"
    compiled = compile_policy(parse_policy(document))
    world = state(compiled, next_policies=(parse_policy(offer("A5")),))
    assert evaluate(compiled, request("A1", action="odrl:derive"), world).actual == "odrl:industry"
