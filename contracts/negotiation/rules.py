"""Meaning: what a message of the negotiation must say beside its shape and its place in the order.

Small functions, each listed with the trigger it guards; every one raises BrokenRuleError and changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.errors import BrokenRuleError
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from policies.compare import policy_digest, same_rules
from policies.errors import PolicyError


def parties(offer: Mapping[str, Any], provider: str, consumer: str) -> None:
    """On REQUEST and OFFER: an assigner or assignee that is named must be the one who speaks or is spoken to."""
    for name, expected in (("assigner", provider), ("assignee", consumer)):
        if offer.get(name, expected) != expected:
            raise BrokenRuleError("party-mismatch", member=f"offer.{name}", expected=expected, found=str(offer[name]))


def same_target(negotiation: Negotiation, offer: Mapping[str, Any]) -> None:
    """On REQUEST and OFFER in a running negotiation: it stays about one dataset."""
    if offer["target"] != negotiation.dataset:
        raise BrokenRuleError("target-changed", expected=negotiation.dataset, found=str(offer["target"]))


def accepts_counterparty_offer(negotiation: Negotiation) -> None:
    """On ACCEPTED: only an offer of the provider can be accepted (DSP 2025-1: 400 when the current offer is the consumer's)."""
    if negotiation.offered_by is not Role.PROVIDER:
        raise BrokenRuleError("own-offer-accepted")


def equal_terms(asked: Mapping[str, Any], offered: Mapping[str, Any]) -> bool:
    """Whether a request asks for exactly what is offered; a request without `profile` means that of the offer it names."""
    meant = (
        asked if "profile" in asked else {**asked, **({"profile": offered["profile"]} if "profile" in offered else {})}
    )
    try:
        # Peers repeat an offer word for word: then its digest tells, and nobody has to read the policy.
        alike = policy_digest({**meant, "@type": "Offer"}) == policy_digest({**offered, "@type": "Offer"})
        return alike or same_rules(meant, offered)
    except PolicyError:
        return False


def agreement_holds(negotiation: Negotiation, agreement: Mapping[str, Any], provider: str, consumer: str) -> None:
    """On AGREEMENT: parties are the two that speak, dataset and rules are those of the last offer, the time has a zone."""
    for name, expected in (("assigner", provider), ("assignee", consumer), ("target", negotiation.dataset)):
        if agreement[name] != expected:
            raise BrokenRuleError(
                "agreement-differs", member=f"agreement.{name}", expected=expected, found=str(agreement[name])
            )
    try:
        zoned = datetime.fromisoformat(agreement["timestamp"]).tzinfo is not None
    except ValueError:
        zoned = False
    if not zoned:
        raise BrokenRuleError(
            "agreement-differs",
            member="agreement.timestamp",
            expected="a time with a zone",
            found=str(agreement["timestamp"]),
        )
    if not equal_terms(agreement, negotiation.offer):
        raise BrokenRuleError(
            "agreement-differs", member="agreement", expected="the rules of the last offer", found="other rules"
        )
