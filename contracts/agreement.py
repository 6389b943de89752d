"""Agreements: drawn up from the last offer, kept as canonical bytes, known by their digest.

The digest **A** of an agreement is SHA-256 over the canonical JSON of the `agreement` object exactly as sent: no `@context`,
nothing reordered, split or added. Seals travel beside it, never inside: an EDC reads unknown
members into the policy and refuses it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.negotiation.messages import RULES


def draw_up(
    offer: Mapping[str, Any], *, agreement_id: str, assigner: str, assignee: str, timestamp: str
) -> dict[str, Any]:
    """The agreement about the offer on the table: its rules and profile unchanged and in their order.

    `timestamp` is `YYYY-MM-DDThh:mm:ssZ` (DSP 2025-1; EDC parses it with Instant.parse).
    """
    document: dict[str, Any] = {
        "@id": agreement_id,
        "@type": "Agreement",
        "target": offer["target"],
        "assigner": assigner,
        "assignee": assignee,
        "timestamp": timestamp,
    }
    return document | {name: offer[name] for name in ("profile", *RULES) if name in offer}


def seal(agreement: str, *, signatory: str, signed_at: str, enforcement: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The document that a party signs over agreement digest A, with how it enforces each rule (`agreement-seal/1`)."""
    return {
        "typ": "agreement-seal/1",
        "agreement": agreement,
        "signatory": signatory,
        "signedAt": signed_at,
        "enforcement": [dict(item) for item in enforcement],
    }
