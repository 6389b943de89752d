"""Counters are exact, however many ask at once, also after a restart."""

import asyncio

from connector.store import counter
from connector.store.database import Database
from policies.counters import CounterWindow

AGREEMENT = "sha-256:" + "a" * 64


def window(limit, name="2026-11-10"):
    return CounterWindow(f"rule/Asia/Shanghai/{name}", name, limit)


async def test_eight_writers_are_granted_exactly_what_there_is(tmp_path):
    """8 writers with 2,000 attempts each against 1,000 grants: exactly 1,000, and the rest is refused."""
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    day = window(1000)

    async def writer():
        attempts = (database.transact(lambda tx: counter.reserve(tx, AGREEMENT, [day])) for _ in range(2000))
        return sum(result is None for result in await asyncio.gather(*attempts))

    granted = await asyncio.gather(*(writer() for _ in range(8)))
    assert sum(granted) == 1000
    await database.close()
    again = Database(tmp_path / "weft.db", synchronous="OFF")
    await again.open()
    assert await again.read(lambda tx: counter.used(tx, AGREEMENT, [day])) == {day.key: 1000}
    assert await again.transact(lambda tx: counter.reserve(tx, AGREEMENT, [day])) == day
    await again.close()


async def test_a_failing_transaction_gives_its_count_back(tmp_path):
    """What is reserved in a transaction that fails was never used."""
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    day = window(1)

    def fails(tx):
        assert counter.reserve(tx, AGREEMENT, [day]) is None
        raise ValueError("no delivery after all")

    results = await asyncio.gather(*(database.transact(fails) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    assert await database.transact(lambda tx: counter.reserve(tx, AGREEMENT, [day])) is None
    await database.close()


async def test_windows_count_apart_and_a_limit_of_nothing_grants_nothing(tmp_path):
    """Another day is another counter; `lteq 0` allows no delivery at all; one limit of two that is used up refuses."""
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()

    def work(tx):
        none = window(0)
        assert counter.reserve(tx, AGREEMENT, [none]) == none
        assert counter.reserve(tx, AGREEMENT, [window(1)]) is None
        assert counter.reserve(tx, AGREEMENT, [window(1, "2026-11-11")]) is None
        assert counter.reserve(tx, AGREEMENT, [window(5, "total"), window(1)]) == window(1)

    await database.transact(work)
    await database.close()
