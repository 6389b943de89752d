"""A double of the official conformance kit of the Dataspace Protocol 2025-1, for places without Java.

It plays the kit's 65 scripts (shared/data/dsp/tck-scenarios.json) against a running connector, one after another, as strictly as
the kit: see `client.py` (how it calls), `callbacks.py` (how it is called), `script.py` (what it does when) and `reading.py` (what it
takes).

    python -m tests.conformance.double [--wait 15] [CN TP_C:02-02 ...]

starts the connector of the harness, plays everything or the named groups and tests, prints what failed and why, and ends with
`N passed, M failed`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connector import logs
from tests.conformance import documents
from tests.conformance.callbacks import Callbacks
from tests.conformance.client import Caller, FailedError
from tests.conformance.script import Player, UnderTest
from tests.pair import free_ports
from tests.shared import shared

WAIT_S = 15.0
"""How long any one wait lasts at most (the kit's `dataspacetck.dsp.default.wait`)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a test passed; `reason` says in words why not, `notes` what the kit's callback server turned away."""

    id: str
    passed: bool
    reason: str
    notes: tuple[str, ...] = ()


def scenarios() -> list[dict[str, Any]]:
    """All 67 scenarios as data, the two disabled ones included."""
    found = json.loads(shared("data/dsp/tck-scenarios.json").read_text(encoding="utf-8"))
    return list(found["scenarios"])


def chosen(scenarios: Iterable[Mapping[str, Any]], only: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """Those that are named by id or by group (`CN_C`); without names all that the kit does not leave out."""
    if not only:
        return [item for item in scenarios if not item.get("disabled")]
    named = set(only)
    found = [item for item in scenarios if item["id"] in named or _enabled_of(item, named)]
    unknown = named - {item["id"] for item in found} - {group(item) for item in found}
    if unknown:
        raise ValueError(f"no such test or group: {', '.join(sorted(unknown))}")
    return found


def group(scenario: Mapping[str, Any]) -> str:
    return str(scenario["id"]).partition(":")[0]


def _enabled_of(scenario: Mapping[str, Any], groups: set[str]) -> bool:
    return group(scenario) in groups and not scenario.get("disabled")


async def play(
    under_test: UnderTest,
    scenarios: Iterable[Mapping[str, Any]],
    only: Sequence[str] = (),
    *,
    kit_address: str,
    wait_s: float = WAIT_S,
) -> list[Outcome]:
    """Play the scripts one after another, as the participant TCK_PARTICIPANT listening at `kit_address`."""
    outcomes = []
    async with Callbacks(kit_address) as callbacks, Caller(under_test.authorization) as caller:
        for scenario in chosen(scenarios, only):
            reason = ""
            try:
                if scenario["id"] in documents.CHECKS:
                    await documents.CHECKS[scenario["id"]](under_test, caller, scenario)
                else:
                    await Player(scenario, under_test, caller, callbacks, wait_s).play()
            except FailedError as error:
                reason = str(error)
            outcomes.append(Outcome(scenario["id"], not reason, reason, callbacks.told()))
            callbacks.clear()
    return outcomes


def report(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for each failure, then the count."""
    listed = list(outcomes)
    failures = [f"FAILED {outcome.id}: {outcome.reason}" for outcome in listed if not outcome.passed]
    return [*failures, f"{len(listed) - len(failures)} passed, {len(failures)} failed"]


async def _main(only: Sequence[str], wait_s: float) -> list[Outcome]:
    from tests.conformance.connector import connector_under_test  # noqa: PLC0415  the double itself needs no harness

    logs.configure("auto", "error", stream=sys.stderr)
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    with tempfile.TemporaryDirectory() as folder:
        async with connector_under_test(Path(folder), kit_address=address) as under_test:
            return await play(under_test, scenarios(), only, kit_address=address, wait_s=wait_s)


def main() -> int:
    """Exit code 0 when everything passed, 1 when something failed, 2 when nothing could be played."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("only", nargs="*", help="tests (CN:01-01) or groups (TP_C); none: all that are enabled")
    arguments.add_argument("--wait", type=float, default=WAIT_S, help="seconds that any one wait lasts at most")
    asked = arguments.parse_args()
    try:
        outcomes = asyncio.run(_main(asked.only, asked.wait))
    except (pytest.skip.Exception, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(report(outcomes)) + "\n")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
