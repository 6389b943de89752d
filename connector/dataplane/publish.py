"""Publishing: profile the file, check everything, show what becomes public, then one transaction with its record.

What we received from others is theirs: content that arrived under an agreement may be passed on only where that agreement
allows `odrl:distribute`, and a product derived from others' data only where each of theirs allows `odrl:derive` under offers
that hand down what they demand (policies.md 2.6, rules 3 and 6). Our own connector refuses, and records it.
"""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.errors import NotPublishableError
from catalog.messages import Service, dataset_body
from catalog.model import Audience, Dataset
from catalog.publish import Problem
from connector.dataplane.content import leaf_cache, source_key
from connector.dataplane.leaves import hash_leaves
from connector.dataplane.profile import Fingerprint, Profile, profile
from connector.dataplane.publication import Prepared, Publication, prepare
from connector.dispatch.peers import root_of
from connector.errors import RefusedError
from connector.exchange.decide import decide
from connector.exchange.node import Node
from connector.rdf import Publisher, RdfWorker
from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import delivery as deliveries
from connector.store.agreement import Agreement
from connector.store.catalog import SourceFile
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.evidence.manifest import as_digest, unpack_leaves
from contracts.evidence.merkle import root
from policies.canonical import JsonValue
from policies.decision import Decision
from policies.model import Policy
from policies.parse import parse_policy
from policies.vocabulary import DERIVE, DISTRIBUTE


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become public: the record, its DSP body, who would see it, and what stands against it."""

    dataset: Dataset
    body: bytes
    viewers: Audience
    problems: tuple[Problem, ...]

    @property
    def publishable(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did. `changed` is false when the same content was published before."""

    dataset: Dataset
    source: SourceFile
    changed: bool


async def preview(node: Node, publication: Publication, *, rdf: RdfWorker | None = None) -> Preview:
    """What `publish` would make public, and everything that would stop it; writes nothing.

    Raises TableError and RefusedError where there is nothing to show.
    """
    found = await profile(publication.path, media_type=publication.media_type, encoding=publication.encoding)
    prepared = await _prepared(node, publication, found, rdf)
    dataset = prepared.dataset
    body = dataset_body(dataset, Service.of(node.participant, node.base))
    shown = [offer.audience for offer in dataset.offers]
    viewers: Audience = "all" if "all" in shown else tuple(sorted({name for audience in shown for name in audience}))
    refused = await _refusals(node, publication, found, dataset)
    problems = (*prepared.problems, *(Problem(error.code, facts=_texts(error)) for _, error, _ in refused))
    return Preview(dataset, body, viewers, problems)


async def publish(node: Node, publication: Publication, *, rdf: RdfWorker | None = None) -> Published:
    """Publish a file, or the new version of a dataset; durable when this returns.

    Raises TableError, NotPublishableError with all problems, and RefusedError: source-missing, source-busy,
    distribution-prohibited, derivation-refused (both recorded), dataset-exists, offer-reused, offer-taken.
    """
    path = publication.path.absolute()
    found = await profile(path, media_type=publication.media_type, encoding=publication.encoding)
    prepared = await _prepared(node, publication, found, rdf)
    if prepared.problems:
        raise NotPublishableError(publication.id, prepared.problems)
    for agreement, error, decision in await _refusals(node, publication, found, prepared.dataset):
        await _record_refusal(node, publication, agreement, error, decision)
        raise error
    await _hash_ahead(node, path, found, prepared)
    source = SourceFile(
        path=str(path),
        size=found.fingerprint.size,
        mtime_ns=found.fingerprint.mtime_ns,
        inode=found.fingerprint.inode,
        sha256=found.sha256,
        encoding=found.encoding or "",
        delimiter=found.delimiter,
        columns=found.names,
    )
    return await node.db.transact(lambda tx: _publish(tx, node, publication, prepared, source))


async def withdraw(node: Node, dataset: str, reason: str) -> bool:
    """Take a dataset out of the catalog; agreements about it stay. False when it was withdrawn before.

    Raises RefusedError `dataset-unknown`.
    """

    def work(tx: Tx) -> bool:
        done = catalog.withdraw(tx, dataset, reason=reason, at=node.clock.now())
        if done.changed:
            node.audit.append(tx, "catalog.withdrawn", details={"dataset": dataset, "reason": reason})
        return done.changed

    return await node.db.transact(work)


def _publish(tx: Tx, node: Node, publication: Publication, prepared: Prepared, source: SourceFile) -> Published:
    before = catalog.dataset(tx, publication.id)
    if before is not None and before.state == "published" and publication.if_exists == "refuse":
        raise RefusedError("dataset-exists", dataset=publication.id)
    for kind, body in prepared.documents:
        catalog.put_document(tx, kind, body)
    done = catalog.publish(tx, prepared.dataset, at=node.clock.now())
    moved = catalog.source(tx, publication.id) != source
    if moved:
        catalog.put_source(tx, publication.id, source)
    if done.changed:
        dataset = prepared.dataset
        terms = dict.fromkeys(name for offer in dataset.offers for name in offer.terms)
        transforms = dict.fromkeys(name for offer in dataset.offers for name in offer.transforms)
        node.audit.append(
            tx,
            "catalog.published",
            refs=[
                f"dataset:sha-256:{dataset.sha256}",
                *(f"terms:{name}" for name in terms),
                *(f"transform:{name}" for name in transforms),
            ],
            details={
                "dataset": dataset.id,
                "record": dataset.digest(),
                "offers": [offer.id for offer in dataset.offers],
                "inputs": list(dataset.inputs),
                "partial": dataset.partial,
            },
        )
    return Published(prepared.dataset, source, done.changed)


# -- checks ----------------------------------------------------------------------------------------------------------


async def _prepared(node: Node, publication: Publication, found: Profile, rdf: RdfWorker | None) -> Prepared:
    """Record and problems, the shapes' among them."""

    def look(tx: Tx) -> tuple[Dataset | None, dict[str, bytes]]:
        listed = catalog.dataset(tx, publication.id)
        named = {name for offer in publication.offers for name in _digests(offer)}
        held = {name: kept.body for name in named if (kept := catalog.document(tx, name)) is not None}
        return (listed.dataset if listed is not None else None), held

    before, known = await node.db.read(look)
    prepared = prepare(publication, found, owner=node.participant, known=known, before=before, now=node.clock.now())
    findings = await (rdf or RdfWorker()).check([prepared.dataset], _publisher(node))
    shapes = tuple(
        Problem("shape-violated", facts={"property": finding.property, "problem": finding.message})
        for finding in findings
        if finding.severity == "violation"
    )
    return replace(prepared, problems=prepared.problems + shapes)


async def _refusals(
    node: Node, publication: Publication, found: Profile, dataset: Dataset
) -> list[tuple[Agreement | None, RefusedError, Decision | None]]:
    """What our own agreements say against it: the agreement, the error and the decision of each refusal."""
    copies = await _copies(node, publication.path, found)
    offers = tuple(parse_policy(offer.document) for offer in dataset.offers)

    def work(tx: Tx) -> list[tuple[Agreement | None, RefusedError, Decision | None]]:
        refused = [_distribution(tx, node, publication, delivery) for delivery in copies]
        refused += [_derivation(tx, node, publication, name, offers) for name in dataset.inputs]
        return [each for each in refused if each is not None]

    return await node.db.read(work)


async def _copies(node: Node, path: Path, found: Profile) -> list[Delivery]:
    """Deliveries to us whose bytes are those of the file: by the version of what was not transformed, else by the root."""
    candidates = await node.db.read(lambda tx: deliveries.received_of_size(tx, found.fingerprint.size))
    roots: dict[int, str] = {}
    same: list[Delivery] = []
    for delivery in candidates:
        if delivery.version == f"sha-256:{found.sha256}":
            same.append(delivery)
        elif delivery.chunk:
            if delivery.chunk not in roots:
                roots[delivery.chunk] = await _root(path, found.fingerprint.size, delivery.chunk)
            if roots[delivery.chunk] == delivery.root:
                same.append(delivery)
    return same


async def _hash_ahead(node: Node, path: Path, found: Profile, prepared: Prepared) -> None:
    """Hash what leaves as it is while its bytes are in the cache: the first delivery need not wait for that."""
    if all(offer.transforms for offer in prepared.dataset.offers):
        return
    size, chunk = found.fingerprint.size, node.settings.chunk_bytes
    source = await asyncio.to_thread(path.open, "rb")
    try:
        if Fingerprint.of(os.fstat(source.fileno())) == found.fingerprint:
            key = source_key(found.sha256, chunk)
            await leaf_cache(node).get(key, lambda: hash_leaves(source.fileno(), size, chunk))
    finally:
        source.close()


async def _root(path: Path, size: int, chunk: int) -> str:
    source = await asyncio.to_thread(path.open, "rb")
    try:
        leaves = await hash_leaves(source.fileno(), size, chunk)
    finally:
        source.close()
    return as_digest(await asyncio.to_thread(lambda: root(unpack_leaves(leaves))))


def _distribution(
    tx: Tx, node: Node, publication: Publication, delivery: Delivery
) -> tuple[Agreement | None, RefusedError, Decision | None] | None:
    agreement = agreements.get(tx, delivery.agreement)
    if agreement is None:
        return None
    decision = decide(tx, node, agreement, action=DISTRIBUTE, purpose=publication.purpose, columns=None)
    if decision.allowed:
        return None
    error = RefusedError(
        "distribution-prohibited",
        agreement=agreement.digest,
        dataset=delivery.dataset,
        owner=delivery.counterparty,
        reason=decision.reason or "no-permission",
    )
    return agreement, error, decision


def _derivation(
    tx: Tx, node: Node, publication: Publication, name: str, offers: tuple[Policy, ...]
) -> tuple[Agreement | None, RefusedError, Decision | None] | None:
    """Whether some agreement of ours about an input licenses the product; the newest one says why not."""
    refused: tuple[Agreement | None, RefusedError, Decision | None] | None = None
    for row in tx.all("delivery.licences", dataset=name):
        agreement = agreements.get(tx, row["digest"])
        if agreement is None:
            continue
        decision = decide(
            tx,
            node,
            agreement,
            action=DERIVE,
            purpose=publication.purpose,
            columns=None,
            transforms={row["transform"] for row in tx.all("delivery.transforms", agreement=agreement.digest)},
            next_policies=offers,
        )
        if decision.allowed:
            return None
        refused = refused or (agreement, _underived(name, decision.reason or "no-permission"), decision)
    return refused or (None, _underived(name, "no-permission"), None)


def _underived(name: str, reason: str) -> RefusedError:
    return RefusedError("derivation-refused", input=name, reason=reason)


async def _record_refusal(
    node: Node, publication: Publication, agreement: Agreement | None, error: RefusedError, decision: Decision | None
) -> None:
    details: dict[str, JsonValue] = {
        "at": "publishing",
        "dataset": publication.id,
        "code": error.code,
        "facts": _texts(error),
    }
    if decision is not None:
        details["decision"] = decision.to_dict()
    await node.db.transact(
        lambda tx: node.audit.append(
            tx,
            "policy.decision",
            peer=agreement.counterparty if agreement is not None else None,
            agreement=agreement.digest if agreement is not None else None,
            policy=agreement.policy if agreement is not None else None,
            decision="deny",
            reason=str(error.facts["reason"]),
            details=details,
        )
    )


def _publisher(node: Node) -> Publisher:
    member = node.members.current().members.get(node.participant)
    names = {str(lang): name for lang, name in member.name.items()} if member is not None else {}
    return Publisher(node.participant, names or {"en": node.participant}, root_of(node.base), node.base)


def _digests(value: object) -> list[str]:
    """Every digest an offer names, wherever it stands."""
    if isinstance(value, dict):
        return [found for member in value.values() for found in _digests(member)]
    if isinstance(value, list):
        return [found for element in value for found in _digests(element)]
    return [value] if isinstance(value, str) and value.startswith("sha-256:") else []


def _texts(error: RefusedError) -> dict[str, str]:
    return {name: str(value) for name, value in error.facts.items()}
