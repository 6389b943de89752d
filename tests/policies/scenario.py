"""The twelve offers of scenario A, read in place, and the world in which each of them allows its consumer a pull."""

import copy
import json
from datetime import datetime
from functools import cache

from policies.compile import Plan, compile_policy
from policies.facts import required_transforms
from policies.parse import parse_policy
from policies.world import Request, State
from tests.shared import shared

SCENARIO = "scenarios/supply-chain-control"
OFFERS = tuple(f"A{number}" for number in range(1, 13))
PURPOSE = "supply-chain-control"
NOON = datetime.fromisoformat("2026-11-10T12:00:00+08:00")

# Who gets what (story.md 4).
CONSUMERS = {
    **dict.fromkeys(("A1", "A2", "A3", "A4"), "s-zhengshu"),
    **dict.fromkeys(("A5", "A11", "A12"), "p-oem"),
    **dict.fromkeys(("A6", "A8"), "p-seat"),
    **dict.fromkeys(("A7", "A9"), "p-stamp"),
    "A10": "p-steel",
}


@cache
def _text(relative: str) -> str:
    return shared(f"{SCENARIO}/{relative}").read_text(encoding="utf-8")


def offer(name: str) -> dict:
    """A fresh copy of an offer's document."""
    return copy.deepcopy(json.loads(_text(f"contracts/offers/{name}.json")))


def expected() -> dict:
    return json.loads(_text("expected.json"))


def plan(name: str) -> Plan:
    return compile_policy(parse_policy(offer(name)))


def request(name: str, **changes) -> Request:
    """What the consumer of an offer rightly asks for."""
    members = {"action": "odrl:use", "assignee": f"did:web:{CONSUMERS[name]}.example", "purpose": PURPOSE}
    return Request(**{**members, **changes})


def state(of: Plan, **changes) -> State:
    """A world in which the offer allows it."""
    return State(**{"now": NOON, "region": "CN-32", "transforms": frozenset(required_transforms(of)), **changes})


def used_up(of: Plan, now: datetime, count: int) -> dict[str, int]:
    """Counters that say so many deliveries were made in the windows of an instant."""
    return {window.key: count for window in of.counters("odrl:use", now)}
