"""The waterfall of a bundle: from the net income through the percentages to the shares of the pool (revenue-share.md 4.4 to 4.6).

Whatever comes in goes out: the steps and shares sum to the income, always. A negative income is the operator's loss (4.12).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from contracts.settlement.amount import check_amount, largest_remainder, rounded
from contracts.settlement.contribution import weights
from contracts.settlement.terms import Bundle, Percent


@dataclass(frozen=True, slots=True)
class Share:
    """What one agreement gets of each part of the pool, in minor units; `exact` is before the split, for parts by points."""

    ref: str
    party: str
    points: Fraction
    amounts: Mapping[str, int]
    exact: Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole waterfall: `steps` by id, `parts` of the pool by id, `loss` at most 0 and the operator's."""

    net: int
    steps: Mapping[str, int]
    pool: int
    parts: Mapping[str, int]
    points: Fraction
    shares: tuple[Share, ...]
    loss: int


def flow(bundle: Bundle, net: int, points: Mapping[str, Fraction]) -> Flow:
    """Run the waterfall on a net income; `points` are by ref and name every ref of the pool."""
    check_amount(net, "netIncome")
    gross = left = max(0, net)
    steps: dict[str, int] = {}
    for step in bundle.percents:
        steps[step.id] = _percent(bundle, step, gross if step.of == "net" else left, left)
        left -= steps[step.id]
    pool = left
    parts = _parts(bundle, pool)
    by = {part.id: weights(part.weight_by, bundle.pool.refs, points) for part in bundle.pool.parts}
    split = {name: largest_remainder(parts[name], _keyed(bundle, by[name]), bundle.rounding.ties) for name in by}
    shares = tuple(
        Share(
            ref=ref,
            party=bundle.slots[ref].provider,
            points=points[ref],
            amounts={name: split[name][_key(bundle, ref)] for name in by},
            exact={
                part.id: parts[part.id] * by[part.id][ref] / sum(by[part.id].values())
                for part in bundle.pool.parts
                if part.weight_by == "points"
            },
        )
        for ref in bundle.pool.refs
    )
    total = sum(points.values(), Fraction(0))
    return Flow(net, steps, pool, parts, total, shares, min(0, net))


def _percent(bundle: Bundle, step: Percent, of: int, left: int) -> int:
    """Rounded, then floor, then cap, then what is left; never below zero."""
    amount = max(rounded(of * step.rate, bundle.rounding.fees), step.floor or 0)
    return max(0, min(amount, left, step.cap if step.cap is not None else left))


def _parts(bundle: Bundle, pool: int) -> dict[str, int]:
    """The parts with a rate are rounded, the rest is what they leave; without a rest, the units left go by largest remainder."""
    given = {part.id: part.rate for part in bundle.pool.parts}
    rates = [(name, share) for name, share in given.items() if share is not None]
    if len(rates) == len(given):
        return largest_remainder(pool, rates, "list-order")
    parts: dict[str, int] = {}
    left = pool
    for name, share in rates:
        parts[name] = min(left, rounded(pool * share, bundle.rounding.fees))
        left -= parts[name]
    return {name: parts.get(name, left) for name in given}


def _key(bundle: Bundle, ref: str) -> str:
    """What orders equal remainders: the party, and the ref where a party has several shares."""
    return f"{bundle.slots[ref].provider}\0{ref}"


def _keyed(bundle: Bundle, by: Mapping[str, Fraction]) -> list[tuple[str, Fraction]]:
    return [(_key(bundle, ref), by[ref]) for ref in bundle.pool.refs]
