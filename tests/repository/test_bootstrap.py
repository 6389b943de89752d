"""`bootstrap.py`: what it runs, when it runs nothing, and what it says to a machine that lacks something."""

import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def checkout(tmp_path):
    """A checkout as far as the bootstrap looks at one."""
    root = tmp_path / "weft"
    root.mkdir()
    for name in ("bootstrap.py", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    return root


@pytest.fixture
def bootstrap(checkout, tmp_path, monkeypatch):
    """The module, with a `run` that records commands in `ran` and makes the `.venv` that the first of them would make."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", checkout / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran = []

    def run(command, cwd):
        module.ran.append(command)
        python = cwd / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return module


def set_up(bootstrap, root) -> int:
    """How many commands one set-up ran."""
    bootstrap.ran.clear()
    bootstrap.main(root)
    return len(bootstrap.ran)


def test_the_second_run_installs_nothing(bootstrap, checkout):
    assert set_up(bootstrap, checkout) == 3
    assert set_up(bootstrap, checkout) == 0


def test_another_lock_sets_up_anew_and_leaves_nothing_of_the_old(bootstrap, checkout):
    set_up(bootstrap, checkout)
    (checkout / ".venv" / "leftover").touch()
    (checkout / "requirements.lock").write_text("")
    assert set_up(bootstrap, checkout) == 3
    assert not (checkout / ".venv" / "leftover").exists()


def test_another_python_sets_up_anew(bootstrap, checkout, monkeypatch):
    set_up(bootstrap, checkout)
    monkeypatch.setattr(bootstrap.platform, "python_version", lambda: "3.99.0")
    assert set_up(bootstrap, checkout) == 3


def test_a_moved_checkout_sets_up_anew(bootstrap, checkout):
    set_up(bootstrap, checkout)
    moved = checkout.rename(checkout.with_name("elsewhere"))
    assert set_up(bootstrap, moved) == 3


def test_what_an_installation_does_not_read_changes_nothing(bootstrap, checkout):
    set_up(bootstrap, checkout)
    project = checkout / "pyproject.toml"
    before = project.read_text(encoding="utf-8")
    project.write_text(before.replace("line-length = 120", "line-length = 100"), encoding="utf-8")
    assert set_up(bootstrap, checkout) == 0
    project.write_text(before.replace('version = "0.1.0"', 'version = "0.1.1"'), encoding="utf-8")
    assert set_up(bootstrap, checkout) == 3


def test_a_failed_or_interrupted_run_is_not_taken_for_done(bootstrap, checkout, monkeypatch):
    def fail(command, cwd):
        sys.exit("the network is down")

    with monkeypatch.context() as patched:
        patched.setattr(bootstrap, "run", fail)
        with pytest.raises(SystemExit):
            bootstrap.main(checkout)
    assert set_up(bootstrap, checkout) == 3


def test_a_venv_whose_python_is_gone_is_made_anew(bootstrap, checkout):
    set_up(bootstrap, checkout)
    (checkout / ".venv" / "bin" / "python").unlink()
    assert set_up(bootstrap, checkout) == 3


@pytest.mark.parametrize("uv", [False, True])
def test_only_locked_wheels_with_hashes_are_installed_and_then_the_project_alone(bootstrap, checkout, tmp_path, uv):
    if uv:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "uv").touch(mode=0o755)
    set_up(bootstrap, checkout)
    make, locked, project = bootstrap.ran
    assert make[0] == (str(tmp_path / "bin" / "uv") if uv else bootstrap.base_python())
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(locked)
    assert {"--no-build-isolation", "--no-deps", "--editable"} <= set(project)


def test_a_failing_command_ends_the_setup_with_its_name(bootstrap, checkout):
    real_run = runpy.run_path(str(checkout / "bootstrap.py"))["run"]
    with pytest.raises(SystemExit, match="exit 3"):
        real_run([sys.executable, "-c", "raise SystemExit(3)"], checkout)


def test_debian_without_the_venv_module_prints_the_one_command(bootstrap):
    as_root = bootstrap.venv_hint("/usr/bin/python3", VERSION, superuser=True)
    assert as_root.splitlines()[-1] == "This installs it: apt-get install python3-venv"
    as_operator = bootstrap.venv_hint("/usr/bin/python3", VERSION, superuser=False)
    assert as_operator.splitlines()[-1] == "This installs it: sudo apt-get install python3-venv"


def test_a_second_python_of_debian_has_its_own_package(bootstrap):
    hint = bootstrap.venv_hint(f"/usr/bin/{VERSION}", "python3.99", superuser=True)
    assert hint.endswith(f"apt-get install {VERSION}-venv")


@pytest.mark.parametrize(
    ("python", "debian_default"), [("/usr/local/bin/python3", VERSION), ("/usr/bin/python3", None)]
)
def test_a_python_that_debian_did_not_ship_is_not_mended_by_debian(bootstrap, python, debian_default):
    hint = bootstrap.venv_hint(python, debian_default, superuser=True)
    assert "apt-get" not in hint
    assert "complete Python 3.11" in hint


def test_without_the_venv_module_it_ends_in_words_not_in_a_traceback(checkout, tmp_path):
    # A module that is None in sys.modules cannot be found: a Python as Debian ships it without python3-venv.
    script = "import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_path('bootstrap.py', run_name='__main__')"
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=checkout,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "comes without the venv module" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (checkout / ".venv").exists()
