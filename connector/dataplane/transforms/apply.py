"""A table goes in, the table that may leave comes out: same rows, same order, UTF-8, LF, comma, no byte order mark.

Every computation is exact: cells are digits, and digits become integers, never binary fractions. An empty cell stays empty.
"""

import csv
import hmac
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import BinaryIO, TypeAlias

from connector.dataplane.table import Encoding, Table, TableError
from connector.dataplane.transforms.model import Drop, Pseudonym, Round, Transform

Cell: TypeAlias = Callable[[str], str]

_NUMBER = re.compile(r"([+-]?)(\d{1,40})(?:\.(\d{1,40}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: data rows without the header, and the columns in their order."""

    rows: int
    columns: tuple[str, ...]


def apply_transform(
    source: BinaryIO,
    transform: Transform | None,
    columns: Sequence[str] | None,
    key: bytes,
    out: BinaryIO,
    *,
    encoding: Encoding,
    delimiter: str,
) -> Written:
    """Write the rows of `source` to `out`, transformed, of these `columns` (None: all of them) in the table's own order.

    `key` is the agreement's pseudonym key, b"" where no step needs one. Raises TableError, also when the header is not
    the transform's `input` (nothing leaves then), and for a cell that should be a number and is none.
    """
    table = Table(source, encoding=encoding, delimiter=delimiter)
    if transform is not None and table.columns != transform.input:
        raise TableError("table-header-differs", line=1, column=first_difference(table.columns, transform.input))
    leaving = transform.output if transform is not None else table.columns
    wanted = leaving if columns is None else tuple(name for name in leaving if name in set(columns))
    places = [table.columns.index(name) for name in wanted]
    cells = [_chain(transform, name, key) for name in wanted]
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(wanted)
    rows = 0
    if any(cells):
        changes = [(number, cell) for number, cell in enumerate(cells) if cell is not None]
        for row in table.rows():
            leave = [row[place] for place in places]
            for number, cell in changes:
                if leave[number]:
                    try:
                        leave[number] = cell(leave[number])
                    except ValueError as error:
                        raise TableError("table-cell-number", line=table.line, column=wanted[number]) from error
            writer.writerow(leave)
            rows += 1
    else:
        pick = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        for row in table.rows():
            writer.writerow(pick(row))
            rows += 1
    text.flush()
    text.detach()
    return Written(rows, wanted)


def first_difference(found: Sequence[str], expected: Sequence[str]) -> str:
    """Name (or number, from 1) of the first column at which a header differs from the expected one."""
    for name, wanted in zip(found, expected, strict=False):
        if name != wanted:
            return wanted
    if len(found) < len(expected):
        return expected[len(found)]
    return found[len(expected)] if len(found) > len(expected) else "-"


def rounding(to: str, decimals: int) -> Cell:
    """To the nearest multiple of `to`, one half away from zero, shown with `decimals` decimals; ValueError for no number."""
    exponent = Decimal(to).as_tuple().exponent
    scale = 10 ** -min(int(exponent), 0)  # to = step / scale, both whole
    step = int(Decimal(to) * scale)
    unit = step * 10**decimals // scale  # one multiple, in units of the last decimal shown

    def cell(value: str) -> str:
        match = _NUMBER.fullmatch(value)
        if match is None:
            raise ValueError(value)
        sign, whole, fraction = match[1], match[2], match[3] or ""
        # value / to = digits / 10^k * scale / step; adding one half before the floor rounds ties up.
        below = step * 10 ** len(fraction)
        multiples = (2 * int(whole + fraction) * scale + below) // (2 * below)
        shown = str(multiples * unit).rjust(decimals + 1, "0")
        minus = "-" if sign == "-" and multiples else ""
        return minus + (f"{shown[:-decimals]}.{shown[-decimals:]}" if decimals else shown)

    return cell


def pseudonym(key: bytes, length: int) -> Cell:
    """The first `length` characters of the lower-case hex HMAC-SHA-256 over the UTF-8 value."""
    keyed = hmac.new(key, digestmod="sha256")

    def cell(value: str) -> str:
        mac = keyed.copy()
        mac.update(value.encode())
        return mac.hexdigest()[:length]

    return cell


def _chain(transform: Transform | None, column: str, key: bytes) -> Cell | None:
    """What happens to the cells of one column, None for nothing."""
    steps: list[Cell] = []
    for step in transform.steps if transform is not None else ():
        if column not in step.columns or isinstance(step, Drop):
            continue
        if isinstance(step, Round):
            steps.append(rounding(step.to, step.decimals))
        elif isinstance(step, Pseudonym):
            if not key:
                raise ValueError("a pseudonym needs the key of its agreement")
            steps.append(pseudonym(key, step.length))
    if len(steps) <= 1:
        return steps[0] if steps else None

    def chained(value: str) -> str:
        for step in steps:
            value = step(value)
        return value

    return chained
