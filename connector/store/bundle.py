"""Bundles that we take part in, and the signatures on their terms (revenue-share.md 3.4)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.store.database import Tx


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was received or made, and since when we have it."""

    signed: dict[str, Any]
    at: str

    @property
    def signed_at(self) -> str:
        return str(self.signed["document"]["signedAt"])


def know(tx: Tx, terms: str, identifier: str, now: datetime) -> None:
    """From now on a terms document is listed as a bundle of ours."""
    tx.run("bundle.know", terms=terms, id=identifier, created=stamp(now))


def known(tx: Tx) -> list[str]:
    """Digests of all bundles, in the order in which we learnt of them."""
    return [row["terms"] for row in tx.all("bundle.all")]


def by_id(tx: Tx, identifier: str) -> list[str]:
    """Digests of the bundles that call themselves so."""
    return [row["terms"] for row in tx.all("bundle.by_id", id=identifier)]


def seals(tx: Tx, terms: str) -> dict[str, Signature]:
    """The signatures on a bundle by signatory."""
    return {
        row["signatory"]: Signature(json.loads(row["body"]), row["at"]) for row in tx.all("bundle.seals", terms=terms)
    }


def add_seal(tx: Tx, terms: str, signatory: str, body: bytes, now: datetime) -> bool:
    """Keep a signature; False when this signatory has signed before."""
    return tx.run("bundle.add_seal", terms=terms, signatory=signatory, body=body, at=stamp(now)) == 1
