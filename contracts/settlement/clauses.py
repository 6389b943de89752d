"""What all terms of settlement state: currency, periods, rounding, the life of a statement (revenue-share.md 3, 3.2).

Every clause is strict: an unknown member is refused, and so is a value that nothing here could settle by.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from contracts.errors import AmountError, PeriodError, TermsError
from contracts.settlement.amount import MINOR_MAX, rational
from contracts.settlement.period import DAYS_A_WEEK, Duration
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, canonical, digest
from policies.errors import CanonicalError

EXPONENT_MAX = 12
# The kinds of waterfall steps; pydantic puts the kind into the path of a fault, where no member of the document is.
STEPS = frozenset({"Percent", "Pool"})
DAYS_WITHOUT_SERVICE = "fullDaysWithoutService"
# A receipt may be 300 s off the provider's clock (revenue-share.md 4.9): no record may come once its period can be closed.
GRACE_MIN = timedelta(minutes=5)
NULL = "is null: leave the member out instead"
# A check of several members together names the one to correct at the beginning of its message.
_NAMED = re.compile(r"([A-Za-z][A-Za-z.]*): (.+)", re.DOTALL)
_SPAN = re.compile(r"P(?:([1-9][0-9]{0,3})([DW])|T([1-9][0-9]{0,3})([HM]))")


def exact_rate(value: object) -> Fraction:
    """A rate or weight as terms write it; raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("is no exact rational: a string such as 80, 2/5 or 0.8")  # noqa: TRY004  pydantic reports ValueError
    try:
        found = rational(value)
    except AmountError as error:
        raise ValueError(error.facts["problem"]) from error
    if found < 0:
        raise ValueError("must not be negative")
    return found


def _duration(value: object) -> Duration:
    try:
        return Duration.parse(str(value))
    except PeriodError as error:
        raise ValueError(error.facts["problem"]) from error


def _span(value: object) -> timedelta:
    found = _SPAN.fullmatch(str(value))
    if found is None:
        raise ValueError("is no span of weeks, days, hours or minutes such as P2D")
    if found[1]:
        return timedelta(days=int(found[1]) * (DAYS_A_WEEK if found[2] == "W" else 1))
    return timedelta(hours=int(found[3])) if found[4] == "H" else timedelta(minutes=int(found[3]))


def _grace(value: timedelta) -> timedelta:
    if value < GRACE_MIN:
        raise ValueError("is shorter than PT5M: a receipt may be five minutes off, so a period cannot be closed before")
    return value


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"is no instant: {error}") from error
    if moment.tzinfo is None or moment.isoformat(timespec="seconds") != value:
        raise ValueError("is no instant with an offset, in whole seconds, such as 2026-10-01T00:00:00+08:00")
    return moment


Minor: TypeAlias = Annotated[int, Field(ge=0, le=MINOR_MAX)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Rate: TypeAlias = Annotated[Fraction, BeforeValidator(exact_rate)]
Span: TypeAlias = Annotated[timedelta, BeforeValidator(_span)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Party: TypeAlias = Annotated[str, Field(pattern=r"^did:[a-z0-9]+:.+", max_length=2048)]
Id: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class Clause(BaseModel):
    """A piece of terms: frozen, strict, its members in camelCase; an unknown member is refused."""

    # Built at the first use: a daemon that starts reads no terms yet.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        arbitrary_types_allowed=True,
        defer_build=True,
    )


class Rounding(Clause):
    """How fees are rounded and how a split keeps its last units; there is no default."""

    fees: Literal["half-up", "half-even"]
    split: Literal["largest-remainder"]
    ties: Literal["party-id", "list-order"]


class Meter(Clause):
    """What is counted: `rows` of verified receipts or accepted ledger units, called `unit`; or stated days without service."""

    metric: Literal["rows", "fullDaysWithoutService"]
    aggregation: Literal["sum"]
    evidence: Literal["Countersigned", "ProviderSigned"]
    unit: Name | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.metric == DAYS_WITHOUT_SERVICE and (self.unit is not None or self.evidence != "ProviderSigned"):
            raise ValueError("days without service have no unit and are ProviderSigned")
        if self.metric == "rows" and (self.unit is None or self.evidence != "Countersigned"):
            raise ValueError("rows have a unit and are Countersigned")
        return self


class AnyTerms(Clause):
    """What all terms state. Periods are counted from `anchor` in `timezone`; a period can be closed `grace` after its end."""

    version: Literal["1"]
    id: Id
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    exponent: Annotated[int, Field(ge=0, le=EXPONENT_MAX)]
    period: Annotated[Duration, BeforeValidator(_duration)]
    anchor: Annotated[datetime, BeforeValidator(_moment)]
    timezone: str
    rounding: Rounding
    tax: Literal["excluded", "included"] | None = None
    grace: Annotated[Span, AfterValidator(_grace)]
    statement_due: Span
    dispute_window: Span
    payment_due: Span
    tolerance: Literal[0]
    on_silence: Literal["Dispute", "Accept"]

    _document: Mapping[str, JsonValue] = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, JsonValue]) -> Self:
        """The terms of a document; raises TermsError with the path of the first fault."""
        found, faults = cls.judge(document)
        if found is None:
            raise faults[0]
        return found

    @classmethod
    def judge(cls, document: Mapping[str, JsonValue]) -> tuple[Self | None, list[TermsError]]:
        """The terms of a document, or every fault that keeps it from being terms."""
        absent = null_in(document)
        if absent is not None:
            return None, [TermsError(absent, NULL)]
        try:
            found = cls.model_validate_json(canonical(dict(document)))
        except CanonicalError as error:
            return None, [TermsError(error.path or "$", error.problem)]
        except ValidationError as error:
            faults: list[Any] = list(error.errors(include_url=False))
            return None, [TermsError(*fault(each)) for each in faults]
        found._document = dict(document)  # noqa: SLF001  its own
        return found, []

    @model_validator(mode="after")
    def _starts_in_its_zone(self) -> Self:
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone: {self.timezone[:80]} is no time zone of the IANA database") from error
        local = self.anchor.astimezone(zone)
        if local.replace(tzinfo=None) != self.anchor.replace(tzinfo=None):
            found, there = self.anchor.isoformat(), local.isoformat()
            raise ValueError(f"anchor: {found} is no time of {self.timezone}, where that is {there}")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def document(self) -> Mapping[str, JsonValue]:
        """The document itself, as its digest covers it."""
        return self._document

    @cached_property
    def body(self) -> bytes:
        """Its canonical bytes."""
        return canonical(self._document)

    @cached_property
    def digest(self) -> str:
        """The digest of its canonical bytes, which offers cite."""
        return digest(self.body)


def null_in(value: object, path: str = "") -> str | None:
    """Where a money document holds null, None if nowhere: an absent value is an absent member (revenue-share.md 3.2)."""
    if value is None:
        return path.removeprefix(".") or "$"
    within: Iterable[tuple[str, object]] = ()
    if isinstance(value, Mapping):
        within = ((f"{path}.{name}", each) for name, each in value.items())
    elif isinstance(value, list | tuple):
        within = ((f"{path}[{place}]", each) for place, each in enumerate(value))
    return next((found for where, each in within if (found := null_in(each, where)) is not None), None)


def fault(error: Mapping[str, Any]) -> tuple[str, str]:
    """Path and problem of one complaint of pydantic, as a reader of the document understands them."""
    parts = [part for part in error["loc"] if part not in STEPS]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    problem = str(error["msg"]).removeprefix("Value error, ")
    named = _NAMED.fullmatch(problem) if error["type"] == "value_error" else None
    if named is not None:
        return f"{path}.{named[1]}".removeprefix("."), named[2]
    if error["type"] == "literal_error":
        problem = f"{error['input']!r} is not built: known are {error['ctx']['expected']}"
    if error["type"] == "union_tag_invalid":
        problem = f"{error['ctx']['tag']!r} is not built: known are {error['ctx']['expected_tags']}"
    if error["type"] == "extra_forbidden":
        problem = "is not known here: it is either misspelt or a kind of terms that is not built"
    return path or "$", problem
