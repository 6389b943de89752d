"""A bundle's period: the operator's record, how members check it, and the statement that all compute (revenue-share.md 7.1, 7.2).

The bundle statement is a pure function of the terms, the record and the statement before it. Whatever a member knows itself (its
own usage and grade, the statements it pays by) is compared with the record before it signs anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import InputError, PeriodError
from contracts.settlement.amount import show_rational
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE
from contracts.settlement.contribution import points
from contracts.settlement.inputs import PeriodInput, read_input
from contracts.settlement.lines import VERSION, Document, Line, body, days_in, head, read_lines
from contracts.settlement.metering import Metered
from contracts.settlement.period import Period, period_of, written
from contracts.settlement.terms import DECLARED_INCOME, LOSS, Bundle, member_name
from contracts.settlement.waterfall import Flow, flow
from policies.canonical import JsonValue, digest_of


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a record and a member's own books differ: the row (`ref`), its member, both values as text."""

    ref: str
    member: str
    recorded: str
    own: str


@dataclass(frozen=True, slots=True)
class Books:
    """What a member holds itself for a period, by ref: usage, grades it has stated, statements of income slots."""

    usage: Mapping[str, Metered]
    quality: Mapping[str, str]
    statements: Mapping[str, Mapping[str, JsonValue]]


def period_input(
    bundle: Bundle, period: Period, *, books: Books, declared: int | None = None, replaces: str | None = None
) -> PeriodInput:
    """The operator's record of a period, to be signed.

    The statements in `books` are the income; where there is none, the net amount `declared` stands for it. `replaces` is the digest
    of the record that this one corrects. Raises InputError with the member that is missing or does not fit.
    """
    statements = {ref: books.statements[ref] for ref in bundle.income.refs if ref in books.statements}
    income: list[Document] = [
        {
            "ref": ref,
            "payer": bundle.slots[ref].consumer,
            "statement": digest_of(dict(each)),
            "lines": [{"kind": kind, "amount": amount} for kind, amount in _received(each).items()],
        }
        for ref, each in statements.items()
    ]
    days: list[Document] = [
        {"ref": ref, DAYS_WITHOUT_SERVICE: statements[ref][DAYS_WITHOUT_SERVICE]}
        for ref in sorted(statements, key=str.encode)
        if DAYS_WITHOUT_SERVICE in statements[ref]
    ]
    document: Document = {
        "version": VERSION,
        "type": "PeriodInput",
        "bundle": bundle.id,
        "terms": bundle.digest,
        "period": period.label,
        "from": written(period.start),
        "to": written(period.end),
        "operator": bundle.operator,
        "income": income,
        "netIncome": sum(sum(_received(each).values()) for each in statements.values()) + (declared or 0),
        "contributions": [_contribution(bundle, ref, books) for ref in bundle.pool.refs],
    }
    document |= {"declaredIncome": declared} if declared is not None else {}
    document |= {"availability": days} if days else {}
    document |= {"replaces": replaces} if replaces is not None else {}
    record = read_input(document)
    check_input(bundle, record)
    return record


def check_input(bundle: Bundle, record: PeriodInput) -> Period:
    """Whether a record is one of this bundle, and its period; raises InputError with the member that does not fit."""
    try:
        period = period_of(bundle, record.period)
    except PeriodError as error:
        raise InputError("period", f"{record.period[:40]} {error.facts['problem']}") from error
    slots = [slot.ref for slot in record.income]
    days = [each.ref for each in record.availability or ()]
    expected: dict[str, tuple[object, object]] = {
        "bundle": (bundle.id, record.bundle),
        "terms": (bundle.digest, record.terms),
        "operator": (bundle.operator, record.operator),
        "from": (written(period.start), record.from_),
        "to": (written(period.end), record.to),
        "income": ([ref for ref in bundle.income.refs if ref in slots], slots),
        "availability": (sorted({ref for ref in days if ref in slots}, key=str.encode), days),
        "contributions": (list(bundle.pool.refs), [each.ref for each in record.contributions]),
    }
    for slot in record.income:
        kinds = [line.kind for line in slot.lines]
        payer = bundle.slots[slot.ref].consumer if slot.ref in bundle.slots else None
        expected[f"income.{slot.ref}.payer"] = payer, slot.payer
        expected[f"income.{slot.ref}.lines"] = sorted(set(kinds), key=str.encode), kinds
    for each in record.contributions:
        if each.ref in bundle.slots:
            expected[f"contributions.{each.ref}.party"] = bundle.slots[each.ref].provider, each.party
    for member, (wanted, found) in expected.items():
        if wanted != found:
            raise InputError(member, f"is {_shown(found)} and must be {_shown(wanted)}")
    for each in record.contributions:
        if each.quality not in bundle.points.quality_factor:
            defined = ", ".join(bundle.points.quality_factor)
            raise InputError(f"contributions.{each.ref}.quality", f"{each.quality[:40]!r} is none of {defined}")
    for day in record.availability or ():
        days_in(period, day.full_days_without_service)
    return period


def differences(bundle: Bundle, record: PeriodInput, *, member: str, books: Books) -> tuple[Difference, ...]:
    """Where a record differs from the books of one member; none = it may sign.

    A member looks at its own contribution, its grade and the statements it pays by, the operator at every row. What the books do
    not hold counts as different.
    """
    found: list[Difference] = []
    for each in record.contributions:
        if member in (each.party, bundle.operator):
            usage = books.usage.get(each.ref)
            own = (usage.records, usage.accepted, usage.rejected, usage.root) if usage is not None else ("-",) * 4
            recorded = (each.records, each.accepted, each.rejected, each.usage_root)
            names = ("records", "accepted", "rejected", "usageRoot")
            found += _differing(each.ref, zip(names, recorded, own, strict=True))
            found += _differing(each.ref, [("quality", each.quality, books.quality.get(each.ref, "-"))])
    slots = {slot.ref: slot for slot in record.income}
    days = {each.ref: each.full_days_without_service for each in record.availability or ()}
    for ref in bundle.income.refs:
        if member not in (bundle.slots[ref].consumer, bundle.operator):
            continue
        slot, statement = slots.get(ref), books.statements.get(ref)
        recorded_digest = slot.statement if slot is not None else "-"
        own_digest = digest_of(dict(statement)) if statement is not None else "-"
        found += _differing(ref, [("statement", recorded_digest, own_digest)])
        # A right digest beside wrong amounts would be believed by all who do not hold the statement.
        lines = {line.kind: line.amount for line in slot.lines} if slot is not None else {}
        own_lines = _received(statement) if statement is not None else {}
        kinds = sorted({*lines, *own_lines})
        found += _differing(ref, [(kind, lines.get(kind, "-"), own_lines.get(kind, "-")) for kind in kinds])
        found += _differing(ref, [(DAYS_WITHOUT_SERVICE, _listed(days.get(ref)), _listed(_days(statement)))])
    return tuple(found)


def bundle_statement(bundle: Bundle, record: PeriodInput, *, previous: str | None = None) -> Document:
    """The statement of a bundle's period; raises InputError for a record that is not one of the bundle.

    `previous` is the digest of the bundle's statement of the period before, if there is one.
    """
    period = check_input(bundle, record)
    accepted = {each.ref: each.accepted for each in record.contributions}
    quality = {each.ref: each.quality for each in record.contributions}
    run = flow(bundle, record.net_income, points(bundle, accepted, quality))
    document: Document = {
        "version": VERSION,
        "type": "BundleStatement",
        "bundle": bundle.id,
        "terms": bundle.digest,
        "input": record.digest,
        **head(bundle, period),
        "waterfall": _waterfall(bundle, run),
        **body(_lines(bundle, record, run), bundle.signatories),
    }
    return document | ({"previous": previous} if previous is not None else {})


def _waterfall(bundle: Bundle, run: Flow) -> Document:
    """Every figure between the net income and the lines, so that a reader can follow the sum."""
    shown: Document = {"netIncome": run.net}
    shown |= {member_name(name): amount for name, amount in run.steps.items()}
    shown[member_name(bundle.pool.id)] = run.pool
    shown |= {f"{member_name(name)}Pool": amount for name, amount in run.parts.items()}
    shown["pointsTotal"] = show_rational(run.points)
    shown["shares"] = [
        {
            "ref": share.ref,
            "party": share.party,
            "points": show_rational(share.points),
            **{member_name(name): amount for name, amount in share.amounts.items()},
            **{f"{member_name(name)}Exact": show_rational(exact) for name, exact in share.exact.items()},
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


def _received(statement: Mapping[str, JsonValue]) -> dict[str, int]:
    """What the provider gets by a statement, by kind."""
    return {line.kind: line.amount for line in read_lines(statement) if line.party == statement["provider"]}


def _days(statement: Mapping[str, JsonValue] | None) -> Sequence[str] | None:
    stated = statement.get(DAYS_WITHOUT_SERVICE) if statement is not None else None
    return [str(day) for day in stated] if isinstance(stated, list) else None


def _contribution(bundle: Bundle, ref: str, books: Books) -> Document:
    usage, quality = books.usage.get(ref), books.quality.get(ref)
    if usage is None or quality is None:
        missing = "usage" if usage is None else "grade"
        raise InputError(f"contributions.{ref}", f"the {missing} of the period is not known")
    return {
        "ref": ref,
        "party": bundle.slots[ref].provider,
        "records": usage.records,
        "accepted": usage.accepted,
        "rejected": usage.rejected,
        "quality": quality,
        "usageRoot": usage.root,
    }


def _differing(ref: str, rows: Iterable[tuple[str, object, object]]) -> list[Difference]:
    return [Difference(ref, name, str(recorded), str(own)) for name, recorded, own in rows if recorded != own]


def _listed(days: Sequence[str] | None) -> str:
    return "-" if days is None else ",".join(days)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
