"""Statements of ours and how far they came, what the others said, seals, period input records (revenue-share.md 7).

A row of `statement` is our consent to close: before it nothing is computed for others. The state is a function of the rows; it is
kept so that every change of it has exactly one audit record.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.clock import stamp
from connector.store.database import Row, Tx


class State(StrEnum):
    """How far a statement of ours came. OPEN has no row: nobody has consented to close yet."""

    OPEN = "open"
    CLOSED = "closed"  # closed, and something is missing before it can be computed
    EMPTY = "empty"  # nothing is charged in this period: there is no statement
    PROPOSED = "proposed"
    DIVERGED = "diverged"
    MATCHED = "matched"  # the others have the same digest, and we have signed
    AGREED = "agreed"  # everybody has signed


SIGNED = frozenset({State.MATCHED, State.AGREED})


@dataclass(frozen=True, slots=True)
class Key:
    """What a statement is about: the terms, and the agreement under them; a bundle's ref is its id."""

    terms: str
    ref: str
    label: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement of ours. `body` are its canonical bytes, empty without a digest; `booked` are the terms of its usage.

    `agreement` is the first one that a bilateral statement is about, `""` for a bundle.
    """

    key: Key
    kind: str
    agreement: str
    booked: str
    state: State
    closed: str
    digest: str = ""
    body: bytes = b""
    usage_root: str = ""
    told: str = ""

    @property
    def document(self) -> dict[str, Any] | None:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What another party said last. `word`: said (a digest, '' for nothing charged), open, diverged, refused."""

    participant: str
    word: str
    digest: str
    usage_root: str
    facts: Mapping[str, Any]
    at: str


@dataclass(frozen=True, slots=True)
class KeptInput:
    """A period input record as it was signed; of several for one period the last number counts."""

    terms: str
    label: str
    number: int
    digest: str
    signed: dict[str, Any]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = self.signed["document"]
        return document


def get(tx: Tx, key: Key) -> Kept | None:
    row = tx.one("settlement.get", **asdict(key))
    return None if row is None else _kept(row)


def of_label(tx: Tx, label: str) -> list[Kept]:
    """All statements of ours about periods of this name."""
    return [_kept(row) for row in tx.all("settlement.of_label", label=label)]


def before(tx: Tx, key: Key) -> Kept | None:
    """The statement before this one of the same subject, None for the first; periods in which nothing was charged have none."""
    row = tx.one("settlement.before", **asdict(key))
    return None if row is None else _kept(row)


def put(tx: Tx, kept: Kept, now: datetime) -> None:
    tx.run(
        "settlement.put",
        **asdict(kept.key),
        kind=kept.kind,
        agreement=kept.agreement,
        booked=kept.booked,
        state=kept.state.value,
        digest=kept.digest,
        body=kept.body,
        usage_root=kept.usage_root,
        told=kept.told,
        closed=kept.closed,
        updated=stamp(now),
    )


def closed(tx: Tx, terms: str, ref: str, label: str) -> bool:
    """Whether nothing may be added to an account's period any more: our statement of it was proposed or signed.

    `terms` and `ref` are what its usage is booked under. While two sides differ, what is missing can still be added.
    """
    return tx.one("settlement.fixed", booked=terms, ref=ref, label=label) is not None


def opinions(tx: Tx, key: Key) -> dict[str, Opinion]:
    """What the others said, by participant."""
    rows = tx.all("settlement.opinions", **asdict(key))
    return {
        row["participant"]: Opinion(
            row["participant"], row["word"], row["digest"], row["usage_root"], json.loads(row["facts"]), row["at"]
        )
        for row in rows
    }


def opine(
    tx: Tx,
    key: Key,
    participant: str,
    word: str,
    now: datetime,
    *,
    digest: str = "",
    usage_root: str = "",
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Keep what a party said; what it said before about this statement is forgotten."""
    tx.run(
        "settlement.opine",
        **asdict(key),
        participant=participant,
        word=word,
        digest=digest,
        usage_root=usage_root,
        facts=json.dumps(dict(facts or {}), ensure_ascii=False),
        at=stamp(now),
    )


def seals(tx: Tx, statement: str) -> dict[str, dict[str, Any]]:
    """The seals on a statement by signatory, as signed documents."""
    return {row["signatory"]: json.loads(row["body"]) for row in tx.all("settlement.seals", statement=statement)}


def add_seal(tx: Tx, statement: str, signatory: str, body: bytes, now: datetime) -> bool:
    """Keep a seal; False when this signatory has sealed it before."""
    return tx.run("settlement.add_seal", statement=statement, signatory=signatory, body=body, at=stamp(now)) == 1


def newest_input(tx: Tx, terms: str, label: str) -> KeptInput | None:
    """The record that counts for a bundle's period."""
    row = tx.one("settlement.newest_input", terms=terms, label=label)
    return None if row is None else _input(row)


def inputs(tx: Tx, label: str) -> list[KeptInput]:
    """The records of all bundles for periods of this name; replaced ones stand before those that replace them."""
    return [_input(row) for row in tx.all("settlement.inputs", label=label)]


def add_input(tx: Tx, terms: str, label: str, digest: str, body: bytes, now: datetime) -> None:
    """Keep a record; from now on it is the one that counts."""
    newest = newest_input(tx, terms, label)
    number = newest.number + 1 if newest is not None else 1
    tx.run("settlement.add_input", terms=terms, label=label, number=number, digest=digest, body=body, at=stamp(now))


def _kept(row: Row) -> Kept:
    return Kept(
        key=Key(row["terms"], row["ref"], row["label"]),
        kind=row["kind"],
        agreement=row["agreement"],
        booked=row["booked"],
        state=State(row["state"]),
        closed=row["closed"],
        digest=row["digest"],
        body=bytes(row["body"]),
        usage_root=row["usage_root"],
        told=row["told"],
    )


def _input(row: Row) -> KeptInput:
    return KeptInput(
        terms=row["terms"],
        label=row["label"],
        number=row["number"],
        digest=row["digest"],
        signed=json.loads(row["body"]),
        body=bytes(row["body"]),
    )
