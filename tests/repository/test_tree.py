"""What is committed works in any place: no file names a folder of the machine it was written on, or a package registry."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each pattern is written so that it does not match itself: this file is searched too.
FORBIDDEN = re.compile(
    rb"""
    (?<![\w.)}>-])/(?: [w]ork | [r]oot | [h]ome/\w+ | [U]sers/\w+ | [t]mp/[p]lan | [o]pt/[w]heels )/
    | [t]mp/[p]lan
    | [p]ypi\.org | [p]ythonhosted\.org | [r]egistry\.npmjs | [d]eb\.debian\.org | [s]ecurity\.debian\.org
    | [s]tatic\.crates\.io | [p]roxy\.golang\.org | [r]epo1?\.maven
    """,
    re.VERBOSE,
)


def committed_files() -> list[Path]:
    """The files of the repository, and those that the next commit could add."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        if os.environ.get("CI"):
            pytest.fail("continuous integration runs in a clone, with git")
        pytest.skip("this is no git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    paths = (ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_machine_or_a_registry():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.decode(errors='replace').strip()[:120]}"
        for path in committed_files()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if FORBIDDEN.search(line)
    ]
    assert not found, "\n".join(found)


def test_what_a_run_leaves_behind_is_ignored():
    for name in (".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".coverage"):
        assert not [path for path in committed_files() if name in path.relative_to(ROOT).parts]
