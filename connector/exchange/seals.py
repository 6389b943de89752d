"""Seals: each side signs the agreement's digest together with how it enforces every rule (agreement-seal/1)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from connector.clock import stamp
from connector.errors import WeftError
from connector.exchange import outgoing
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.store import agreement as agreements
from connector.store import outbox
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.outbox import Outgoing
from contracts.agreement import seal
from contracts.errors import BrokenRuleError, ContractError
from contracts.signing import sign_document, verify_document
from policies.canonical import JsonValue, digest_of
from policies.enforcement import enforcement

_log = structlog.get_logger("weft.seals")


def put_ours(tx: Tx, node: Node, agreed: Agreement, now: datetime) -> bytes:
    """Sign our seal once, keep it, and return its bytes; a second call returns the first one's."""
    kept = agreements.seals(tx, agreed.digest).get(node.participant)
    if kept is not None:
        return to_bytes(kept)
    document = seal(
        agreed.digest,
        signatory=node.participant,
        signed_at=stamp(now),
        enforcement=enforcement(node.plans.get(agreed.policy, agreed.document).policy),
    )
    signed = sign_document(document, kid=node.ring.kid("evidence"), sign=lambda data: node.ring.sign("evidence", data))
    body = to_bytes(signed)
    agreements.add_seal(tx, agreed.digest, node.participant, body, now)
    _record(tx, node, agreed, node.participant, digest_of(signed))
    return body


def accept_theirs(tx: Tx, node: Node, sender: str, digest: str, signed: dict[str, JsonValue], now: datetime) -> None:
    """Check and keep the counterparty's seal; raises BrokenRuleError or SignatureError."""
    agreed = agreements.get(tx, digest)
    if agreed is None or agreed.counterparty != sender:
        raise BrokenRuleError("agreement-unknown", agreement=digest)
    verify = node.members.current().verifier(sender, "evidence", now)
    document = verify_document(signed, verify=verify, typ="agreement-seal/1")
    for name, expected in (("agreement", digest), ("signatory", sender)):
        if document.get(name) != expected:
            raise BrokenRuleError("seal-differs", member=name, expected=expected, found=str(document.get(name)))
    if agreements.add_seal(tx, digest, sender, to_bytes(signed), now):
        _record(tx, node, agreed, sender, digest_of(signed))


def answered(tx: Tx, node: Node, sent: Outgoing, answer: Mapping[str, Any], now: datetime) -> None:
    """The answer to our seal carries theirs, if they have one by then; else it comes by itself."""
    if not answer:
        return
    try:
        accept_theirs(tx, node, sent.destination, sent.process.removeprefix(outgoing.SEAL), dict(answer), now)
    except (ContractError, WeftError) as error:
        _log.warning("seal.refused", sender=sent.destination, process=sent.process, problem=str(error))


def exchanged(tx: Tx, node: Node, digest: str) -> bytes | None:
    """Our seal for the answer to theirs: who has sent one takes it from there, so that ours need not leave by itself."""
    ours = agreements.seals(tx, digest).get(node.participant)
    if ours is None:
        return None
    outbox.remove_process(tx, outgoing.SEAL + digest)
    return to_bytes(ours)


def _record(tx: Tx, node: Node, agreed: Agreement, signatory: str, seal_digest: str) -> None:
    node.audit.append(
        tx,
        "agreement.sealed",
        actor=signatory,
        peer=agreed.counterparty,
        agreement=agreed.digest,
        policy=agreed.policy,
        refs=[f"agreement:{agreed.digest}", f"seal:{seal_digest}"],
        details={"signatory": signatory, "dataset": agreed.dataset, "id": agreed.id},
    )
