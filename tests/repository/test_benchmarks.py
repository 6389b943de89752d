"""The benchmarks run: with tiny sizes, for what they measure is a matter of quiet machines."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["decision", "settlement", "mesh", "commits"])
def test_a_part_runs_and_prints_its_rows(name):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert f"\n{name} (" in done.stdout
    assert "| Goal" in done.stdout


@pytest.mark.slow
def test_weft_is_measured_alone_where_there_is_no_java(tmp_path):
    """The half of the comparison that needs no peer."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.edc", "--quick"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "negotiations per second, 64 at once" in done.stdout
    assert "Without Java" in done.stdout
