"""What terms would come to at stated volumes: the same arithmetic that settles, on figures that somebody supposes."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.settlement.bundle import Books, bundle_statement, period_input
from contracts.settlement.lines import Document
from contracts.settlement.metering import Metered, usage_root
from contracts.settlement.period import Period, period_number, period_of
from contracts.settlement.rating import Rated, rate_charges
from contracts.settlement.terms import Bundle, Terms

# Where nothing is included, these many billing steps show how the price grows.
STEPS = (1, 100, 1000)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One supposed period between two parties: `lines` as the payee sees them, `total` what the payer owes, in minor units."""

    period: str
    volume: int
    days: int
    lines: tuple[Rated, ...]

    @property
    def total(self) -> int:
        return sum(line.amount for line in self.lines)


def simulate(terms: Terms, volume: int, *, days: int = 0, period: str = "") -> Outcome:
    """What a period comes to at `volume` accepted units and `days` without service; raises PeriodError, AmountError.

    `period` is the name of one, by default the first in which every charge that is due once is due, else the first of all.
    """
    chosen = period_of(terms, period) if period else _example_period(terms)
    return Outcome(chosen.label, volume, days, rate_charges(terms, chosen, volume, days))


def simulate_bundle(
    bundle: Bundle, *, income: int, accepted: Mapping[str, int], quality: Mapping[str, str], period: str = ""
) -> Document:
    """The statement of a period with a net `income` in minor units, accepted units and a grade for each ref of the pool.

    Raises InputError, which names what is missing or not defined; PeriodError, AmountError.
    """
    chosen = period_of(bundle, period) if period else period_number(bundle, 0)
    usage = {ref: Metered(0, units, 0, usage_root(b"")) for ref, units in accepted.items()}
    books = Books(usage=usage, quality=quality, statements={})
    return bundle_statement(bundle, period_input(bundle, chosen, books=books, declared=income))


def example_volumes(terms: Terms) -> tuple[int, ...]:
    """Volumes at which a reader sees what the terms do: below, at and above what is included."""
    if terms.meter is None:
        return (0,)
    included = {charge.free for charge in terms.charges if charge.free}
    if not included:
        return tuple(step * max(charge.per for charge in terms.charges) for step in STEPS)
    return tuple(sorted({volume for free in included for volume in (free * 3 // 4, free, free * 5 // 4)}))


def _example_period(terms: Terms) -> Period:
    due = next((charge.due for charge in terms.charges if charge.due is not None), None)
    return period_of(terms, due) if due is not None else period_number(terms, 0)
