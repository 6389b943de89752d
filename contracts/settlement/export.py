"""Statements as CSV for finance: one line each, amounts in currency units, the same bytes every time."""

import csv
import io
from collections.abc import Iterable, Mapping

from contracts.settlement.amount import major
from contracts.settlement.positions import netted, order
from contracts.settlement.statement import read_lines
from policies.canonical import JsonValue, digest_of

HEADER = ("period", "statement", "digest", "party", "ref", "kind", "quantity", "amount", "currency", "tax")
# A cell that a spreadsheet would take for a formula is text to it with an apostrophe before.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def statements_csv(statements: Iterable[Mapping[str, JsonValue]], *, tax: Mapping[str, str], party: str = "") -> str:
    """The lines of all statements that count, of one party or (`party` empty) of all. `tax` is by digest of the terms."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for each in order(netted(statements)):
        exponent, name = each["exponent"], str(each.get("bundle", each.get("ref")))
        for line in read_lines(each):
            if party in ("", line.party):
                writer.writerow(
                    [
                        str(each["period"]),
                        _text(name),
                        digest_of(dict(each)),
                        _text(line.party),
                        _text(line.ref),
                        _text(line.kind),
                        "" if line.quantity is None else str(line.quantity),
                        major(line.amount, exponent if isinstance(exponent, int) else 0, grouped=False),
                        str(each["currency"]),
                        tax.get(str(each["terms"]), ""),
                    ]
                )
    return out.getvalue()


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
