"""Readers of what comes from outside refuse it with their documented errors, in bounded time, and keep nothing of it."""

import contextlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.engine import bent, with_hypothesis
from tests.fuzz.target import KEPT, FailedError, Target
from tests.fuzz.targets import TARGETS

SHORT_S = 0.2
GROWTH_BYTES = 1_000_000
NAMES = sorted(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_read_or_refused_by_name(name):
    """At least one seed of a target is read to the end: what is mutated has something to lose."""
    target = TARGETS[name]
    refused = 0
    for data in target.seeds:
        target.check(data)
        try:
            target.run(data)
        except target.documented:
            refused += 1
    assert refused < len(target.seeds) or name in ("checkpoint", "period-input")


@pytest.mark.parametrize("name", NAMES)
def test_what_failed_once_holds_now(name):
    """Inputs that broke a reader once are replayed."""
    target = TARGETS[name]
    for path in target.kept():
        target.check(path.read_bytes())


def test_every_kept_input_belongs_to_a_target():
    assert {path.parent.name for path in KEPT.glob("*/*.bin")} <= set(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_a_short_run_finds_nothing(name):
    """A moment of every target, with the same inputs each time."""
    run = with_hypothesis(TARGETS[name], SHORT_S)
    assert run.failed is None, run.failed
    assert run.inputs > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_the_number_of_inputs(name):
    """After a first thousand (caches fill), the next thousands leave less than a megabyte behind."""
    target = TARGETS[name]
    inputs = [bent(target, number) for number in range(1000)]

    def go():
        for data in inputs:
            with contextlib.suppress(target.documented):
                target.run(data)

    go()
    tracemalloc.start()
    try:
        go()
        before, _ = tracemalloc.get_traced_memory()
        go()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < GROWTH_BYTES


def _planted(data):
    if b'"code"' in data and b"null" in data:
        raise KeyError("planted")


def test_a_planted_fault_is_found_and_reported_with_its_input(tmp_path, monkeypatch):
    """The harness itself: a reader that fails on one kind of document is caught within moments, and its input is kept."""
    monkeypatch.setattr("tests.fuzz.target.KEPT", tmp_path)
    target = Target("planted", _planted, (ValueError,), TARGETS["messages"].seeds)
    run = with_hypothesis(target, 10)
    assert isinstance(run.failed, FailedError)
    path = target.keep(run.failed.data)
    assert target.kept() == [path]
    with pytest.raises(FailedError, match="planted"):
        target.check(path.read_bytes())


def test_a_reader_that_takes_too_long_is_a_failure():
    def slowly(_data):
        sum(range(3_000_000))

    with pytest.raises(FailedError, match="processor time"):
        Target("slow", slowly, (), (b"{}",), limit_s=0.001).check(b"{}")


@pytest.mark.slow
def test_the_command_runs_one_target():
    """`python -m tests.fuzz` says what held, and exits with 0."""
    line = [sys.executable, "-m", "tests.fuzz", "--seconds", "0.5", "--engine", "hypothesis", "--target", "address"]
    done = subprocess.run(line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held" in done.stdout
