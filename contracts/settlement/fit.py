"""Whether terms belong to a trade: payer, payee and product must be those of the offer that cites them (revenue-share.md 3.4)."""

from contracts.errors import TermsError
from contracts.settlement.terms import Bundle, Terms


def check_fit(terms: Terms | Bundle, *, provider: str, product: str, consumer: str | None = None) -> None:
    """Raise TermsError where an agreement about `product` could not be settled by the terms; `consumer` is None for an open offer.

    Terms that name nobody are for everybody. Of a bundle there must be a slot that the agreement would fill.
    """
    if isinstance(terms, Bundle):
        if not any(
            (slot.provider, slot.product) == (provider, product) and consumer in (None, slot.consumer)
            for slot in terms.agreements
        ):
            to = f" to {consumer}" if consumer is not None else ""
            raise TermsError("agreements", f"no slot is for {product} from {provider}{to}")
        return
    for path, stated, found in (
        ("payee", terms.payee, provider),
        ("product", terms.product, product),
        ("payer", terms.payer, consumer),
    ):
        if None not in (stated, found) and stated != found:
            raise TermsError(path, f"is {stated}, and the offer is of {found}")
