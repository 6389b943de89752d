"""The maker of messages makes what it promises: documents that the official schemas accept, in all their variety."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dspschema import validate
from tests.random_messages.schema import Maker

SCHEMAS = (
    "negotiation/contract-request-message-schema.json",
    "negotiation/contract-offer-message-schema.json",
    "negotiation/contract-agreement-message-schema.json",
    "negotiation/contract-agreement-verification-message-schema.json",
    "negotiation/contract-negotiation-event-message-schema.json",
    "negotiation/contract-negotiation-termination-message-schema.json",
    "transfer/transfer-request-message-schema.json",
    "transfer/transfer-start-message-schema.json",
    "transfer/transfer-suspension-message-schema.json",
    "transfer/transfer-completion-message-schema.json",
    "transfer/transfer-termination-message-schema.json",
    "catalog/catalog-request-message-schema.json",
)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_made_is_valid_by_the_official_schema(schema):
    @settings(max_examples=40, deadline=None, database=None)
    @given(st.integers(0, 2**32))
    def made(number):
        validate(Maker(random.Random(number)).document(schema), schema)

    made()


def test_both_alternatives_and_every_kind_of_constraint_occur():
    seen, logical = set(), set()
    for number in range(300):
        document = Maker(random.Random(number)).document(SCHEMAS[0])
        seen |= {"providerPid", "callbackAddress"} & document.keys()
        for rule in document["offer"].get("permission", ()):
            for constraint in rule.get("constraint", ()):
                logical |= {"and", "or", "xone", "andSequence", "leftOperand"} & constraint.keys()
    assert seen == {"providerPid", "callbackAddress"}
    assert logical == {"and", "or", "xone", "andSequence", "leftOperand"}
