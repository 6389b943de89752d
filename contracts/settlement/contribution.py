"""Who contributed how much: accepted units, times the factor of the period's quality grade (revenue-share.md 3.4)."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from contracts.errors import InputError
from contracts.settlement.terms import Bundle


def points(bundle: Bundle, accepted: Mapping[str, int], quality: Mapping[str, str]) -> dict[str, Fraction]:
    """Points by ref of the pool; raises InputError for a missing count or grade, and for a grade that is not defined."""
    found: dict[str, Fraction] = {}
    for ref in bundle.pool.refs:
        if ref not in accepted:
            raise InputError(f"contributions.{ref}", "is missing")
        grade = quality.get(ref)
        if grade is None or grade not in bundle.points.quality_factor:
            defined = ", ".join(bundle.points.quality_factor)
            raise InputError(
                f"contributions.{ref}.quality", f"{grade or 'no grade'} is none of those defined: {defined}"
            )
        found[ref] = accepted[ref] * bundle.points.quality_factor[grade]
    return found


def weights(by: Literal["equal", "points"], refs: Sequence[str], given: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """The weights of a part by ref. Nobody having any points, all weigh the same: the part must go to somebody."""
    if by == "points" and any(given[ref] for ref in refs):
        return {ref: given[ref] for ref in refs}
    return dict.fromkeys(refs, Fraction(1))
