"""The product with one rule switched off: what a simulation is worth shows in how soon it notices."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from connector.dataplane import receipts
from connector.dispatch import verdict
from connector.exchange import receive, settle
from connector.store import agreement, inbox, outbox

_COUNTING = iter(range(10**9))


def _no_reply(*_: Any) -> None:
    return None


def _as_it_is(_tx: Any, _node: Any, _incoming: Any, process: Any, _now: Any) -> Any:
    return process


def _alone(tx: Any, node: Any, message: str, problem: str, now: Any) -> None:
    """A process that is given up ends with us, and nobody is told."""
    pending = outbox.get(tx, message)
    if pending is None:
        return
    outbox.remove(tx, message)
    protocol = settle.PROTOCOLS.get(pending.kind)
    process = protocol.get(tx, pending.process) if protocol is not None else None
    if protocol is not None and process is not None:
        settle.end_locally(tx, node, protocol, process, ("unreachable", problem), now)


def _another_id(_transfer: str, _epoch: int) -> str:
    return f"{next(_COUNTING):064x}"


# What is switched off, and how: (owner, name, replacement).
MUTANTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a repeated message gets its recorded reply": (inbox, "recorded_reply", _no_reply),
    "what is legal only after our message acknowledges it": (receive, "_arrived", _as_it_is),
    "a look before a refusal is believed": (verdict, "place", lambda *_: ""),
    "the end of a process that was given up is told": (settle, "given_up", _alone),
    "an agreement lapses with its negotiation": (agreement, "lapse", lambda *_: None),
    "a completion counts whatever crosses with it": (settle, "_over", lambda *_: False),
    "a delivery is counted under one name on both sides": (receipts, "usage_id", _another_id),
    "nothing of ours goes out before our termination": (outbox, "remove_process", lambda *_: None),
    "nothing of ours goes out behind it": (outbox, "ends", lambda *_: False),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The product without this rule while the block runs."""
    owner, attribute, replacement = MUTANTS[name]
    with mock.patch.object(owner, attribute, replacement):
        yield
