"""Terms in sentences, English and Chinese, produced from the model: one for each clause (revenue-share.md 3.2).

The sentences say everything that terms state: two documents that mean different things are explained differently. That is what
comparing them rests on (`compare`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import TypeAlias

from contracts.settlement.amount import major
from contracts.settlement.clauses import DAYS_WITHOUT_SERVICE, AnyTerms
from contracts.settlement.period import DAYS_A_WEEK, MONTHS_A_YEAR, Duration, written
from contracts.settlement.terms import Bundle, Charge, Percent, Pool, PoolPart, Terms
from policies.phrases import listed
from policies.sentences import sentence

# What a participant or a product is called.
Names: TypeAlias = Callable[[str], str]
# A rate with more decimals than this is easier to read as a fraction.
DECIMALS_MAX = 12
_SPANS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def explain(terms: Terms | Bundle, lang: str, names: Names = str) -> list[str]:
    """One sentence for each clause, in the order in which a person asks: who, how much, how it is counted, when."""
    return list(clauses(terms, lang, names).values())


def clauses(terms: Terms | Bundle, lang: str, names: Names = str) -> dict[str, str]:
    """The sentences by the clause they are about (`charges.<id>`, `rounding`, `life`, …), in order."""
    own = _bundle(terms, lang, names) if isinstance(terms, Bundle) else _terms(terms, lang, names)
    return {**own, **_common(terms, lang)}


def money(amount: int, terms: AnyTerms) -> str:
    """Minor units as a person writes them: `60,000.00 CNY`."""
    return f"{major(amount, terms.exponent, group=True)} {terms.currency}"


def _terms(terms: Terms, lang: str, names: Names) -> dict[str, str]:
    model = terms.model.lower()
    parties = {
        "payer": names(terms.payer or "-"),
        "payee": names(terms.payee or "-"),
        "product": names(terms.product or "-"),
    }
    head = sentence(f"terms.{model}", lang, id=terms.id, answered=terms.in_return_for or "-", **parties)
    found = {"head": head}
    if not terms.priced and terms.payer is not None:
        found["between"] = sentence("terms.between", lang, **parties)
    found |= {f"charges.{each.id}": _charge(terms, each, "charge", lang) for each in terms.charges}
    if terms.meter is not None:
        found["meter"] = sentence("terms.meter", lang, unit=terms.meter.unit)
    found |= {f"credits.{each.id}": _charge(terms, each, "credit", lang) for each in terms.credits}
    return found


def _charge(terms: Terms, charge: Charge, kind: str, lang: str) -> str:
    values = {"id": charge.id, "period": _period(terms.period, lang)}
    if charge.rate is None or charge.meter is None:
        amount = money(charge.fixed or 0, terms)
        once = charge.due is not None
        return sentence(f"terms.charge.{'once' if once else 'each'}", lang, amount=amount, due=charge.due, **values)
    days = charge.meter.metric == DAYS_WITHOUT_SERVICE
    unit = sentence("terms.unit.day-without-service", lang) if days else str(charge.meter.unit)
    return sentence(
        f"terms.{kind}.{'beyond' if charge.free else 'unit'}",
        lang,
        rate=f"{decimal(charge.rate * Fraction(1, 10**terms.exponent), terms.exponent)} {terms.currency}",
        units=unit if charge.per == 1 else f"{charge.per:,} {unit}",
        free=f"{charge.free:,}",
        **values,
    )


def _bundle(bundle: Bundle, lang: str, names: Names) -> dict[str, str]:
    operator, signatories = names(bundle.operator), _list([names(each) for each in bundle.signatories], lang)
    found = {"head": sentence("terms.bundle", lang, id=bundle.id, operator=operator, signatories=signatories)}
    for slot in bundle.agreements:
        parties = {"provider": names(slot.provider), "consumer": names(slot.consumer), "product": names(slot.product)}
        found[f"agreements.{slot.ref}"] = sentence(f"terms.slot.{slot.role}", lang, ref=slot.ref, **parties)
    found["income"] = sentence("terms.income", lang, refs=_list(bundle.income.refs, lang), operator=operator)
    found["points"] = _points(bundle, lang)
    for place, step in enumerate(bundle.waterfall, start=1):
        found[f"waterfall.{step.id}"] = (
            _percent(bundle, step, place, lang, names) if isinstance(step, Percent) else _pool(step, place, lang)
        )
    found |= {f"waterfall.{bundle.pool.id}.{part.id}": _part(part, lang) for part in bundle.pool.parts}
    for floor in bundle.adjustments:
        found[f"adjustments.{floor.ref}.{floor.id}"] = sentence(
            "terms.floor",
            lang,
            id=floor.id,
            ref=floor.ref,
            over=_list(floor.over, lang),
            minimum=money(floor.minimum, bundle),
            party=names(floor.party),
            payer=names(floor.payer),
        )
    return found


def _points(bundle: Bundle, lang: str) -> str:
    factors = [f"{grade} {decimal(factor)}" for grade, factor in bundle.points.quality_factor.items()]
    return sentence("terms.points", lang, unit=bundle.points.meter.unit, factors=_list(factors, lang))


def _percent(bundle: Bundle, step: Percent, place: int, lang: str, names: Names) -> str:
    bounds = [
        sentence(f"terms.at-{name}", lang, amount=money(bound, bundle))
        for name, bound in (("least", step.floor), ("most", step.cap))
        if bound is not None
    ]
    values = {"id": step.id, "to": names(step.to), "rate": share(step.rate), "bounds": "".join(bounds)}
    return sentence(f"terms.percent.{step.of}", lang, place=place, **values)


def _pool(pool: Pool, place: int, lang: str) -> str:
    return sentence("terms.pool", lang, place=place, id=pool.id, refs=_list(pool.refs, lang))


def _part(part: PoolPart, lang: str) -> str:
    size = sentence("terms.rest", lang) if part.rate is None else share(part.rate)
    return sentence(f"terms.part.{part.weight_by}", lang, id=part.id, rate=size)


def _common(terms: AnyTerms, lang: str) -> dict[str, str]:
    rounding = terms.rounding
    spans = {"statement": terms.statement_due, "dispute": terms.dispute_window, "payment": terms.payment_due}
    said = {name: _span(length, lang) for name, length in spans.items()}
    return {
        "currency": sentence(
            "terms.currency", lang, currency=terms.currency, step=money(1, terms), tax=_tax(terms.tax, lang)
        ),
        "rounding": sentence(
            "terms.rounding",
            lang,
            fees=sentence(f"terms.rounding.{rounding.fees}", lang),
            ties=sentence(f"terms.rounding.{rounding.ties}", lang),
        ),
        "period": sentence(
            "terms.period",
            lang,
            period=_period(terms.period, lang),
            anchor=written(terms.anchor),
            zone=terms.timezone,
            grace=_span(terms.grace, lang),
        ),
        "life": sentence("terms.life", lang, silence=sentence(f"terms.silence.{terms.on_silence}", lang), **said),
    }


def _tax(tax: str | None, lang: str) -> str:
    return sentence(f"terms.tax.{tax or 'unsaid'}", lang)


def _period(period: Duration, lang: str) -> str:
    """A length of time as in "for each month"."""
    forms: Mapping[str, tuple[int, int]] = {"year": (period.months, MONTHS_A_YEAR), "month": (period.months, 1)}
    forms = {**forms, "week": (period.days, DAYS_A_WEEK), "day": (period.days, 1)}
    unit, number = next((unit, of // size) for unit, (of, size) in forms.items() if of and of % size == 0)
    return sentence(f"terms.period.{unit}{'' if number == 1 else 's'}", lang, n=number)


def _span(length: timedelta, lang: str) -> str:
    """A length of time as in "within 3 days"."""
    unit, number = next((unit, length // size) for unit, size in _SPANS if length % size == timedelta(0))
    return sentence(f"terms.span.{unit}{'' if number == 1 else 's'}", lang, n=number)


def decimal(value: Fraction, places: int = 0) -> str:
    """An exact number with at least so many decimals; one that has no end as a fraction: `16/3`."""
    for digits in range(places, DECIMALS_MAX + 1):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            return major(scaled.numerator, digits, group=True)
    return str(value)


def share(rate: Fraction) -> str:
    """A share of a whole: `40 %`, or `1/3`."""
    percent = decimal(rate * 100)
    return str(rate) if "/" in percent else f"{percent} %"


def _list(parts: Sequence[str], lang: str) -> str:
    return listed(parts, lang)
