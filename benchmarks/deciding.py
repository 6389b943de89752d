"""One policy decision that allows: the offers of the supply chain, each asked for what its consumer may have.

The policy is compiled before, as it is once per agreement. Beside it stands what the interpreter takes to call a function that does
nothing with the same three arguments: no decision can be faster.
"""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Row
from benchmarks.sizes import Sizes
from policies.canonical import parse_json
from policies.compile import Plan, compile_policy
from policies.evaluate import evaluate
from policies.facts import required_transforms
from policies.model import conditions_within
from policies.parse import parse_policy
from policies.vocabulary import USE
from policies.world import Request, State

OFFERS = Path(__file__).resolve().parent.parent / "examples" / "supply-chain-control" / "contracts" / "offers"
NOON = datetime.fromisoformat("2026-11-10T12:00:00+08:00")
# Calls between two looks at the clock: one look costs a good part of a decision.
BATCH = 20
GOAL_US = 10


async def measure(_root: Path, sizes: Sizes) -> list[Row]:
    questions = [_question(path) for path in sorted(OFFERS.glob("*.json"))]
    batches = max(1, sizes.decisions // BATCH)
    calls, decisions = [], []
    for plan, request, state in questions:
        if not evaluate(plan, request, state).allowed:
            raise AssertionError(request)
        calls.append(_p50_us(_nothing, (plan, request, state), batches))
        decisions.append(_p50_us(evaluate, (plan, request, state), batches))
    call, slowest = median(calls), max(decisions)
    return [
        Row(
            "policy decision that allows, p50 of the slowest offer",
            f"{slowest:.1f} us",
            f"{call:.2f} us",
            slowest,
            GOAL_US,
            at_most=True,
            unit=" us",
            beside=(f"{len(questions)} offers, median {median(decisions):.1f} us; the floor is a bare function call",),
        )
    ]


def _question(path: Path) -> tuple[Plan, Request, State]:
    """What the consumer of an offer rightly asks, and a world in which it is granted."""
    document = parse_json(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError(path)
    policy = parse_policy(document)
    plan = compile_policy(policy)
    wanted = {
        constraint.left: constraint.right
        for permission in policy.permissions
        for constraint in conditions_within(permission.constraints)
    }
    recipient = wanted.get("odrl:recipient", "did:web:anybody.example")
    request = Request(action=USE, assignee=recipient, purpose=wanted.get("odrl:purpose"), columns=None)
    state = State(now=NOON, region=wanted.get("odrl:spatial"), transforms=frozenset(required_transforms(plan)))
    return plan, request, state


def _nothing(_plan: Plan, _request: Request, _state: State) -> None:
    """The floor."""


def _p50_us(function: Callable[..., Any], arguments: tuple[Any, ...], batches: int) -> float:
    """Microseconds of one call, the median of batches."""
    times = []
    for _ in range(batches):
        began = time.perf_counter()
        for _ in range(BATCH):
            function(*arguments)
        times.append((time.perf_counter() - began) / BATCH * 1e6)
    return median(times)
