"""Amounts of money and exact rationals (revenue-share.md 4).

Money is a signed integer of `10^-exponent` currency units; rates and weights are exact rationals. Nothing here, and nothing that
computes with money, is a floating-point number.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, TypeAlias

from contracts.errors import AmountError
from policies.canonical import MAX_SAFE_INTEGER

Mode: TypeAlias = Literal["half-up", "half-even"]
Ties: TypeAlias = Literal["party-id", "list-order"]

# Every amount stands in a canonical document some time, and those hold no larger integer; it fits BIGINT as well.
MINOR_MAX = MAX_SAFE_INTEGER
HALF = Fraction(1, 2)
_RATIO = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))/([1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")
_MAJOR = re.compile(r"(-?)(0|[1-9][0-9]{0,18})(?:\.([0-9]+))?")


def check_amount(amount: int, path: str) -> int:
    """The amount, if it is within `MINOR_MAX`; raises AmountError, which names `path`."""
    if abs(amount) > MINOR_MAX:
        raise AmountError(amount=str(amount), problem=f"{path} is not between -{MINOR_MAX} and {MINOR_MAX}")
    return amount


def rational(text: str) -> Fraction:
    """An exact rational: `n`, `n/d` in lowest terms, or a decimal such as `0.8`. Raises AmountError."""
    ratio = _RATIO.fullmatch(text)
    if ratio is not None:
        value = Fraction(int(ratio[1]), int(ratio[2]))
        if str(value) != text:
            raise AmountError(amount=text, problem=f"is not in lowest terms, which would be {value}")
        return value
    if _DECIMAL.fullmatch(text) is None:
        raise AmountError(amount=text[:80], problem="is no exact rational: a string such as 80, 2/5 or 0.8")
    return Fraction(text)


def show_rational(value: Fraction) -> str:
    """The rational in lowest terms: `n/d`, or `n` for a whole number."""
    return str(value)


def rounded(value: Fraction, mode: Mode) -> int:
    """The nearest integer; one half goes away from zero (`half-up`) or to the even neighbour (`half-even`)."""
    size = abs(value)
    whole, rest = divmod(size, 1)
    up = rest > HALF or (rest == HALF and (mode == "half-up" or whole % 2 == 1))
    amount = int(whole) + up
    return amount if value >= 0 else -amount


def largest_remainder(total: int, weights: Sequence[tuple[str, Fraction]], ties: Ties) -> dict[str, int]:
    """Split a total by weights so that nothing is lost (Hamilton): the units left go to the largest remainders.

    Equal remainders are ordered by key (`party-id`, byte order) or as listed. A negative total is the positive case, negated.
    Raises AmountError for a negative weight and for weights that are all zero.
    """
    whole = sum((weight for _, weight in weights), Fraction(0))
    if whole <= 0 or any(weight < 0 for _, weight in weights):
        raise AmountError(amount=str(total), problem="cannot be split: the weights must not be negative, nor all zero")
    exact = {key: abs(total) * weight / whole for key, weight in weights}
    parts = {key: int(share) for key, share in exact.items()}
    listed = {key: place for place, (key, _) in enumerate(weights)}

    def order(key: str) -> tuple[Fraction, bytes | int]:
        return parts[key] - exact[key], key.encode() if ties == "party-id" else listed[key]

    for key in sorted(exact, key=order)[: abs(total) - sum(parts.values())]:
        parts[key] += 1
    return parts if total >= 0 else {key: -part for key, part in parts.items()}


def major(amount: int, exponent: int, *, group: bool = False) -> str:
    """An amount in currency units: `-61040.00`, or `-61,040.00` in groups of thousands."""
    whole, rest = divmod(abs(amount), 10**exponent)
    digits = f"{whole:,}" if group else str(whole)
    decimals = f".{rest:0{exponent}d}" if exponent else ""
    return f"{'-' if amount < 0 else ''}{digits}{decimals}"


def minor(text: str, exponent: int) -> int:
    """Minor units of an amount in currency units such as `480.00`; raises AmountError."""
    found = _MAJOR.fullmatch(text)
    fraction = (found[3] or "") if found is not None else ""
    if found is None or len(fraction) > exponent:
        raise AmountError(amount=text[:80], problem=f"is no amount with at most {exponent} decimals")
    size = int(found[2] + fraction.ljust(exponent, "0"))
    return check_amount(-size if found[1] else size, text)
