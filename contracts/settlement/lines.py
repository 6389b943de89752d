"""Lines of statements: from whom each is seen, in which order they stand, and what they sum to (revenue-share.md 7.1).

A line is `{party, ref, kind, amount}` from the party's point of view, positive = receives, with `quantity` where something was
counted. Lines are sorted by party, kind and ref in byte order; what all parties get and pay sums to zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts.errors import InputError
from contracts.settlement.amount import check_amount
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE, AnyTerms
from contracts.settlement.period import Period, written
from policies.canonical import JsonValue

Document: TypeAlias = dict[str, JsonValue]
VERSION: Literal["1"] = "1"


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
    """The lines of a statement."""
    return [
        Line(
            party=str(each["party"]),
            ref=str(each["ref"]),
            kind=str(each["kind"]),
            amount=_whole(each["amount"]),
            quantity=_whole(each["quantity"]) if "quantity" in each else None,
        )
        for each in _objects(document, "lines")
    ]


def read_totals(document: Mapping[str, JsonValue]) -> dict[str, int]:
    """What a statement comes to for each of its parties."""
    return {str(each["party"]): _whole(each["amount"]) for each in _objects(document, "totals")}


def exponent_of(document: Mapping[str, JsonValue]) -> int:
    """How many decimals the currency of a statement has."""
    return _whole(document["exponent"])


def days_in(period: Period, days: Sequence[str]) -> tuple[str, ...]:
    """Stated days without service, in order; raises InputError for a day that is none of the period or stands twice."""
    known = {day.isoformat() for day in period.days}
    for day in days:
        if day not in known:
            raise InputError(DAYS_WITHOUT_SERVICE, f"{day[:40]} is no day of {period.label}")
    if len(set(days)) != len(days):
        raise InputError(DAYS_WITHOUT_SERVICE, "a day stands there twice")
    return tuple(sorted(days))


def head(terms: AnyTerms, period: Period) -> Document:
    """What every statement says about its period and money."""
    return {
        "period": period.label,
        "from": written(period.start),
        "to": written(period.end),
        "currency": terms.currency,
        "exponent": terms.exponent,
    }


def body(lines: Iterable[Line], parties: Iterable[str]) -> Document:
    """Lines in order, one total for each party, and the sum, which is zero."""
    in_order = sorted(lines, key=lambda line: line.order)
    totals = dict.fromkeys(sorted(parties, key=str.encode), 0)
    for line in in_order:
        totals[line.party] += check_amount(line.amount, f"{line.kind} of {line.ref}")
    for party, total in totals.items():
        check_amount(total, f"the total of {party}")
    return {
        "lines": [line.document() for line in in_order],
        "totals": [{"party": party, "amount": amount} for party, amount in totals.items()],
        "sum": sum(totals.values()),
    }


def _objects(document: Mapping[str, JsonValue], member: str) -> list[Mapping[str, JsonValue]]:
    found = document[member]
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _whole(value: JsonValue) -> int:
    if not isinstance(value, int):
        raise InputError("lines", f"{value!r} is no whole number")
    return value
