"""Our datasets, their offers, the documents offers name, and the files behind them: transactions as plain functions.

A dataset's DSP JSON is kept in pieces (head, one text per offer and price), so that a page for a viewer is a join of
strings. An offer without a row in `offer_audience` does not exist for anybody who asks, whatever the state of its dataset.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Literal

import orjson

from catalog.entry import own_entry
from catalog.filter import terms_of
from catalog.messages import dataset_head, dataset_parts, offer_text, price_text
from catalog.model import Dataset, Offer
from connector.errors import RefusedError
from connector.store import federation
from connector.store.database import Row, Tx
from policies.canonical import digest, digest_of

EVERYBODY = "*"
PAGE_MAX = 1000
TERMS_VERSION = "1"

OfferState = Literal["current", "superseded", "withdrawn"]
DocumentKind = Literal["terms", "transform"]


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: the catalog's change number, and whether this was a change or the same content again."""

    change: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """One of our datasets as the operator sees it; `reason` says why it was withdrawn, '' while it is published."""

    dataset: Dataset
    state: Literal["published", "withdrawn"]
    reason: str
    change: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A dataset as one viewer sees it, in ready-made JSON texts (UTF-8)."""

    id: str
    head: bytes
    prices: tuple[bytes, ...]
    offers: tuple[bytes, ...]

    def parts(self, service: bytes) -> list[bytes]:
        """Its DSP JSON in pieces, for `catalog_text` or `dataset_root`; `service` is the JSON text of `accessService`."""
        return dataset_parts(self.head, service, self.prices, self.offers)


@dataclass(frozen=True, slots=True)
class Page:
    """Datasets by id; `after` is the id to ask the next page with, '' on the last."""

    datasets: tuple[Shown, ...]
    after: str


@dataclass(frozen=True, slots=True)
class StoredOffer:
    """An offer that was ever published; only a `current` one may be negotiated, and only by who is in its classes."""

    id: str
    dataset: str
    document: dict[str, Any]
    decision: Literal["automatic", "person"]
    digest: str
    state: OfferState
    superseded_by: str
    terms: tuple[str, ...]
    transforms: tuple[str, ...]
    classes: tuple[str, ...]

    def shown_to(self, viewer: str) -> bool:
        return EVERYBODY in self.classes or viewer in self.classes


@dataclass(frozen=True, slots=True)
class Document:
    """Terms or a transform: canonical bytes, found by their digest."""

    digest: str
    kind: DocumentKind
    body: bytes


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file behind a dataset; size, mtime and inode tell whether `sha256` (hex) still holds."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]


def publish(tx: Tx, dataset: Dataset, *, at: datetime) -> Published:
    """Publish a dataset, or its new version; the same content again changes nothing and says so.

    Raises RefusedError `offer-reused` when a known offer id comes with other terms, `offer-taken` when it belongs to
    another dataset, `not-publishable` for a dataset without an offer. What else must hold before (documents, policies,
    shapes) is for `catalog.publish` and the RDF worker to say.
    """
    if not dataset.offers:
        raise RefusedError("not-publishable", dataset=dataset.id, problems="no-offer")
    found = tx.one("catalog.dataset", id=dataset.id)
    content = dataset.digest()
    if found is not None and found["state"] == "published" and found["digest"] == content:
        return Published(found["change"], changed=False)
    change = last_change(tx) + 1
    tx.run(
        "catalog.put_dataset",
        id=dataset.id,
        record_json=orjson.dumps(dataset.to_dict()).decode(),
        head=dataset_head(dataset),
        digest=content,
        change=change,
        changed_us=_us(at),
    )
    tx.run("catalog.end_offers", dataset=dataset.id)
    tx.run("catalog.clear_audience", dataset=dataset.id)
    _put_terms(tx, dataset)
    for offer in dataset.offers:
        _put_offer(tx, dataset.id, offer)
    for offer in dataset.offers:
        if offer.supersedes is not None:
            tx.run("catalog.supersede_offer", id=offer.supersedes, by=offer.id, dataset=dataset.id)
    federation.put_own(tx, own_entry(dataset))
    tx.wake("catalog")
    return Published(change, changed=True)


def withdraw(tx: Tx, dataset_id: str, *, reason: str, at: datetime) -> Published:
    """Take a dataset out of everybody's sight, keeping it and the reason; raises RefusedError `dataset-unknown`."""
    found = tx.one("catalog.dataset", id=dataset_id)
    if found is None:
        raise RefusedError("dataset-unknown", dataset=dataset_id)
    if found["state"] == "withdrawn":
        return Published(found["change"], changed=False)
    change = last_change(tx) + 1
    tx.run("catalog.withdraw_dataset", id=dataset_id, reason=reason, change=change, changed_us=_us(at))
    tx.run("catalog.end_offers", dataset=dataset_id)
    tx.run("catalog.clear_audience", dataset=dataset_id)
    tx.run("catalog.clear_terms", dataset=dataset_id)
    federation.remove_own(tx, _record(found).owner, dataset_id)
    tx.wake("catalog")
    return Published(change, changed=True)


def last_change(tx: Tx) -> int:
    """The change number of the catalog: what an ETag is made of."""
    row = tx.one("catalog.last_change")
    return int(row["change"]) if row is not None else 0


def dataset(tx: Tx, dataset_id: str) -> Listed | None:
    """One of our datasets, for us: with all its offers, published or withdrawn."""
    row = tx.one("catalog.dataset", id=dataset_id)
    return None if row is None else _listed(row)


def listing(tx: Tx, *, after: str = "", limit: int = 50) -> list[Listed]:
    """Our datasets by id, withdrawn ones too, for the operator."""
    return [_listed(row) for row in tx.all("catalog.listing", after=after, limit=min(limit, PAGE_MAX))]


def page(tx: Tx, viewer: str, *, after: str = "", limit: int = 50) -> Page:
    """The datasets this participant may see, by id, with the offers it may see.

    Stable under change: a dataset that stays is on exactly one page, whatever is added or withdrawn between two pages.
    """
    limit = max(1, min(limit, PAGE_MAX))
    shown = _shown(tx.all("catalog.page", viewer=viewer, after=after, limit=limit + 1))
    return Page(tuple(shown[:limit]), shown[limit - 1].id if len(shown) > limit else "")


def visible_dataset(tx: Tx, dataset_id: str, viewer: str) -> Shown | None:
    """One dataset as this participant sees it; nothing when no offer of it is for them: then it does not exist."""
    found = _shown(tx.all("catalog.visible_dataset", id=dataset_id, viewer=viewer))
    return found[0] if found else None


def offer(tx: Tx, offer_id: str) -> StoredOffer | None:
    """An offer by its id, superseded and withdrawn ones too, so that a request for it can be answered with what happened."""
    row = tx.one("catalog.offer", id=offer_id)
    if row is None:
        return None
    return StoredOffer(
        id=row["id"],
        dataset=row["dataset"],
        document=orjson.loads(row["text"]),
        decision=row["decision"],
        digest=row["digest"],
        state=row["state"],
        superseded_by=row["superseded_by"],
        terms=tuple(orjson.loads(row["terms_json"])),
        transforms=tuple(orjson.loads(row["transforms_json"])),
        classes=tuple(found["class"] for found in tx.all("catalog.offer_classes", offer=offer_id)),
    )


def put_document(tx: Tx, kind: DocumentKind, body: bytes) -> str:
    """Keep terms or a transform; returns its digest. `body` must be the canonical bytes: they are what is cited."""
    found = digest(body)
    tx.run("catalog.put_document", digest=found, kind=kind, body=body)
    return found


def document(tx: Tx, document_digest: str) -> Document | None:
    row = tx.one("catalog.document", digest=document_digest)
    return None if row is None else Document(row["digest"], row["kind"], bytes(row["body"]))


def known_documents(tx: Tx, digests: Iterable[str]) -> frozenset[str]:
    """Those of the digests whose document is kept."""
    return frozenset(found for found in digests if tx.one("catalog.document", digest=found) is not None)


def put_source(tx: Tx, dataset_id: str, source: SourceFile) -> None:
    tx.run(
        "catalog.put_source",
        dataset=dataset_id,
        path=source.path,
        size=source.size,
        mtime_ns=source.mtime_ns,
        inode=source.inode,
        sha256=source.sha256,
        encoding=source.encoding,
        delimiter=source.delimiter,
        columns_json=orjson.dumps(source.columns).decode(),
    )


def source(tx: Tx, dataset_id: str) -> SourceFile | None:
    row = tx.one("catalog.source", dataset=dataset_id)
    if row is None:
        return None
    facts = {name: row[name] for name in ("path", "size", "mtime_ns", "inode", "sha256", "encoding", "delimiter")}
    return SourceFile(**facts, columns=tuple(orjson.loads(row["columns_json"])))


def _put_offer(tx: Tx, dataset_id: str, given: Offer) -> None:
    content = digest_of(given.document)
    found = tx.one("catalog.offer", id=given.id)
    if found is not None and found["dataset"] != dataset_id:
        # DSP 2025-1, catalog: an offer id is unique to one dataset.
        raise RefusedError("offer-taken", offer=given.id, dataset=found["dataset"])
    if found is not None and found["digest"] != content:
        raise RefusedError("offer-reused", offer=given.id, dataset=dataset_id)
    tx.run(
        "catalog.put_offer",
        id=given.id,
        dataset=dataset_id,
        text=offer_text(given),
        price=price_text(given),
        price_kind=given.price.kind if given.price else "",
        decision=given.decision,
        digest=content,
        terms_json=orjson.dumps(given.terms).decode(),
        transforms_json=orjson.dumps(given.transforms).decode(),
    )
    classes: Sequence[str] = (EVERYBODY,) if given.audience == "all" else given.audience
    tx.many("catalog.put_audience", [{"class": name, "dataset": dataset_id, "offer": given.id} for name in classes])


def renew_terms(tx: Tx) -> None:
    """Find the terms of all datasets anew if another version of `catalog.filter.terms_of` found them; run once at the start."""
    known = tx.one("fact.get", name="catalog_terms")
    if known is not None and known["value"] == TERMS_VERSION:
        return
    after = ""
    while rows := tx.all("catalog.published", after=after, limit=PAGE_MAX):
        for row in rows:
            _put_terms(tx, _record(row))
        after = rows[-1]["id"]
    tx.run("fact.set", name="catalog_terms", value=TERMS_VERSION)


def _put_terms(tx: Tx, given: Dataset) -> None:
    """By what filters find a dataset, once for each class that sees any offer of it."""
    tx.run("catalog.clear_terms", dataset=given.id)
    classes: set[str] = set()
    for item in given.offers:
        classes |= {EVERYBODY} if item.audience == "all" else set(item.audience)
    shown = {EVERYBODY} if EVERYBODY in classes else classes
    tx.many(
        "catalog.put_term",
        [
            {"class": name, "name": operand, "value": value, "dataset": given.id}
            for name in sorted(shown)
            for operand, value in terms_of(given)
        ],
    )


def _shown(rows: Sequence[Row]) -> list[Shown]:
    """Rows of (dataset, offer) as datasets by id, each with its offers by id."""
    found: dict[str, tuple[bytes, list[bytes], list[bytes]]] = {}
    for dataset_id, head, _, text, price in sorted(rows, key=itemgetter(0, 2)):
        if dataset_id not in found:
            found[dataset_id] = (head, [], [])
        _, prices, offers = found[dataset_id]
        prices.append(price)
        offers.append(text)
    return [Shown(name, head, tuple(prices), tuple(offers)) for name, (head, prices, offers) in found.items()]


def _record(row: Row) -> Dataset:
    return Dataset.model_validate(orjson.loads(row["record_json"]))


def _listed(row: Row) -> Listed:
    at = datetime.fromtimestamp(row["changed_us"] / 1_000_000, UTC)
    return Listed(_record(row), row["state"], row["reason"], row["change"], at)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
