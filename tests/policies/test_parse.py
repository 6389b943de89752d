"""Documents become policies: tolerant in spelling, strict in shape, nothing removed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import InvalidPolicyError
from policies.model import Kind, Policy
from policies.parse import parse_policy
from tests.policies.scenario import OFFERS, offer

KEYS = st.sampled_from(
    [
        "@id",
        "@type",
        "permission",
        "odrl:prohibition",
        "obligation",
        "action",
        "constraint",
        "duty",
        "remedy",
        "and",
        "or",
        "leftOperand",
        "operator",
        "rightOperand",
        "profile",
        "target",
        "conflict",
        "x",
        "http://www.w3.org/ns/odrl/2/duty",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["use", "eq", "Offer", "odrl:count", "3"])
    | st.text()
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
DOCUMENTS = st.dictionaries(KEYS, JSON, max_size=6)
RULE = {"action": "use"}


@given(DOCUMENTS | JSON)
def test_total(document):
    """Any JSON value is a Policy, or an InvalidPolicyError that names a path."""
    try:
        assert isinstance(parse_policy(document), Policy)
    except InvalidPolicyError as error:
        path, problem = error.path, error.problem
    else:
        path, problem = "", "none"
    assert isinstance(path, str)
    assert problem


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"permission": [{}]}, "permission[0].action"),
        ({"permission": [RULE, "use"]}, "permission[1]"),
        (
            {"permission": [{**RULE, "constraint": [{"leftOperand": "a", "operator": "eq"}]}]},
            "permission[0].constraint[0].rightOperand",
        ),
        (
            {"permission": [{**RULE, "constraint": [{"operator": "eq", "rightOperand": "a"}]}]},
            "permission[0].constraint[0].leftOperand",
        ),
        ({"permission": [{**RULE, "constraint": [{"and": [], "or": []}]}]}, "permission[0].constraint[0]"),
        ({"permission": [{**RULE, "duty": [{"action": 3}]}]}, "permission[0].duty[0].action"),
        ({"permission": [RULE], "odrl:permission": [RULE]}, ""),
        ({"@type": "Ticket"}, "@type"),
        ({"profile": [1]}, "profile[0]"),
    ],
)
def test_names_the_path(document, path):
    """A document without a reading is refused with the path of the member that has none."""
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(document)
    assert path == caught.value.path


def test_deep_logic_is_refused():
    """Logic nested without end is refused with a path, not with a stack overflow."""
    condition: dict = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "a"}
    for _ in range(3000):
        condition = {"and": [condition]}
    with pytest.raises(InvalidPolicyError, match="nested too deeply"):
        parse_policy({"permission": [{**RULE, "constraint": [condition]}]})


def test_spellings_are_one():
    """Bare, prefixed and full names, single objects and lists of one give the same rules and the same digests."""
    constraint = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "a"}
    plain = parse_policy({"permission": [{"action": "odrl:use", "constraint": [constraint]}]})
    iri = "http://www.w3.org/ns/odrl/2/"
    other = {
        "leftOperand": {"@id": f"{iri}purpose"},
        "odrl:operator": "odrl:eq",
        "rightOperand": ["a"],
        "@type": "Constraint",
    }
    full = parse_policy({f"{iri}permission": {"@id": "urn:x", "action": ["use"], "constraint": other}})
    assert plain.permissions == full.permissions


def test_deprecated_action():
    """A deprecated action is read as its exact match."""
    assert parse_policy({"permission": [{"action": "odrl:write"}]}).permissions[0].action == "odrl:modify"


def test_compact_actions_become_atomic():
    """A list of actions is one rule for each."""
    policy = parse_policy({"permission": [{"action": ["odrl:use", "odrl:derive"]}]})
    assert [rule.action for rule in policy.permissions] == ["odrl:use", "odrl:derive"]


def test_bare_policy_is_a_set():
    """A policy without a kind is a Set."""
    assert Kind.SET is parse_policy({}).kind


def test_nothing_is_removed():
    """Members that are not understood are kept where they stood, also those of an action object."""
    rule = {
        "action": {"@id": "odrl:use", "refinement": [{"x": 1}]},
        "odrl:unit": "EUR",
        "constraint": [
            {"leftOperand": "ex:a", "operator": "term-lteq", "rightOperand": {"@value": 1}, "odrl:dataType": "xsd:int"}
        ],
    }
    policy = parse_policy({"permission": [rule], "inheritFrom": "urn:parent", "dct:title": "A title binds nobody"})
    permission = policy.permissions[0]
    assert {"unit", "refinement"} == {name for name, _ in permission.unread}
    constraint = permission.constraints[0]
    assert (constraint.left, constraint.operator, constraint.plain) == ("ex:a", "term-lteq", False)
    assert constraint.unread == (("dataType", '"xsd:int"'),)
    assert [name for name, _ in policy.unread] == ["inheritFrom"]


@pytest.mark.parametrize("name", OFFERS)
def test_scenario_offers_are_understood(name):
    """The twelve offers parse without anything unread, under Weft's profile with and without the member `profile`."""
    document = offer(name)
    policy = parse_policy(document)
    assert document == policy.document
    assert policy.unread + tuple(member for rule in policy.rules for member in rule.unread) == ()
    assert policy.under_weft
    document.pop("profile")
    assert parse_policy(document).under_weft


def test_rule_parties():
    """A rule may repeat the parties of its policy; another party narrows it and is kept as not understood."""
    document = {"target": "d", "permission": [{"action": "use", "target": "d", "assignee": "x"}]}
    assert [name for name, _ in parse_policy(document).permissions[0].unread] == ["assignee"]
