"""What the provider of a benchmark offers, written straight into its store before it starts: nothing here is measured."""

import hashlib
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from catalog.messages import dataset_head, offer_text, price_text
from catalog.model import Column, Dataset, Keyword, Offer
from connector.settings import Settings
from connector.store import catalog
from connector.store.catalog import SourceFile
from connector.store.database import Database, Tx
from policies.canonical import digest_of

PURPOSE = "quality"
PUBLISHED = datetime(2026, 11, 10, tzinfo=UTC)
PIECE_BYTES = 1024 * 1024
# Datasets written in one transaction.
BATCH = 500


def dataset_id(number: int) -> str:
    return f"press-shop-{number:06d}"


def offer_id(number: int) -> str:
    return f"urn:uuid:5f0c2f0e-0000-4a57-9a0e-{number:012x}"


def policy(number: int) -> dict[str, Any]:
    """Terms as they are usual: a purpose, two regions and an end."""
    regions = [{"leftOperand": "odrl:spatial", "operator": "eq", "rightOperand": code} for code in ("CN-31", "CN-32")]
    return {
        "@id": offer_id(number),
        "@type": "Offer",
        "permission": [
            {
                "action": "odrl:use",
                "constraint": [
                    {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": PURPOSE},
                    {"or": regions},
                    {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2099-12-31T23:59:59+08:00"},
                ],
            }
        ],
    }


def dataset(owner: str, number: int, *, size: int = 0, sha256: str = "0" * 64, rows: int | None = None) -> Dataset:
    """One dataset with one offer for everybody that is agreed to without a person."""
    terms = policy(number)
    return Dataset(
        id=dataset_id(number),
        owner=owner,
        title={"en": f"Press shop, line {number}", "zh": f"冲压车间,生产线 {number}"},
        description={"en": "Torque and temperature per part.", "zh": "每件的扭矩与温度。"},
        keywords=(Keyword(text="torque", lang="en"), Keyword(text="扭矩", lang="zh")),
        columns=tuple(Column(name=name) for name in ("part", "torque", "temperature")),
        rows=rows,
        bytes=size,
        sha256=sha256,
        modified=PUBLISHED,
        offers=(Offer(id=terms["@id"], document=terms, decision="automatic"),),
    )


def datasets(count: int) -> Callable[[Settings], Awaitable[None]]:
    """Fill a store with so many datasets that have no file behind them.

    Those behind the first come straight into the tables of the catalog, not into the index that searches it: publishing
    a hundred thousand would take minutes, and a page reads nothing else.
    """

    async def fill(settings: Settings) -> None:
        def first(tx: Tx) -> None:
            catalog.publish(tx, dataset(settings.participant, 0), at=PUBLISHED)

        def batch(tx: Tx, start: int) -> None:
            described = [dataset(settings.participant, number) for number in range(start, min(start + BATCH, count))]
            tx.many("catalog.put_dataset", [_row(each, start + place + 1) for place, each in enumerate(described)])
            tx.many("catalog.put_offer", [_offer_row(each) for each in described])
            audience = [{"class": "*", "dataset": each.id, "offer": each.offers[0].id} for each in described]
            tx.many("catalog.put_audience", audience)

        await _write(settings, [first, *(partial(batch, start=start) for start in range(1, count, BATCH))])

    return fill


def file(path: Path) -> Callable[[Settings], Awaitable[None]]:
    """Fill a store with one dataset whose bytes are this file."""

    async def fill(settings: Settings) -> None:
        found = path.stat()
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        described = dataset(settings.participant, 0, size=found.st_size, sha256=sha256)
        source = SourceFile(
            path=str(path),
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            inode=found.st_ino,
            sha256=sha256,
            encoding="utf-8",
            delimiter=",",
            columns=tuple(column.name for column in described.columns),
        )

        def work(tx: Tx) -> None:
            catalog.publish(tx, described, at=PUBLISHED)
            catalog.put_source(tx, described.id, source)

        await _write(settings, [work])

    return fill


def write_random(path: Path, size: int) -> None:
    """A file of random bytes: nothing on the way can make it smaller."""
    with path.open("wb") as stream:
        for start in range(0, size, PIECE_BYTES):
            stream.write(os.urandom(min(PIECE_BYTES, size - start)))
        stream.flush()
        os.fsync(stream.fileno())


def _row(described: Dataset, change: int) -> dict[str, Any]:
    return {
        "id": described.id,
        "record_json": orjson.dumps(described.to_dict()).decode(),
        "head": dataset_head(described),
        "digest": described.digest(),
        "change": change,
        "changed_us": 0,
    }


def _offer_row(described: Dataset) -> dict[str, Any]:
    offer = described.offers[0]
    return {
        "id": offer.id,
        "dataset": described.id,
        "text": offer_text(offer),
        "price": price_text(offer),
        "price_kind": "",
        "decision": offer.decision,
        "digest": digest_of(offer.document),
        "terms_json": "[]",
        "transforms_json": "[]",
    }


async def _write(settings: Settings, works: list[Callable[[Tx], None]]) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Database(settings.data_dir / "weft.db", synchronous="OFF")
    await store.open()
    try:
        for work in works:
            await store.transact(work)
    finally:
        await store.close()
