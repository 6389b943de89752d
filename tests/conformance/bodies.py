"""What the kit says: each message as its official scripts send it, with the oddities that a connector has to bear.

Every body carries a fresh `@id`, an `@context` array and compact terms. Times have nanoseconds, the agreement a stray
`callbackAddress`, a termination a code and no reason, the start of a transfer an address without a token.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
KIT = "TCK_PARTICIPANT"
RULES = [{"action": "use"}]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a script has to say: the object it is about, the pids as far as they are known, and who the connector is."""

    kit_address: str
    agent: str
    consumer_pid: str
    provider_pid: str
    dataset: str = ""
    offer: str = ""
    agreement: str = ""
    format: str = ""

    @property
    def pids(self) -> dict[str, str]:
        return {"providerPid": self.provider_pid, "consumerPid": self.consumer_pid}


def enveloped(type_: str, **members: Any) -> dict[str, Any]:
    """A root message: context, type and a fresh `@id`."""
    return {"@context": [CONTEXT], "@id": fresh(), "@type": type_, **members}


def fresh() -> str:
    """An identifier as the kit makes them: a bare UUID, which goes into addresses as it is."""
    return str(uuid.uuid4())


def _offer(facts: Facts, **parties: str) -> dict[str, Any]:
    return {"@id": facts.offer, "@type": "Offer", "target": facts.dataset, "permission": RULES, **parties}


def _request(facts: Facts) -> dict[str, Any]:
    members = {"consumerPid": facts.consumer_pid, "offer": _offer(facts), "callbackAddress": facts.kit_address}
    return enveloped("ContractRequestMessage", **members)


def _counter_request(facts: Facts) -> dict[str, Any]:
    return enveloped("ContractRequestMessage", **facts.pids, offer=_offer(facts, assignee=KIT))


def _offer_message(facts: Facts) -> dict[str, Any]:
    parties = {"assigner": KIT, "assignee": facts.agent}
    return enveloped("ContractOfferMessage", **facts.pids, offer=_offer(facts, **parties))


def _agreement(facts: Facts) -> dict[str, Any]:
    agreement = {
        "@id": fresh(),
        "@type": "Agreement",
        "target": facts.dataset,
        "assigner": KIT,
        "assignee": facts.agent,
        "timestamp": _instant(),
        "permission": RULES,
    }
    return enveloped("ContractAgreementMessage", **facts.pids, agreement=agreement, callbackAddress=facts.kit_address)


def _instant() -> str:
    """Now, as `2026-06-17T08:09:10.123456789Z`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _event(facts: Facts, event: str) -> dict[str, Any]:
    return enveloped("ContractNegotiationEventMessage", **facts.pids, eventType=event)


def _transfer_request(facts: Facts) -> dict[str, Any]:
    members = {"agreementId": facts.agreement, "format": facts.format, "callbackAddress": facts.kit_address}
    return enveloped("TransferRequestMessage", consumerPid=facts.consumer_pid, **members)


def _start(facts: Facts) -> dict[str, Any]:
    address = {
        "@type": "DataAddress",
        "endpoint": "http://example.com",
        "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
    }
    return enveloped("TransferStartMessage", **facts.pids, dataAddress=address)


NEGOTIATION = {
    "request": _request,
    "counter-request": _counter_request,
    "offer": _offer_message,
    "agreement": _agreement,
    "accepted": lambda facts: _event(facts, "ACCEPTED"),
    "finalized": lambda facts: _event(facts, "FINALIZED"),
    "verification": lambda facts: enveloped("ContractAgreementVerificationMessage", **facts.pids),
    "termination": lambda facts: enveloped("ContractNegotiationTerminationMessage", **facts.pids, code="1"),
}
TRANSFER = {
    "request": _transfer_request,
    "start": _start,
    "start without dataAddress": lambda facts: enveloped("TransferStartMessage", **facts.pids),
    "completion": lambda facts: enveloped("TransferCompletionMessage", **facts.pids),
    "suspension": lambda facts: enveloped("TransferSuspensionMessage", **facts.pids, code="1"),
    "termination": lambda facts: enveloped("TransferTerminationMessage", **facts.pids, code="1"),
}


def acknowledgement(type_: str, facts: Facts, state: str) -> Mapping[str, Any]:
    """The process as the kit answers it: ContractNegotiation or TransferProcess."""
    return enveloped(type_, **facts.pids, state=state)
