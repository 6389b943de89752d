"""The story of a process in the store: whom an identifier means, and what an older database is given when it is opened."""

import sqlite3
from contextlib import closing

from connector.store import story
from connector.store.audit import process_of
from connector.store.database import Database
from connector.store.migrate import statements


def insert(connection, seq, body):
    connection.execute(
        "INSERT INTO audit_entry VALUES (?, '2026-11-10T01:00:00.000000Z', 'negotiation.requested', 'p', '', '', '', ?, '')",
        (seq, '{"type": "negotiation.requested", "ts": "2026-11-10T01:00:00.000000Z", "peer": "p"}'),
    )
    connection.execute("INSERT INTO audit_detail VALUES (?, '00', ?)", (seq, body))


async def test_records_of_an_earlier_version_belong_to_their_process_too(tmp_path):
    path = tmp_path / "weft.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE migration (number BIGINT PRIMARY KEY NOT NULL)")
        for number, script in statements():
            if number < 13:
                connection.executescript(script)
                connection.execute("INSERT INTO migration VALUES (?)", (number,))
        insert(connection, 0, '{"pid":"urn:uuid:1"}')
        insert(connection, 1, '{"delivery":"d","transfer":"urn:uuid:2"}')
        insert(connection, 2, '{"dsp":"x"}')
        insert(connection, 3, '{"pid":"","type":"x"}')
        insert(connection, 4, '{"pid":"urn:uuid:1"}')
        connection.commit()
    database = Database(path, synchronous="OFF")
    await database.open()
    try:
        found = await database.read(lambda tx: story.records(tx, "urn:uuid:1", "p"))
        assert [each.seq for each in found.records] == [0, 4]
        found = await database.read(lambda tx: story.records(tx, "urn:uuid:2"))
        assert [each.seq for each in found.records] == [1]
    finally:
        await database.close()


async def test_a_long_story_keeps_its_beginning_and_its_end(tmp_path):
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    try:

        def fill(tx):
            for seq in range(300):
                body = '{"type":"x","ts":"t","peer":"p"}'
                tx.run(
                    "audit.append",
                    seq=seq,
                    ts="t",
                    type="x",
                    peer="p",
                    agreement="",
                    policy="",
                    decision="",
                    body=body,
                    leaf="",
                )
                tx.run("audit.append_process", seq=seq, process="urn:uuid:1")

        await database.transact(fill)
        found = await database.read(lambda tx: story.records(tx, "urn:uuid:1", "p"))
        seqs = [each.seq for each in found.records]
        assert seqs == [*range(story.FIRST), *range(300 - story.LAST, 300)]
        assert found.omitted == 300 - story.FIRST - story.LAST
    finally:
        await database.close()


async def test_nothing_typed_and_far_too_much_means_nobody(tmp_path):
    database = Database(tmp_path / "weft.db", synchronous="OFF")
    await database.open()
    try:
        for typed in ("", "x" * 5000, "urn:uuid:", "abc"):
            assert await database.read(lambda tx, typed=typed: story.find(tx, typed)) == []
    finally:
        await database.close()


def test_a_record_is_about_our_process_before_anybody_elses():
    assert process_of({"pid": "ours", "peerPid": "theirs"}) == "ours"
    assert process_of({"delivery": "d", "transfer": "ours"}) == "ours"
    assert process_of({"pid": "", "peerPid": "theirs"}) == "theirs"
    assert process_of({"dsp": "x", "pid": 7}) == ""
