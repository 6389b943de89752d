"""Statements as CSV for finance: a row for each line, amounts in currency units, the same bytes every time."""

import csv
import io
from collections.abc import Iterable, Mapping

from contracts.settlement.amount import major
from contracts.settlement.lines import exponent_of, read_lines
from contracts.settlement.positions import netted
from policies.canonical import JsonValue, digest_of

HEADER = ("period", "statement", "digest", "party", "ref", "kind", "quantity", "amount", "currency")
# What a spreadsheet would take for a formula becomes text by an apostrophe: names come from other companies.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(documents: Iterable[Mapping[str, JsonValue]], *, party: str | None = None) -> str:
    """The lines of all statements that count, of one party or of all: bundles first, then by name and period."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for each in sorted(netted(documents), key=lambda each: (str(each["type"]), _name(each), str(each["period"]))):
        for line in read_lines(each):
            if party in (None, line.party):
                writer.writerow(
                    [
                        str(each["period"]),
                        _text(_name(each)),
                        digest_of(dict(each)),
                        _text(line.party),
                        _text(line.ref),
                        _text(line.kind),
                        "" if line.quantity is None else str(line.quantity),
                        major(line.amount, exponent_of(each)),
                        str(each["currency"]),
                    ]
                )
    return out.getvalue()


def _name(document: Mapping[str, JsonValue]) -> str:
    return str(document["bundle"] if document["type"] == "BundleStatement" else document["ref"])


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
