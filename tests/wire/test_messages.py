"""What we say, word for word: every message of ours as a golden file, valid by the official schemas, and read back.

`python -m tests.wire.test_messages` writes the golden files anew; a change of them is a change of the wire.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.agreement import draw_up
from contracts.errors import InvalidMessageError
from contracts.machine import Role
from contracts.messages import read
from contracts.negotiation import messages as said
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State
from contracts.transfer import messages as moved
from contracts.transfer.model import Transfer
from contracts.transfer.table import State as TransferState
from tests.dspschema import validate
from tests.shared import shared

GOLDEN = Path(__file__).parent / "golden"
OFFER = {
    "@id": "urn:uuid:0ff0",
    "@type": "Offer",
    "target": "coil-quality",
    "assigner": "did:web:p-steel.example",
    "profile": ["https://w3id.org/weft/policy/v1"],
    "permission": [
        {
            "action": "odrl:use",
            "constraint": [{"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "质量分析"}],
        }
    ],
    "prohibition": [
        {"action": "odrl:distribute", "odrl:remedy": [{"action": "https://w3id.org/weft/policy/v1#alert"}]}
    ],
}
CALLBACK = "https://zhengshu.example/dsp/2025-1"


def negotiation(role=Role.CONSUMER, peer_pid="urn:uuid:beef"):
    return Negotiation(
        pid="urn:uuid:cafe",
        role=role,
        counterparty="did:web:p-steel.example",
        peer_pid=peer_pid,
        address="https://steel.example/dsp/2025-1",
        state=State.REQUESTED,
        dataset="coil-quality",
        offer=OFFER,
        offered_by=Role.CONSUMER,
    )


def transfer(role=Role.CONSUMER, peer_pid="urn:uuid:beef"):
    return Transfer(
        pid="urn:uuid:cafe",
        role=role,
        counterparty="did:web:p-steel.example",
        peer_pid=peer_pid,
        address="https://steel.example/dsp/2025-1",
        state=TransferState.STARTED,
        agreement="sha-256:00",
        dataset="coil-quality",
        format=moved.PULL,
        purpose="quality",
    )


INBOX = moved.push_address("https://zhengshu.example/inbox/urn:uuid:cafe", "TOKEN")


def pushed(role=Role.CONSUMER, peer_pid="urn:uuid:beef"):
    return replace(transfer(role, peer_pid), format=moved.PUSH, data_address=INBOX)


AGREEMENT = draw_up(
    OFFER,
    agreement_id="urn:uuid:a9ee",
    assigner="did:web:p-steel.example",
    assignee="did:web:s-zhengshu.example",
    timestamp="2026-11-10T01:00:00Z",
)
ID = "urn:uuid:1d"
PROVIDER = Role.PROVIDER
MESSAGES = {
    "contract-request-initial": (said.request(ID, negotiation(peer_pid=""), CALLBACK), said.ContractRequestMessage),
    "contract-request-counter": (said.request(ID, negotiation(), CALLBACK), said.ContractRequestMessage),
    "contract-offer-initial": (said.offer(ID, negotiation(PROVIDER, ""), CALLBACK), said.ContractOfferMessage),
    "contract-offer": (said.offer(ID, negotiation(PROVIDER), CALLBACK), said.ContractOfferMessage),
    "contract-agreement": (said.agreement(ID, negotiation(PROVIDER), AGREEMENT), said.ContractAgreementMessage),
    "contract-agreement-verification": (
        said.verification(ID, negotiation()),
        said.ContractAgreementVerificationMessage,
    ),
    "contract-negotiation-event-accepted": (
        said.event(ID, negotiation(), "ACCEPTED"),
        said.ContractNegotiationEventMessage,
    ),
    "contract-negotiation-termination": (
        said.termination(ID, negotiation(), "ended-by-operator", "价格有变"),
        said.ContractNegotiationTerminationMessage,
    ),
    "contract-negotiation-termination-without-reason": (
        said.termination(ID, negotiation(), "", ""),
        said.ContractNegotiationTerminationMessage,
    ),
    "contract-negotiation": (said.acknowledgement(negotiation()), None),
    "contract-negotiation-error": (said.refusal("urn:uuid:1", "urn:uuid:2", "offer-unknown", ["There is none."]), None),
    "transfer-request": (
        moved.request(ID, transfer(peer_pid=""), "urn:uuid:a9ee", CALLBACK),
        moved.TransferRequestMessage,
    ),
    "transfer-request-push": (
        moved.request(ID, pushed(peer_pid=""), "urn:uuid:a9ee", CALLBACK),
        moved.TransferRequestMessage,
    ),
    "transfer-start-push": (moved.start(ID, pushed(Role.PROVIDER), INBOX), moved.TransferStartMessage),
    "transfer-start": (
        moved.start(ID, transfer(PROVIDER), moved.data_address("https://steel.example/data/urn:uuid:cafe", "TOKEN")),
        moved.TransferStartMessage,
    ),
    "transfer-start-resume": (moved.start(ID, transfer(), None), moved.TransferStartMessage),
    "transfer-suspension": (moved.suspension(ID, transfer(), "", "maintenance"), moved.TransferSuspensionMessage),
    "transfer-completion": (moved.completion(ID, transfer()), moved.TransferCompletionMessage),
    "transfer-termination": (
        moved.termination(ID, transfer(), "counter-exhausted", "3 of 3 used"),
        moved.TransferTerminationMessage,
    ),
    "transfer-process": (moved.acknowledgement(transfer()), None),
    "transfer-error": (moved.refusal("urn:uuid:1", "urn:uuid:2", "agreement-unknown", ["There is none."]), None),
}
SCHEMAS = {
    "ContractNegotiation": "negotiation/contract-negotiation",
    "ContractNegotiationError": "negotiation/contract-negotiation-error",
    "TransferProcess": "transfer/transfer-process",
    "TransferError": "transfer/transfer-error",
}


def schema_of(document):
    """The schema file of a message type: `TransferStartMessage` -> `transfer/transfer-start-message-schema.json`."""
    kind = document["@type"]
    if kind in SCHEMAS:
        return f"{SCHEMAS[kind]}-schema.json"
    words = "".join(f"-{character.lower()}" if character.isupper() else character for character in kind).strip("-")
    return f"{'negotiation' if kind.startswith('Contract') else 'transfer'}/{words}-schema.json"


def text(document):
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


@pytest.mark.parametrize("name", MESSAGES)
def test_what_we_send_is_the_golden_file(name):
    """Members, their order and their spelling are those of the golden file."""
    assert text(MESSAGES[name][0]) == (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MESSAGES)
def test_what_we_send_is_valid_and_read_back(name):
    """Every message of ours is valid by its official schema, and our own reader takes it."""
    document, model = MESSAGES[name]
    validate(document, schema_of(document))
    if model is not None:
        assert read(model, document).type == document["@type"]


READERS = {model.model_fields["type"].annotation.__args__[0]: model for _, model in MESSAGES.values() if model}


def examples():
    root = Path(__file__).parents[2].parent / "shared" / "data" / "dsp"
    return sorted(path.relative_to(root.parent.parent).as_posix() for path in root.glob("*/example/*.json"))


@pytest.mark.parametrize("path", examples() or ["data/dsp/negotiation/example/contract-request-message.json"])
def test_the_examples_of_the_specification_are_read(path):
    """Every example message of the specification that has a reader is read; its unknown members are kept."""
    document = json.loads(shared(path).read_text(encoding="utf-8"))
    model = READERS.get(document.get("@type"))
    if model is None:
        return
    message = read(model, document)
    assert message.type == document["@type"]


def test_unknown_members_are_kept():
    """A member nobody knows does not disturb and is not lost."""
    document, model = MESSAGES["transfer-completion"]
    message = read(model, {**document, "https://example.org/x": {"y": 1}})
    assert message.model_extra == {"https://example.org/x": {"y": 1}}


def test_a_data_address_is_found_in_every_spelling():
    """The endpoint and the token are found at the top, under plain names and under EDC's."""
    edc = "https://w3id.org/edc/v0.0.1/ns/"
    spellings = [
        {"endpoint": "https://x/1", "properties": {"authorization": "t"}},
        {"properties": {f"{edc}endpoint": "https://x/1", f"{edc}authorization": "t"}},
        {"properties": {"baseUrl": "https://x/1", "access_token": "t"}},
    ]
    for spelling in spellings:
        listed = [{"@type": "EndpointProperty", "name": n, "value": v} for n, v in spelling["properties"].items()]
        document = {"@type": "DataAddress", "endpointType": "x", "endpointProperties": listed}
        address = moved.DataAddress.model_validate(
            document | ({"endpoint": spelling["endpoint"]} if "endpoint" in spelling else {})
        )
        assert (address.url, address.token) == ("https://x/1", "t")


def test_a_wrong_member_is_named():
    """The error of a wrong message says which member is wrong and why."""
    document, model = MESSAGES["transfer-start"]
    broken = json.loads(json.dumps(document))
    broken["dataAddress"]["endpointProperties"] = []
    with pytest.raises(InvalidMessageError) as caught:
        read(model, broken)
    assert caught.value.path == "dataAddress.endpointProperties"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for message_name, (content, _) in MESSAGES.items():
        (GOLDEN / f"{message_name}.json").write_text(text(content), encoding="utf-8")
