"""What every use case of one daemon is given: who we are, our clock, keys, members, store and ways out.

Built once by the composition root (`connector/daemon.py`); nothing in here is found by looking around.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from connector.clock import Clock
from connector.dispatch.guard import Guard
from connector.dispatch.transport import Transport
from connector.dispatch.versions import Bases
from connector.exchange.door import Door
from connector.exchange.peer import Peers
from connector.health import Counters
from connector.identity.identity import Identity
from connector.identity.keys import KeyRing
from connector.identity.source import MemberSource
from connector.settings import Settings
from connector.store.audit import AuditLog
from connector.store.database import Database, Tx
from policies.compile import Plan, compile_policy
from policies.parse import parse_policy

# A connector trades under some hundreds of policies at a time; a plan is a few kilobytes.
PLANS = 4096


class Plans:
    """Compiled policies: a plan is built once for a policy and the party it is for.

    A policy digest says nothing about parties, and a plan permits nobody but its assignee: two consumers under the same terms
    have two plans.
    """

    def __init__(self) -> None:
        self._plan = lru_cache(PLANS)(self._compile)
        self._documents: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._lock = threading.Lock()  # the writer and the readers are threads

    def get(self, digest: str, document: Mapping[str, Any]) -> Plan:
        """The plan of a policy with this policy digest."""
        key = digest, str(document.get("assignee", ""))
        with self._lock:
            self._documents[key] = document
            try:
                return self._plan(key)
            finally:
                del self._documents[key]

    def _compile(self, key: tuple[str, str]) -> Plan:
        return compile_policy(parse_policy(self._documents[key]))


class Reactions(Protocol):
    """What follows by itself when a process has reached a state; the product's is `automate.Automation`."""

    def moved(self, tx: Tx, node: "Node", protocol: str, process: Any, now: datetime) -> Any:
        """Called in the transaction of every move, whoever caused it; returns the process as it is then."""
        ...


@dataclass(slots=True)
class Node:
    """One participant's connector at run time. Use cases read it; only the composition root builds it."""

    participant: str
    settings: Settings
    clock: Clock
    ring: KeyRing
    members: MemberSource
    identity: Identity
    audit: AuditLog
    db: Database
    transport: Transport
    guard: Guard
    new_id: Callable[[], str]
    reactions: "Reactions"
    peers: Peers = field(default_factory=Peers)
    counters: Counters = field(default_factory=Counters)
    plans: Plans = field(default_factory=Plans)
    # Told each time a member has spoken to us: it is reachable, so whatever waits for it need not wait longer.
    heard: list[Callable[[str], None]] = field(default_factory=list)
    door: Door = field(init=False)
    bases: Bases = field(init=False)

    def __post_init__(self) -> None:
        self.door = Door(self)
        self.bases = Bases(self)

    @property
    def base(self) -> str:
        """Our DSP base: where we take messages, without a trailing slash (`…/dsp/2025-1`)."""
        return self.settings.dsp.rstrip("/")
