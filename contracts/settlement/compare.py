"""Two terms side by side: what differs, in sentences and in money at example volumes.

`offered` is the provider's document, `asked` the consumer's. The difference of a clause is the two sentences about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.settlement.explain import Names, clauses
from contracts.settlement.simulate import example_volumes, simulate
from contracts.settlement.terms import Bundle, Terms
from policies.sentences import sentence


@dataclass(frozen=True, slots=True)
class MoneyDifference:
    """What the payer owes for a period at a volume, in minor units: as offered, as asked, and what asking changes."""

    volume: int
    days: int
    unit: str
    offered: int
    asked: int

    @property
    def difference(self) -> int:
        """How much more the payer owes as asked than as offered; negative = less."""
        return self.asked - self.offered


def compare(offered: Terms | Bundle, asked: Terms | Bundle, lang: str, names: Names = str) -> list[str]:
    """One sentence for each clause that differs; none for the same document."""
    if offered.digest == asked.digest:
        return []
    ours, theirs = clauses(offered, lang, names), clauses(asked, lang, names)
    found = [
        _difference(ours.get(name), theirs.get(name), lang)
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    return found or [sentence("terms.spelling", lang, offered=offered.digest, asked=asked.digest)]


def money_difference(
    offered: Terms | Bundle, asked: Terms | Bundle, volumes: Sequence[int] = ()
) -> list[MoneyDifference]:
    """Both totals at each volume, by default around the included quantities of both; with days without service if credits differ.

    Empty where one axis of volume cannot tell: bundles, other parties, another currency or another unit.
    """
    if isinstance(offered, Bundle) or isinstance(asked, Bundle) or not _comparable(offered, asked):
        return []
    wanted = sorted({*volumes} or {*example_volumes(offered), *example_volumes(asked)})
    cases = [(volume, 0) for volume in wanted]
    if offered.credits != asked.credits:
        cases += [(wanted[-1], days) for days in (1, 2)]
    unit = next((each.meter.unit for each in (offered, asked) if each.meter is not None), None)
    return [
        MoneyDifference(
            volume,
            days,
            unit or "",
            simulate(offered, volume, days=days).total,
            simulate(asked, volume, days=days).total,
        )
        for volume, days in cases
    ]


def _comparable(offered: Terms, asked: Terms) -> bool:
    both = offered, asked
    parties = {(each.payer, each.payee) for each in both if each.payer is not None}
    units = {each.meter.unit for each in both if each.meter is not None}
    one_money = (offered.currency, offered.exponent) == (asked.currency, asked.exponent)
    return one_money and len(parties) <= 1 and len(units) <= 1 and any(each.priced for each in both)


def _difference(offered: str | None, asked: str | None, lang: str) -> str:
    if offered is None:
        return sentence("terms.only-asked", lang, asked=asked)
    if asked is None:
        return sentence("terms.only-offered", lang, offered=offered)
    return sentence("terms.differs", lang, offered=offered, asked=asked)
