"""Statements between two parties: a pure function of terms, period, usage and stated days (revenue-share.md 6.1, 7.1).

Both sides compute one alone, and the digests are equal because nothing else goes in.
"""

from collections.abc import Iterable, Sequence

from contracts.errors import InputError
from contracts.settlement.amount import check_amount
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.lines import VERSION, Document, Line, body, days_in, head
from contracts.settlement.metering import Metered
from contracts.settlement.period import Period
from contracts.settlement.rating import Rated, rate_charges
from contracts.settlement.terms import Terms


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
    InputError for what is missing, AmountError for a sum that no document can hold.
    """
    if terms.payer is None or terms.payee is None or terms.product is None:
        return None
    meter = terms.meter
    if meter is not None and usage is None:
        raise InputError("usage", f"the usage of {ref} in {period.label} is not known")
    if terms.credits_days and days is None:
        raise InputError(DAYS_WITHOUT_SERVICE, f"the days without service of {ref} in {period.label} are not stated")
    stated = days_in(period, days or ())
    rated = rate_charges(terms, period, usage.accepted if usage is not None else 0, len(stated))
    if not rated:
        return None
    document: Document = {
        "version": VERSION,
        "type": "Statement",
        "ref": ref,
        "terms": terms.digest,
        **head(terms, period),
        "provider": terms.payee,
        "consumer": terms.payer,
        "product": terms.product,
        **body(_both(terms.payer, terms.payee, ref, rated), (terms.payer, terms.payee)),
    }
    if meter is not None and usage is not None:
        document["usage"] = {
            "unit": meter.unit,
            "records": usage.records,
            "accepted": check_amount(usage.accepted, "usage.accepted"),
            "rejected": check_amount(usage.rejected, "usage.rejected"),
            "root": usage.root,
        }
    document |= {DAYS_WITHOUT_SERVICE: list(stated)} if terms.credits_days else {}
    document |= {"settledIn": settled_in} if settled_in is not None else {}
    document |= {"previous": previous} if previous is not None else {}
    return document


def _both(payer: str, payee: str, ref: str, rated: Iterable[Rated]) -> list[Line]:
    """Each charge from both points of view."""
    return [
        Line(party, ref, each.kind, sign * each.amount, each.quantity)
        for each in rated
        for party, sign in ((payer, -1), (payee, 1))
    ]
