"""Shape: the messages of the transfer process (DSP 2025-1, JSON Schemas below `transfer/`)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import InvalidMessageError
from contracts.messages import CONTEXT, PURPOSE, Message, Pid, Reasons, envelope
from contracts.transfer.model import Transfer

PULL = "HttpData-PULL"
PUSH = "HttpData-PUSH"
HTTP_ENDPOINT = "https://w3id.org/idsa/v4.1/HTTP"
# What EDC calls an HTTP address; it takes no other for a push.
HTTP_DATA = "HttpData"
_EDC = "https://w3id.org/edc/v0.0.1/ns/"


class EndpointProperty(BaseModel):
    """A name and a value; the value of a peer may be anything, ours are strings."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, populate_by_name=True)

    type: Literal["EndpointProperty"] = Field(alias="@type")
    name: str
    value: Any


class DataAddress(BaseModel):
    """Where data is: an endpoint and properties, among them the token."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, populate_by_name=True)

    type: Literal["DataAddress"] = Field(alias="@type")
    endpoint_type: str = Field(alias="endpointType")
    endpoint: str | None = None
    properties: tuple[EndpointProperty, ...] | None = Field(
        alias="endpointProperties", default=None, min_length=1, strict=False
    )

    def find(self, *names: str) -> str:
        """The first string property of one of these names, plain or in EDC's namespace; `""` if there is none."""
        for name in names:
            for item in self.properties or ():
                if item.name in (name, _EDC + name) and isinstance(item.value, str):
                    return item.value
        return ""

    @property
    def url(self) -> str:
        return self.endpoint or self.find("endpoint", "baseUrl")

    @property
    def token(self) -> str:
        return self.find("authorization", "access_token")


class _Both(Message):
    consumer_pid: Pid = Field(alias="consumerPid")
    provider_pid: Pid = Field(alias="providerPid")


class TransferRequestMessage(Message):
    """Consumer asks for a transfer under an agreement."""

    type: Literal["TransferRequestMessage"] = Field(alias="@type")
    consumer_pid: Pid = Field(alias="consumerPid")
    agreement_id: str = Field(alias="agreementId", min_length=1)
    format: str = Field(min_length=1)
    callback_address: str = Field(alias="callbackAddress", min_length=1)
    data_address: DataAddress | None = Field(alias="dataAddress", default=None)

    @property
    def purpose(self) -> str:
        """The declared purpose: a member of the message, or an endpoint property of the same name; `""` for none.

        Raises InvalidMessageError when the two places disagree (Weft's policy profile).
        """
        extra = self.model_extra or {}
        said = extra.get(PURPOSE, "")
        if not isinstance(said, str):
            raise InvalidMessageError(PURPOSE, "must be a string")
        beside = self.data_address.find(PURPOSE) if self.data_address else ""
        if said and beside and said != beside:
            raise InvalidMessageError(PURPOSE, "the message and its data address state different purposes")
        return said or beside


class TransferStartMessage(_Both):
    """Starts or resumes; carries the data address of a pull."""

    type: Literal["TransferStartMessage"] = Field(alias="@type")
    data_address: DataAddress | None = Field(alias="dataAddress", default=None)


class TransferSuspensionMessage(_Both):
    """Either side pauses."""

    type: Literal["TransferSuspensionMessage"] = Field(alias="@type")
    code: str = ""
    reason: Reasons = ("",)


class TransferCompletionMessage(_Both):
    """Either side is done."""

    type: Literal["TransferCompletionMessage"] = Field(alias="@type")


class TransferTerminationMessage(_Both):
    """Either side ends it."""

    type: Literal["TransferTerminationMessage"] = Field(alias="@type")
    code: str = ""
    reason: Reasons = ("",)


def _pids(transfer: Transfer) -> dict[str, str]:
    return {"providerPid": transfer.provider_pid, "consumerPid": transfer.consumer_pid}


def request(message_id: str, transfer: Transfer, agreement_id: str, callback: str) -> dict[str, object]:
    """Our request; a declared purpose travels as a member of Weft's policy profile, a push says where the data goes."""
    message = envelope(
        "TransferRequestMessage",
        message_id,
        consumerPid=transfer.pid,
        agreementId=agreement_id,
        format=transfer.format,
        callbackAddress=callback,
        dataAddress=transfer.data_address if transfer.format == PUSH else None,
    )
    return message | {PURPOSE: transfer.purpose} if transfer.purpose else message


def data_address(endpoint: str, token: str) -> dict[str, Any]:
    """A data address of ours: the plain names, and the spelling that EDC reads (it ignores the top-level endpoint)."""
    properties = {
        "authorization": token,
        "authType": "bearer",
        f"{_EDC}endpoint": endpoint,
        f"{_EDC}endpointType": HTTP_ENDPOINT,
        f"{_EDC}authorization": token,
        f"{_EDC}authType": "bearer",
    }
    return _address(HTTP_ENDPOINT, endpoint, properties)


def push_address(endpoint: str, token: str) -> dict[str, Any]:
    """Where data is pushed to us: who reads the specification's members sends the token as a header.

    EDC ignores the top-level endpoint and sends to `baseUrl` what that says: there the token is the last segment of the path.
    """
    properties = {
        "authorization": token,
        "authType": "bearer",
        f"{_EDC}baseUrl": f"{endpoint}/{token}",
        f"{_EDC}type": HTTP_DATA,
    }
    return _address(HTTP_DATA, endpoint, properties)


def _address(endpoint_type: str, endpoint: str, properties: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "DataAddress",
        "endpointType": endpoint_type,
        "endpoint": endpoint,
        "endpointProperties": [
            {"@type": "EndpointProperty", "name": name, "value": value} for name, value in properties.items()
        ],
    }


def start(message_id: str, transfer: Transfer, address: Mapping[str, Any] | None) -> dict[str, object]:
    """Start or resume; the start of a push carries no address: the consumer has said where the data goes."""
    if transfer.format == PUSH:
        address = None
    return envelope("TransferStartMessage", message_id, **_pids(transfer), dataAddress=address)


def completion(message_id: str, transfer: Transfer) -> dict[str, object]:
    return envelope("TransferCompletionMessage", message_id, **_pids(transfer))


def suspension(message_id: str, transfer: Transfer, code: str, reason: str) -> dict[str, object]:
    reasons = [reason] if reason else None
    return envelope("TransferSuspensionMessage", message_id, **_pids(transfer), code=code or None, reason=reasons)


def termination(message_id: str, transfer: Transfer, code: str, reason: str) -> dict[str, object]:
    reasons = [reason] if reason else None
    return envelope("TransferTerminationMessage", message_id, **_pids(transfer), code=code or None, reason=reasons)


def acknowledgement(transfer: Transfer) -> dict[str, object]:
    """The TransferProcess object: answer to every accepted message and to GET."""
    state = transfer.state.value if transfer.state else ""
    return {"@context": [CONTEXT], "@type": "TransferProcess", **_pids(transfer), "state": state}


def refusal(provider_pid: str, consumer_pid: str, code: str, reasons: list[str]) -> dict[str, object]:
    """TransferError; the schema wants both pids, also where we know only what the request said."""
    return {
        "@context": [CONTEXT],
        "@type": "TransferError",
        "providerPid": provider_pid,
        "consumerPid": consumer_pid,
        "code": code,
        "reason": reasons,
    }
