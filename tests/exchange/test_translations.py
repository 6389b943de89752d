"""What other connectors say when they refuse, translated: every reason that a real EDC gave has a meaning."""

import json
import re
import time

import pytest

from connector.exchange.translations import members_of, read_back, read_decision, translate
from policies.decision import REASONS, Decision, Outcome
from policies.sentences import has_sentence, sentence, table
from tests.shared import shared

TEXTS = [
    (400, "Bad request.", "bad-request"),
    (401, "Unauthorized.", "identity"),
    (409, "Cannot process ContractAgreementMessage because negotiation cannot be agreed", "not-in-state"),
    (404, "No negotiation with id urn:uuid:1 found", "process-unknown"),
    (400, "Contract offer is not valid: Invalid target: no-such", "dataset-gone"),
    (400, "Invalid client credentials: Invalid counter-party identity", "party-differs"),
    (0, "No dataplane found", "no-data-plane"),
    (0, "No Endpoint generator function registered for transfer type destination 'HttpData'", "no-data-plane"),
    (500, "", "failed"),
    (
        400,
        (
            "Contract agreement received. Validation failed: Policy in the contract agreement is not equal to the one "
            "in the contract offer"
        ),
        "terms-differ",
    ),
]


@pytest.mark.parametrize(("status", "text", "key"), TEXTS, ids=[key for _, _, key in TEXTS])
def test_an_edc_reason_has_a_meaning_in_both_languages(status, text, key):
    meaning = translate(status, f"http-{status}" if status else "", text, message="negotiation.request")
    assert meaning.sentence == f"show.peer.{key}"
    for lang in ("en", "zh"):
        assert "{" not in sentence(meaning.sentence, lang, **meaning.facts)


def test_every_meaning_has_its_sentence():
    from connector.exchange import translations  # noqa: PLC0415  its tables

    keys = {key for key, _ in translations._TEXTS} | set(translations._STATUSES.values())
    assert [key for key in sorted(keys) if not has_sentence(f"show.peer.{key}")] == []


def test_a_bad_request_names_the_members_that_are_likely_missing():
    meaning = translate(400, "400", "Bad request.", message="negotiation.agreement")
    assert "agreement.timestamp" in meaning.facts["members"]
    assert members_of("negotiation.verification") == ("consumerPid", "providerPid")


def test_the_dataset_that_is_gone_is_named():
    meaning = translate(400, "400", "Contract offer is not valid: Invalid target: coil-17")
    assert "coil-17" in sentence(meaning.sentence, "zh", **meaning.facts)


def test_a_sentence_of_another_weft_is_read_back_in_the_readers_language():
    facts = {"member": "agreement.target", "expected": "coil-17", "found": "coil-18"}
    meaning = translate(400, "agreement-differs", sentence("error.agreement-differs", "en", **facts))
    assert (meaning.sentence, meaning.facts) == ("error.agreement-differs", facts)
    assert "coil-18" in sentence(meaning.sentence, "zh", **meaning.facts)


def test_a_text_that_only_borrows_our_code_is_not_taken_for_our_sentence():
    assert read_back("agreement-differs", "No.") is None
    assert read_back("no-such-code", "No.") is None


@pytest.mark.parametrize("code", sorted(each.removeprefix("error.") for each in table() if each.startswith("error.")))
def test_every_sentence_of_ours_can_be_read_back(code):
    names = set(re.findall(r"{(\w+)}", table()[f"error.{code}"]["en"]))
    text = sentence(f"error.{code}", "en", **{name: f"<{name}>" for name in names})
    assert read_back(code, text).facts == {name: f"<{name}>" for name in names}


def test_a_make_with_codes_of_its_own_is_not_judged_by_the_status():
    assert translate(400, "urn:example:no-thanks", "not today") is None
    assert translate(404, "dataset-locked", "not today") is None


def _reasons(value):
    """Every reason in recorded exchanges, at any depth, also inside bodies kept as text."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "reason" and isinstance(member, list):
                yield from (each for each in member if isinstance(each, str))
            yield from _reasons(member)
    elif isinstance(value, list):
        for each in value:
            yield from _reasons(each)
    elif isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            yield from _reasons(json.loads(value))
        except json.JSONDecodeError:
            return


def test_every_reason_a_real_edc_wrote_is_translated():
    spoken = set()
    for path in sorted(shared("data/edc-wire").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            spoken.update(_reasons(json.loads(line)))
    # What the test bench itself wrote as a reason is a single word or two; an EDC writes sentences.
    sentences = {each for each in spoken if len(each.split()) > 2}
    assert len(sentences) > 10
    untranslated = sorted(each for each in sentences if translate(0, "", each) is None)
    assert untranslated == []


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("operand", ["odrl:purpose", "odrl:recipient", "odrl:spatial", "odrl:dateTime", None])
def test_what_the_policy_of_another_weft_says_is_read_back_in_every_language(reason, operand):
    decision = Decision(
        Outcome.DENY, "odrl:use", reason=reason, left_operand=operand, operator="eq", expected="quality", actual="sale"
    )
    assert read_decision(reason, decision.sentence("en")) == {lang: decision.sentence(lang) for lang in ("en", "zh")}


def test_a_missing_value_is_read_back_as_missing():
    decision = Decision(Outcome.DENY, "odrl:use", reason="duty-unfulfilled", left_operand="inherits", expected="x")
    assert read_decision("duty-unfulfilled", decision.sentence("en"))["zh"] == decision.sentence("zh")


def test_another_text_for_a_reason_of_ours_is_not_taken_for_a_decision():
    assert read_decision("prohibited", "No.") is None
    assert read_decision("no-such-reason", "Refused: use. The policy prohibits it.") is None


def test_a_text_made_to_be_slow_is_read_as_fast_as_any():
    """A peer chooses its words: none of them may hold a reader up."""
    began = time.perf_counter()
    for identifier in table():
        if identifier.startswith("error."):
            words = re.split(r"{\w+}", table()[identifier]["en"])
            read_back(identifier.removeprefix("error."), (words[0] + "".join(words[1:-1] or words) * 999)[:1000])
    assert time.perf_counter() - began < 2
