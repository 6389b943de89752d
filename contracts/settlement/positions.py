"""What statements come to: one party's lines, and net positions of all (revenue-share.md 7.1).

A bundle statement repeats the lines of the statements that are `settledIn` it, so these are left out: nothing counts twice.
"""

from collections.abc import Iterable, Mapping, Sequence

from contracts.settlement.statement import Line, read_lines
from policies.canonical import JsonValue


def netted(statements: Iterable[Mapping[str, JsonValue]]) -> list[Mapping[str, JsonValue]]:
    """The statements that count: a bilateral one that is settled in a bundle statement among them does not."""
    found = list(statements)
    bundles = {(each["bundle"], each["period"]) for each in found if each["type"] == "BundleStatement"}
    return [each for each in found if (each.get("settledIn"), each["period"]) not in bundles]


def lines_of(statements: Iterable[Mapping[str, JsonValue]], party: str) -> list[Line]:
    """A party's view: its lines of all statements that count, in order."""
    mine = [line for each in netted(statements) for line in read_lines(each) if line.party == party]
    return sorted(mine, key=lambda line: line.order)


def net_positions(statements: Iterable[Mapping[str, JsonValue]]) -> dict[tuple[str, int], dict[str, int]]:
    """The balance of each party by (currency, exponent); each sums to zero."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for each in netted(statements):
        exponent = each["exponent"]
        money = str(each["currency"]), exponent if isinstance(exponent, int) else 0
        balances = found.setdefault(money, {})
        totals = each["totals"]
        for total in totals if isinstance(totals, list) else []:
            if isinstance(total, dict) and isinstance(total["amount"], int):
                party = str(total["party"])
                balances[party] = balances.get(party, 0) + total["amount"]
    return {money: dict(sorted(balances.items())) for money, balances in sorted(found.items())}


def order(statements: Sequence[Mapping[str, JsonValue]]) -> list[Mapping[str, JsonValue]]:
    """Bundles first, then by ref: the order in which people read them."""
    return sorted(statements, key=lambda each: (each["type"], str(each.get("bundle", each.get("ref")))))
