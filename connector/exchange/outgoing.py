"""Messages of ours: written into the outbox in the transaction of their cause, with the state they need and lead to."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.exchange.node import Node
from connector.exchange.process import NEGOTIATION, TRANSFER, Protocol, to_bytes
from connector.identity.data_tokens import make_data_token
from connector.store import outbox
from connector.store.agreement import Agreement
from connector.store.database import Tx
from contracts.machine import Role
from contracts.negotiation import messages as said
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import Trigger
from contracts.transfer import messages as moved
from contracts.transfer.model import Transfer
from contracts.transfer.table import Trigger as TransferTrigger

# A termination may leave in any state that is not terminal.
ANY = "*"
SEAL = "seal:"
SEAL_PAUSE_S = 2.0
_SUFFIX = {
    Trigger.REQUEST: "request",
    Trigger.OFFER: "offers",
    Trigger.AGREEMENT: "agreement",
    Trigger.VERIFICATION: "agreement/verification",
    Trigger.ACCEPTED: "events",
    Trigger.FINALIZED: "events",
    Trigger.TERMINATION: "termination",
}


def _queue(
    tx: Tx,
    node: Node,
    protocol: Protocol[Any],
    process: Negotiation | Transfer,
    trigger: StrEnum,
    suffix: str,
    body: dict[str, object],
    now: datetime,
) -> None:
    """Write a row. A termination replaces what was still to be said: nothing of ours goes out before it, and nothing after."""
    ending = trigger.value == "termination"
    if ending:
        outbox.remove_process(tx, process.pid)
    elif outbox.ends(tx, process.pid):
        return
    state = process.state.value if process.state else ""
    becomes = "TERMINATED" if ending else protocol.machine.step(process.state, trigger, process.role).value
    place = f"{process.peer_pid}/{suffix}" if process.peer_pid else suffix
    outgoing = outbox.Outgoing(
        message=str(body["@id"]),
        kind=protocol.name,
        process=process.pid,
        trigger=trigger.value,
        destination=process.counterparty,
        method="POST",
        url=f"{process.address}/{protocol.folder}/{place}",
        body=to_bytes(body),
        expects=ANY if ending else state,
        becomes=becomes,
    )
    # Before the first message there is no state that the peer could still be storing.
    outbox.add(tx, outgoing, now, node.peers.of(process.counterparty).pause_s if process.peer_pid else 0)


def _say(
    tx: Tx, node: Node, negotiation: Negotiation, trigger: Trigger, body: dict[str, object], now: datetime
) -> None:
    _queue(tx, node, NEGOTIATION, negotiation, trigger, _SUFFIX[trigger], body, now)


def request(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.REQUEST, said.request(node.new_id(), negotiation, node.base), now)


def offer(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.OFFER, said.offer(node.new_id(), negotiation, node.base), now)


def accepted(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.ACCEPTED, said.event(node.new_id(), negotiation, "ACCEPTED"), now)


def agreement(tx: Tx, node: Node, negotiation: Negotiation, document: dict[str, Any], now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.AGREEMENT, said.agreement(node.new_id(), negotiation, document), now)


def verification(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.VERIFICATION, said.verification(node.new_id(), negotiation), now)


def finalized(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> None:
    _say(tx, node, negotiation, Trigger.FINALIZED, said.event(node.new_id(), negotiation, "FINALIZED"), now)


def end_negotiation(tx: Tx, node: Node, negotiation: Negotiation, code: str, reason: str, now: datetime) -> None:
    body = said.termination(node.new_id(), negotiation, code, reason)
    _say(tx, node, negotiation, Trigger.TERMINATION, body, now)


def seal(tx: Tx, node: Node, agreed: Agreement, counterparty: str, address: str, body: bytes, now: datetime) -> None:
    """Our seal goes to the counterparty beside the agreement, if it speaks this extension (the dispatcher asks).

    A consumer waits a moment: the answer to the provider's seal takes its own along.
    """
    url = f"{address}/agreements/{agreed.digest}/seals"
    outbox.add(
        tx,
        outbox.Outgoing(
            message=node.new_id(),
            kind="seal",
            process=SEAL + agreed.digest,
            trigger="seal",
            destination=counterparty,
            method="PUT",
            url=url,
            body=body,
            expects="",
            becomes="",
        ),
        now,
        SEAL_PAUSE_S if agreed.role is Role.CONSUMER else 0,
    )


# -- transfers -------------------------------------------------------------------------------------------------------


def _move(
    tx: Tx, node: Node, transfer: Transfer, trigger: TransferTrigger, body: dict[str, object], now: datetime
) -> None:
    _queue(tx, node, TRANSFER, transfer, trigger, trigger.value, body, now)


def transfer_request(tx: Tx, node: Node, transfer: Transfer, agreement_id: str, now: datetime) -> None:
    body = moved.request(node.new_id(), transfer, agreement_id, node.base)
    _move(tx, node, transfer, TransferTrigger.REQUEST, body, now)


def data_endpoint(node: Node, transfer: Transfer) -> str:
    """Where the data of a transfer of ours is served: beside the DSP base, on the protocol side."""
    return f"{node.base.removesuffix('/dsp/2025-1')}/data/{transfer.pid}"


def fresh_address(node: Node, transfer: Transfer, now: datetime) -> dict[str, Any]:
    """A data address with a token bound to agreement, consumer, transfer and purpose, for `data_token_lifetime_s`."""
    endpoint = data_endpoint(node, transfer)
    token = make_data_token(
        node.ring,
        consumer=transfer.counterparty,
        address=endpoint,
        agreement=transfer.agreement,
        transfer=transfer.pid,
        purpose=transfer.purpose or None,
        now=now,
        jti=node.new_id(),
        lifetime_s=node.settings.data_token_lifetime_s,
    )
    return moved.data_address(endpoint, token)


def start(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> None:
    """Start or resume; only the provider's start carries an address."""
    address = transfer.data_address if transfer.role.value == "provider" else None
    _move(tx, node, transfer, TransferTrigger.START, moved.start(node.new_id(), transfer, address), now)


def completion(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> None:
    _move(tx, node, transfer, TransferTrigger.COMPLETION, moved.completion(node.new_id(), transfer), now)


def suspension(tx: Tx, node: Node, transfer: Transfer, code: str, reason: str, now: datetime) -> None:
    body = moved.suspension(node.new_id(), transfer, code, reason)
    _move(tx, node, transfer, TransferTrigger.SUSPENSION, body, now)


def end_transfer(tx: Tx, node: Node, transfer: Transfer, code: str, reason: str, now: datetime) -> None:
    body = moved.termination(node.new_id(), transfer, code, reason)
    _move(tx, node, transfer, TransferTrigger.TERMINATION, body, now)
