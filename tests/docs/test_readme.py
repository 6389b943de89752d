"""README.md is true: its walk runs as it stands, its demo output is the real one."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.docs.demo import without_table
from tests.docs.masks import masked
from tests.docs.pages import ROOT, block, code, page
from tests.pair import free_ports

TEXT = page("README.md")
DEMO = ROOT / "examples" / "supply-chain-control" / "demo.py"


def test_masks_hide_what_differs_and_leave_what_is_said():
    one = (
        "3 of 21 checks sha-256:" + "1a" * 32 + "  at 2026-11-10 09:00:01 +08:00 in 12.5 s: coil_quality.csv verified\n"
    )
    other = (
        "17 of 9 checks sha-256:" + "2b" * 32 + " at 2026-12-01 10:10:10 +08:00 in 3 s: coil_quality.csv verified\n\n"
    )
    assert masked(one) == masked(other)
    assert masked("A4 refused") != masked("A4 allowed")
    assert masked("abcdefab facade") == ["abcdefab", "facade"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_tells_what_the_page_shows(tmp_path):
    # Lines fold at a width: the folder has a short name, as on the page, wherever pytest keeps its own.
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder, "demo")
        done = subprocess.run(
            [sys.executable, DEMO, "--build", demo],
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=170,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.replace(os.path.relpath(demo, ROOT), "build/demo")
    assert "✓" in told
    assert without_table(told) != told
    assert masked(without_table(told)) == masked(code(block(TEXT, "demo")))


def test_the_statement_on_the_page_is_the_one_that_the_demo_prints():
    told = [line.removeprefix("   │").strip() for line in code(block(TEXT, "demo")).splitlines()]
    shown = [line.strip() for line in code(block(TEXT, "statement")).splitlines()]
    assert "\n".join(shown) in "\n".join(told)


def test_without_its_table_the_demo_tells_all_else():
    told = "before\n\n     Check   expected  got\n  1  a       1         1  ✓\n     more\n\nAll hold.\n"
    assert without_table(told) == "before\n\nAll hold.\n"


def test_the_page_names_the_two_commands():
    targets = re.findall(r"^make (\w+)", TEXT, re.MULTILINE)
    assert targets == ["demo", "test"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_walk_from_an_empty_folder_runs_as_it_stands(tmp_path):
    walk = tmp_path / "walk"
    walk.mkdir()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", on_free_ports(code(block(TEXT, "walk")))],
        cwd=walk,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    told = f"{done.stdout}\n{done.stderr}\n" + "".join(log.read_text() for log in walk.glob("*/log.txt"))
    assert done.returncode == 0, told
    assert (walk / "received.csv").read_bytes() == (walk / "coils.csv").read_bytes()
    assert "exit code 3" in done.stdout
    assert not (walk / "other.csv").exists()


def on_free_ports(script: str) -> str:
    """The script on other ports, and with its servers stopped however it ends."""
    for port, free in zip(("8282", "8292"), free_pairs(2), strict=True):
        assert f":{port}/" in script
        script = script.replace(f":{port}/", f":{free}/")
    return f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}\nwait"


def free_pairs(count: int) -> list[int]:
    """Ports whose next one is free too: a connector listens on both."""
    found: list[int] = []
    while len(found) < count:
        (port,) = free_ports(1)
        taken = {each + step for each in found for step in (-1, 0, 1)}
        if port not in taken and port + 1 not in taken and is_free(port + 1):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        return listener.connect_ex(("127.0.0.1", port)) != 0


def environment(folder: Path) -> dict[str, str]:
    """A plain environment with `weft` on the path: the installed command, or this tree where it is not installed."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if shutil.which("weft", path=places[0]) is None:
        command = folder / "bin" / "weft"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m connector.cli.main "$@"\n')
        command.chmod(0o755)
        places.insert(0, str(command.parent))
    return {"PATH": os.pathsep.join(places), "HOME": str(folder), "LANG": "C.UTF-8"}
