"""What separates two proposals, as the native API says it: sentences in both languages and money in minor units."""

from connector.exchange.difference import Difference
from connector.management.desk import Desk
from connector.management.native.views import LANGUAGES, Json, named
from contracts.machine import Role
from contracts.settlement.compare import MoneyDifference
from contracts.settlement.terms import Terms
from policies.sentences import sentence


def difference(desk: Desk, found: Difference) -> Json:
    """`differs` is false while only one side has spoken, and where both say the same.

    Amounts of `money` are what the payer owes for a period at a volume; `difference` is theirs minus ours.
    """
    on_table = "offered" if found.offered_last else "asked"
    ours = "offered" if found.role is Role.PROVIDER else "asked"
    return {
        "differs": found.differs,
        "sentences": {lang: found.sentences(lang, named(desk, lang)) for lang in LANGUAGES},
        "money": [_money(found.role, terms, row) for terms, row in found.money()],
        "offers": {
            "ours": found.ours,
            "theirs": found.theirs,
            "on_table": "ours" if on_table == ours else "theirs",
        },
        "problems": [
            {
                "code": each.code,
                "facts": {name: str(value) for name, value in each.facts.items()},
                "message": {lang: sentence(f"error.{each.code}", lang, **each.facts) for lang in LANGUAGES},
            }
            for each in found.problems
        ],
    }


def _money(role: Role, terms: Terms, row: MoneyDifference) -> Json:
    ours, theirs = (row.offered, row.asked) if role is Role.PROVIDER else (row.asked, row.offered)
    return {
        "terms": terms.id,
        "volume": row.volume,
        "unit": row.unit,
        "days": row.days,
        "ours": ours,
        "theirs": theirs,
        "difference": theirs - ours,
        "currency": terms.currency,
        "exponent": terms.exponent,
    }
