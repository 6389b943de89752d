"""`python -m tests.simulation --runs 50000 --first-seed 1 --processes 2`: exit 1 and the story of a run that broke a law."""

import argparse
import sys

from tests.simulation.run import simulate
from tests.simulation.runner import quiet, run_many, story


def main() -> int:
    """Run seeds as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many at a time")
    parser.add_argument(
        "--trace", action="store_true", help="run the first seed only and tell its story, broken or not"
    )
    given = parser.parse_args()
    if given.trace:
        with quiet():
            print(story(simulate(given.first_seed)))
        return 0

    def tell(line: str) -> None:
        print(line, flush=True)

    report = run_many(given.first_seed, given.runs, given.processes, tell)
    for outcome in report.broken[:1]:
        tell(story(outcome))
    tell(report.line())
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
