"""Terms of settlement: the `rs:` document whose digest an offer cites, read strictly (revenue-share.md 3).

What is understood is exactly what can be settled: a model, scheme, metric or member beyond that is refused with its path, before
anybody agrees to it. `Terms` are between a payer and a payee (or free); a `Bundle` is one document for many agreements.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from contracts.errors import AmountError, PeriodError, TermsError
from contracts.settlement.amount import MINOR_MAX, rational
from contracts.settlement.period import Calendar, Length
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, canonical, digest, is_digest, parse_json
from policies.errors import CanonicalError, JsonError

VERSION = "1"
EXPONENT_MAX = 12
DAYS_WITHOUT_SERVICE = "fullDaysWithoutService"
DECLARED = "AuditedDeclaration"


def _rational(value: object) -> Fraction:
    try:
        found = rational(value if isinstance(value, str) else "-")
    except AmountError as error:
        raise ValueError(error.facts["problem"]) from error
    if found < 0:
        raise ValueError("must not be negative")
    return found


Minor: TypeAlias = Annotated[int, Field(ge=0, le=min(MINOR_MAX, MAX_SAFE_INTEGER))]
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Rate: TypeAlias = Annotated[Fraction, BeforeValidator(_rational)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Party: TypeAlias = Annotated[str, Field(pattern=r"^did:[a-z0-9]+:.+", max_length=2048)]
Id: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class _Part(BaseModel):
    """A piece of terms: strict, in camelCase; an unknown member is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, arbitrary_types_allowed=True
    )


class Rounding(_Part):
    """How fees are rounded and how a split keeps its last units; there is no default."""

    fees: Literal["half-up", "half-even"]
    split: Literal["largest-remainder"]
    ties: Literal["party-id", "list-order"]


class Meter(_Part):
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


class Charge(_Part):
    """A line of the bill. `Fixed`: `fixed` minor units each period, or once, in that of `due`.

    `PerUnit`: `rate` minor units for each `per` units of the meter beyond the `free` ones.
    """

    id: Id
    scheme: Literal["Fixed", "PerUnit"]
    fixed: Minor | None = None
    due: Name | None = None
    proration: Literal["none"] | None = None
    free: Count = 0
    per: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)] = 1
    rate: Rate | None = None
    meter: Meter | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        metered = {"free", "per", "rate", "meter"} & self.model_fields_set
        stated = {"fixed", "due", "proration"} & self.model_fields_set
        if self.scheme == "Fixed" and (self.fixed is None or metered):
            raise ValueError("a Fixed charge has fixed, and neither rate nor meter")
        if self.scheme == "PerUnit" and (self.rate is None or self.meter is None or stated):
            raise ValueError("a PerUnit charge has rate and meter, and nothing fixed")
        return self


class Slot(_Part):
    """A place for an agreement in a bundle: the one between these parties about this product that cites the bundle's digest."""

    ref: Id
    role: Literal["input", "income"]
    provider: Party
    consumer: Party
    product: Name


class Income(_Part):
    """What flows in: the charges and credits of the slots in `refs`; without any, what the operator declares."""

    refs: tuple[Id, ...] = Field(min_length=1)
    otherwise: Literal["AuditedDeclaration"]


class Points(_Part):
    """How a contribution is weighed: accepted units, times the factor of the period's quality grade."""

    meter: Meter
    quality_factor: Mapping[Id, Rate] = Field(min_length=1)


class Percent(_Part):
    """A step that takes a share of the net income, or of what remains, for `to`; at least `floor`, at most `cap`."""

    step: Literal["Percent"]
    id: Id
    to: Party
    of: Literal["net", "remaining"]
    rate: Rate
    floor: Minor | None = None
    cap: Minor | None = None


class PoolPart(_Part):
    """A part of the pool: a `rate` of it or the `rest`, split equally or by points."""

    id: Id
    rate: Fraction | Literal["rest"]
    weight_by: Literal["equal", "points"]

    @field_validator("rate", mode="before")
    @classmethod
    def _rest(cls, value: object) -> object:
        return value if value == "rest" else _rational(value)

    @property
    def share(self) -> Fraction | None:
        """Its part of the pool, None for what the others leave."""
        return self.rate if isinstance(self.rate, Fraction) else None


class Pool(_Part):
    """The last step: what is left goes to the providers of `refs`, in parts."""

    step: Literal["Pool"]
    id: Id
    parts: tuple[PoolPart, ...] = Field(min_length=1)
    refs: tuple[Id, ...] = Field(min_length=1)

    @field_validator("parts")
    @classmethod
    def _whole(cls, parts: tuple[PoolPart, ...]) -> tuple[PoolPart, ...]:
        given = sum((part.share for part in parts if part.share is not None), Fraction(0))
        rests = sum(part.share is None for part in parts)
        if rests > 1 or given > 1 or (rests == 0 and given != 1):
            raise ValueError(f"the rates of the parts sum to {given}: they must make 1, or less with one part rest")
        return parts


Step: TypeAlias = Annotated[Percent | Pool, Field(discriminator="step")]


class Floor(_Part):
    """A minimum: where the lines `over` of `ref` sum to less, `payer` pays the difference to `party`."""

    id: Id
    kind: Literal["Floor"]
    ref: Id
    party: Party
    minimum: Minor
    over: tuple[Id, ...] = Field(min_length=1)
    payer: Party


class AnyTerms(_Part):
    """What all terms state. `digest` is that of the canonical bytes."""

    version: Literal["1"]
    id: Id
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    exponent: Annotated[int, Field(ge=0, le=EXPONENT_MAX)]
    period: str
    anchor: str
    timezone: str
    rounding: Rounding
    tax: Literal["excluded", "included"] | None = None
    grace: str
    statement_due: str
    dispute_window: str
    payment_due: str
    tolerance: Literal[0]
    on_silence: Literal["Dispute", "Accept"]

    _digest: str = PrivateAttr(default="")
    _document: Mapping[str, JsonValue] = PrivateAttr(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        _zone(name)
        return name

    @field_validator("period")
    @classmethod
    def _known_length(cls, text: str) -> str:
        return _length(text)

    @field_validator("grace", "statement_due", "dispute_window", "payment_due")
    @classmethod
    def _known_days(cls, text: str) -> str:
        if Length.parse(_length(text)).months:
            raise ValueError("is counted in whole days or weeks, such as P2D")
        return text

    @field_validator("anchor")
    @classmethod
    def _instant(cls, text: str) -> str:
        _moment(text)
        return text

    @model_validator(mode="after")
    def _starts_in_its_zone(self) -> Self:
        moment = _moment(self.anchor)
        local = moment.astimezone(_zone(self.timezone))
        if local.replace(tzinfo=None) != moment.replace(tzinfo=None):
            raise ValueError(f"anchor: {self.anchor} is no time of {self.timezone}, where that is {local.isoformat()}")
        return self

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def document(self) -> Mapping[str, JsonValue]:
        """The document itself, as its digest covers it."""
        return self._document

    @cached_property
    def calendar(self) -> Calendar:
        """Its periods."""
        zone = _zone(self.timezone)
        return Calendar(_moment(self.anchor).astimezone(zone), Length.parse(self.period), zone)

    @property
    def grace_days(self) -> int:
        """Days between the end of a period and the first moment at which it can be closed."""
        return Length.parse(self.grace).days


class Terms(AnyTerms):
    """Terms between two parties, or free ones for anybody."""

    model: Literal["Free", "Purchase", "Subscription", "Metered", "Reciprocal"]
    payer: Party | None = None
    payee: Party | None = None
    product: Name | None = None
    charges: tuple[Charge, ...]
    credits: tuple[Charge, ...] = ()
    in_return_for: str | None = None
    balance: Literal["none"] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _distinct("charges and credits", [line.id for line in (*self.charges, *self.credits)])
        parties = [self.payer, self.payee, self.product]
        if self.priced and None in parties:
            raise ValueError("payer, payee and product must be stated where there are charges")
        if self.priced and self.payer == self.payee:
            raise ValueError("payee: nobody pays themselves")
        if not self.charges and self.credits:
            raise ValueError("credits: there is no charge that they could lessen")
        self._model_fits()
        self._meters_fit()
        for line in (*self.charges, *self.credits):
            if line.due is not None:
                _labelled(self, line.due)
        return self

    def _model_fits(self) -> None:
        schemes = {line.scheme for line in self.charges}
        due = all(line.due is not None for line in self.charges)
        wrong = {
            "Free": bool(self.charges),
            "Reciprocal": bool(self.charges) or self.balance is None or self.in_return_for is None,
            "Purchase": schemes != {"Fixed"} or not due,
            "Subscription": "Fixed" not in schemes,
            "Metered": schemes != {"PerUnit"},
        }[self.model]
        if wrong:
            raise ValueError(f"charges: they are not those of the model {self.model}")
        if self.model != "Reciprocal" and (self.balance is not None or self.in_return_for is not None):
            raise ValueError(f"inReturnFor: belongs to the model Reciprocal and not to {self.model}")
        if self.in_return_for is not None and not is_digest(self.in_return_for):
            raise ValueError("inReturnFor: is the digest of the terms that are answered")

    def _meters_fit(self) -> None:
        meters = [line.meter for line in self.charges if line.meter is not None]
        if any(meter.metric == DAYS_WITHOUT_SERVICE for meter in meters):
            raise ValueError("charges: nobody pays for days without service")
        if len({meter.unit for meter in meters}) > 1:
            raise ValueError("charges: their meters count different units")
        if any(line.scheme != "PerUnit" or _metric(line) != DAYS_WITHOUT_SERVICE for line in self.credits):
            raise ValueError("credits: only days without service are credited")

    @property
    def priced(self) -> bool:
        """Whether anything is ever charged under these terms."""
        return bool(self.charges)

    @property
    def meter(self) -> Meter | None:
        """What is counted for the charges, None where nothing is."""
        return next((line.meter for line in self.charges if line.meter is not None), None)

    @property
    def credits_days(self) -> bool:
        """Whether days without service lessen the bill, so that they must be stated for each period."""
        return bool(self.credits)


class Bundle(AnyTerms):
    """One document for many agreements: the income of some is shared among the providers of others (revenue-share.md 3.4)."""

    model: Literal["RevenueShare"]
    operator: Party
    signatories: tuple[Party, ...] = Field(min_length=2)
    agreements: tuple[Slot, ...] = Field(min_length=1)
    income: Income
    points: Points
    waterfall: tuple[Step, ...] = Field(min_length=1)
    adjustments: tuple[Floor, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.signatories) != sorted(set(self.signatories)):
            raise ValueError("signatories: they stand once each, in ascending order")
        _distinct("agreements", [slot.ref for slot in self.agreements])
        _distinct("agreements", [f"{slot.provider} {slot.consumer} {slot.product}" for slot in self.agreements])
        kinds = [step.id for step in self.waterfall]
        kinds += [part.id for part in self._pool_parts()] + [floor.id for floor in self.adjustments]
        _distinct("waterfall and adjustments", kinds)
        parties = {self.operator, *(step.to for step in self.waterfall if isinstance(step, Percent))}
        parties |= {party for slot in self.agreements for party in (slot.provider, slot.consumer)}
        parties |= {party for floor in self.adjustments for party in (floor.party, floor.payer)}
        unsigned = sorted(parties - set(self.signatories))
        if unsigned:
            raise ValueError(f"signatories: {unsigned[0]} takes part and does not sign")
        self._refs_fit()
        return self

    def _refs_fit(self) -> None:
        *before, last = self.waterfall
        if not isinstance(last, Pool) or any(isinstance(step, Pool) for step in before):
            raise ValueError("waterfall: the last step, and only that, is a Pool: nothing may be left over")
        for path, role, refs in (("income.refs", "income", self.income.refs), ("waterfall", "input", last.refs)):
            _distinct(path, refs)
            for ref in refs:
                if self.slots.get(ref) is None or self.slots[ref].role != role:
                    raise ValueError(f"{path}: {ref} is no agreement of the role {role}")
        if any(self.slots[ref].provider != self.operator for ref in self.income.refs):
            raise ValueError("income.refs: the operator collects the income, so it must be the provider")
        if self.points.meter.metric != "rows":
            raise ValueError("points.meter: contributions are counted in rows")
        for floor in self.adjustments:
            if floor.ref not in last.refs or self.slots[floor.ref].provider != floor.party:
                raise ValueError(f"adjustments: {floor.party} has no share for {floor.ref}")
            unknown = sorted(set(floor.over) - {part.id for part in last.parts})
            if unknown:
                raise ValueError(f"adjustments: {unknown[0]} is no part of the pool")

    def _pool_parts(self) -> Iterable[PoolPart]:
        return (part for step in self.waterfall if isinstance(step, Pool) for part in step.parts)

    @cached_property
    def slots(self) -> Mapping[str, Slot]:
        """The places for agreements, by their ref."""
        return {slot.ref: slot for slot in self.agreements}

    @property
    def percents(self) -> Sequence[Percent]:
        return [step for step in self.waterfall if isinstance(step, Percent)]

    @property
    def pool(self) -> Pool:
        return next(step for step in self.waterfall if isinstance(step, Pool))

    def slot_of(self, provider: str, consumer: str, product: str) -> Slot | None:
        """The place that an agreement between these two about this product fills."""
        wanted = provider, consumer, product
        return next((slot for slot in self.agreements if (slot.provider, slot.consumer, slot.product) == wanted), None)


def parse_terms(body: bytes) -> Terms | Bundle:
    """Read a terms document from its canonical bytes; raises TermsError with the path of the first fault."""
    try:
        document = parse_json(body)
        if not isinstance(document, dict):
            raise TermsError("$", "is no object")
        if canonical(document) != body:
            raise TermsError("$", "is not in canonical form (RFC 8785): sorted members, no blanks, no final newline")
    except (JsonError, CanonicalError) as error:
        raise TermsError("$", str(error)) from error
    return read_terms(document)


def read_terms(document: Mapping[str, JsonValue]) -> Terms | Bundle:
    """Read a terms document; raises TermsError with the path of the first fault."""
    kind = Bundle if document.get("model") == "RevenueShare" else Terms
    try:
        found = kind.model_validate_json(canonical(dict(document)))
    except CanonicalError as error:
        raise TermsError(error.path, error.problem) from error
    except ValidationError as error:
        raise TermsError(*_first(error)) from error
    object.__setattr__(found, "_document", dict(document))
    object.__setattr__(found, "_digest", digest(canonical(dict(document))))
    return found


def _first(error: ValidationError) -> tuple[str, str]:
    """Path and problem of the first complaint; a check of the whole names its member at the beginning."""
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    problem = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        problem = "is not known here: it is either misspelt or a kind of terms that Weft does not settle"
    return path.removeprefix(".") or "$", problem


def _distinct(path: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: {repeated[0]} stands there twice")


def _metric(line: Charge) -> str | None:
    return line.meter.metric if line.meter is not None else None


def _labelled(terms: AnyTerms, label: str) -> None:
    try:
        terms.calendar.labelled(label)
    except PeriodError as error:
        raise ValueError(f"due: {label} {error.facts['problem']}") from error


def _length(text: str) -> str:
    try:
        Length.parse(text)
    except PeriodError as error:
        raise ValueError(error.facts["problem"]) from error
    return text


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name[:80]} is no time zone of the IANA database") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:40]} is no instant: {error}") from error
    if moment.tzinfo is None or moment.microsecond:
        raise ValueError(f"{text[:40]} is no instant with an offset, in whole seconds")
    return moment
