import asyncio
import sqlite3

import pytest

from connector.errors import StoreError
from connector.store.database import Database


@pytest.fixture
async def db(tmp_path):
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    yield database
    await database.close()


def remember(name, value="1"):
    return lambda tx: tx.run("fact.set", name=name, value=value)


def recall(name):
    return lambda tx: (row := tx.one("fact.get", name=name)) and row["value"]


async def test_a_function_that_raises_rolls_back_alone(db):
    """Of a group of functions the failing one leaves nothing, the others are kept."""

    def half(tx):
        tx.run("fact.set", name="half", value="1")
        raise KeyError("half way")

    results = await asyncio.gather(
        *(db.transact(remember(f"n{index}")) for index in range(5)), db.transact(half), return_exceptions=True
    )
    assert [type(result) for result in results] == [int] * 5 + [KeyError]
    assert await db.read(recall("half")) is None
    assert await db.read(recall("n4")) == "1"


async def test_many_functions_share_one_commit(db):
    """Functions that wait together are committed together."""
    await asyncio.gather(*(db.transact(remember(f"n{index}")) for index in range(200)))
    assert db.functions == 200
    assert db.groups < 50


async def test_an_attempt_that_raises_is_undone_and_the_rest_kept(db):
    """What is done inside an attempt that fails disappears, what was done before stays."""

    def work(tx):
        tx.run("fact.set", name="before", value="1")
        with pytest.raises(ValueError, match="no"), tx.attempt():
            tx.run("fact.set", name="inside", value="1")
            raise ValueError("no")
        tx.run("fact.set", name="after", value="1")

    await db.transact(work)
    found = [await db.read(recall(name)) for name in ("before", "inside", "after")]
    assert found == ["1", None, "1"]


async def test_a_reader_sees_a_snapshot_beside_the_writer(db):
    """A read that began before a commit does not see it, and does not keep the writer waiting."""
    await db.transact(remember("x", "old"))
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(tx):
        first = recall("x")(tx)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return first, recall("x")(tx)

    reading = asyncio.create_task(db.read(slow))
    await begun.wait()
    await db.transact(remember("x", "new"))
    go_on.set()
    assert await reading == ("old", "old")
    assert await db.read(recall("x")) == "new"


async def test_subscribers_wake_after_the_commit_only(db):
    """A topic wakes its subscribers once the commit holds; a function that raised wakes nobody."""
    woken = []
    db.subscribe("topic", lambda: woken.append("topic"))

    def waking(tx):
        tx.wake("topic")
        remember("y")(tx)

    def failing(tx):
        tx.wake("topic")
        raise KeyError("x")

    with pytest.raises(KeyError):
        await db.transact(failing)
    assert woken == []
    await db.transact(waking)
    await asyncio.sleep(0)
    assert woken == ["topic"]


async def test_a_reader_cannot_write(db):
    """The readers' connection is read-only: a write in a read is an error, not a change."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read(remember("z"))


async def test_a_full_disk_is_an_answer_and_nothing_is_lost(tmp_path):
    """When the database may not grow, the commit fails with a reason, and what was acknowledged before is kept."""
    database = Database(tmp_path / "weft.db", synchronous="FULL", max_pages=240)
    await database.open()
    kept = 0
    try:
        with pytest.raises(StoreError) as caught:
            for index in range(1000):
                await database.transact(remember(f"n{index}", "x" * 4000))
                kept = index
        assert caught.value.code == "store-failed"
        assert "full" in caught.value.facts["cause"]
        assert await database.read(recall(f"n{kept}")) is not None
        assert await database.read(recall(f"n{kept + 1}")) is None
    finally:
        await database.close()


async def test_a_newer_database_is_refused(tmp_path):
    """A database that a newer program migrated is not opened, and the error says both versions."""
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    await database.close()
    connection = sqlite3.connect(tmp_path / "weft.db")
    connection.execute("INSERT INTO migration VALUES (9999)")
    connection.commit()
    connection.close()
    again = Database(tmp_path / "weft.db")
    with pytest.raises(StoreError) as caught:
        await again.open()
    assert caught.value.code == "database-newer"
    assert caught.value.facts["found"] == 9999
    await again.close()


async def test_what_is_no_database_is_refused(tmp_path):
    """A file that is something else is left as it is and refused with its path."""
    (tmp_path / "weft.db").write_text("not a database, but long enough to look like a file with some content in it" * 9)
    database = Database(tmp_path / "weft.db")
    with pytest.raises(StoreError) as caught:
        await database.open()
    assert caught.value.code == "database-unusable"
    assert str(tmp_path) in caught.value.facts["path"]
    await database.close()


async def test_migrations_are_numbered_without_gaps_and_applied_once(tmp_path):
    """Opening twice applies every migration once; their numbers have no gaps."""
    for _ in range(2):
        database = Database(tmp_path / "weft.db", synchronous="OFF")
        await database.open()
        await database.close()
    connection = sqlite3.connect(tmp_path / "weft.db")
    numbers = [row[0] for row in connection.execute("SELECT number FROM migration ORDER BY number")]
    connection.close()
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_store_that_is_only_read_refuses_to_write(db):
    """Beside the writer, or without one, a store opened to read answers questions and takes no work."""
    await db.transact(remember("x", "kept"))
    beside = Database(db.path)
    await beside.open_to_read()
    try:
        assert await beside.read(recall("x")) == "kept"
        with pytest.raises(StoreError, match="database-closed"):
            await beside.transact(remember("y"))
    finally:
        await beside.close()
