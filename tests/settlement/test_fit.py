"""Terms that belong to the trade which cites them, and terms of somebody else's."""

import pytest

from contracts.errors import TermsError
from contracts.settlement.fit import check_fit
from tests.terms import FORGE, MILL, OWNER, bundle, free, subscription, terms

TRADE = {"provider": MILL, "consumer": OWNER, "product": "press-shop-2026-11"}


@pytest.mark.parametrize(
    ("document", "trade"),
    [
        (subscription(), TRADE),
        (subscription(), {"provider": MILL, "product": "press-shop-2026-11"}),
        (free(), {"provider": FORGE, "product": "anything"}),
        (bundle(), {"provider": FORGE, "consumer": OWNER, "product": "stamps"}),
        (bundle(), {"provider": OWNER, "product": "index"}),
    ],
)
def test_these_fit(document, trade):
    check_fit(terms(document), **trade)


@pytest.mark.parametrize(
    ("document", "change", "path"),
    [
        (subscription(), {"provider": FORGE}, "payee"),
        (subscription(), {"consumer": FORGE}, "payer"),
        (subscription(), {"product": "other"}, "product"),
        (bundle(), {}, "agreements"),
        (bundle(), {"provider": FORGE, "product": "stamps", "consumer": MILL}, "agreements"),
    ],
)
def test_these_do_not_and_say_what_differs(document, change, path):
    with pytest.raises(TermsError) as caught:
        check_fit(terms(document), **TRADE | change)
    assert caught.value.path == path
