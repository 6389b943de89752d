"""The Makefile: `make help` tells everything, and a fitting Python is found or the command that installs it is printed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE = shutil.which("make") or "make"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def make(folder, *arguments, **environment):
    """Runs make with nothing around it but what the test gives."""
    return subprocess.run(
        [MAKE, "--no-print-directory", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def checkout(tmp_path):
    """A folder with our Makefile, and a `bootstrap.py` that the stand-in Pythons never read."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def stand_in(checkout: Path, name: str, *, fits: bool) -> None:
    """A Python that says whether it is new enough, and says its name when it is given `bootstrap.py`."""
    python = checkout / "bin" / name
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit {0 if fits else 1}\necho "{name} runs $1"\n')
    python.chmod(0o755)


def test_help_is_the_default_and_names_every_target():
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    told = make(ROOT)
    assert told.returncode == 0
    assert [line.split()[1] for line in told.stdout.splitlines()] == targets
    assert told.stdout == make(ROOT, "help").stdout


def test_every_target_is_phony():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert sorted(phony.split()) == sorted(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_python3_is_taken_when_it_is_new_enough(checkout):
    stand_in(checkout, "python3", fits=True)
    stand_in(checkout, "python3.14", fits=True)
    assert make(checkout, "setup", PATH=f"{checkout}/bin").stdout == "python3 runs bootstrap.py\n"


def test_a_newer_python_is_looked_for_when_python3_is_too_old(checkout):
    stand_in(checkout, "python3", fits=False)
    stand_in(checkout, "python3.12", fits=True)
    stand_in(checkout, "python3.11", fits=True)
    assert make(checkout, "setup", PATH=f"{checkout}/bin").stdout == "python3.12 runs bootstrap.py\n"


def test_the_python_asked_for_comes_first(checkout):
    stand_in(checkout, "python3", fits=True)
    stand_in(checkout, "mypython", fits=True)
    assert make(checkout, "setup", "PYTHON=mypython", PATH=f"{checkout}/bin").stdout == "mypython runs bootstrap.py\n"


@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("apt-get", "apt-get install python3 python3-venv"),
        ("dnf", "dnf install python3"),
        ("brew", "brew install python3"),
    ],
)
def test_without_a_fitting_python_the_command_that_installs_one_is_printed(checkout, installer, command):
    stand_in(checkout, "python3", fits=False)
    stand_in(checkout, installer, fits=True)
    told = make(checkout, "setup", PATH=f"{checkout}/bin")
    assert told.returncode != 0
    assert "Python 3.11 or newer" in told.stderr
    assert f"This installs it: {command}\n" in told.stderr


def test_lock_without_uv_says_how_to_get_it(checkout):
    told = make(checkout, "lock", PATH=f"{checkout}/bin")
    assert told.returncode != 0
    assert "pip install uv" in told.stderr
