"""State: one transfer process as one side knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.machine import Role
from contracts.transfer.table import State


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of ours under `agreement` (digest). `purpose` is what the consumer declared, `""` for nothing.

    `suspended_by` is the role of the side that suspended it, `""` while it runs: our own suspension stands here from the command
    on, before the counterparty has acknowledged it, and so does the `code` of our own termination. `data_address` is the
    DataAddress in force: of a pull the provider's, of a push the consumer's. `started` is when it was last started or resumed: a
    data token older than that is dead. `delivered` is when the receiver of our push had taken everything, `""` before.
    """

    pid: str
    role: Role
    counterparty: str
    peer_pid: str
    address: str
    state: State | None
    agreement: str
    dataset: str
    format: str
    purpose: str = ""
    suspended_by: str = ""
    data_address: Mapping[str, Any] | None = None
    code: str = ""
    reason: str = ""
    idempotency: str = ""
    started: str = ""
    delivered: str = ""
    created: str = ""
    updated: str = ""

    @property
    def consumer_pid(self) -> str:
        return self.pid if self.role is Role.CONSUMER else self.peer_pid

    @property
    def provider_pid(self) -> str:
        return self.pid if self.role is Role.PROVIDER else self.peer_pid

    @property
    def halted(self) -> str:
        """Why no byte may move now, as a reason code; `""` while it may."""
        if self.suspended_by:
            return "transfer-suspended"
        if self.code or self.state is None or self.state in (State.TERMINATED, State.COMPLETED, State.SUSPENDED):
            return "transfer-not-started"
        return ""
