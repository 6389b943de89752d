"""What keeps a dataset from being published, and what publishing shows to whom."""

import json

import pytest

from catalog.errors import NotPublishableError
from catalog.model import Offer
from catalog.publish import Problem, check, preview, problems
from policies.canonical import digest
from tests.catalog.samples import BUNDLE, DATASET, OEM, SERVICE, TERMS, TRANSFORM, document, schema_errors, simple
from tests.shared import shared


def test_everything_named_is_there():
    """No problem when all digests are known."""
    assert problems(DATASET, documents={TERMS, BUNDLE, TRANSFORM}) == []
    check(DATASET, documents={TERMS, BUNDLE, TRANSFORM})


@pytest.mark.parametrize(("missing", "kind"), [(TERMS, "terms"), (BUNDLE, "terms"), (TRANSFORM, "transform")])
def test_a_missing_document_is_named_with_its_offer(missing, kind):
    """The refusal names the digest and the offer that needs it."""
    with pytest.raises(NotPublishableError) as refused:
        check(DATASET, documents={TERMS, BUNDLE, TRANSFORM} - {missing})
    expected = Problem("document-missing", DATASET.offers[1].id, {"kind": kind, "digest": missing})
    assert (expected,) == refused.value.problems
    assert missing in str(refused.value)


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        (simple("x", offers=0), "no-offer"),
        (simple("x", audience=()), "no-audience"),
        (simple("x", inputs=("a",), missing_inputs=("b",)), "missing-input-unknown"),
    ],
)
def test_what_may_not_be_published(dataset, code):
    """Each broken rule has a code."""
    assert [code] == [problem.code for problem in problems(dataset, documents=())]


def test_an_offer_needs_a_rule():
    """Obligations alone grant nothing."""
    offer = Offer(id="o", document={**document("o"), "permission": []})
    found = problems(simple("x").model_copy(update={"offers": (offer,)}), documents=())
    assert [Problem("offer-without-rule", "o")] == found


def test_the_policy_check_is_asked_once_per_offer():
    """What it says becomes a problem of that offer."""
    asked = []

    def refuse(policy):
        asked.append(policy["@id"])
        return ["odrl:play is not supported"]

    found = problems(simple("x", offers=2), documents=(), check_policy=refuse)
    assert asked == ["x/offer-0", "x/offer-1"]
    assert {"policy-not-publishable"} == {problem.code for problem in found}


def test_a_preview_is_what_the_viewer_gets():
    """Valid by the official schema, with exactly the offers for that viewer, and silent about who else sees it."""
    body = preview(DATASET, SERVICE, "did:web:other.example")
    assert schema_errors(body, "dataset") == []
    assert [DATASET.offers[1].document] == body["hasPolicy"]
    assert OEM not in str(body)
    assert preview(simple("x", audience=(OEM,)), SERVICE, "did:web:other.example") is None


def test_the_documents_of_the_scenario_are_all_there():
    """Every digest that the twelve example offers name is the digest of one of the files beside them."""
    folder = shared("scenarios/supply-chain-control/contracts")
    documents = {
        digest(path.read_bytes()) for kind in ("terms", "transforms") for path in (folder / kind).glob("*.json")
    }
    for path in sorted((folder / "offers").glob("*.json")):
        text = json.loads(path.read_text(encoding="utf-8"))
        offer = Offer(id=text["@id"], document=text)
        assert offer.terms, path.name
        assert problems(simple("x").model_copy(update={"offers": (offer,)}), documents=documents) == []
