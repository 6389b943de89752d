"""Shape: the messages of the contract negotiation (DSP 2025-1, JSON Schemas below `negotiation/`).

Policies inside stay the mappings that came: their bytes are compared and hashed, their meaning is `policies`' business.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from contracts.messages import CONTEXT, Message, Pid, Reasons, envelope
from contracts.negotiation.model import Negotiation

Rules = tuple[str, str, str]
RULES: Rules = ("permission", "prohibition", "obligation")
LOGICAL = ("and", "andSequence", "or", "xone")


def _policy(value: dict[str, Any], *, needs: tuple[str, ...], kind: str) -> dict[str, Any]:
    if value.get("@type") != kind:
        raise ValueError(f"@type must be {kind!r}")
    for name in needs:
        if not isinstance(value.get(name), str) or not value[name]:
            raise ValueError(f"{name} must be a non-empty string")
    for name in RULES:
        if name in value and (not isinstance(value[name], list) or not value[name]):
            raise ValueError(f"{name} must be a non-empty array where it is present")
        for index, rule in enumerate(value.get(name, ())):
            if not isinstance(rule, dict) or not isinstance(rule.get("action"), str) or not rule["action"]:
                raise ValueError(f"{name}[{index}].action must be a non-empty string")
            if "target" in rule:
                raise ValueError(f"{name}[{index}].target is not allowed inside a rule")
            _constraints(rule.get("constraint"), f"{name}[{index}].constraint")
    if "permission" not in value and "prohibition" not in value:
        raise ValueError("at least one of permission and prohibition is needed")
    return value


def _constraints(value: object, place: str) -> None:
    """The constraints of a rule, nested ones too: atomic with three members, or one logical operator (contract-schema.json)."""
    if value is None:
        return
    if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise ValueError(f"{place} must be an array of objects")
    for index, item in enumerate(value):
        here = f"{place}[{index}]"
        logical = [name for name in item if name.removeprefix("odrl:") in LOGICAL]
        if len(logical) > 1:
            raise ValueError(f"{here} has more than one of {', '.join(LOGICAL)}")
        if logical:
            _constraints(item[logical[0]], f"{here}.{logical[0]}")
            continue
        for name in ("leftOperand", "operator"):
            if not isinstance(item.get(name), str) or not item[name]:
                raise ValueError(f"{here}.{name} must be a non-empty string")
        if "rightOperand" not in item:
            raise ValueError(f"{here}.rightOperand is missing")


def _offer(value: dict[str, Any]) -> dict[str, Any]:
    return _policy(value, needs=("@id", "target"), kind="Offer")


def _agreement(value: dict[str, Any]) -> dict[str, Any]:
    return _policy(value, needs=("@id", "target", "assigner", "assignee", "timestamp"), kind="Agreement")


MessageOffer = Annotated[dict[str, Any], AfterValidator(_offer)]
Agreement = Annotated[dict[str, Any], AfterValidator(_agreement)]


class ContractRequestMessage(Message):
    """Consumer asks: initially with a `callbackAddress`, as a counter-request with the `providerPid`; never both."""

    type: Literal["ContractRequestMessage"] = Field(alias="@type")
    consumer_pid: Pid = Field(alias="consumerPid")
    provider_pid: Pid | None = Field(alias="providerPid", default=None)
    callback_address: str | None = Field(alias="callbackAddress", default=None)
    offer: MessageOffer

    @model_validator(mode="after")
    def _one_of(self) -> "ContractRequestMessage":
        if (self.provider_pid is None) == (self.callback_address is None):
            raise ValueError("exactly one of callbackAddress and providerPid is needed")
        return self


class ContractOfferMessage(Message):
    """Provider offers: initially with its own `callbackAddress`, in a running negotiation with the `consumerPid`."""

    type: Literal["ContractOfferMessage"] = Field(alias="@type")
    provider_pid: Pid = Field(alias="providerPid")
    consumer_pid: Pid | None = Field(alias="consumerPid", default=None)
    callback_address: str | None = Field(alias="callbackAddress", default=None)
    offer: MessageOffer

    @model_validator(mode="after")
    def _one_of(self) -> "ContractOfferMessage":
        if (self.consumer_pid is None) == (self.callback_address is None):
            raise ValueError("exactly one of callbackAddress and consumerPid is needed")
        return self


class _Both(Message):
    consumer_pid: Pid = Field(alias="consumerPid")
    provider_pid: Pid = Field(alias="providerPid")


class ContractAgreementMessage(_Both):
    """Provider agrees to the last offer on the table."""

    type: Literal["ContractAgreementMessage"] = Field(alias="@type")
    agreement: Agreement


class ContractAgreementVerificationMessage(_Both):
    """Consumer has checked the agreement and holds to it."""

    type: Literal["ContractAgreementVerificationMessage"] = Field(alias="@type")


class ContractNegotiationEventMessage(_Both):
    """ACCEPTED by the consumer, FINALIZED by the provider."""

    type: Literal["ContractNegotiationEventMessage"] = Field(alias="@type")
    event_type: Literal["ACCEPTED", "FINALIZED"] = Field(alias="eventType")


class ContractNegotiationTerminationMessage(_Both):
    """Either side ends the negotiation."""

    type: Literal["ContractNegotiationTerminationMessage"] = Field(alias="@type")
    code: str = ""
    reason: Reasons = ("",)


def _pids(negotiation: Negotiation) -> dict[str, str]:
    return {"providerPid": negotiation.provider_pid, "consumerPid": negotiation.consumer_pid}


def request(message_id: str, negotiation: Negotiation, callback: str) -> dict[str, object]:
    """Our request: the initial one (no counterparty pid yet) carries our callback address."""
    if negotiation.peer_pid:
        return envelope("ContractRequestMessage", message_id, **_pids(negotiation), offer=negotiation.offer)
    return envelope(
        "ContractRequestMessage",
        message_id,
        consumerPid=negotiation.pid,
        offer=negotiation.offer,
        callbackAddress=callback,
    )


def offer(message_id: str, negotiation: Negotiation, callback: str) -> dict[str, object]:
    """Our offer: the initial one carries our callback address, where the consumer answers."""
    if negotiation.peer_pid:
        return envelope("ContractOfferMessage", message_id, **_pids(negotiation), offer=negotiation.offer)
    return envelope(
        "ContractOfferMessage",
        message_id,
        providerPid=negotiation.pid,
        offer=negotiation.offer,
        callbackAddress=callback,
    )


def agreement(message_id: str, negotiation: Negotiation, document: object) -> dict[str, object]:
    return envelope("ContractAgreementMessage", message_id, **_pids(negotiation), agreement=document)


def verification(message_id: str, negotiation: Negotiation) -> dict[str, object]:
    return envelope("ContractAgreementVerificationMessage", message_id, **_pids(negotiation))


def event(message_id: str, negotiation: Negotiation, event_type: str) -> dict[str, object]:
    return envelope("ContractNegotiationEventMessage", message_id, **_pids(negotiation), eventType=event_type)


def termination(message_id: str, negotiation: Negotiation, code: str, reason: str) -> dict[str, object]:
    """Our termination; `reason` is left out when there is none, because an empty array is invalid."""
    reasons = [reason] if reason else None
    return envelope(
        "ContractNegotiationTerminationMessage", message_id, **_pids(negotiation), code=code or None, reason=reasons
    )


def acknowledgement(negotiation: Negotiation) -> dict[str, object]:
    """The ContractNegotiation object: answer to every accepted message and to GET."""
    state = negotiation.state.value if negotiation.state else ""
    return {"@context": [CONTEXT], "@type": "ContractNegotiation", **_pids(negotiation), "state": state}


def refusal(provider_pid: str, consumer_pid: str, code: str, reasons: list[str]) -> dict[str, object]:
    """ContractNegotiationError; the schema wants both pids, also where we know only what the request said."""
    return {
        "@context": [CONTEXT],
        "@type": "ContractNegotiationError",
        "providerPid": provider_pid,
        "consumerPid": consumer_pid,
        "code": code,
        "reason": reasons,
    }
