"""Policies compared by meaning."""

import copy
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.compare import differences, policy_digest, same_rules
from policies.extent import extent_of, implies
from policies.parse import parse_policy
from tests.policies.scenario import OFFERS, PURPOSE, offer
from tests.shared import shared


def respelt(value):
    """The same document in another spelling: full IRIs for ODRL terms, single objects for lists of one, reversed order."""
    if isinstance(value, dict):
        return {name: respelt(member) for name, member in reversed(value.items())}
    if isinstance(value, list):
        return respelt(value[0]) if len(value) == 1 else [respelt(element) for element in reversed(value)]
    return (
        value.replace("odrl:", "http://www.w3.org/ns/odrl/2/", 1)
        if value.startswith("odrl:") and "," not in value
        else value
    )


@pytest.mark.parametrize("name", OFFERS)
def test_same_in_any_spelling(name):
    """Another spelling and order is the same policy, without any difference, and has the same rule digests."""
    document = offer(name)
    other = respelt(document)
    assert same_rules(document, other)
    assert () == differences(other, document) == differences(document, other)


@pytest.mark.parametrize("name", OFFERS)
def test_profile_may_be_absent(name):
    """A request without `profile` means that of the offer; another profile is another policy."""
    document = offer(name)
    bare = {key: value for key, value in document.items() if key != "profile"}
    assert same_rules(bare, document)
    assert not same_rules({**document, "profile": ["https://w3id.org/weft/policy/v1"]}, document)


def test_offers_differ():
    """No two of the twelve offers have the same rules but those made of the same terms."""
    pairs = {(one, other) for one in OFFERS for other in OFFERS if one < other and same_rules(offer(one), offer(other))}
    assert set() == pairs


def test_edc_requests_mean_our_offers():
    """What a live EDC sent back for each offer has the same rules as the offer, though it was written by EDC."""
    seen = set()
    for line in shared("data/edc-wire/scenario-a-edc-consumes.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        request = record.get("request") or {}
        name = record.get("note")
        if request.get("@type") == "ContractRequestMessage" and name in OFFERS:
            assert same_rules(request["offer"], offer(name))
            seen.add(name)
    assert set(OFFERS) == seen


def test_policy_digest_ignores_identity():
    """The policy digest is that of the document without identity, parties, time and context, and of nothing else."""
    document = offer("A5")
    agreement = {
        **document,
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@id": "urn:uuid:other",
        "target": "t",
        "assigner": "a",
        "assignee": "b",
        "timestamp": "2026-11-10T01:00:00Z",
    }
    assert policy_digest(document) == policy_digest(agreement)
    assert policy_digest(document) != policy_digest({**agreement, "@type": "Agreement"})


CHANGES = [
    (lambda d: d["permission"][0]["constraint"].append(constraint("odrl:event", "x")), "stricter-constraint"),
    (lambda d: d["permission"][0]["constraint"][0].update(rightOperand="other"), "stricter-constraint"),
    (lambda d: d["permission"][0]["constraint"][2]["or"].pop(), "stricter-constraint"),
    (lambda d: d["permission"][0]["constraint"][3].update(rightOperand="2026-12-01T00:00:00Z"), "stricter-constraint"),
    (lambda d: d["permission"][0]["constraint"][4]["and"][0].update(rightOperand="2"), "stricter-constraint"),
    (lambda d: d["permission"][0]["constraint"][5].update(rightOperand="batch_no"), "stricter-constraint"),
    (lambda d: d["permission"][0].update({"ex:more": "burden"}), "unknown-member"),
    (lambda d: d.update({"odrl:inheritFrom": "urn:x"}), "unknown-member"),
    (lambda d: d["permission"].pop(1), "missing-permission"),
    (lambda d: d["prohibition"].append({"action": "odrl:read"}), "prohibition"),
    (lambda d: d["obligation"].append({"action": "odrl:attribute"}), "duty"),
    (lambda d: d["obligation"][1]["constraint"][0].update(rightOperand="P30D"), "duty"),
    (lambda d: d["permission"][0]["duty"].append({"action": "odrl:compensate"}), "duty"),
    (lambda d: d.update(profile=[*d["profile"], "https://example.org/p"]), "profile"),
    (lambda d: d.update({"odrl:conflict": "odrl:invalid"}), "conflict"),
]


def constraint(left, right, operator="eq"):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


@pytest.mark.parametrize(("change", "code"), CHANGES)
def test_stricter_is_a_difference(change, code):
    """An offer with one burden more, or one right less, than accepted differs, in words of both languages."""
    accepted = offer("A4")
    offered = copy.deepcopy(accepted)
    change(offered)
    found = differences(offered, accepted)
    assert [code] == [each.code for each in found]
    assert "{" not in found[0].sentence("en")
    assert found[0].sentence("zh") != found[0].sentence("en")


LOOSER = [
    lambda d: d["permission"][0]["constraint"].pop(0),
    lambda d: d["permission"][0]["constraint"][2]["or"].append(constraint("odrl:spatial", "CN-34")),
    lambda d: d["permission"][0]["constraint"][3].update(rightOperand="2027-12-31T23:59:59+08:00"),
    lambda d: d["permission"][0]["constraint"][4]["and"][0].update(rightOperand="4"),
    lambda d: d["permission"][0]["constraint"][5].update(
        rightOperand=d["permission"][0]["constraint"][5]["rightOperand"] + ",extra"
    ),
    lambda d: d.pop("prohibition"),
    lambda d: d["obligation"].pop(),
    lambda d: d["obligation"][1]["constraint"][0].update(rightOperand="P120D"),
    lambda d: d["permission"].append({"action": "odrl:distribute"}),
]


@pytest.mark.parametrize("change", LOOSER)
def test_looser_is_accepted(change):
    """An offer that grants more or asks for less than accepted has no difference, but is not the same policy."""
    accepted = offer("A4")
    offered = copy.deepcopy(accepted)
    change(offered)
    assert differences(offered, accepted) == ()
    assert not same_rules(offered, accepted)


def condition(document):
    return parse_policy({"permission": [{"action": "use", "constraint": [document]}]}).permissions[0].constraints[0]


CODES = st.sampled_from(["CN-31", "CN-32", "DE-BY"])
CONDITIONS = st.one_of(
    st.builds(lambda right: constraint("odrl:spatial", right), CODES),
    st.builds(lambda right: constraint("odrl:spatial", right, "neq"), CODES),
    st.builds(
        lambda rights: {"or": [constraint("odrl:spatial", right) for right in rights]}, st.lists(CODES, min_size=1)
    ),
).map(condition)


@given(CONDITIONS, CONDITIONS, CONDITIONS)
def test_implication_is_an_order(one, two, three):
    """Implication is reflexive and transitive."""
    assert implies(one, one)
    if implies(one, two) and implies(two, three):
        assert implies(one, three)


def test_values_not_texts():
    """Dates and durations are compared as values, whatever their spelling."""
    first = condition(constraint("odrl:dateTime", "2026-12-31T23:59:59+08:00", "lteq"))
    second = condition(constraint("odrl:dateTime", "2026-12-31T15:59:59Z", "lteq"))
    assert implies(first, second)
    assert implies(second, first)
    duration = extent_of(condition(constraint("odrl:elapsedTime", "P1DT24H", "lteq")))
    assert timedelta(days=2) == duration.bound


def test_unknown_implies_itself_only():
    """What is not understood is equal only to itself."""
    mood = condition(constraint("ex:mood", "good"))
    assert implies(mood, condition(constraint("ex:mood", "good")))
    assert not implies(mood, condition(constraint("ex:mood", "better")))
    assert not implies(condition(constraint("odrl:purpose", PURPOSE)), mood)
