"""Charge lines from quantities: exactly one rounding point per line (revenue-share.md 4.2, 4.3, 4.11)."""

from dataclasses import dataclass
from fractions import Fraction

from contracts.settlement.amount import check_amount, rounded
from contracts.settlement.period import Period
from contracts.settlement.terms import Charge, Terms


@dataclass(frozen=True, slots=True)
class Rated:
    """A charge as the payee sees it: `amount` in minor units, negative for a credit; `quantity` where something was counted."""

    kind: str
    amount: int
    quantity: int | None = None


def rate_charges(terms: Terms, period: Period, quantity: int = 0, days: int = 0) -> tuple[Rated, ...]:
    """The charges and credits of a period: `quantity` accepted units of the meter, `days` without service.

    Lines of zero are left out. Credits are at most what the charges come to.
    """
    charges = [line for each in terms.charges if (line := _charge(terms, each, period, quantity)) is not None]
    left = sum(line.amount for line in charges)
    credited: list[Rated] = []
    for each in terms.credits:
        line = _charge(terms, each, period, days)
        if line is None:
            continue
        amount = min(line.amount, left)
        left -= amount
        if amount:
            credited.append(Rated(line.kind, -amount, line.quantity))
    return (*charges, *credited)


def _charge(terms: Terms, charge: Charge, period: Period, quantity: int) -> Rated | None:
    if charge.rate is None:
        due = charge.due is None or charge.due == period.label
        return Rated(charge.id, charge.fixed) if due and charge.fixed else None
    counted = max(0, quantity - charge.free)
    exact = charge.rate * Fraction(counted, charge.per)
    amount = check_amount(rounded(exact, terms.rounding.fees), charge.id)
    return Rated(charge.id, amount, counted) if amount else None
