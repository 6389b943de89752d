"""Statements between two parties: a pure function of terms, period, usage and stated days (revenue-share.md 7.1).

Both sides compute one, and its digest is the same on both. A line is `{party, ref, kind, amount}` from the party's point of view,
positive = receives; lines are sorted by party, kind and ref in byte order, and sum to zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contracts.errors import InputError
from contracts.settlement.metering import Metered
from contracts.settlement.period import Period, written
from contracts.settlement.rating import Rated, rate
from contracts.settlement.terms import DAYS_WITHOUT_SERVICE, Terms
from policies.canonical import JsonValue

Document: TypeAlias = dict[str, JsonValue]
VERSION = "1"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement, as its party sees it; `quantity` are chargeable units or days."""

    party: str
    ref: str
    kind: str
    amount: int
    quantity: int | None = None

    @property
    def order(self) -> tuple[bytes, bytes, bytes]:
        return self.party.encode(), self.kind.encode(), self.ref.encode()

    def document(self) -> Document:
        written_line: Document = {"party": self.party, "ref": self.ref, "kind": self.kind, "amount": self.amount}
        return written_line | ({"quantity": self.quantity} if self.quantity is not None else {})


def read_lines(document: Mapping[str, JsonValue]) -> list[Line]:
    """The lines of a statement document."""
    lines = document.get("lines")
    return [
        Line(str(each["party"]), str(each["ref"]), str(each["kind"]), _int(each["amount"]), _quantity(each))
        for each in (lines if isinstance(lines, list) else [])
        if isinstance(each, dict)
    ]


def days_in(period: Period, days: Sequence[str]) -> tuple[str, ...]:
    """Stated days without service, sorted; raises InputError for a day that is none of the period or stands twice."""
    known = {day.isoformat() for day in period.days}
    for day in days:
        if day not in known:
            raise InputError(DAYS_WITHOUT_SERVICE, f"{day[:40]} is no day of {period.label}")
    if len(set(days)) != len(days):
        raise InputError(DAYS_WITHOUT_SERVICE, "a day stands there twice")
    return tuple(sorted(days))


def statement(
    terms: Terms,
    *,
    ref: str,
    period: Period,
    usage: Metered | None,
    days: Sequence[str] | None,
    settled_in: str | None = None,
    previous: str | None = None,
) -> Document | None:
    """The statement of a period under terms of two parties, None where nothing is charged.

    `usage` is what was metered, and must be there if the terms have a meter; `days` are those without service, and must be stated
    (also as none) if the terms credit them. `settled_in` is the id of the bundle whose statement repeats the lines. Raises
    InputError.
    """
    if terms.payer is None or terms.payee is None or terms.product is None:
        return None
    meter = terms.meter
    if meter is not None and usage is None:
        raise InputError("usage", f"the usage of {ref} in {period.label} is not known")
    if terms.credits_days and days is None:
        raise InputError(DAYS_WITHOUT_SERVICE, f"the days without service of {ref} in {period.label} are not stated")
    stated = days_in(period, days or ())
    accepted = usage.accepted if usage is not None else 0
    rated = rate(terms, period, accepted=accepted, days=len(stated))
    if not rated:
        return None
    document: Document = {
        "version": VERSION,
        "type": "Statement",
        "ref": ref,
        "terms": terms.digest,
        **head(terms.currency, terms.exponent, period),
        "provider": terms.payee,
        "consumer": terms.payer,
        "product": terms.product,
        **body(_both(terms.payer, terms.payee, ref, rated), (terms.payer, terms.payee)),
    }
    if meter is not None and usage is not None:
        document["usage"] = {
            "unit": meter.unit,
            "records": usage.records,
            "accepted": usage.accepted,
            "rejected": usage.rejected,
            "root": usage.root,
        }
    if terms.credits_days:
        document[DAYS_WITHOUT_SERVICE] = list(stated)
    if settled_in is not None:
        document["settledIn"] = settled_in
    return document | ({"previous": previous} if previous is not None else {})


def head(currency: str, exponent: int, period: Period) -> Document:
    """What every statement says about its period and money."""
    return {
        "period": period.label,
        "from": written(period.start),
        "to": written(period.end),
        "currency": currency,
        "exponent": exponent,
    }


def body(lines: Iterable[Line], parties: Iterable[str]) -> Document:
    """Lines in order, one total for each party, and the sum, which is zero."""
    in_order = sorted(lines, key=lambda line: line.order)
    totals = dict.fromkeys(sorted(parties, key=str.encode), 0)
    for line in in_order:
        totals[line.party] += line.amount
    return {
        "lines": [line.document() for line in in_order],
        "totals": [{"party": party, "amount": amount} for party, amount in totals.items()],
        "sum": sum(totals.values()),
    }


def _both(payer: str, payee: str, ref: str, rated: Iterable[Rated]) -> list[Line]:
    """Each charge from both points of view."""
    return [
        Line(party, ref, each.kind, sign * each.amount, each.quantity)
        for each in rated
        for party, sign in ((payer, -1), (payee, 1))
    ]


def _int(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError("lines", f"{value!r} is no amount")
    return value


def _quantity(line: Mapping[str, JsonValue]) -> int | None:
    return _int(line["quantity"]) if "quantity" in line else None
