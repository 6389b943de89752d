"""Signatures of settlement: of a bundle's terms and of statements, as documents to be signed (revenue-share.md 3.4, 7).

What differs from side to side (agreements, the checkpoint of the audit log, time) stands in the seal, never in the statement.
"""

from collections.abc import Collection, Sequence

from contracts.settlement.terms import Bundle
from policies.canonical import JsonValue

BUNDLE_SEAL, STATEMENT_SEAL = "bundle-seal/1", "statement-seal/1"


def bundle_seal(terms: str, *, signatory: str, signed_at: str) -> dict[str, JsonValue]:
    """What a signatory signs to bring a bundle into force: the digest of its terms. `signed_at` is RFC 3339."""
    return {"typ": BUNDLE_SEAL, "terms": terms, "signatory": signatory, "signedAt": signed_at}


def statement_seal(
    statement: str, *, agreements: Sequence[str], signatory: str, checkpoint: str, signed_at: str
) -> dict[str, JsonValue]:
    """What a party signs once every other digest equals its own.

    `agreements` are the digests of those it settles under; `checkpoint` is that of its own audit log at that moment.
    """
    return {
        "typ": STATEMENT_SEAL,
        "statement": statement,
        "agreements": sorted(agreements),
        "signatory": signatory,
        "checkpoint": checkpoint,
        "signedAt": signed_at,
    }


def unsigned(bundle: Bundle, signed: Collection[str]) -> tuple[str, ...]:
    """Signatories whose signature is missing, ascending; none = the bundle is in force."""
    return tuple(party for party in bundle.signatories if party not in signed)
