"""Terms documents for tests, written out: other names and figures than the scenario's, so that nothing fits by accident."""

from contracts.settlement.terms import read_terms
from policies.canonical import canonical, digest

MILL, FORGE, OWNER = "did:web:p-steel.example", "did:web:p-stamp.example", "did:web:s-zhengshu.example"
LIFE = {
    "version": "1",
    "currency": "EUR",
    "exponent": 2,
    "period": "P1M",
    "anchor": "2026-11-01T00:00:00+01:00",
    "timezone": "Europe/Berlin",
    "rounding": {"fees": "half-even", "split": "largest-remainder", "ties": "list-order"},
    "tax": "excluded",
    "grace": "P2D",
    "statementDue": "P3D",
    "disputeWindow": "P14D",
    "paymentDue": "P30D",
    "tolerance": 0,
    "onSilence": "Dispute",
}
ROWS = {"metric": "rows", "aggregation": "sum", "evidence": "Countersigned", "unit": "part"}
DAYS = {"metric": "fullDaysWithoutService", "aggregation": "sum", "evidence": "ProviderSigned"}


def subscription(
    *, fixed=30_000, free=1_000, rate="5/2", payee=MILL, payer=OWNER, product="press-shop-2026-11", **members
):
    """A monthly price with included parts, then 2.5 cents each; 12 euros back for a day without service."""
    return {
        **LIFE,
        "id": "press",
        "model": "Subscription",
        "payer": payer,
        "payee": payee,
        "product": product,
        "charges": [
            {"id": "base-fee", "scheme": "Fixed", "fixed": fixed},
            {"id": "parts", "scheme": "PerUnit", "free": free, "per": 1, "rate": rate, "meter": ROWS},
        ],
        "credits": [{"id": "outage", "scheme": "PerUnit", "per": 1, "rate": "1200", "meter": DAYS}],
        **members,
    }


def bundle(**members):
    """Two inputs and one income: a third to the operator, then half in equal shares and half by points."""
    return {
        **LIFE,
        "id": "PRESS-2026",
        "model": "RevenueShare",
        "operator": OWNER,
        "signatories": sorted([MILL, FORGE, OWNER, "did:web:p-oem.example"]),
        "agreements": [
            {"ref": "I1", "role": "input", "provider": MILL, "consumer": OWNER, "product": "coils"},
            {"ref": "I2", "role": "input", "provider": FORGE, "consumer": OWNER, "product": "stamps"},
            {"ref": "S1", "role": "income", "provider": OWNER, "consumer": "did:web:p-oem.example", "product": "index"},
        ],
        "income": {"refs": ["S1"], "otherwise": "AuditedDeclaration"},
        "points": {"meter": ROWS, "qualityFactor": {"X": "1", "Y": "1/3"}},
        "waterfall": [
            {"step": "Percent", "id": "operator-share", "to": OWNER, "of": "net", "rate": "1/3"},
            {
                "step": "Pool",
                "id": "pool",
                "parts": [
                    {"id": "base", "rate": "1/2", "weightBy": "equal"},
                    {"id": "by-points", "rate": "rest", "weightBy": "points"},
                ],
                "refs": ["I1", "I2"],
            },
        ],
        "adjustments": [
            {
                "id": "floor",
                "kind": "Floor",
                "ref": "I2",
                "party": FORGE,
                "minimum": 40_000,
                "over": ["base", "by-points"],
                "payer": OWNER,
            }
        ],
        **members,
    }


def free(**members):
    return {**LIFE, "id": "free", "model": "Free", "charges": [], **members}


def purchase(**members):
    return {
        **LIFE,
        "id": "once",
        "model": "Purchase",
        "payer": OWNER,
        "payee": MILL,
        "product": "certificates",
        "charges": [{"id": "price", "scheme": "Fixed", "fixed": 99_900, "due": "2026-12"}],
        **members,
    }


def terms(document):
    return read_terms(document)


def cited(document, *more):
    """The obligations of an offer that cites these terms."""
    return [
        {
            "action": "https://w3id.org/weft/revshare/v1#settle",
            "constraint": [
                {
                    "leftOperand": "https://w3id.org/weft/revshare/v1#settlementTerms",
                    "operator": "eq",
                    "rightOperand": digest(canonical(each)),
                }
            ],
        }
        for each in (document, *more)
    ]
