"""A bundle is signed: one terms document, a seal of each signatory, each verified and told to all others (revenue-share.md 3.4).

A bundle gates nothing: agreements that cite it are concluded and used before it is in force. Without all seals it has no statement.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from connector.clock import stamp
from connector.errors import RefusedError
from connector.exchange import beside, documents
from connector.exchange.accounts import held_bundle, held_terms
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.store import bundle as bundles
from connector.store.database import Tx
from connector.store.outbox import Outgoing
from contracts.errors import BrokenRuleError, ContractError
from contracts.settlement.period import written
from contracts.settlement.seals import BUNDLE_SEAL, bundle_seal, unsigned
from contracts.settlement.terms import Bundle
from contracts.signing import sign_document, verify_document
from policies.canonical import JsonValue, digest_of, parse_json
from policies.errors import JsonError

KIND = "bundle"


async def sign(
    node: Node, *, terms: str = "", document: Mapping[str, JsonValue] | None = None, source: str = ""
) -> str:
    """Sign a bundle's terms and tell all other signatories; returns the digest. Signing again tells them again.

    The terms are given (`document`), held (`terms`, their digest) or fetched from the participant `source`, whose signatures come
    with them. Raises RefusedError `bundle-unknown`, `not-a-bundle`, `not-a-signatory`, `terms-invalid`.
    """
    if document is not None:
        terms = await documents.keep_terms(node, document, by=node.participant)
    elif source:
        await documents.hold(node, source, "terms", terms)
    if source:
        await _take_over(node, source, terms)
    await node.db.transact(lambda tx: _sign(tx, node, terms, node.clock.now()))
    return terms


async def _take_over(node: Node, source: str, terms: str) -> None:
    """Take the signatures that a partner has; one that does not hold is on record and nothing else comes of it."""
    base = node.members.current().member(source).dsp
    status, body = await documents.get(node, source, f"{base}/bundles/{terms}/seals")
    try:
        parsed = parse_json(body) if status == HTTPStatus.OK else {}
    except JsonError:
        parsed = {}
    found = parsed.get("seals") if isinstance(parsed, dict) else None

    def work(tx: Tx) -> None:
        for signed in found if isinstance(found, list) else []:
            try:
                _accept(tx, node, terms, signed if isinstance(signed, dict) else {}, node.clock.now())
            except (RefusedError, ContractError) as error:
                details: dict[str, JsonValue] = {"text": str(error)[:1000], "terms": terms}
                node.audit.append(tx, "message.refused", actor=source, peer=source, reason=error.code, details=details)

    await node.db.transact(work)


def _sign(tx: Tx, node: Node, terms: str, now: datetime) -> None:
    bundle = _bundle(tx, terms)
    if node.participant not in bundle.signatories:
        raise RefusedError("not-a-signatory", bundle=bundle.id, participant=node.participant)
    bundles.know(tx, terms, bundle.id, now)
    kept = bundles.seals(tx, terms).get(node.participant)
    if kept is None:
        seal = bundle_seal(terms, signatory=node.participant, signed_at=stamp(now))
        signed = sign_document(seal, kid=node.ring.kid("evidence"), sign=lambda data: node.ring.sign("evidence", data))
        _keep(tx, node, bundle, node.participant, signed, now)
    else:
        signed = kept.signed
    for other in bundle.signatories:
        if other != node.participant:
            subject = f"bundle:{terms}"
            beside.unsay(tx, subject, other)
            beside.say(
                tx,
                node,
                kind=KIND,
                subject=subject,
                trigger="signature",
                to=other,
                path=f"bundles/{terms}/seals",
                body=signed,
                now=now,
            )


def accept(tx: Tx, node: Node, sender: str, terms: str, signed: Mapping[str, Any], now: datetime) -> None:
    """Keep the signature of who sent it; raises BrokenRuleError, SignatureError, RefusedError."""
    document = signed.get("document")
    signatory = document.get("signatory") if isinstance(document, dict) else None
    if signatory != sender:
        raise BrokenRuleError("seal-differs", member="signatory", expected=sender, found=str(signatory)[:200])
    _accept(tx, node, terms, signed, now)


def _accept(tx: Tx, node: Node, terms: str, signed: Mapping[str, Any], now: datetime) -> None:
    """Check a signature by the member list, whoever handed it over, and keep it."""
    bundle = _bundle(tx, terms)
    claimed = signed.get("document")
    signatory = str(claimed.get("signatory", "")) if isinstance(claimed, dict) else ""
    if signatory not in bundle.signatories:
        raise RefusedError("not-a-signatory", bundle=bundle.id, participant=signatory[:200])
    verify = node.members.current().verifier(signatory, "evidence", now)
    document = verify_document(signed, verify=verify, typ=BUNDLE_SEAL)
    if document.get("terms") != terms:
        raise BrokenRuleError("seal-differs", member="terms", expected=terms, found=str(document.get("terms"))[:200])
    bundles.know(tx, terms, bundle.id, now)
    _keep(tx, node, bundle, signatory, signed, now)


def _keep(tx: Tx, node: Node, bundle: Bundle, signatory: str, signed: Mapping[str, Any], now: datetime) -> None:
    """Store a signature with its audit record; the last one that was missing brings the bundle into force."""
    if not bundles.add_seal(tx, bundle.digest, signatory, to_bytes(dict(signed)), now):
        return
    missing = missing_of(tx, bundle)
    refs = [f"terms:{bundle.digest}", f"seal:{digest_of(dict(signed))}"]
    facts: dict[str, JsonValue] = {"bundle": bundle.id, "signatory": signatory, "missing": list(missing)}
    peer = signatory if signatory != node.participant else None
    node.audit.append(tx, "bundle.signed", actor=signatory, peer=peer, refs=refs, details=facts)
    if not missing:
        node.audit.append(
            tx, "bundle.in-force", refs=refs[:1], details={"bundle": bundle.id, "since": written(bundle.anchor)}
        )


def refused(tx: Tx, node: Node, sent: Outgoing, refusal: tuple[str, str], now: datetime) -> None:
    """A signatory did not take our signature: it is still missing there, and that is on record."""
    node.audit.append(
        tx,
        "bundle.unheard",
        peer=sent.destination,
        reason=refusal[0],
        details={"text": refusal[1], "subject": sent.process, "at": stamp(now)},
    )


def missing_of(tx: Tx, bundle: Bundle) -> tuple[str, ...]:
    """Signatories whose signature we do not have; none = the bundle is in force."""
    return unsigned(bundle, bundles.seals(tx, bundle.digest).keys())


def seals_for(tx: Tx, terms: str, reader: str) -> list[dict[str, Any]]:
    """All signatures, for a signatory; raises RefusedError `bundle-unknown` for everybody else."""
    bundle = held_bundle(tx, terms)
    if bundle is None or reader not in bundle.signatories:
        raise RefusedError("bundle-unknown", bundle=terms[:100])
    return [each.signed for each in bundles.seals(tx, terms).values()]


def _bundle(tx: Tx, terms: str) -> Bundle:
    found = held_terms(tx, terms)
    if found is None:
        raise RefusedError("bundle-unknown", bundle=terms[:100])
    if not isinstance(found, Bundle):
        raise RefusedError("not-a-bundle", digest=terms, model=found.model)
    return found


def named(tx: Tx, name: str) -> Bundle:
    """A bundle by its digest or its id; raises RefusedError `bundle-unknown`, also when several have this id."""
    found = [name] if name.startswith("sha-256:") else bundles.by_id(tx, name)
    if len(found) != 1:
        raise RefusedError("bundle-unknown", bundle=name[:100])
    return _bundle(tx, found[0])
