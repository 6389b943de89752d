"""How far a statement of ours came: the one place where its state changes, and where it is sealed.

Each change has exactly one audit record, in its transaction.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connector.clock import stamp
from connector.errors import RefusedError
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.exchange.statements import Draft
from connector.store import audit, settlement
from connector.store.database import Tx
from connector.store.settlement import Kept, State
from contracts.errors import BrokenRuleError, SignatureError
from contracts.settlement.seals import STATEMENT_SEAL, statement_seal
from contracts.signing import sign_document, verify_document
from policies.canonical import JsonValue, canonical, digest, digest_of


def become(tx: Tx, node: Node, kept: Kept, state: State, now: datetime, **changes: Any) -> Kept:
    """Save a statement in this state; a change of state or of content is put on record."""
    moved = replace(kept, state=state, **changes)
    if moved == kept:
        return kept
    settlement.put(tx, moved, now)
    if (moved.state, moved.digest) != (kept.state, kept.digest):
        record(tx, node, moved, f"statement.{state.value}")
    return moved


def computed(tx: Tx, node: Node, kept: Kept, draft: Draft, state: State, now: datetime) -> Kept:
    """Save what a draft came to."""
    body = canonical(draft.document) if draft.document is not None else b""
    return become(tx, node, kept, state, now, digest=draft.digest, body=body, usage_root=draft.usage_root)


def record(
    tx: Tx,
    node: Node,
    kept: Kept,
    type_: str,
    *,
    actor: str | None = None,
    reason: str | None = None,
    **facts: JsonValue,
) -> None:
    """An audit record about a statement."""
    refs = [f"terms:{kept.key.terms}"] + ([f"statement:{kept.digest}"] if kept.digest else [])
    details: dict[str, JsonValue] = {"ref": kept.key.ref, "period": kept.key.label, "kind": kept.kind, **facts}
    node.audit.append(
        tx,
        type_,
        actor=actor,
        peer=actor if actor != node.participant else None,
        agreement=kept.agreement or None,
        reason=reason,
        refs=refs,
        details=details,
    )


def seal(tx: Tx, node: Node, kept: Kept, agreements: Sequence[str], now: datetime) -> dict[str, Any]:
    """Sign a statement once and return the seal; a second call returns the first one's."""
    known = settlement.seals(tx, kept.digest).get(node.participant)
    if known is not None:
        return known
    _, note = audit.latest(tx)
    document = statement_seal(
        kept.digest,
        agreements=agreements,
        signatory=node.participant,
        checkpoint=digest((note or "").encode()),
        signed_at=stamp(now),
    )
    signed = sign_document(document, kid=node.ring.kid("evidence"), sign=lambda data: node.ring.sign("evidence", data))
    settlement.add_seal(tx, kept.digest, node.participant, to_bytes(signed), now)
    record(tx, node, kept, "statement.sealed", actor=node.participant, seal=digest_of(signed))
    return signed


def accept_seal(tx: Tx, node: Node, kept: Kept, sender: str, signed: dict[str, Any], now: datetime) -> None:
    """Keep the seal of who sent it, over the very statement we have; raises BrokenRuleError, SignatureError.

    Raises RefusedError `statement-unknown` while we have computed none.
    """
    verify = node.members.current().verifier(sender, "evidence", now)
    document = verify_document(signed, verify=verify, typ=STATEMENT_SEAL)
    if not kept.digest:
        raise RefusedError("statement-unknown", ref=kept.key.ref, label=kept.key.label)
    for name, expected in (("statement", kept.digest), ("signatory", sender)):
        if document.get(name) != expected:
            raise BrokenRuleError("seal-differs", member=name, expected=expected, found=str(document.get(name))[:200])
    if kept.agreement and kept.agreement not in (document.get("agreements") or ()):
        raise SignatureError(f"agreements does not name {kept.agreement}")
    if settlement.add_seal(tx, kept.digest, sender, to_bytes(signed), now):
        record(tx, node, kept, "statement.sealed", actor=sender, seal=digest_of(signed))
