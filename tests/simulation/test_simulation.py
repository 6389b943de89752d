"""Whatever network, clocks and machines do, both sides end alike; and a rule that is missing is noticed."""

from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.run import simulate
from tests.simulation.runner import quiet, run_many, story

SEEDS = Path(__file__).with_name("seeds.txt")
FIRST, RUNS = 1_000_000, 3_000
# Within so many seeds a missing rule shows.
SOON = 1_500


def kept() -> list[int]:
    """The seeds that once showed a fault."""
    lines = [line for line in SEEDS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [int(line.split(maxsplit=1)[0]) for line in lines]


@pytest.fixture(autouse=True)
def _quiet():
    with quiet():
        yield


@pytest.mark.parametrize("seed", kept())
def test_a_seed_that_once_failed_breaks_no_law(seed):
    outcome = simulate(seed)
    assert not outcome.broken, story(outcome)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_run_breaks_a_law():
    """Thousands of new seeds, and in all of them together everything happens that the laws are about."""
    report = run_many(FIRST, RUNS, processes=2)
    assert not report.broken, story(report.broken[0])
    assert report.runs == RUNS
    for what in ("finalized", "transfer", "usage", "refused"):
        assert report.counts[what] > RUNS // 50, f"hardly any run has {what}: {report.line()}"
    assert report.counts["lives"] > RUNS * 1.2


def test_a_seed_is_the_same_run_every_time():
    """The trace of a run, to the microsecond, follows from its seed alone."""
    for seed in (7, 10):  # two of our own sides, one of them against a peer without rules
        assert simulate(seed).trace == simulate(seed).trace
        assert simulate(seed).trace != simulate(seed + 10).trace


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", MUTANTS)
def test_a_missing_rule_is_noticed(rule):
    with mutated(rule):
        assert any(simulate(seed).broken for seed in range(1, SOON))
