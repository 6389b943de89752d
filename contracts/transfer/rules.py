"""Meaning: what a message of the transfer process must say beside its shape and its place in the order."""

from contracts.errors import BrokenRuleError
from contracts.machine import Role
from contracts.transfer.messages import PULL, DataAddress
from contracts.transfer.model import Transfer
from contracts.transfer.table import State


def supported_format(format_: str) -> None:
    """On REQUEST: the format must be one of the dataset's distributions; Weft distributes by HTTP pull."""
    if format_ != PULL:
        raise BrokenRuleError("format-unsupported", found=format_, known=PULL)


def has_address(transfer: Transfer, by: Role, address: DataAddress | None) -> None:
    """On START by the provider: a pull MUST carry a data address (DSP 2025-1, transfer start message)."""
    if by is Role.PROVIDER and (address is None or not address.url):
        raise BrokenRuleError("data-address-missing", pid=transfer.pid)


def resumable_by(transfer: Transfer, by: Role) -> None:
    """On START in SUSPENDED: who paused it decides when it goes on. Ours: the specification lets either side resume."""
    if transfer.state is State.SUSPENDED and transfer.suspended_by not in ("", by):
        raise BrokenRuleError("suspended-by-other", by=transfer.suspended_by)
