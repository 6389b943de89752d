"""State: one contract negotiation as one side knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.machine import Role
from contracts.negotiation.table import State


@dataclass(frozen=True, slots=True)
class Negotiation:
    """A negotiation of ours. `pid` is our identifier, `peer_pid` the counterparty's (`""` until it has named it).

    `state` is None until the first message is acknowledged. `offer` is the last offer on the table, with its target, and
    `offered_by` who put it there; `answers` is the offer that it answers, the provider's published one or the last of the other
    side, empty where there is none. `approval` is why a person of ours approved. `address` is where the counterparty takes
    messages, without a trailing slash.
    """

    pid: str
    role: Role
    counterparty: str
    peer_pid: str
    address: str
    state: State | None
    dataset: str
    offer: Mapping[str, Any]
    offered_by: Role
    answers: Mapping[str, Any] = field(default_factory=dict)
    agreement: str = ""
    approval: str = ""
    code: str = ""
    reason: str = ""
    idempotency: str = ""
    created: str = field(default="")
    updated: str = field(default="")

    @property
    def consumer_pid(self) -> str:
        return self.pid if self.role is Role.CONSUMER else self.peer_pid

    @property
    def provider_pid(self) -> str:
        return self.pid if self.role is Role.PROVIDER else self.peer_pid
