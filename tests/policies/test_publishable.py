"""What may not be published is named with its path, and what may is valid against the protocol's schema."""

import copy
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.publishable import check_publishable
from tests.policies.scenario import OFFERS, offer
from tests.policies.test_unknown import places, replaced
from tests.shared import shared

WEFT = "https://w3id.org/weft/policy/v1#"


def constraint(left, right, operator="eq"):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def add(document, *constraints):
    document["permission"][0]["constraint"].extend(constraints)


CASES = [
    (lambda d: d.update({"@type": "Set"}), "@type", "not-an-offer"),
    (lambda d: d.pop("@id"), "@id", "no-identifier"),
    (lambda d: d.update(target="urn:dataset"), "target", "offer-has-target"),
    (lambda d: (d.pop("permission"), d.pop("prohibition")), "permission", "no-rule"),
    (lambda d: d.update(obligation=[]), "obligation", "empty-array"),
    (lambda d: d.update(prohibition=d["prohibition"][0]), "prohibition", "not-an-array"),
    (lambda d: d["permission"].append("use"), "permission[2]", "not-an-object"),
    (lambda d: d["permission"][0].pop("action"), "permission[0].action", "no-action"),
    (lambda d: d["permission"][0].update(action={"@id": "odrl:use"}), "permission[0].action", "not-a-string"),
    (lambda d: d["permission"][0].update(action="read"), "permission[0].action", "bare-term"),
    (lambda d: d["permission"][0].update(action="ex:look"), "permission[0].action", "unsupported-action"),
    (lambda d: d["permission"][0].update(constraint=[]), "permission[0].constraint", "empty-array"),
    (
        lambda d: d["prohibition"][0].update(remedy=[{"action": WEFT + "alert"}]),
        "prohibition[0].remedy",
        "unknown-member",
    ),
    (lambda d: d.update({"odrl:conflict": "odrl:prohibit"}), "odrl:conflict", "unknown-member"),
    (
        lambda d: add(d, {"and": [constraint("odrl:purpose", "a")], "or": [constraint("odrl:purpose", "a")]}),
        "permission[0].constraint[6]",
        "two-operands",
    ),
    (lambda d: add(d, {"or": []}), "permission[0].constraint[6].or", "empty-array"),
    (
        lambda d: add(d, {"andSequence": [constraint("odrl:purpose", "supply-chain-control")]}),
        "permission[0].constraint[6]",
        "unsupported-operator",
    ),
    (
        lambda d: add(d, constraint("odrl:purpose", ["a", "b"], "isA")),
        "permission[0].constraint[6].rightOperand",
        "not-a-string",
    ),
    (lambda d: add(d, constraint("odrl:count", 3, "lteq")), "permission[0].constraint[6].rightOperand", "not-a-string"),
    (lambda d: add(d, constraint("purpose", "a")), "permission[0].constraint[6].leftOperand", "bare-term"),
    (
        lambda d: add(d, constraint("odrl:purpose", "a", "odrl:neq")),
        "permission[0].constraint[6].operator",
        "unknown-operator",
    ),
    (
        lambda d: add(d, constraint("odrl:purpose", "a", "term-lteq")),
        "permission[0].constraint[6].operator",
        "unknown-operator",
    ),
    (
        lambda d: add(d, constraint("odrl:purpose", "a", "isAnyOf")),
        "permission[0].constraint[6]",
        "unsupported-operator",
    ),
    (lambda d: add(d, constraint("odrl:event", "a", "lt")), "permission[0].constraint[6]", "unsupported-operand"),
    (
        lambda d: add(d, {**constraint("odrl:purpose", "a", "neq"), "odrl:unit": "x"}),
        "permission[0].constraint[6].odrl:unit",
        "unknown-member",
    ),
    (
        lambda d: add(d, constraint("odrl:dateTime", "2026-01-01T00:00:00", "gt")),
        "permission[0].constraint[6].rightOperand",
        "date-without-zone",
    ),
    (
        lambda d: add(d, constraint("odrl:purpose", "a b", "neq")),
        "permission[0].constraint[6].rightOperand",
        "blank-in-code",
    ),
    (lambda d: add(d, constraint("odrl:purpose", "other")), "permission[0]", "never-triggers"),
    (
        lambda d: add(d, constraint(WEFT + "columns", "a,,b", "isPartOf")),
        "permission[0].constraint[6]",
        "value-incomparable",
    ),
    (lambda d: d["permission"][0]["constraint"][4]["and"].pop(), "permission[0].constraint[4].and[0]", "value-missing"),
    (
        lambda d: d["permission"][0]["duty"][0]["constraint"][0].update(rightOperand="sha-256:no"),
        "permission[0].duty[0].constraint[0].rightOperand",
        "not-a-digest",
    ),
    (
        lambda d: d["permission"][0]["duty"].append({"action": "odrl:compensate"}),
        "permission[0].duty[1]",
        "duty-unfulfilled",
    ),
    (
        lambda d: d["permission"][1]["duty"][1]["constraint"][0].update(rightOperand="odrl:mood"),
        "permission[1].duty[1].constraint[0].rightOperand",
        "unknown-term",
    ),
    (
        lambda d: d["obligation"][2]["constraint"][0].update(rightOperand="sha-256:no"),
        "obligation[2].constraint[0].rightOperand",
        "not-a-digest",
    ),
    (lambda d: d["obligation"][1]["constraint"][0].update(rightOperand="P3M"), "obligation[1]", "value-incomparable"),
    (lambda d: d["obligation"].append({"action": "ex:dance"}), "obligation[3].action", "unsupported-action"),
    (lambda d: d["profile"].append("https://example.org/p"), "profile[2]", "unknown-profile"),
    (lambda d: d.update(profile=d["profile"][:1]), "profile", "profile-missing"),
]


@pytest.mark.parametrize(("spoil", "path", "code"), CASES)
def test_problem_is_named(spoil, path, code):
    """Each thing wrong with an offer is the problem that is reported, with its path and a sentence in both languages.

    A rule that is lost takes the only term of a profile with it, so the profile may be reported, too; nothing else is.
    """
    document = offer("A1")
    spoil(document)
    problems = check_publishable(document)
    assert (path, code) == (problems[0].path, problems[0].code)
    assert {"profile"} >= {problem.path for problem in problems[1:]}
    for lang in ("en", "zh"):
        text = problems[0].sentence(lang)
        assert path in text
        assert "{" not in text


def test_void_policy_is_named():
    """`use` with a prohibited `distribute` outside Weft's profile is void, and both rules are named."""
    document = {
        "@id": "urn:x",
        "@type": "Offer",
        "permission": [{"action": "odrl:use"}],
        "prohibition": [{"action": "odrl:distribute"}],
    }
    (problem,) = check_publishable(document)
    assert (problem.code, problem.path, problem.facts["name"]) == ("policy-void", "prohibition[0]", "permission[0]")


def test_profile_needs_a_term():
    """A profile without any of its terms would be lost with a peer that does not write `profile`."""
    document = {
        "@id": "urn:x",
        "@type": "Offer",
        "profile": "https://w3id.org/weft/policy/v1",
        "permission": [{"action": "use"}],
    }
    assert [problem.code for problem in check_publishable(document)] == ["profile-without-term"]


def test_unreadable_document():
    """A document without a reading is reported, never raised."""
    assert "not-an-object" in {problem.code for problem in check_publishable({"permission": [1]})}
    assert check_publishable({"@id": "urn:x", "@type": "Offer", "profile": [""], "permission": [{"action": "use"}]})


def schema():
    document = json.loads(shared("data/dsp/negotiation/contract-schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft201909Validator({"$ref": "#/definitions/Offer", "definitions": document["definitions"]})


MUTATIONS = st.sampled_from(["", "x", "odrl:use", "constraint", 3, None, True, [], {}, ["a"], {"@id": "odrl:use"}])


@settings(max_examples=300)
@given(st.sampled_from(OFFERS), st.data())
def test_publishable_is_valid(name, data):
    """Whatever is found publishable is valid against the protocol's definition of an Offer."""
    document = offer(name)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.sampled_from([each for each in places(document) if each[-1] == "value"]))
        document = replaced(document, place, data.draw(MUTATIONS))
    if not check_publishable(copy.deepcopy(document)):
        schema().validate(document)
