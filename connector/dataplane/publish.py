"""Publishing: profile the file, check everything, show what becomes public, then one transaction with record and lineage.

What may not be published because it is others' data, or made from it, is for `derivation` to say. Our own connector refuses it,
and records that.
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
from connector.dataplane.derivation import Checked, check_distribution, check_inputs, derivations, record_refusals
from connector.dataplane.leaves import hash_leaves
from connector.dataplane.profile import Fingerprint, Profile, profile
from connector.dataplane.publication import Prepared, Publication, prepare
from connector.dispatch.peers import root_of
from connector.errors import RefusedError
from connector.exchange.node import Node
from connector.rdf import Publisher, RdfWorker
from connector.store import catalog, lineage
from connector.store import delivery as deliveries
from connector.store.catalog import SourceFile
from connector.store.database import Tx
from connector.store.delivery import Delivery
from connector.store.lineage import Input
from contracts.evidence.manifest import as_digest, unpack_leaves
from contracts.evidence.merkle import root
from policies.canonical import JsonValue


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


@dataclass(frozen=True, slots=True)
class _Looked:
    """A publication that was looked at from all sides."""

    prepared: Prepared
    checked: Checked

    @property
    def dataset(self) -> Dataset:
        return self.prepared.dataset


async def preview(node: Node, publication: Publication, *, rdf: RdfWorker | None = None) -> Preview:
    """What `publish` would make public, and everything that would stop it; writes nothing.

    Raises TableError and RefusedError where there is nothing to show.
    """
    found = await profile(publication.path, media_type=publication.media_type, encoding=publication.encoding)
    looked = await _look(node, publication, found, rdf)
    dataset = looked.dataset
    body = dataset_body(dataset, Service.of(node.participant, node.base))
    shown = [offer.audience for offer in dataset.offers]
    viewers: Audience = "all" if "all" in shown else tuple(sorted({name for audience in shown for name in audience}))
    errors = (refusal.error for refusal in looked.checked.refusals)
    refused = (Problem(error.code, facts={name: str(value) for name, value in error.facts.items()}) for error in errors)
    problems = (*looked.prepared.problems, *refused)
    return Preview(dataset, body, viewers, problems)


async def publish(node: Node, publication: Publication, *, rdf: RdfWorker | None = None) -> Published:
    """Publish a file, or the new version of a dataset; durable when this returns.

    Raises TableError, NotPublishableError with all problems, and RefusedError: source-missing, source-busy,
    distribution-prohibited, derivation-refused (the first of them; all are recorded), dataset-exists, offer-reused, offer-taken.
    """
    path = publication.path.absolute()
    found = await profile(path, media_type=publication.media_type, encoding=publication.encoding)
    looked = await _look(node, publication, found, rdf)
    if looked.prepared.problems:
        raise NotPublishableError(publication.id, looked.prepared.problems)
    refusals = looked.checked.refusals
    if refusals:
        await node.db.transact(lambda tx: record_refusals(tx, node, publication, refusals))
        raise refusals[0].error
    await _hash_ahead(node, path, found, looked.prepared)
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
    return await node.db.transact(lambda tx: _publish(tx, node, publication, looked, source))


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


def _publish(tx: Tx, node: Node, publication: Publication, looked: _Looked, source: SourceFile) -> Published:
    dataset, inputs = looked.dataset, looked.checked.inputs
    before = catalog.dataset(tx, publication.id)
    if before is not None and before.state == "published" and publication.if_exists == "refuse":
        raise RefusedError("dataset-exists", dataset=publication.id)
    for kind, body in looked.prepared.documents:
        catalog.put_document(tx, kind, body)
    done = catalog.publish(tx, dataset, at=node.clock.now())
    moved = catalog.source(tx, publication.id) != source
    if moved:
        catalog.put_source(tx, publication.id, source)
    if done.changed:
        lineage.add(tx, dataset.id, done.change, inputs)
        terms = dict.fromkeys(name for offer in dataset.offers for name in offer.terms)
        transforms = dict.fromkeys(name for offer in dataset.offers for name in offer.transforms)
        node.audit.append(
            tx,
            "catalog.published",
            refs=[
                f"dataset:sha-256:{dataset.sha256}",
                *(f"terms:{name}" for name in terms),
                *(f"transform:{name}" for name in transforms),
                *(f"licence:{each.agreement}" for each in inputs if each.agreement),
            ],
            details={
                "dataset": dataset.id,
                "record": dataset.digest(),
                "offers": [offer.id for offer in dataset.offers],
                "inputs": [_entry(each) for each in inputs],
                "partial": dataset.partial,
            },
        )
    return Published(dataset, source, done.changed)


def _entry(used: Input) -> dict[str, JsonValue]:
    """An input as the audit record has it."""
    known = {"agreement": used.agreement, "delivery": used.delivery, "version": used.version, "manifest": used.manifest}
    return {
        "dataset": used.input,
        "owner": used.owner,
        "missing": used.missing,
        **{name: value for name, value in known.items() if value},
    }


# -- checks ----------------------------------------------------------------------------------------------------------


async def _look(node: Node, publication: Publication, found: Profile, rdf: RdfWorker | None) -> _Looked:
    """The record with its lineage, all its problems, the shapes' among them, and what our agreements say against it."""

    def so_far(tx: Tx) -> tuple[Dataset | None, dict[str, bytes]]:
        listed = catalog.dataset(tx, publication.id)
        named = {name for offer in publication.offers for name in _digests(offer)}
        held = {name: kept.body for name in named if (kept := catalog.document(tx, name)) is not None}
        return (listed.dataset if listed is not None else None), held

    before, known = await node.db.read(so_far)
    prepared = prepare(publication, found, owner=node.participant, known=known, before=before, now=node.clock.now())
    copies = await _copies(node, publication.path, found)
    checked = await node.db.read(
        lambda tx: (
            check_distribution(tx, node, publication, copies) + check_inputs(tx, node, publication, prepared.dataset)
        )
    )
    dataset = Dataset.model_validate({**dict(prepared.dataset), "derivations": derivations(node, checked.inputs)})
    findings = await (rdf or RdfWorker()).check([dataset], _publisher(node))
    shapes = tuple(
        Problem("shape-violated", facts={"property": finding.property, "problem": finding.message})
        for finding in findings
        if finding.severity == "violation"
    )
    return _Looked(replace(prepared, dataset=dataset, problems=prepared.problems + shapes), checked)


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
