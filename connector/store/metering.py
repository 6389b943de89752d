"""Usage records as settlement counts them, ledgers and who holds them, stated inputs (revenue-share.md 6).

A record is written once, in the transaction of its cause, with its leaf hash: a statement hashes the tree and no record again.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from connector.clock import micros, stamp
from connector.store.database import Row, Tx
from contracts.settlement.metering import Metered, Usage, usage_root
from contracts.settlement.period import Period
from policies.canonical import JsonValue

Evidence: TypeAlias = Literal["receipt", "ledger"]


@dataclass(frozen=True, slots=True)
class Booked:
    """A usage record in its account. `source` is the digest of the receipt or ledger file that it comes from."""

    terms: str
    usage: Usage
    moment: datetime
    evidence: Evidence
    source: str


@dataclass(frozen=True, slots=True)
class KeptLedger:
    """An imported ledger: digest of the file, its period, where it lay, how many rows it has."""

    digest: str
    label: str
    path: str
    rows: int
    at: str


def add(tx: Tx, booked: Booked) -> bool:
    """Keep a record; False when one of this id is there already, whatever it says."""
    usage = booked.usage
    return (
        tx.run(
            "metering.add",
            id=usage.id,
            terms=booked.terms,
            ref=usage.ref,
            occurred_us=micros(booked.moment),
            occurred=usage.occurred_at,
            unit=usage.unit,
            accepted=usage.accepted,
            rejected=usage.rejected,
            evidence=booked.evidence,
            source=booked.source,
            leaf=usage.leaf(),
        )
        == 1
    )


def get(tx: Tx, identifier: str) -> tuple[str, Usage] | None:
    """A record and the terms it is booked under."""
    row = tx.one("metering.get", id=identifier)
    return (row["terms"], _usage(row)) if row is not None else None


def metered(tx: Tx, terms: str, ref: str, period: Period) -> Metered:
    """What an account has come to in a period."""
    row = tx.one("metering.account", terms=terms, ref=ref, start_us=micros(period.start), end_us=micros(period.end))
    if row is None:
        raise AssertionError("an aggregate has one row")
    return Metered(row["records"], row["accepted"], row["rejected"], usage_root(row["leaves"]))


def records(tx: Tx, terms: str, ref: str, period: Period, *, after: str = "", limit: int = 200) -> list[Usage]:
    """The records of an account in a period, by id; `after` is the last id seen."""
    rows = tx.all(
        "metering.page",
        terms=terms,
        ref=ref,
        after=after,
        start_us=micros(period.start),
        end_us=micros(period.end),
        most=limit,
    )
    return [_usage(row) for row in rows]


# -- ledgers ---------------------------------------------------------------------------------------------------------


def ledger(tx: Tx, digest: str) -> KeptLedger | None:
    row = tx.one("metering.ledger", digest=digest)
    return _ledger(row) if row is not None else None


def ledgers(tx: Tx, label: str = "*") -> list[KeptLedger]:
    """Ledgers of one period or all, the newest first."""
    return [_ledger(row) for row in tx.all("metering.ledgers", label=label)]


def add_ledger(tx: Tx, kept: KeptLedger, accounts: set[tuple[str, str]]) -> None:
    """Keep what was imported; `accounts` are (terms, ref) that it has rows of."""
    tx.run("metering.add_ledger", digest=kept.digest, label=kept.label, path=kept.path, row_count=kept.rows, at=kept.at)
    for terms, ref in sorted(accounts):
        tx.run("metering.add_ledger_account", terms=terms, ref=ref, label=kept.label, ledger=kept.digest)


def ledgers_of(tx: Tx, terms: str, ref: str, label: str) -> list[str]:
    """Digests of the ledgers with rows of an account in a period."""
    return [row["ledger"] for row in tx.all("metering.ledgers_of_account", terms=terms, ref=ref, label=label)]


def accounts_of(tx: Tx, digest: str) -> list[tuple[str, str]]:
    """The accounts (terms, ref) that a ledger has rows of."""
    return [(row["terms"], row["ref"]) for row in tx.all("metering.accounts_of_ledger", ledger=digest)]


def holds(tx: Tx, digest: str, participant: str, label: str, rows: int, now: datetime) -> bool:
    """A member says that it holds a ledger; False when it said so before."""
    return (
        tx.run("metering.holds", ledger=digest, participant=participant, label=label, row_count=rows, at=stamp(now))
        == 1
    )


def holders(tx: Tx, digest: str) -> tuple[str, ...]:
    """Who else says that they hold a ledger."""
    return tuple(row["participant"] for row in tx.all("metering.holders", ledger=digest))


def held_by(tx: Tx, participant: str, label: str) -> list[str]:
    """Digests of the ledgers of a period that a member says it holds."""
    return [row["ledger"] for row in tx.all("metering.held_by", participant=participant, label=label)]


# -- stated ----------------------------------------------------------------------------------------------------------


def state(tx: Tx, terms: str, ref: str, label: str, name: str, value: JsonValue, now: datetime) -> None:
    """Keep what was stated; the last word counts until the period is agreed."""
    text = json.dumps(value, ensure_ascii=False)
    tx.run("metering.state", terms=terms, ref=ref, label=label, name=name, value=text, at=stamp(now))


def stated(tx: Tx, terms: str, ref: str, label: str, name: str) -> JsonValue:
    """What was stated, None for nothing."""
    row = tx.one("metering.stated", terms=terms, ref=ref, label=label, name=name)
    value: JsonValue = json.loads(row["value"]) if row is not None else None
    return value


def all_stated(tx: Tx, label: str) -> list[dict[str, JsonValue]]:
    """Everything stated for a period."""
    return [
        {
            "terms": row["terms"],
            "ref": row["ref"],
            "name": row["name"],
            "value": json.loads(row["value"]),
            "at": row["at"],
        }
        for row in tx.all("metering.stated_of_label", label=label)
    ]


def _usage(row: Row) -> Usage:
    return Usage(row["id"], row["ref"], row["occurred"], row["unit"], row["accepted"], row["rejected"])


def _ledger(row: Row) -> KeptLedger:
    return KeptLedger(row["digest"], row["label"], row["path"], row["row_count"], row["at"])
