"""A bundle's period: the operator's input record, and the statement that every member computes from it (revenue-share.md 7.1).

The bundle statement is a pure function of the terms, the record and the statement before it. Members check the record against what
they hold themselves before they compute anything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from contracts.errors import InputError, PeriodError
from contracts.settlement.amount import written as ratio
from contracts.settlement.contribution import points
from contracts.settlement.metering import Metered
from contracts.settlement.period import Period, written
from contracts.settlement.statement import VERSION, Document, Line, body, days_in, head
from contracts.settlement.terms import Bundle, Count
from contracts.settlement.waterfall import Flow, flow
from policies.canonical import MAX_SAFE_INTEGER, canonical, digest_of, is_digest
from policies.errors import CanonicalError

DECLARED_INCOME = "declared-income"
LOSS = "loss"
Amount = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True)


class IncomeLine(_Part):
    """A charge or credit of an income slot, as the operator sees it."""

    kind: str
    amount: Amount


class IncomeSlot(_Part):
    """What one slot brought in: the lines of the statement with this digest."""

    ref: str
    payer: str
    statement: str
    lines: tuple[IncomeLine, ...] = Field(min_length=1)

    @field_validator("statement")
    @classmethod
    def _digest(cls, text: str) -> str:
        if not is_digest(text):
            raise ValueError("is no digest")
        return text


class Contribution(_Part):
    """What one provider delivered, and the grade of its product."""

    ref: str
    party: str
    records: Count
    accepted: Count
    rejected: Count
    quality: str
    usage_root: str


class Availability(_Part):
    """Days without service of one slot."""

    ref: str
    full_days_without_service: tuple[str, ...]


class PeriodInput(_Part):
    """The operator's record of a period (type `PeriodInput`): everything a bundle statement is computed from."""

    version: Literal["1"] = "1"
    type: Literal["PeriodInput"] = "PeriodInput"
    bundle: str
    terms: str
    period: str
    from_: str = Field(alias="from")
    to: str
    operator: str
    income: tuple[IncomeSlot, ...]
    net_income: Amount
    declared_income: Amount | None = None
    contributions: tuple[Contribution, ...]
    availability: tuple[Availability, ...] | None = None
    replaces: str | None = None

    @model_validator(mode="after")
    def _sums(self) -> Self:
        if self.income and self.declared_income is not None:
            raise ValueError("declaredIncome: there is income from statements, so nothing is declared")
        if not self.income and self.declared_income is None:
            raise ValueError("declaredIncome: is missing, and there is no income from statements")
        stated = sum(line.amount for slot in self.income for line in slot.lines) + (self.declared_income or 0)
        if stated != self.net_income:
            raise ValueError(f"netIncome: is {self.net_income}, but the lines sum to {stated}")
        return self

    def document(self) -> Document:
        """The record as it is signed."""
        dumped: Document = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return dumped

    @property
    def digest(self) -> str:
        return digest_of(self.document())


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a record and a member's own books differ: the row (`ref`), its member, both values as text."""

    ref: str
    member: str
    recorded: str
    own: str


@dataclass(frozen=True, slots=True)
class Books:
    """What a member holds itself for a period, by ref: usage, grades it has stated, digests of statements it pays by."""

    usage: Mapping[str, Metered]
    quality: Mapping[str, str]
    statements: Mapping[str, str]


def read_input(document: Mapping[str, Any]) -> PeriodInput:
    """Read a period input record; raises InputError with the first member that is wrong."""
    try:
        found = PeriodInput.model_validate_json(canonical(dict(document)))
    except CanonicalError as error:
        raise InputError(error.path, error.problem) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise InputError(path.removeprefix(".") or "$", first["msg"].removeprefix("Value error, ")) from error
    return found


def period_input(
    bundle: Bundle,
    period: Period,
    *,
    income: Sequence[tuple[str, Mapping[str, JsonValue]]],
    declared: int | None,
    books: Books,
    replaces: str | None = None,
) -> PeriodInput:
    """The operator's record. `income` are (digest, statement) of the income slots; `books` hold usage and grades of the pool.

    Raises InputError for what is missing or does not fit.
    """
    slots = [_income(bundle, digest, statement) for digest, statement in income]
    net = sum(line.amount for slot in slots for line in slot.lines) + (declared or 0)
    contributions = []
    for ref in bundle.pool.refs:
        usage, quality = books.usage.get(ref), books.quality.get(ref)
        if usage is None or quality is None:
            raise InputError(f"contributions.{ref}", "its usage or its grade is not known")
        contributions.append(
            Contribution(
                ref=ref,
                party=bundle.slots[ref].provider,
                records=usage.records,
                accepted=usage.accepted,
                rejected=usage.rejected,
                quality=quality,
                usage_root=usage.root,
            )
        )
    days = [
        Availability(ref=str(statement["ref"]), full_days_without_service=tuple(map(str, stated)))
        for _, statement in income
        if isinstance(stated := statement.get("fullDaysWithoutService"), list)
    ]
    made = PeriodInput(
        bundle=bundle.id,
        terms=bundle.digest,
        period=period.label,
        from_=written(period.start),
        to=written(period.end),
        operator=bundle.operator,
        income=tuple(sorted(slots, key=lambda slot: bundle.income.refs.index(slot.ref))),
        net_income=net,
        declared_income=None if slots else (declared or 0),
        contributions=tuple(contributions),
        availability=tuple(sorted(days, key=lambda each: each.ref)) or None,
        replaces=replaces,
    )
    check_input(bundle, made)
    return made


def check_input(bundle: Bundle, record: PeriodInput) -> Period:
    """Whether a record is one of this bundle, and its period; raises InputError with the member that does not fit."""
    try:
        period = bundle.calendar.labelled(record.period)
    except PeriodError as error:
        raise InputError("period", error.facts["problem"]) from error
    expected = {
        "bundle": (bundle.id, record.bundle),
        "terms": (bundle.digest, record.terms),
        "operator": (bundle.operator, record.operator),
        "from": (written(period.start), record.from_),
        "to": (written(period.end), record.to),
        "contributions": (list(bundle.pool.refs), [each.ref for each in record.contributions]),
    }
    for member, (wanted, found) in expected.items():
        if wanted != found:
            raise InputError(member, f"is {found}, and must be {wanted}")
    for each in record.contributions:
        if each.party != bundle.slots[each.ref].provider:
            raise InputError(f"contributions.{each.ref}.party", f"is {each.party}, who is not its provider")
    for slot in record.income:
        if slot.ref not in bundle.income.refs or slot.payer != bundle.slots[slot.ref].consumer:
            raise InputError(f"income.{slot.ref}", "is no income slot of the bundle with this payer")
    if len({slot.ref for slot in record.income}) != len(record.income):
        raise InputError("income", "a slot stands there twice")
    for day in record.availability or ():
        days_in(period, day.full_days_without_service)
    points(bundle, _accepted(record), _quality(record))
    return period


def differences(bundle: Bundle, record: PeriodInput, *, member: str, books: Books) -> tuple[Difference, ...]:
    """Where a record differs from the books of one member: its own contribution, its grade, the statements it pays by.

    Only the member's own rows are looked at; the operator looks at all. Empty = it may sign.
    """
    found: list[Difference] = []
    for each in record.contributions:
        if member not in (each.party, bundle.operator):
            continue
        usage = books.usage.get(each.ref, Metered(0, 0, 0, "-"))
        found += [
            Difference(each.ref, name, str(recorded), str(own))
            for name, recorded, own in (
                ("records", each.records, usage.records),
                ("accepted", each.accepted, usage.accepted),
                ("rejected", each.rejected, usage.rejected),
                ("usageRoot", each.usage_root, usage.root),
                ("quality", each.quality, books.quality.get(each.ref, "-")),
            )
            if recorded != own
        ]
    recorded_slots = {slot.ref: slot.statement for slot in record.income}
    for ref in bundle.income.refs:
        if member not in (bundle.slots[ref].consumer, bundle.operator):
            continue
        recorded, own = recorded_slots.get(ref, "-"), books.statements.get(ref, "-")
        if recorded != own:
            found.append(Difference(ref, "statement", recorded, own))
    return tuple(found)


def bundle_statement(bundle: Bundle, record: PeriodInput, *, previous: str | None = None) -> Document:
    """The statement of a bundle's period; raises InputError for a record that is not one of the bundle."""
    period = check_input(bundle, record)
    run = flow(bundle, record.net_income, points(bundle, _accepted(record), _quality(record)))
    document: Document = {
        "version": VERSION,
        "type": "BundleStatement",
        "bundle": bundle.id,
        "terms": bundle.digest,
        "input": record.digest,
        **head(bundle.currency, bundle.exponent, period),
        "waterfall": _waterfall(bundle, run),
        **body(_lines(bundle, record, run), bundle.signatories),
    }
    return document | ({"previous": previous} if previous is not None else {})


def _waterfall(bundle: Bundle, run: Flow) -> Document:
    """Every figure between the net income and the lines, so that a reader can follow the sum."""
    shown: Document = {"netIncome": run.net}
    shown |= {_camel(name): amount for name, amount in run.steps.items()}
    shown[_camel(bundle.pool.id)] = run.pool
    shown |= {f"{_camel(name)}Pool": amount for name, amount in run.parts.items()}
    shown["pointsTotal"] = ratio(run.points)
    shown["shares"] = [
        {
            "ref": share.ref,
            "party": share.party,
            "points": ratio(share.points),
            **{_camel(name): amount for name, amount in share.amounts.items()},
            **{f"{_camel(name)}Exact": ratio(exact) for name, exact in share.exact.items()},
        }
        for share in run.shares
    ]
    return shown


def _lines(bundle: Bundle, record: PeriodInput, run: Flow) -> list[Line]:
    """Payers pay in, shares come out, floors move between their two parties, a loss is the operator's."""
    lines = [Line(slot.payer, slot.ref, line.kind, -line.amount) for slot in record.income for line in slot.lines]
    if record.declared_income:
        lines.append(Line(bundle.operator, bundle.id, DECLARED_INCOME, -record.declared_income))
    lines += [Line(step.to, bundle.id, step.id, run.steps[step.id]) for step in bundle.percents]
    for share in run.shares:
        lines += [Line(share.party, share.ref, name, amount) for name, amount in share.amounts.items()]
    for floor in bundle.adjustments:
        reached = sum(share.amounts[name] for share in run.shares if share.ref == floor.ref for name in floor.over)
        top_up = max(0, floor.minimum - reached)
        if top_up and floor.party != floor.payer:
            lines.append(Line(floor.party, floor.ref, floor.id, top_up))
            lines.append(Line(floor.payer, floor.ref, floor.id, -top_up))
    if run.loss:
        lines.append(Line(bundle.operator, bundle.id, LOSS, run.loss))
    return lines


def _income(bundle: Bundle, digest: str, statement: Mapping[str, JsonValue]) -> IncomeSlot:
    """The payee's lines of a statement."""
    ref = str(statement["ref"])
    if ref not in bundle.income.refs:
        raise InputError(f"income.{ref}", "is no income slot of the bundle")
    slot, lines = bundle.slots[ref], statement["lines"]
    mine = [
        IncomeLine(kind=str(line["kind"]), amount=line["amount"])
        for line in (lines if isinstance(lines, list) else [])
        if isinstance(line, dict) and line["party"] == slot.provider and isinstance(line["amount"], int)
    ]
    return IncomeSlot(
        ref=ref, payer=slot.consumer, statement=digest, lines=tuple(sorted(mine, key=lambda line: line.kind.encode()))
    )


def _accepted(record: PeriodInput) -> dict[str, int]:
    return {each.ref: each.accepted for each in record.contributions}


def _quality(record: PeriodInput) -> dict[str, str]:
    return {each.ref: each.quality for each in record.contributions}


def _camel(name: str) -> str:
    """`operator-share` as a member name: `operatorShare`."""
    first, *others = re.split(r"[-_.]", name)
    return first + "".join(part[:1].upper() + part[1:] for part in others)
