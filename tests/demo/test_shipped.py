"""The wheel carries the package, so that `weft demo` needs no checkout; the commands about packages say what they find."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from connector.cli.main import main
from connector.scenario.main import shipped

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "supply-chain-control"
SECOND = Path(__file__).with_name("second")


def test_in_the_checkout_it_is_the_example():
    assert shipped() == FOLDER


@pytest.mark.slow
def test_the_wheel_has_every_file_of_it_and_finds_them(tmp_path):
    """Unpacked in an empty folder, it plays its own copy: the checkout is nowhere on the way."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    inside = site / "connector" / "scenario" / "packages" / FOLDER.name
    files = {
        path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == {path.relative_to(inside) for path in inside.rglob("*") if path.is_file()}
    assert all((inside / name).read_bytes() == (FOLDER / name).read_bytes() for name in files)
    program = (
        "from connector.scenario.main import shipped; from connector.scenario.weft import HOME; print(shipped(), HOME)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.split() == [str(inside), str(site)]


def test_a_sound_package_is_said_to_be(capsys):
    assert main(["scenario", "check", str(SECOND)]) == 0
    assert "can be played" in capsys.readouterr().err
    assert main(["scenario", "check", str(SECOND), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "problems": []}


def test_a_folder_without_a_package_is_refused_before_anything_starts(tmp_path, capsys):
    assert main(["scenario", "check", str(tmp_path), "--lang", "zh"]) == 2
    assert "package.toml" in capsys.readouterr().out
    assert main(["scenario", "run", str(tmp_path), "--build", str(tmp_path / "build")]) == 2
    assert "package.toml" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["scenario", "run", str(SECOND), "--build", str(tmp_path)]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()
