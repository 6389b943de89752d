"""Computes the batch risk index from the four delivered files: `derive.py OUTPUT A1=FILE A2=FILE A3=FILE A4=FILE`.

    q = min(defective share / 2 %, 1)      d = min(max(hours late, 0) / 24, 1)      s = min(|rp02 - nominal| / tolerance, 1)
    risk = 100 x (q/2 + 3d/10 + s/5)

It needs Python's standard library only. All values are exact fractions; what is shown is rounded half-up from them, the risk from
the unrounded q, d and s. A batch is scored once it has a coil, a stamping row, an arrival and an assembly row. The output is
written whole or not at all: a file, column or cell that cannot be used is named, and what was there before stays.
"""

import csv
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from pathlib import Path

# The columns that are read, by the agreement under which a file came.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "A1": ("coil_no", "rp02_mpa", "nominal_rp02", "tol_rp02"),
    "A2": ("batch_no", "coil_no", "produced_qty", "defect_qty"),
    "A3": ("batch_no", "assembled_at"),
    "A4": ("batch_no", "plan_arrive", "actual_arrive"),
}
OUTPUT = ("batch_no", "risk_score", "q", "d", "s", "computed_at")
DEFECTS_AT_WORST = Fraction(2, 100)
HOURS_AT_WORST = 24
COMPUTED_AT = time(2)


class InputError(Exception):
    """An input cannot be used; the text names the file, and the line and column where there is one."""


class Row:
    """One line of an input, which knows where it stands."""

    def __init__(self, path: Path, line: int, cells: Mapping[str, str]) -> None:
        self._path, self._line, self._cells = path, line, cells

    def text(self, column: str) -> str:
        return self._cells[column]

    def number(self, column: str) -> Fraction:
        try:
            return Fraction(self._cells[column])
        except (ValueError, ZeroDivisionError):
            raise self.fault(column, "is no number") from None

    def instant(self, column: str) -> datetime:
        try:
            found = datetime.fromisoformat(self._cells[column])
        except ValueError:
            raise self.fault(column, "is no time") from None
        if found.tzinfo is None:
            raise self.fault(column, "has no zone")
        return found

    def share(self, part: str, whole: str) -> Fraction:
        """One column divided by another."""
        divisor = self.number(whole)
        if divisor <= 0:
            raise self.fault(whole, "is not above 0")
        return self.number(part) / divisor

    def fault(self, column: str, problem: str) -> InputError:
        return InputError(f"{self._path}, line {self._line}: {column} “{self._cells[column]}” {problem}")


def read(path: Path, columns: Sequence[str], key: str) -> dict[str, Row]:
    """The rows of a file by a column; raises InputError, also for a key that comes twice."""
    rows: dict[str, Row] = {}
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, strict=True)
        missing = [column for column in columns if column not in (lines.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: the column {', '.join(missing)} is missing")
        for cells in lines:
            if None in cells or None in cells.values():
                raise InputError(f"{path}, line {lines.line_num}: does not have the columns of the first line")
            row = Row(path, lines.line_num, cells)
            if rows.setdefault(cells[key], row) is not row:
                raise row.fault(key, "stands there twice")
    return rows


def scores(files: Mapping[str, Path]) -> Iterator[tuple[str, ...]]:
    """The lines of the product, in the order of the stamping rows."""
    coils = read(files["A1"], COLUMNS["A1"], "coil_no")
    stamped = read(files["A2"], COLUMNS["A2"], "batch_no")
    assembled = read(files["A3"], COLUMNS["A3"], "batch_no")
    shipped = read(files["A4"], COLUMNS["A4"], "batch_no")
    for batch, stamping in stamped.items():
        coil, assembly, shipment = coils.get(stamping.text("coil_no")), assembled.get(batch), shipped.get(batch)
        if coil is None or assembly is None or shipment is None or not shipment.text("actual_arrive"):
            continue
        late = shipment.instant("actual_arrive") - shipment.instant("plan_arrive")
        hours = Fraction(late // timedelta(seconds=1), 3600)
        deviation = abs(coil.number("rp02_mpa") - coil.number("nominal_rp02"))
        tolerance = coil.number("tol_rp02")
        if tolerance <= 0:
            raise coil.fault("tol_rp02", "is not above 0")
        q = min(stamping.share("defect_qty", "produced_qty") / DEFECTS_AT_WORST, Fraction(1))
        d = min(max(hours, Fraction(0)) / HOURS_AT_WORST, Fraction(1))
        s = min(deviation / tolerance, Fraction(1))
        risk = 100 * (q / 2 + 3 * d / 10 + s / 5)
        yield (
            batch,
            shown(risk, 1),
            shown(q, 4),
            shown(d, 4),
            shown(s, 4),
            computed_at(assembly.instant("assembled_at")),
        )


def shown(value: Fraction, places: int) -> str:
    """A value that is not negative, rounded half-up."""
    whole, part = divmod((value * 10**places + Fraction(1, 2)).__floor__(), 10**places)
    return f"{whole}.{part:0{places}}"


def computed_at(assembled: datetime) -> str:
    """Two in the morning after the assembly, in its zone."""
    return datetime.combine(assembled.date() + timedelta(days=1), COMPUTED_AT, assembled.tzinfo).isoformat()


def write(path: Path, lines: Iterator[tuple[str, ...]]) -> None:
    """Write the file under another name and give it its own at the end; nothing is left of a run that fails."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(OUTPUT)
            rows.writerows(lines)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main(words: Sequence[str]) -> int:
    """Exit codes: 0 done, 1 an input cannot be used, 2 the line is wrong."""
    output, *named = words or ("",)
    files = {name: Path(path) for name, _, path in (word.partition("=") for word in named)}
    if not output or set(files) != set(COLUMNS):
        sys.stderr.write(f"{(__doc__ or '').splitlines()[0]}\n")
        return 2
    try:
        write(Path(output), scores(files))
    except (InputError, csv.Error, UnicodeDecodeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
