"""`derive.py` of the supply-chain package: exact, whole or not at all, and it says which file and line it cannot use."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import shared

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "supply-chain-control"
INPUTS = {"A1": "coil_quality", "A2": "stamping_batch", "A3": "seat_assembly", "A4": "shipment_event"}


def derive(output, inputs):
    return subprocess.run(
        [sys.executable, "-I", str(FOLDER / "derive.py"), str(output), *(f"{name}={path}" for name, path in inputs.items())],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    """Copies of the four files, which a test may alter."""
    (tmp_path / "in").mkdir()
    copies = {name: tmp_path / "in" / f"{stem}.csv" for name, stem in INPUTS.items()}
    for name, stem in INPUTS.items():
        copies[name].write_bytes((FOLDER / "data" / f"{stem}.csv").read_bytes())
    return copies


def alter(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_all_scores_are_those_of_the_scenario(tmp_path, inputs):
    output = tmp_path / "out.csv"
    assert derive(output, inputs).returncode == 0
    assert output.read_bytes() == (FOLDER / "data" / "batch_risk_index.csv").read_bytes()


def test_the_worked_batches(tmp_path, inputs):
    output = tmp_path / "out.csv"
    derive(output, inputs)
    rows = {row["batch_no"]: row for row in csv.DictReader(io.StringIO(output.read_text(encoding="utf-8")))}
    scores = json.loads(shared("scenarios/supply-chain-control/expected.json").read_text(encoding="utf-8"))
    for batch, wanted in scores["risk_scores"].items():
        assert rows[batch]["risk_score"] == wanted["risk_score"]
        assert [float(rows[batch][name]) for name in "qds"] == [float(wanted[name]) for name in "qds"]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("A1", "rp02_mpa", "rp02", "the column rp02_mpa is missing"),
        ("A3", "assembled_at", "assembled", "the column assembled_at is missing"),
        ("A1", ",376,", ",three,", "line 3: rp02_mpa “three” is no number"),
        ("A2", ",900,18,", ",0,18,", "line 3: produced_qty “0” is not above 0"),
        ("A4", "2026-10-09T17:00:00+08:00", "yesterday", "line 2: actual_arrive “yesterday” is no time"),
        ("A4", "2026-10-09T17:00:00+08:00", "2026-10-09T17:00:00", "line 2: actual_arrive “2026-10-09T17:00:00” has no zone"),
        ("A3", "B002,AL-3", "B001,AL-3", "line 3: batch_no “B001” stands there twice"),
        ("A3", "B002,AL-3", "AL-3", "line 3: does not have the columns of the first line"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_and_leaves_what_was_there(tmp_path, inputs, name, old, new, said):
    output = tmp_path / "out.csv"
    output.write_text("of yesterday", encoding="utf-8")
    alter(inputs[name], old, new)
    ran = derive(output, inputs)
    assert ran.returncode == 1
    assert ran.stderr.startswith(str(inputs[name]))
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert output.read_text(encoding="utf-8") == "of yesterday"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.csv"]


def test_a_fault_in_the_last_row_leaves_no_half_of_a_product(tmp_path, inputs):
    """Hundreds of rows are computed before it; none of them is to be seen."""
    alter(inputs["A2"], "B580,C", "B580,")
    lines = inputs["A2"].read_text(encoding="utf-8").splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if line.startswith("B579,"))
    cells = lines[last].split(",")
    cells[5] = "many"
    lines[last] = ",".join(cells)
    inputs["A2"].write_text("".join(lines), encoding="utf-8")
    ran = derive(tmp_path / "out.csv", inputs)
    assert ran.returncode == 1
    assert f"line {last + 1}: defect_qty “many” is no number" in ran.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_missing_file_or_a_wrong_line_is_said(tmp_path, inputs):
    inputs["A1"].unlink()
    ran = derive(tmp_path / "out.csv", inputs)
    assert ran.returncode == 1
    assert "coil_quality.csv" in ran.stderr
    assert derive(tmp_path / "out.csv", {}).returncode == 2
