"""What an Eclipse EDC writes and compares: its documents, its errors, and the meaning of a policy under its contexts."""

import base64
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld", "https://w3id.org/edc/dspace/v0.0.1"]
ODRL = "http://www.w3.org/ns/odrl/2/"
IN_FORCE = "https://w3id.org/edc/v0.0.1/ns/"
UNEQUAL = (
    "Contract agreement received. Validation failed: "
    "Policy in the contract agreement is not equal to the one in the contract offer"
)
NO_PULL = "No Endpoint generator function registered for transfer type destination 'HttpData'"
RULES = ("permission", "prohibition", "obligation")
# By message and side: the states in which it is taken, and the one that follows.
TAKES = {
    ("agreement", "consumer"): ({"REQUESTED"}, "AGREED"),
    ("verification", "provider"): ({"AGREED"}, "VERIFIED"),
    ("events", "consumer"): ({"VERIFIED"}, "FINALIZED"),
    ("start", "consumer"): ({"REQUESTED", "SUSPENDED", "RESUMED"}, "STARTED"),
    ("suspension", "consumer"): ({"STARTED"}, "SUSPENDED"),
    ("suspension", "provider"): ({"STARTED"}, "SUSPENDED"),
    ("completion", "consumer"): ({"STARTED"}, "COMPLETED"),
    ("completion", "provider"): ({"STARTED"}, "COMPLETED"),
}
OVER = {"FINALIZED", "TERMINATED", "COMPLETED"}
# What it shows for states that the protocol does not have.
SHOWN = {"REQUESTING": "REQUESTED", "AGREEING": "REQUESTED", "RESUMING": "SUSPENDED", "RESUMED": "SUSPENDED"}


@dataclass
class Process:
    """One negotiation or transfer of its own; `policy` is what its user asked for, `profile` with it."""

    kind: str
    side: str
    peer: str
    address: str
    state: str
    pid: str = field(default_factory=lambda: str(uuid.uuid4()))
    peer_pid: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    agreements: list[str] = field(default_factory=list)
    starts: list[dict[str, Any]] = field(default_factory=list)
    detail: str = ""
    early: int = 0


def html(status: int) -> web.Response:
    return web.Response(status=status, text=f"<html> Error {status} </html>", content_type="text/html")


def expanded(value: Any, *, edc: bool) -> Any:
    """Rules with their names in full, as the contexts of the message have them."""
    if isinstance(value, list):
        return [expanded(each, edc=edc) for each in value]
    if not isinstance(value, dict):
        return value
    full = {name.removeprefix("odrl:"): expanded(each, edc=edc) for name, each in value.items()}
    for name in ("action", "leftOperand", "operator"):
        if isinstance(text := full.get(name), str):
            full[name] = _name(text, name, edc=edc)
    return full


def _name(text: str, member: str, *, edc: bool) -> str:
    if text.startswith("odrl:"):
        return ODRL + text.removeprefix("odrl:")
    if text == "use" or (member == "operator" and ":" not in text):
        return ODRL + text
    return IN_FORCE + text if edc and text == "inForceDate" else text


def meaning(policy: dict[str, Any], *, edc: bool) -> dict[str, Any]:
    """What it compares of an offer and an agreement: rules in their order, profile and assigner."""
    profile = policy.get("profile") or []
    rules = {name: expanded(policy.get(name) or [], edc=edc) for name in RULES}
    return {**rules, "profile": [profile] if isinstance(profile, str) else profile, "assigner": policy.get("assigner")}


def shown(process: Process) -> dict[str, Any]:
    pids = (process.pid, process.peer_pid)
    consumer, provider = pids if process.side == "consumer" else pids[::-1]
    kind = "ContractNegotiation" if process.kind == "negotiations" else "TransferProcess"
    said = {"@id": process.pid, "@type": kind, "consumerPid": consumer, "providerPid": provider}
    return {**said, "state": SHOWN.get(process.state, process.state), "@context": CONTEXT}


def refusal(kind: str, status: int, reason: str) -> web.Response:
    type_ = {"negotiations": "ContractNegotiationError", "transfers": "TransferError"}.get(kind, "CatalogError")
    said = {"@type": type_, "code": str(status), "reason": [reason], "@context": CONTEXT}
    return web.json_response(said, status=status)


def dataset(asset: str, policy: dict[str, Any], dsp: str) -> dict[str, Any]:
    """One dataset: its offer has a new id in each answer, and never a `profile`."""
    parts = ("cd-1", asset, str(uuid.uuid4()))
    identifier = ":".join(base64.b64encode(part.encode()).decode() for part in parts)
    rules = {name: value for name, value in policy.items() if name != "profile"}
    service = {"@id": str(uuid.uuid4()), "@type": "DataService", "endpointURL": dsp}
    formats = ("HttpData-PULL", "HttpData-PUSH")
    served = [{"@type": "Distribution", "format": name, "accessService": service} for name in formats]
    offer = {"@id": identifier, "@type": "Offer", **rules}
    return {"@id": asset, "@type": "Dataset", "hasPolicy": [offer], "distribution": served, "@context": CONTEXT}


def catalog(participant: str, assets: dict[str, dict[str, Any]], dsp: str) -> dict[str, Any]:
    listed = [
        {k: v for k, v in dataset(asset, policy, dsp).items() if k != "@context"} for asset, policy in assets.items()
    ]
    service = {"@id": str(uuid.uuid4()), "@type": "DataService", "endpointURL": dsp}
    told = {"@id": str(uuid.uuid4()), "@type": "Catalog", "participantId": participant}
    return {**told, "dataset": listed, "service": [service], "@context": CONTEXT}
