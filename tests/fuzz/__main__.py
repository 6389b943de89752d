"""`python -m tests.fuzz --seconds 60`: fuzz every reader of what comes from outside; a failing input is kept and replayed ever after."""

import argparse
import importlib.util
import sys

from tests.fuzz.engine import Run, with_atheris, with_hypothesis
from tests.fuzz.target import Target


def main() -> int:
    """Fuzz the targets one after another; 1 when an input broke one of them."""
    installed = importlib.util.find_spec("atheris") is not None
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--seconds", type=float, default=60, help="in all, shared by the targets")
    asked.add_argument("--engine", choices=("atheris", "hypothesis"), default="atheris" if installed else "hypothesis")
    asked.add_argument("--target", action="append", help="only this one; may be repeated")
    asked.add_argument("--seed", type=int, default=0, help="where Hypothesis begins")
    given = asked.parse_args()
    if given.engine == "atheris" and not installed:
        asked.error("atheris is not installed; --engine hypothesis needs nothing")

    from tests.fuzz.targets import TARGETS  # noqa: PLC0415  the readers themselves: not for --help

    chosen: list[Target] = [TARGETS[name] for name in given.target or TARGETS]
    failed = 0
    for target in chosen:
        share_s = given.seconds / len(chosen)
        if given.engine == "atheris":
            run = with_atheris(target, max(1, share_s))
        else:
            run = with_hypothesis(target, share_s, first_seed=given.seed)
        failed += _tell(target, run)
    print(f"{len(chosen)} targets, {failed} failed, engine {given.engine}")
    return 1 if failed else 0


def _tell(target: Target, run: Run) -> int:
    print(f"{run.target:<14} {run.inputs:>8} inputs in {run.seconds:5.1f} s  {'FAILED' if run.failed else 'held'}")
    if run.failed is None:
        return 0
    if run.failed.data:
        print(f"  kept {target.keep(run.failed.data)}")
    print(f"  {run.failed}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
