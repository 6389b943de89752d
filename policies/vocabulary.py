"""The terms: what ODRL 2.2 defines, what the profiles add, and what of it this connector can decide.

Names are in normal form (`policies.identifiers`). A term that is not in these tables is *unknown*: it is kept, makes its
rule undecidable, and that refuses. Sources: ODRL 2.2 vocabulary; policies.md 2.1 to 2.3 and 2.6; revenue-share.md 3.
"""

from collections.abc import Mapping

from policies.identifiers import CC, RS, RS_PROFILE, WEFT, WEFT_PROFILE, bare, normal

PROFILES = frozenset({WEFT_PROFILE, RS_PROFILE})

OPERATORS = frozenset(
    ["eq", "neq", "lt", "lteq", "gt", "gteq", "isA", "isPartOf", "hasPart", "isAnyOf", "isAllOf", "isNoneOf"]
)

LOGICAL_OPERANDS = ("and", "or", "xone", "andSequence")

# --- actions: the child's nearest parent (`includedIn`); `use` and `transfer` are the two roots (policies.md 2.3) --------------

USE = "odrl:use"
DERIVE = "odrl:derive"
DISTRIBUTE = "odrl:distribute"
GRANT_USE = "odrl:grantUse"
DELETE = "odrl:delete"
NEXT_POLICY = "odrl:nextPolicy"
DESENSITIZE = WEFT + "desensitize"
ALERT = WEFT + "alert"
SUSPEND = WEFT + "suspend"
SETTLE = RS + "settle"
REPORT_USAGE = RS + "reportUsage"
COUNTERSIGN = RS + "countersign"


def _names(namespace: str, words: str) -> list[str]:
    return [namespace + word for word in words.split()]


_UNDER_USE = _names(
    "odrl:",
    "acceptTracking aggregate annotate anonymize archive attribute compensate concurrentUse delete derive digitize distribute "
    "ensureExclusivity execute grantUse include index inform install modify move nextPolicy obtainConsent play present print "
    "read reproduce reviewPolicy stream synchronize textToSpeech transform translate uninstall watermark",
) + _names(
    CC, "Attribution CommercialUse DerivativeWorks Distribution Notice Reproduction ShareAlike Sharing SourceCode"
)

INCLUDED_IN: Mapping[str, str | None] = {
    "odrl:use": None,
    "odrl:transfer": None,
    **dict.fromkeys(_UNDER_USE, USE),
    "odrl:display": "odrl:play",
    "odrl:extract": "odrl:reproduce",
    "odrl:give": "odrl:transfer",
    "odrl:sell": "odrl:transfer",
    DESENSITIZE: "odrl:anonymize",
    ALERT: "odrl:inform",
    SUSPEND: USE,
    SETTLE: "odrl:compensate",
    REPORT_USAGE: "odrl:inform",
    COUNTERSIGN: "odrl:inform",
}

# Deprecated names with an exact match: `write` is under `use` only through `modify`.
EXACT_MATCH: Mapping[str, str] = {
    "odrl:append": "odrl:modify",
    "odrl:appendTo": "odrl:modify",
    "odrl:write": "odrl:modify",
    "odrl:writeTo": "odrl:modify",
    "odrl:attachPolicy": CC + "Notice",
    "odrl:attachSource": CC + "SourceCode",
    "odrl:commercialize": CC + "CommercialUse",
    "odrl:copy": "odrl:reproduce",
    "odrl:export": "odrl:transform",
    "odrl:license": GRANT_USE,
    "odrl:pay": "odrl:compensate",
    "odrl:share": CC + "Sharing",
    "odrl:shareAlike": CC + "ShareAlike",
}

# --- left operands ----------------------------------------------------------------------------------------------------------

PURPOSE = "odrl:purpose"
RECIPIENT = "odrl:recipient"
SPATIAL = "odrl:spatial"
DATE_TIME = "odrl:dateTime"
COUNT = "odrl:count"
TIME_INTERVAL = "odrl:timeInterval"
ELAPSED_TIME = "odrl:elapsedTime"
COLUMNS = WEFT + "columns"
TIME_ZONE = WEFT + "timeZone"
TRANSFORM = WEFT + "transform"
INHERITS = WEFT + "inherits"
SETTLEMENT_TERMS = RS + "settlementTerms"

LEFT_OPERANDS = frozenset(
    _names(
        "odrl:",
        "absolutePosition absoluteSize absoluteSpatialPosition absoluteTemporalPosition count dateTime delayPeriod "
        "deliveryChannel device elapsedTime event fileFormat industry language media meteredTime payAmount percentage product "
        "purpose recipient relativePosition relativeSize relativeSpatialPosition relativeTemporalPosition resolution spatial "
        "spatialCoordinates system systemDevice timeInterval unitOfCount version virtualLocation",
    )
    + _names(WEFT, "columns timeZone transform inherits")
    + _names(RS, "settlementTerms creditRemaining statementAge")
)


def action_name(name: str) -> str:
    """The normal name of an action: a deprecated one becomes its exact match, a bare one of ODRL gets its prefix."""
    name = normal(name)
    if (
        name not in INCLUDED_IN
        and name not in EXACT_MATCH
        and f"odrl:{name}" in (INCLUDED_IN.keys() | EXACT_MATCH.keys())
    ):
        name = f"odrl:{name}"
    return EXACT_MATCH.get(name, name)


def operand_name(name: str) -> str:
    """The normal name of a left operand; the deprecated `device` and `system` become `systemDevice`."""
    name = normal(name)
    if f"odrl:{name}" in LEFT_OPERANDS:
        name = f"odrl:{name}"
    return "odrl:systemDevice" if name in ("odrl:device", "odrl:system") else name


def operator_name(name: str) -> str:
    """The bare name of an operator of ODRL."""
    return bare(name)


def known_action(action: str) -> bool:
    """Whether the place of an action (a normal name) in the hierarchy is known."""
    return action in INCLUDED_IN


def with_broader(action: str) -> tuple[str, ...]:
    """The action and every action that includes it, nearest first (`includedIn` is transitive)."""
    chain = [action]
    while (parent := INCLUDED_IN.get(chain[-1])) is not None:
        chain.append(parent)
    return tuple(chain)
