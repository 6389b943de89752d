"""An EDC's own ways of writing are read, and those of JSON-LD serialisers; what is signed by its bytes is never touched."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.dsp.dialect import in_plain_words, said_in
from contracts.errors import InvalidMessageError
from contracts.messages import read
from contracts.negotiation.messages import ContractNegotiationTerminationMessage, ContractRequestMessage
from tests.wire.edc_recorded import one

DSP = "https://w3id.org/dspace/2025/1/context.jsonld"
EDC = "https://w3id.org/edc/dspace/v0.0.1"
ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
TERMINATION = {"@type": "ContractNegotiationTerminationMessage", "consumerPid": "c", "providerPid": "p"}


@given(ANY, st.dictionaries(st.sampled_from(["reason", "offer", "@type", "agreement"]), ANY))
def test_a_message_without_an_edcs_context_is_left_as_it_is(context, members):
    for document in (members, members | {"@context": context}, members | {"@context": [DSP]}, context):
        assert in_plain_words(document) is document


@given(ANY, st.sampled_from(["ContractAgreementMessage", "ContractRequestMessage", "TransferStartMessage"]))
def test_whatever_an_edc_writes_has_plain_words_or_a_reason_why_not(value, type_):
    document = {"@context": [DSP, EDC], "@type": type_, "offer": value, "agreement": value, "reason": value}
    try:
        said = in_plain_words(document)
    except InvalidMessageError:
        return
    assert said["agreement"] == value
    assert said.get("reason") != []


@given(ANY)
def test_what_is_plain_stays_so(value):
    document = {"@context": [DSP, EDC], "@type": "ContractRequestMessage", "offer": {"permission": value}}
    once = in_plain_words(document)
    assert in_plain_words(once) == once


@pytest.mark.parametrize("reason", [[], "no", None])
def test_a_reason_that_is_no_array_is_read_from_an_edc_alone(reason):
    said = {**TERMINATION, "reason": reason}
    read(ContractNegotiationTerminationMessage, in_plain_words(said | {"@context": [DSP, EDC]}))
    with pytest.raises(InvalidMessageError):
        read(ContractNegotiationTerminationMessage, in_plain_words(said | {"@context": [DSP]}))


def test_an_operand_below_logical_constraints_and_duties_is_written_in_full_too():
    request = one("provider", 15)["request"]
    (rule,) = request["offer"]["permission"]
    (atomic,) = rule["constraint"]
    request["offer"]["permission"] = [{"action": "use", "constraint": [{"or": [{"and": [atomic]}, atomic]}]}]
    message = read(ContractRequestMessage, in_plain_words(request))
    full = atomic | {"leftOperand": "https://w3id.org/edc/v0.0.1/ns/inForceDate"}
    assert message.offer["permission"][0]["constraint"] == [{"or": [{"and": [full]}, full]}]


def test_a_list_as_a_text_of_json_is_refused_with_its_place():
    with pytest.raises(InvalidMessageError) as refused:
        in_plain_words(one("odrl-terms", 37)["request"])
    assert "offer.permission.0.constraint.0.rightOperand" in str(refused.value.facts)


ATOMIC = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality"}
REQUEST = {
    "@context": [DSP],
    "@type": "ContractRequestMessage",
    "consumerPid": "c",
    "callbackAddress": "http://c.example/dsp",
    "offer": {
        "@id": "urn:o",
        "@type": "Offer",
        "target": "urn:d",
        "permission": [{"action": "use", "constraint": [{"or": [ATOMIC]}]}],
        "obligation": [{"action": "compensate"}],
    },
}


def one_for_many(value):
    """As a serialiser writes it that knows no arrays of one."""
    if isinstance(value, list):
        return one_for_many(value[0]) if len(value) == 1 and isinstance(value[0], dict) else value
    if not isinstance(value, dict):
        return value
    return {name: [each] if name == "@type" else one_for_many(each) for name, each in value.items()}


def test_one_value_stands_for_an_array_of_one_and_the_other_way_round():
    """As serialisers of JSON-LD write it; what is read is what they meant (dataspace-protocol.md 11.3)."""
    written = one_for_many(copy.deepcopy(REQUEST))
    assert written["@type"] == ["ContractRequestMessage"]
    assert written["offer"]["permission"]["constraint"] == {"or": ATOMIC}
    assert said_in(ContractRequestMessage, written) == said_in(ContractRequestMessage, REQUEST)
    ended = {**TERMINATION, "@context": [DSP], "@type": [TERMINATION["@type"]], "reason": "no"}
    assert said_in(ContractNegotiationTerminationMessage, ended).reason == ("no",)


def test_what_stays_wrong_is_told_as_the_strict_reading_found_it():
    written = one_for_many(copy.deepcopy(REQUEST))
    del written["offer"]["permission"]["action"]
    with pytest.raises(InvalidMessageError) as told:
        said_in(ContractRequestMessage, written)
    with pytest.raises(InvalidMessageError) as strict:
        read(ContractRequestMessage, written)
    assert str(told.value) == str(strict.value)


@given(ANY)
def test_anything_else_is_refused_as_ever(value):
    for model in (ContractRequestMessage, ContractNegotiationTerminationMessage):
        with pytest.raises(InvalidMessageError):
            said_in(model, value)
