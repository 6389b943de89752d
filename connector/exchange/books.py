"""Our own books for one period: what was metered, whose ledgers are not the same, and what a person has stated."""

from typing import Literal

from connector.exchange.accounts import Account
from connector.store import metering
from connector.store.database import Tx
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.metering import Metered
from contracts.settlement.period import Period
from contracts.settlement.terms import Bundle

QUALITY, DECLARED_INCOME = "quality", "declaredIncome"


def usage(tx: Tx, terms: str, ref: str, period: Period) -> Metered:
    """What was metered for an account."""
    return metering.metered(tx, terms, ref, period)


def lacking(tx: Tx, terms: str, ref: str, label: str, counterparty: str) -> Literal["them", "us"] | None:
    """Which of the two parties of an account lacks a ledger that the other holds: its rows count when both hold the same file."""
    if any(counterparty not in metering.holders(tx, ledger) for ledger in metering.ledgers_of(tx, terms, ref, label)):
        return "them"
    return "us" if tx.one("settlement.ledger_unheld", participant=counterparty, label=label) is not None else None


def grade(tx: Tx, bundle: Bundle, ref: str, label: str) -> str | None:
    """The stated grade of an input slot."""
    value = metering.stated(tx, bundle.digest, ref, label, QUALITY)
    return value if isinstance(value, str) else None


def days(tx: Tx, account: Account, label: str) -> list[str] | None:
    """The stated days without service, None while nothing was stated; an empty list says that there were none.

    They are stated under the terms of the account, or under the bundle whose slot it fills.
    """
    for terms in (account.terms.digest, account.booked):
        value = metering.stated(tx, terms, account.ref, label, DAYS_WITHOUT_SERVICE)
        if isinstance(value, list):
            return [str(day) for day in value]
    return None


def declared(tx: Tx, bundle: Bundle, label: str) -> int | None:
    """The net income that the operator has declared, in minor units."""
    value = metering.stated(tx, bundle.digest, bundle.id, label, DECLARED_INCOME)
    return value if isinstance(value, int) else None
