"""What the store says about a transfer of ours: whether data may move under it, and what was delivered already."""

from collections.abc import Iterable
from dataclasses import dataclass

from connector.errors import AuthenticationError, RefusedError
from connector.exchange.process import TRANSFER
from connector.exchange.stop import BY_CONSUMER, BY_PROVIDER, barrier
from connector.identity.data_tokens import Grant
from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.machine import Role
from contracts.transfer.model import Transfer
from contracts.transfer.table import State
from policies.decision import Decision
from policies.sentences import LANGUAGES, sentence

SUSPENDED = "transfer-suspended"
NOT_IN_FORCE = "agreement-not-in-force"
ENDED = "transfer-over"
# Codes of an ended transfer that are told as they are: the closed list of policies.md 6.1.
_OWN_REASONS = frozenset({BY_PROVIDER, BY_CONSUMER})


class DeniedError(RefusedError):
    """The gate says no. `code` is the reason; facts `left_operand`, `rule` ("" where there is none), sentences `en`, `zh`."""

    def __init__(self, reason: str, *, decision: Decision | None = None, agreement: str = "") -> None:
        said = {
            lang: decision.sentence(lang)
            if decision is not None
            else sentence(f"error.{reason}", lang, agreement=agreement)
            for lang in LANGUAGES
        }
        super().__init__(
            reason,
            left_operand=(decision.left_operand if decision is not None else None) or "",
            rule=(decision.rule if decision is not None else None) or "",
            **said,
        )
        self.decision = decision


@dataclass(frozen=True, slots=True)
class Seen:
    """What one snapshot says about a transfer of ours; `barred` is why no data may move under it, "" when it may."""

    transfer: Transfer
    agreement: Agreement
    deliveries: tuple[Delivery, ...]
    listed: catalog.Listed | None
    source: catalog.SourceFile | None
    barred: str = ""


def look(tx: Tx, given: Grant) -> Seen:
    """One snapshot; raises RefusedError and AuthenticationError for a token that does not fit what we know."""
    transfer = _ours(tx, given.transfer)
    if given.consumer != transfer.counterparty or given.agreement != transfer.agreement:
        raise AuthenticationError("token-audience", expected=transfer.counterparty, found=given.consumer)
    return _seen(tx, transfer)


def look_at(tx: Tx, pid: str) -> Seen:
    """One snapshot of a transfer whose data we send by ourselves; raises RefusedError when there is none."""
    return _seen(tx, _ours(tx, pid))


def _ours(tx: Tx, pid: str) -> Transfer:
    transfer = transfers.get(tx, pid)
    if transfer is None or transfer.role is not Role.PROVIDER:
        raise RefusedError("process-unknown", pid=pid)
    return transfer


def _seen(tx: Tx, transfer: Transfer) -> Seen:
    agreement = agreements.get(tx, transfer.agreement)
    if agreement is None:
        raise RefusedError("agreement-unknown", agreement=transfer.agreement)
    return Seen(
        transfer,
        agreement,
        tuple(deliveries.of_transfer(tx, transfer.pid)),
        catalog.dataset(tx, transfer.dataset),
        catalog.source(tx, transfer.dataset),
        standing(tx, transfer, agreement),
    )


def standing(tx: Tx, transfer: Transfer, agreement: Agreement) -> str:
    """Why data may not move under a transfer, "" when it may. Our own intent counts from its commit, not from its ACK."""
    if transfer.state in TRANSFER.machine.terminal or transfer.code:
        return transfer.code if transfer.code in _OWN_REASONS else ENDED
    # A start may be on its way when a partner is stopped or an agreement is held: no data follows it.
    code, _ = barrier(tx, transfer.counterparty, agreement.digest, transfer.role)
    if code:
        return code
    if transfer.suspended_by or transfer.state is not State.STARTED:
        return SUSPENDED
    return "" if agreement.in_force else NOT_IN_FORCE


def only_one(earlier: Iterable[Delivery]) -> None:
    """Under a count a transfer has one delivery: other columns or another version need a new transfer (policies.md 2.6)."""
    for delivery in earlier:
        if delivery.counted:
            raise RefusedError("delivery-differs", transfer=delivery.transfer, columns=delivery.columns or "*")
