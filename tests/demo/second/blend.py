"""Crates and sugar by variety: `blend.py OUTPUT H=FILE`."""

import csv
import sys
from pathlib import Path

_, output, given = sys.argv
crates: dict[str, list[int]] = {}
with Path(given.removeprefix("H=")).open(encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file):
        crates.setdefault(row["variety"], []).append(int(row["brix"]))
lines = ["variety,crates,brix", *(f"{name},{len(each)},{sum(each)}" for name, each in sorted(crates.items()))]
Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")
