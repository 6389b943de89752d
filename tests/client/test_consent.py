"""Consent: every burden nobody agreed to is an objection, and nothing else is."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.client import Money, Offer, Price, accept
from connector.client.consent import Conditions
from connector.client.errors import InvalidRequestError
from policies.compare import policy_digest
from tests.shared import shared

ME = "did:web:s-zhengshu.example"
PURPOSE = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}


def offer(price=None, **members):
    document = {"@id": "urn:o", "@type": "Offer", "permission": [{"action": "odrl:use"}], **members}
    return Offer(id="urn:o", policy=document, digest=policy_digest(document), price=price)


def using(*constraints, duty=None):
    rule = {"action": "odrl:use", "constraint": list(constraints)} | ({"duty": duty} if duty else {})
    return offer(permission=[rule])


def objections(given, consent, lang="en"):
    return [each.sentence(lang) for each in accept.consent(consent).judge(given, ME)]


def scenario(name):
    document = json.loads(shared(f"scenarios/supply-chain-control/contracts/offers/{name}.json").read_bytes())
    return Offer(id=document["@id"], policy=document, digest=policy_digest(document))


def test_by_default_only_free_unconditional_use_is_accepted():
    assert objections(offer(), None) == []
    assert objections(offer(Price(kind="Free")), None) == []
    for burdened in (
        using(PURPOSE),
        using(duty=[{"action": "odrl:delete"}]),
        offer(prohibition=[{"action": "odrl:distribute"}]),
        offer(obligation=[{"action": "odrl:delete"}]),
        offer(Price(kind="PerUnit", amount=Decimal(3), currency="CNY")),
        offer(permission=[{"action": "odrl:derive"}]),
        offer(permission=[{"action": "odrl:use", "unheard": 1}]),
        offer(profile="https://example.org/other"),
    ):
        assert len(objections(burdened, None)) == 1, burdened.policy


@pytest.mark.parametrize(
    ("constraints", "conditions", "said"),
    [
        ([PURPOSE], {"purpose": "quality"}, None),
        ([PURPOSE], {"purpose": {"quality", "training"}}, "odrl:purpose is limited to quality"),
        ([{"or": [PURPOSE, {**PURPOSE, "rightOperand": "training"}]}], {"purpose": {"quality", "training"}}, None),
        ([{"or": [PURPOSE, {**PURPOSE, "leftOperand": "odrl:spatial"}]}], {"purpose": "quality"}, "not understood"),
        ([{"xone": [PURPOSE, PURPOSE]}], {"purpose": "quality"}, "xone is not understood"),
        ([{**PURPOSE, "operator": "neq"}], {"purpose": "quality"}, "not understood"),
        ([{**PURPOSE, "leftOperand": "odrl:recipient", "rightOperand": ME}], {}, None),
        ([{**PURPOSE, "leftOperand": "odrl:recipient", "rightOperand": "did:web:x"}], {}, "odrl:recipient"),
        ([{**PURPOSE, "leftOperand": "odrl:spatial", "rightOperand": "CN-32"}], {"region": "CN-32"}, None),
        ([{"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "3"}], {"count": 3}, None),
        ([{"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "3"}], {"count": 4}, "odrl:count"),
        ([{"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "three"}], {"count": 1}, "odrl:count"),
        (
            [{"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2026-12-31T00:00:00Z"}],
            {"until": datetime(2026, 12, 1, tzinfo=UTC)},
            None,
        ),
        (
            [{"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2026-12-31"}],
            {"until": datetime(2026, 12, 1, tzinfo=UTC)},
            "odrl:dateTime",
        ),
        ([{"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2026-12-31T00:00:00Z"}], {}, "dateTime"),
        ([{"leftOperand": "https://w3id.org/weft/policy/v1#columns", "operator": "isPartOf", "rightOperand": "a,b"}], {"columns": {"a"}}, None),
        ([{"leftOperand": "https://w3id.org/weft/policy/v1#columns", "operator": "isPartOf", "rightOperand": "a,b"}], {"columns": {"c"}}, "weft:columns"),
        ([{"leftOperand": "odrl:event", "operator": "eq", "rightOperand": "x"}], {"purpose": "x"}, "odrl:event"),
        ([{**PURPOSE, "note": "x"}], {"purpose": "quality"}, "not understood"),
    ],
)  # fmt: skip
def test_a_condition_must_grant_all_that_is_needed(constraints, conditions, said):
    found = objections(using(*constraints), accept.if_(**conditions))
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert said in found[0]


def test_duties_prohibitions_and_price_are_consented_to_by_name():
    burdened = offer(
        Price(kind="PerUnit", amount=Decimal("0.16"), currency="CNY"),
        prohibition=[{"action": "odrl:distribute"}],
        obligation=[{"action": "odrl:delete"}, {"action": "https://w3id.org/weft/revshare/v1#settle"}],
    )
    limits = {"no_onward_transfer": True, "allow_duties": "delete"}
    assert objections(burdened, accept.if_(**limits, max_price=Money.of("0.20", "CNY"))) == []
    assert (
        "exceeds your limit of 0.10 CNY"
        in objections(burdened, accept.if_(**limits, max_price=Money.of("0.10", "CNY")))[0]
    )
    assert len(objections(burdened, accept.if_(**limits, max_price=Money.of("0.20", "EUR")))) == 1
    assert len(objections(burdened, accept.if_(**limits))) == 2
    assert objections(burdened, accept.if_(no_onward_transfer=True, allow_duties={"delete", "settle"})) == []


def test_a_price_nobody_knows_is_not_below_a_limit():
    hidden = offer(obligation=[{"action": "https://w3id.org/weft/revshare/v1#settle"}])
    assert len(objections(hidden, accept.if_(max_price=Money.of("1", "CNY")))) == 1


def test_exact_terms_by_meaning():
    terms = {"@type": "Offer", "permission": {"action": "use", "constraint": {**PURPOSE, "leftOperand": "purpose"}}}
    assert objections(using(PURPOSE), terms) == []
    assert objections(offer(), terms) == []
    stricter = using(PURPOSE, {**PURPOSE, "leftOperand": "odrl:spatial", "rightOperand": "CN-32"})
    assert len(objections(stricter, terms)) == 1
    assert objections(stricter, [terms, stricter.policy]) == []


def test_files_digests_and_predicates(tmp_path):
    path = tmp_path / "terms.json"
    path.write_text(json.dumps([using(PURPOSE).policy, {"permission": [{"action": "odrl:use"}]}]), encoding="utf-8")
    assert objections(using(PURPOSE), accept.file(path)) == []
    assert objections(offer(), accept.digest(offer().digest)) == []
    assert "other" not in objections(using(PURPOSE), accept.digest(offer().digest))[0]
    assert objections(offer(), lambda given: given.id == "urn:o") == []
    assert "too dear" in objections(offer(), lambda _: "too dear")[0]
    assert len(objections(offer(), lambda _: False)) == 1
    assert objections(using(PURPOSE), accept.anything(i_understand="no terms are checked")) == []


@pytest.mark.parametrize("content", ["", "[]", "[1]", "7", "{"])
def test_a_file_without_a_policy_is_no_consent(tmp_path, content):
    path = tmp_path / "terms.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=r"terms\.json"):
        accept.file(path)


def test_what_cannot_be_a_consent_is_refused():
    with pytest.raises(InvalidRequestError, match="i_understand"):
        accept.anything(i_understand="sure")
    with pytest.raises(InvalidRequestError, match="sha-256:"):
        accept.digest("abc")
    with pytest.raises(InvalidRequestError, match="accept="):
        accept.consent("terms.json")
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        accept.file("/nowhere/terms.json")


@pytest.mark.parametrize("name", [f"A{number}" for number in range(1, 13)])
def test_the_offers_of_the_scenario(name):
    given = scenario(name)
    assert objections(given, given.policy) == []
    assert objections(given, None)
    assert objections(given, None, "zh") != objections(given, None, "en")


def test_limits_for_an_offer_of_the_scenario():
    limits = Conditions(
        purpose=frozenset({"supply-chain-control"}),
        region=frozenset({"CN-32"}),
        columns=frozenset({"plate_no"}),
        count=3,
        until=datetime(2026, 12, 31, tzinfo=UTC),
        allow_duties=frozenset({"desensitize", "reportUsage", "delete", "settle"}),
        allow_prohibitions=frozenset({"distribute"}),
    )
    assert objections(scenario("A4"), limits) == []
    assert objections(scenario("A1"), limits)
