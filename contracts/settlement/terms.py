"""Terms of settlement: the `rs:` document whose digest an offer cites, read strictly (revenue-share.md 3).

What is understood is exactly what can be settled: a model, scheme, metric or member beyond that is refused with its path, before
anybody agrees to it. `Terms` are between a payer and a payee (or free); a `Bundle` is one document for many agreements.
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from contracts.errors import PeriodError, TermsError
from contracts.settlement.clauses import (
    DAYS_WITHOUT_SERVICE,
    AnyTerms,
    Clause,
    Count,
    Id,
    Meter,
    Minor,
    Name,
    Party,
    Rate,
    exact_rate,
)
from contracts.settlement.period import period_of
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, canonical, is_digest, parse_json
from policies.errors import CanonicalError, JsonError


class Charge(Clause):
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


class Slot(Clause):
    """A place for an agreement in a bundle: the one between these parties about this product that cites the bundle's digest."""

    ref: Id
    role: Literal["input", "income"]
    provider: Party
    consumer: Party
    product: Name


class Income(Clause):
    """What flows in: the charges and credits of the slots in `refs`; without any, what the operator declares."""

    refs: tuple[Id, ...] = Field(min_length=1)
    otherwise: Literal["AuditedDeclaration"]


class Points(Clause):
    """How a contribution is weighed: accepted units, times the factor of the period's quality grade."""

    meter: Meter
    quality_factor: Mapping[Id, Rate] = Field(min_length=1)


class Percent(Clause):
    """A step that takes a share of the net income, or of what remains, for `to`; at least `floor`, at most `cap`."""

    step: Literal["Percent"]
    id: Id
    to: Party
    of: Literal["net", "remaining"]
    rate: Rate
    floor: Minor | None = None
    cap: Minor | None = None

    @field_validator("rate")
    @classmethod
    def _at_most_all(cls, rate: Fraction) -> Fraction:
        if rate > 1:
            raise ValueError(f"is {rate}: nobody can be given more than there is")
        return rate


def _rate_or_rest(value: object) -> Fraction | None:
    return None if value == "rest" else exact_rate(value)


class PoolPart(Clause):
    """A part of the pool: a `rate` of it, or None for the rest that the others leave; split equally or by points."""

    id: Id
    rate: Annotated[Fraction | None, BeforeValidator(_rate_or_rest)]
    weight_by: Literal["equal", "points"]


class Pool(Clause):
    """The last step: what is left goes to the providers of `refs`, in parts."""

    step: Literal["Pool"]
    id: Id
    parts: tuple[PoolPart, ...] = Field(min_length=1)
    refs: tuple[Id, ...] = Field(min_length=1)

    @field_validator("parts")
    @classmethod
    def _whole(cls, parts: tuple[PoolPart, ...]) -> tuple[PoolPart, ...]:
        given = sum((part.rate for part in parts if part.rate is not None), Fraction(0))
        rests = sum(part.rate is None for part in parts)
        if rests > 1 or given > 1 or (rests == 0 and given != 1):
            raise ValueError(f"the rates of the parts sum to {given}: they must make 1, or less with one part rest")
        return parts


Step: TypeAlias = Annotated[Percent | Pool, Field(discriminator="step")]


class Floor(Clause):
    """A minimum: where the lines `over` of `ref` sum to less, `payer` pays the difference to `party`."""

    id: Id
    kind: Literal["Floor"]
    ref: Id
    party: Party
    minimum: Minor
    over: tuple[Id, ...] = Field(min_length=1)
    payer: Party


DECLARED_INCOME, LOSS = "declared-income", "loss"
MODELS = ("Free", "Purchase", "Subscription", "Metered", "Reciprocal")


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
        _distinct("charges", [line.id for line in (*self.charges, *self.credits)])
        parties = [self.payer, self.payee, self.product]
        if None in parties and (self.priced or any(parties)):
            raise ValueError("payer: payer, payee and product are stated together, and always where there are charges")
        if self.priced and self.payer == self.payee:
            raise ValueError("payee: nobody pays themselves")
        if not self.charges and self.credits:
            raise ValueError("credits: there is no charge that they could lessen")
        self._model_fits()
        self._meters_fit()
        for line in (*self.charges, *self.credits):
            _due(self, line)
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
        _distinct("agreements", [self.id, *self.slots])
        parties = {self.operator, *(step.to for step in self.waterfall if isinstance(step, Percent))}
        parties |= {party for slot in self.agreements for party in (slot.provider, slot.consumer)}
        parties |= {party for floor in self.adjustments for party in (floor.party, floor.payer)}
        unsigned = sorted(parties - set(self.signatories))
        if unsigned:
            raise ValueError(f"signatories: {unsigned[0]} takes part and does not sign")
        *before, last = self.waterfall
        if not isinstance(last, Pool) or any(isinstance(step, Pool) for step in before):
            raise ValueError("waterfall: the last step, and only that, is a Pool: nothing may be left over")
        self._refs_fit(last)
        self._names_fit(last)
        return self

    def _refs_fit(self, last: Pool) -> None:
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

    def _names_fit(self, last: Pool) -> None:
        """Ids become kinds of lines and members of the statement: none may stand for two things."""
        parts = [part.id for part in last.parts]
        floors = [floor.id for floor in self.adjustments]
        steps = [step.id for step in self.waterfall]
        _distinct("waterfall", [DECLARED_INCOME, LOSS, *steps, *parts, *dict.fromkeys(floors)])
        totals = [member_name(name) for name in steps] + [f"{member_name(name)}Pool" for name in parts]
        _distinct("waterfall", ["netIncome", "pointsTotal", "shares", *totals])
        shares = [form for name in parts for form in (member_name(name), f"{member_name(name)}Exact")]
        _distinct("waterfall", ["ref", "party", "points", *shares])
        _distinct("adjustments", [f"{floor.id} of {floor.ref}" for floor in self.adjustments])

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
    except JsonError as error:
        raise TermsError("$", str(error)) from error
    except CanonicalError as error:
        raise TermsError(error.path or "$", error.problem) from error
    return read_terms(document)


def read_terms(document: Mapping[str, JsonValue]) -> Terms | Bundle:
    """Read a terms document that came as an object; raises TermsError with the path of the first fault."""
    return _kind(document).read(document)


def check_terms(document: Mapping[str, JsonValue]) -> list[TermsError]:
    """Everything that is wrong with a terms document, whether or not its bytes are canonical; none = it can be settled."""
    try:
        return _kind(document).judge(document)[1]
    except TermsError as error:
        return [error]


def _kind(document: Mapping[str, JsonValue]) -> type[Terms] | type[Bundle]:
    """What a document of this model is read as; raises TermsError for one that is not built."""
    model = document.get("model")
    if model == "RevenueShare":
        return Bundle
    if model in MODELS:
        return Terms
    raise TermsError("model", f"{model!r} is not built: known are {', '.join(MODELS)}, RevenueShare")


def member_name(name: str) -> str:
    """The id of a step or part as the member of a statement: `operator-share` is `operatorShare`."""
    first, *others = re.split(r"[-_.]", name)
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _distinct(path: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: {repeated[0]} stands there twice")


def _metric(line: Charge) -> str | None:
    return line.meter.metric if line.meter is not None else None


def _due(terms: AnyTerms, charge: Charge) -> None:
    if charge.due is None:
        return
    try:
        period_of(terms, charge.due)
    except PeriodError as error:
        raise ValueError(f"charges: {charge.id} is due in {charge.due}, which {error.facts['problem']}") from error
