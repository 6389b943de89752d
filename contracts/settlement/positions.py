"""What statements come to: one party's lines, and the net positions of all (revenue-share.md 7.1).

A bundle statement repeats the lines of the statements that are `settledIn` it, so these are left out: nothing counts twice.
"""

from collections.abc import Iterable, Mapping

from contracts.settlement.lines import Line, exponent_of, read_lines, read_totals
from policies.canonical import JsonValue


def netted(documents: Iterable[Mapping[str, JsonValue]]) -> list[Mapping[str, JsonValue]]:
    """The statements that count: not a bilateral one whose lines a bundle statement among them repeats."""
    found = list(documents)
    bundles = {(each["bundle"], each["period"]) for each in found if each["type"] == "BundleStatement"}
    return [each for each in found if (each.get("settledIn"), each["period"]) not in bundles]


def my_lines(documents: Iterable[Mapping[str, JsonValue]], party: str) -> list[Line]:
    """A party's view: its lines of all statements that count, by kind and ref."""
    mine = [line for each in netted(documents) for line in read_lines(each) if line.party == party]
    return sorted(mine, key=lambda line: line.order)


def net_positions(documents: Iterable[Mapping[str, JsonValue]]) -> dict[tuple[str, int], dict[str, int]]:
    """What each party gets, or with a minus pays, by (currency, exponent); each sums to zero.

    Every party of a statement has a position, also one of 0.
    """
    found: dict[tuple[str, int], dict[str, int]] = {}
    for each in netted(documents):
        balances = found.setdefault((str(each["currency"]), exponent_of(each)), {})
        for party, amount in read_totals(each).items():
            balances[party] = balances.get(party, 0) + amount
    return {money: dict(sorted(balances.items())) for money, balances in sorted(found.items())}
