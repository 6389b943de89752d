"""Many seeds, on one core or two: progress, speed, and the story of the first run that broke a law."""

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from tests.simulation.run import Outcome, simulate

BATCH = 50
TOLD_EVERY_S = 20.0


@dataclass
class Report:
    """What came of many seeds; `broken` are the runs in which a law was broken, first seed first."""

    runs: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[Outcome] = field(default_factory=list)

    def line(self) -> str:
        """One line for a person."""
        did = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        speed = self.runs / self.seconds if self.seconds else 0.0
        return f"{self.runs} runs in {self.seconds:.0f} s ({speed:.0f} a second), {len(self.broken)} broken; at one side: {did}"


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines: a run says thousands, and its trace says the same."""
    before = structlog.get_config()
    structlog.configure(
        processors=[], wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def run_batch(seeds: range) -> tuple[int, Counter[str], list[Outcome]]:
    """Run these seeds in this process. Garbage is collected between runs, not within them."""
    counts: Counter[str] = Counter()
    broken: list[Outcome] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        with quiet():
            for seed in seeds:
                outcome = simulate(seed)
                counts.update(outcome.counts)
                if outcome.broken:
                    broken.append(outcome)
    finally:
        gc.collect()
        if collecting:
            gc.enable()
    return len(seeds), counts, broken


def run_many(first: int, runs: int, processes: int = 1, tell: Callable[[str], None] | None = None) -> Report:
    """Run `runs` seeds from `first` on; stops soon after a broken law."""
    report, began, told = Report(), time.monotonic(), time.monotonic()
    batches = [range(start, min(start + BATCH, first + runs)) for start in range(first, first + runs, BATCH)]
    for done, counts, broken in _results(batches, processes):
        report.runs += done
        report.counts.update(counts)
        report.broken += broken
        report.seconds = time.monotonic() - began
        if tell is not None and time.monotonic() - told > TOLD_EVERY_S:
            told = time.monotonic()
            tell(report.line())
        if report.broken:
            break
    report.broken.sort(key=lambda outcome: outcome.seed)
    return report


def _results(batches: list[range], processes: int) -> Iterator[tuple[int, Counter[str], list[Outcome]]]:
    if processes == 1:
        yield from map(run_batch, batches)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(run_batch, batch) for batch in batches]
        try:
            for result in waiting:
                yield result.result()
        finally:
            for result in waiting:
                result.cancel()


def story(outcome: Outcome) -> str:
    """Seed, trace and broken laws of a run."""
    again = f"python -m tests.simulation --runs 1 --first-seed {outcome.seed}"
    laws = "\n".join(f"  {sentence}" for sentence in outcome.broken)
    return "\n".join([*outcome.trace, f"seed {outcome.seed} broke:", laws, f"again: {again}"])
