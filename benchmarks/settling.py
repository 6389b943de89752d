"""A month of usage records to statements, through the store: what each account has come to, its usage tree, its statement.

The floor is the plainest thing that a database can do with the same table: one statement that sums it by account. Leaf hashes are
stored with the records, so what is left are the sums, a hash for each inner node of the trees, and the documents.
"""

import asyncio
import contextlib
import hashlib
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.report import Row
from benchmarks.sizes import Sizes
from connector.clock import micros
from connector.store import metering
from connector.store.database import Database, Tx
from contracts.settlement.period import period_of
from contracts.settlement.statement import statement
from contracts.settlement.terms import Terms, read_terms
from policies.canonical import digest_of

PAYEE, PAYER, PRODUCT, LABEL = "did:web:provider.example", "did:web:consumer.example", "scores", "2026-10"
STARTS = datetime(2026, 9, 30, 16, tzinfo=UTC)
MONTH = timedelta(days=31)
BATCH = 20_000
GOAL, LINEAR = 4, 1.3
FLOOR = """
SELECT terms, ref, count(*), sum(accepted), sum(rejected) FROM metered
WHERE occurred_us >= ? AND occurred_us < ? GROUP BY terms, ref
"""


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    small, large = [await _measured(root, count, sizes) for count in sizes.usage_records]
    return [
        Row(
            f"{large.records:,} usage records to {large.accounts:,} statements",
            f"{large.settled_s * 1000:.0f} ms",
            f"{large.floor_s * 1000:.0f} ms",
            large.settled_s / large.floor_s,
            GOAL,
            at_most=True,
            beside=("the floor is one SELECT ... GROUP BY over the same table",),
        ),
        Row(
            f"the same per record, beside {small.records:,}",
            f"{large.per_record_us:.2f} us",
            f"{small.per_record_us:.2f} us",
            large.per_record_us / small.per_record_us,
            LINEAR,
            at_most=True,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Measured:
    """What so many records took."""

    records: int
    accounts: int
    settled_s: float
    floor_s: float

    @property
    def per_record_us(self) -> float:
        return self.settled_s / self.records * 1e6


async def _measured(root: Path, count: int, sizes: Sizes) -> _Measured:
    """Fill a store with so many records of all accounts; settle and sum it by turns."""
    path = root / f"{count}.db"
    terms = [_terms(number) for number in range(sizes.usage_accounts)]
    store = Database(path, synchronous="OFF")
    await store.open()
    try:
        for start in range(0, count, BATCH):
            await store.transact(partial(_fill, terms=terms, numbers=range(start, min(start + BATCH, count))))
        settled, floor = [], []
        for _ in range(sizes.rounds):
            settled.append(await store.read(partial(_settle, terms=terms, count=count)))
            floor.append(await asyncio.to_thread(_sum, path))
    finally:
        await store.close()
    return _Measured(count, len(terms), median(settled), median(floor))


def _settle(tx: Tx, terms: list[Terms], count: int) -> float:
    """Seconds for every statement of the month, and its digest."""
    began = time.perf_counter()
    records = 0
    for each in terms:
        period = period_of(each, LABEL)
        usage = metering.metered(tx, each.digest, each.id, period)
        document = statement(each, ref=each.id, period=period, usage=usage, days=None)
        if document is None:
            raise AssertionError(each.id)
        digest_of(document)
        records += usage.records
    if records != count:
        raise AssertionError(records)
    return time.perf_counter() - began


def _sum(path: Path) -> float:
    """Seconds of the floor, on a connection of its own."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        began = time.perf_counter()
        connection.execute(FLOOR, (micros(STARTS), micros(STARTS + MONTH))).fetchall()
        return time.perf_counter() - began


def _terms(number: int) -> Terms:
    """Metered terms with a price of their own."""
    made = read_terms(
        {
            "version": "1",
            "id": f"scores-{number:04d}",
            "model": "Metered",
            "currency": "CNY",
            "exponent": 2,
            "period": "P1M",
            "anchor": "2026-10-01T00:00:00+08:00",
            "timezone": "Asia/Shanghai",
            "rounding": {"fees": "half-up", "split": "largest-remainder", "ties": "party-id"},
            "payer": PAYER,
            "payee": PAYEE,
            "product": f"{PRODUCT}-{number}",
            "charges": [
                {
                    "id": "metered",
                    "scheme": "PerUnit",
                    "per": 3,
                    "rate": "80",
                    "meter": {
                        "metric": "rows",
                        "aggregation": "sum",
                        "evidence": "Countersigned",
                        "unit": "score",
                    },
                }
            ],
            "grace": "P2D",
            "statementDue": "P3D",
            "disputeWindow": "P14D",
            "paymentDue": "P30D",
            "tolerance": 0,
            "onSilence": "Dispute",
        }
    )
    if not isinstance(made, Terms):
        raise TypeError(number)
    return made


def _fill(tx: Tx, terms: list[Terms], numbers: range) -> None:
    """Records as they would come: in the order of time, their ids in none."""
    rows = []
    for number in numbers:
        moment = STARTS + timedelta(seconds=number % int(MONTH.total_seconds()))
        each = terms[number % len(terms)]
        identifier = hashlib.sha256(str(number).encode()).hexdigest()
        rows.append(
            {
                "id": identifier,
                "terms": each.digest,
                "ref": each.id,
                "occurred_us": micros(moment),
                "occurred": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "unit": "score",
                "accepted": number % 97 + 1,
                "rejected": number % 5 // 4,
                "evidence": "receipt",
                "source": identifier,
                # What the bytes are does not matter to whoever hashes them.
                "leaf": hashlib.sha256(identifier.encode()).digest(),
            }
        )
    tx.many("metering.add", rows)
