"""The demo as a person runs it: in a process of its own, twice, and interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "examples" / "supply-chain-control" / "demo.py")]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


MARK = "DEMO_TEST_MARK"


def marked(mark):
    """The command line of every process that inherited this mark: the demo, and whatever it or its children started."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}\0".encode() in (entry / "environ").read_bytes() + b"\0":
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def environment(mark):
    return {name: value for name, value in os.environ.items() if name != "KEEP"} | {MARK: mark}


def run(build, *words, mark="-"):
    return subprocess.run(
        [*DEMO, "--build", str(build), *words], env=environment(mark), capture_output=True, text=True, check=False
    )


def report(build):
    return json.loads((build / "report.json").read_text(encoding="utf-8"))


def test_every_check_holds_twice(tmp_path):
    build = tmp_path / "demo"
    for words in ((), ("--lang", "zh")):
        ran = run(build, *words, mark=str(tmp_path))
        checks = report(build)
        assert not [check for check in checks if not check["ok"]], ran.stdout + ran.stderr
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert len(checks) >= 60
        assert all(set(check) == {"check", "expected", "got", "ok"} for check in checks)
        assert not list(marked(str(tmp_path)))


@pytest.mark.parametrize(("number", "seen", "times"), [(signal.SIGINT, " init ", 1), (signal.SIGTERM, " serve ", 6)])
def test_an_interrupted_demo_leaves_no_process(tmp_path, number, seen, times):
    mark = str(tmp_path)
    command = [*DEMO, "--build", str(tmp_path / "demo")]
    demo = subprocess.Popen(command, env=environment(mark), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while sum(seen in line for line in marked(mark)) < times:
            assert time.monotonic() < deadline, "it never came that far"
            assert demo.poll() is None, "it ended before it was interrupted"
            time.sleep(0.02)
        demo.send_signal(number)
        assert demo.wait(timeout=20) == 128 + number
    finally:
        demo.kill()
        demo.wait()
    assert not list(marked(mark))


def test_kept_connectors_answer_until_they_are_interrupted(tmp_path):
    mark, build = str(tmp_path), tmp_path / "demo"
    demo = subprocess.Popen(
        [*DEMO, "--build", str(build)], env=environment(mark) | {"KEEP": "1"}, stdout=subprocess.PIPE, text=True
    )
    try:
        for line in demo.stdout:
            if line.endswith("s-zhengshu deliveries\n"):  # the last of the commands to try
                break
        status = [sys.executable, "-m", "connector.cli.main", "-C", str(build / "p-steel"), "status", "--json"]
        answer = subprocess.run(status, cwd=ROOT, capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout)["participant"] == "did:web:p-steel.example"
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 0
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
    assert not list(marked(mark))


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    ran = run(tmp_path)
    assert ran.returncode == 2
    assert "choose another folder" in ran.stderr
    assert (tmp_path / "thesis.txt").exists()
