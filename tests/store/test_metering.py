"""Accounts as the store sums them: the same as from the records themselves, whatever came in which order."""

import hashlib
import random
from datetime import UTC, datetime, timedelta

import pytest

from connector.store import metering
from connector.store.database import Database
from connector.store.metering import Booked
from contracts.settlement.metering import Usage
from contracts.settlement.metering import metered as computed
from contracts.settlement.period import Period

OCTOBER = Period("2026-10", datetime(2026, 9, 30, 16, tzinfo=UTC), datetime(2026, 10, 31, 16, tzinfo=UTC))
TERMS, OTHER = "sha-256:" + "a" * 64, "sha-256:" + "b" * 64


def record(number, moment, ref="A1"):
    """A record whose id says nothing about its time; ids of ledgers and of receipts stand side by side."""
    name = hashlib.sha256(f"{ref}{number}".encode()).hexdigest()
    identifier = name if number % 2 else f"Meter-{name[:8].upper()}"
    return Usage(identifier, ref, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "record", number % 97, number % 3)


def booked(usage, terms=TERMS):
    moment = datetime.fromisoformat(usage.occurred_at)
    return Booked(terms, usage, moment, "receipt", "sha-256:" + "c" * 64)


@pytest.fixture
async def store(tmp_path):
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    yield database
    await database.close()


async def fill(store, *all_):
    def work(tx):
        return [metering.add(tx, each) for each in all_]

    return await store.transact(work)


async def october(store, ref="A1", terms=TERMS):
    return await store.read(lambda tx: metering.metered(tx, terms, ref, OCTOBER))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 301])
async def test_sums_and_root_are_those_of_the_records_of_the_period(store, count):
    """Records come in any order among others: of another month, another agreement, other terms."""
    inside = [record(number, OCTOBER.start + timedelta(hours=2 * number)) for number in range(count)]
    outside = [record(1000 + number, OCTOBER.end + timedelta(hours=number)) for number in range(5)]
    elsewhere = [record(number, OCTOBER.start, ref="A2") for number in range(5)]
    all_ = [booked(each) for each in (*inside, *outside, *elsewhere)]
    all_ += [booked(record(5000 + number, OCTOBER.start), terms=OTHER) for number in range(5)]
    random.Random(count).shuffle(all_)
    assert all(await fill(store, *all_))
    assert await october(store) == computed(inside)
    assert await october(store, ref="A2") == computed(elsewhere)


async def test_the_start_belongs_to_a_period_and_the_end_does_not(store):
    first, last = record(1, OCTOBER.start), record(2, OCTOBER.end - timedelta(seconds=1))
    await fill(store, booked(first), booked(last), booked(record(3, OCTOBER.end)))
    await fill(store, booked(record(4, OCTOBER.start - timedelta(seconds=1))))
    assert await october(store) == computed([first, last])


async def test_a_record_is_kept_once_for_ever(store):
    """A second one of the same id changes nothing, whatever it says, wherever it would be booked."""
    first = record(1, OCTOBER.start)
    other = Usage(first.id, "A2", first.occurred_at, "score", 10_000, 0)
    assert await fill(store, booked(first), booked(first), booked(other, terms=OTHER)) == [True, False, False]
    assert await october(store) == computed([first])
    assert (await october(store, ref="A2", terms=OTHER)).records == 0


async def test_records_are_paged_by_id(store):
    all_ = [record(number, OCTOBER.start + timedelta(hours=number)) for number in range(9)]
    await fill(store, *map(booked, all_))

    def pages(tx):
        found, after = [], ""
        while page := metering.records(tx, TERMS, "A1", OCTOBER, after=after, limit=4):
            found.append(page)
            after = page[-1].id
        return found

    found = await store.read(pages)
    assert [len(page) for page in found] == [4, 4, 1]
    assert [each for page in found for each in page] == sorted(all_, key=lambda each: each.id.encode())
