"""The stored audit log: one tree whatever fails around it, gone with its transaction, proven and exported from what is stored."""

import asyncio
import io
import random
from datetime import timedelta

import pytest

from connector.errors import StoreError
from connector.store import audit, audit_tree
from connector.store.audit import AuditLog
from connector.store.database import Database
from contracts.errors import RecordError
from contracts.evidence.checkpoint import open_checkpoint
from contracts.evidence.merkle import leaf_hash, root, verify_consistency, verify_inclusion
from contracts.evidence.pack import verify_export
from contracts.evidence.record import origin_of
from policies.canonical import canonical, digest
from tests.evidence.samples import AUDIT, CONSUMER, PROVIDER, START, signing, verify

AGREEMENT = digest(b"agreement")


class BrokenError(Exception):
    """What a failing function of a test raises."""


class Salts:
    """Salts that differ and repeat from run to run."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.count.to_bytes(16, "big")


def make_log():
    return AuditLog(
        participant=PROVIDER,
        origin=origin_of(PROVIDER),
        public_key=bytes(AUDIT.verify_key),
        sign=signing(AUDIT),
        clock=lambda: START,
        salt=Salts(),
    )


@pytest.fixture
def log():
    return make_log()


@pytest.fixture
async def database(tmp_path, log):
    database = Database(tmp_path / "weft.db", synchronous="OFF", seal=log.seal)
    await database.open()
    yield database
    await database.close()


def append(log, count, **members):
    """A function of a transaction that appends `count` records."""
    return lambda tx: [
        log.append(tx, "test.happened", details={"number": number}, **members) for number in range(count)
    ]


async def leaves_of(database):
    records = await database.read(lambda tx: audit.after(tx, -1, 100_000))
    assert [kept.seq for kept in records] == list(range(len(records)))
    assert [kept.record["seq"] for kept in records] == list(range(len(records)))
    return [leaf_hash(canonical(kept.record)) for kept in records]


async def check(database, log):
    """The last checkpoint signs exactly the records there are, and the whole export holds."""
    leaves = await leaves_of(database)
    size, note = await database.read(audit.latest)
    assert size == len(leaves)
    if note is not None:
        assert open_checkpoint(note, key=log.key, verify=verify).root == root(leaves)
    blocks = [block async for block in audit.export(database, participant=PROVIDER, key=log.key)]
    report = verify_export(io.BytesIO(b"".join(blocks)), verify=verify, key=log.key.public)
    assert (report.faults, report.entries, report.size) == ((), size, size)
    return report


async def test_records_are_numbered_and_signed_once_per_group(database, log):
    assert await database.transact(append(log, 3)) == [0, 1, 2]
    assert await database.transact(append(log, 2)) == [3, 4]
    report = await check(database, log)
    assert (report.checkpoints, report.detailed) == (2, 5)


async def test_a_group_without_records_signs_nothing(database, log):
    await database.transact(lambda _tx: None)
    assert await database.read(audit.latest) == (0, None)
    assert (await check(database, log)).checkpoints == 0


async def test_a_record_goes_with_the_transaction_that_wrote_it(database, log):
    def fails(tx):
        log.append(tx, "test.lost", details={"who": "nobody"})
        raise BrokenError

    await database.transact(append(log, 1))
    with pytest.raises(BrokenError):
        await database.transact(fails)
    assert len(await leaves_of(database)) == 1
    assert await database.read(lambda tx: audit.search(tx, text="nobody")) == []
    assert await database.transact(append(log, 1)) == [1]
    await check(database, log)


async def test_random_groups_with_failing_functions_give_one_tree(database, log):
    """Functions that fail in the middle of a group take their own records along and nobody else's."""
    choice = random.Random(7)

    def work(count, fail):
        def run(tx):
            append(log, count)(tx)
            if fail:
                raise BrokenError

        return run

    expected = 0
    for _ in range(60):
        planned = [(choice.randrange(0, 9), choice.random() < 0.3) for _ in range(choice.randrange(1, 9))]
        running = [database.transact(work(count, fail)) for count, fail in planned]
        results = await asyncio.gather(*running, return_exceptions=True)
        assert [isinstance(result, BrokenError) for result in results] == [fail for _, fail in planned]
        expected += sum(count for count, fail in planned if not fail)
    assert len(await leaves_of(database)) == expected > 512
    assert database.groups < 120 < database.functions  # some groups held several functions
    await check(database, log)


async def test_a_failing_commit_leaves_the_log_as_it_was(tmp_path, log):
    """The disk fills up: the signed but uncommitted checkpoint is forgotten, and the log goes on from the stored one."""
    database = Database(tmp_path / "weft.db", synchronous="OFF", seal=log.seal, max_pages=240)
    await database.open()
    try:
        written = []

        async def fill():
            while len(written) < 20_000:
                written.extend(await database.transact(append(log, 20)))

        with pytest.raises(StoreError):
            await fill()
        assert len(await leaves_of(database)) == len(written) > 0
        await check(database, log)
    finally:
        await database.close()


async def test_a_seal_whose_commit_failed_is_not_remembered(tmp_path, log):
    failing = [False]

    def seal(tx):
        log.seal(tx)
        if failing[0]:
            raise BrokenError

    database = Database(tmp_path / "weft.db", synchronous="OFF", seal=seal)
    await database.open()
    try:
        await database.transact(append(log, 5))
        failing[0] = True
        with pytest.raises(StoreError):
            await database.transact(append(log, 4, reason="never happened"))
        failing[0] = False
        assert await database.transact(append(log, 4, reason="happened")) == [5, 6, 7, 8]
        await check(database, log)
    finally:
        await database.close()


async def test_another_replica_of_the_log_continues_the_same_tree(database, log):
    """Memory counts only while the stored checkpoint is the one it was made for."""
    other = make_log()
    for turn in range(6):
        writer = (log, other)[turn % 2]
        database._seal = writer.seal
        await database.transact(append(writer, 150))
    await check(database, log)


async def test_a_log_that_is_opened_again_goes_on_from_the_stored_tree(tmp_path):
    for _ in range(3):
        log = make_log()
        database = Database(tmp_path / "weft.db", synchronous="OFF", seal=log.seal)
        await database.open()
        await database.transact(append(log, 300))
        await check(database, log)
        await database.close()


async def test_whoever_waits_for_records_is_woken_by_the_commit_only(database, log):
    woken = []
    stop = database.subscribe("audit", lambda: woken.append(True))
    await database.transact(append(log, 2))

    def fails(tx):
        log.append(tx, "test.lost")
        raise BrokenError

    with pytest.raises(BrokenError):
        await database.transact(fails)
    assert woken == [True]
    stop()


# -- proofs --------------------------------------------------------------------------------------------------------------


async def test_every_record_is_proven_from_the_stored_nodes(database, log):
    """700 records fill two tiles and part of a third; the tree over them is never read from the records again."""
    for count in (1, 254, 1, 1, 300, 143):
        await database.transact(append(log, count))
    leaves = await leaves_of(database)
    size, note = await database.read(audit.latest)
    whole = open_checkpoint(note, key=log.key, verify=verify).root
    for seq in (0, 1, 254, 255, 256, 511, 512, 698, 699):
        proof = await database.read(lambda tx, seq=seq: audit_tree.prove_inclusion(tx, seq))
        assert (proof.index, proof.size, proof.leaf, proof.note) == (seq, size, leaves[seq], note)
        assert verify_inclusion(seq, size, leaves[seq], proof.hashes, whole)
    for old in (1, 2, 255, 256, 257, 512, 699, 700):
        proof = await database.read(lambda tx, old=old: audit_tree.prove_consistency(tx, old, 700))
        assert verify_consistency(old, 700, root(leaves[:old]), whole, proof)
    assert await database.read(lambda tx: audit_tree.prove_inclusion(tx, 700)) is None
    assert await database.read(lambda tx: audit_tree.prove_inclusion(tx, -1)) is None


async def test_the_stored_tree_of_every_size_is_the_tree_of_its_records(database, log):
    await database.transact(append(log, 600))
    leaves = await leaves_of(database)
    for size in (0, 1, 7, 255, 256, 257, 511, 512, 513, 600):
        stored = await database.read(lambda tx, size=size: audit_tree.frontier(tx, size))
        assert (stored.size, stored.root()) == (size, root(leaves[:size]))


async def test_a_tree_that_lacks_hashes_is_no_smaller_tree(database, log):
    await database.transact(append(log, 5))
    with pytest.raises(LookupError, match="lacks hashes"):
        await database.read(lambda tx: audit_tree.frontier(tx, 8))


# -- reading -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def story(database, log):
    """Ten records of different kinds, five seconds apart."""
    moments = iter(START + timedelta(seconds=5 * number) for number in range(10))
    log._clock = lambda: next(moments)

    def work(tx):
        log.append(tx, "negotiation.requested", peer=CONSUMER, details={"offer": "宝钢-1"})
        log.append(tx, "negotiation.agreed", peer=CONSUMER, agreement=AGREEMENT)
        log.append(tx, "policy.decision", peer=CONSUMER, agreement=AGREEMENT, policy=digest(b"p"), decision="allow")
        log.append(
            tx,
            "policy.decision",
            peer=CONSUMER,
            agreement=AGREEMENT,
            policy=digest(b"p"),
            decision="deny",
            reason="region",
        )
        log.append(tx, "transfer.started", peer=CONSUMER, agreement=AGREEMENT)
        log.append(tx, "transfer.completed", peer=CONSUMER, agreement=AGREEMENT)
        log.append(tx, "negotiation.requested", peer="did:web:other.example")
        log.append(tx, "admin.key-added", actor="operator-7", details={"label": '50%_off! "quoted"'})
        log.append(tx, "transferable.thing", peer="did:web:other.example", agreement=AGREEMENT)
        log.append(tx, "admin.key-removed", actor="operator-7", details={"label": "505 off"})

    await database.transact(work)
    return database


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"type_": "policy.decision"}, [3, 2]),
        ({"type_": "transfer"}, [5, 4]),
        ({"type_": "%"}, []),
        ({"agreement": AGREEMENT}, [8, 5, 4, 3, 2, 1]),
        ({"agreement": AGREEMENT, "peer": CONSUMER, "type_": "transfer.started"}, [4]),
        ({"peer": "did:web:other.example"}, [8, 6]),
        ({"policy": digest(b"p"), "decision": "deny"}, [3]),
        ({"text": "宝钢"}, [0]),
        ({"text": "OPERATOR-7"}, [9, 7]),
        ({"text": "50%_OFF!"}, [7]),
        ({"text": '"quoted"'}, [7]),
        ({"text": "nowhere"}, []),
        ({"since": "2026-11-10T01:00:40.000000Z"}, [9, 8]),
        ({"until": "2026-11-10T01:00:05.000000Z"}, [0]),
        ({"after": 7}, [9, 8]),
        ({"before": 2}, [1, 0]),
        ({"limit": 3}, [9, 8, 7]),
        ({"peer": CONSUMER, "before": 4, "limit": 2}, [3, 2]),
        ({"agreement": "unknown"}, []),
    ],
)
async def test_records_are_found_by_their_members_and_text(story, conditions, expected):
    found = await story.read(lambda tx: audit.search(tx, **conditions))
    assert [kept.seq for kept in found] == expected


@pytest.mark.parametrize(("walk", "index"), [("agreement", "audit_entry_agreement"), ("peer", "audit_entry_peer")])
async def test_a_search_by_agreement_or_peer_walks_its_index(story, walk, index):
    values = dict.fromkeys(("agreement", "peer", "type", "policy", "decision", "text", "since", "until"), "")
    values |= {"after": -1, "before": 9, "limit": 5}

    def plan(tx):
        statement = tx._statements[f"audit.search_{walk}"]
        return [row["detail"] for row in tx._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    steps = await story.read(plan)
    assert any(index in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


async def test_a_stream_of_records_goes_on_after_the_last_one_seen(story):
    first = await story.read(lambda tx: audit.after(tx, -1, 4))
    rest = await story.read(lambda tx: audit.after(tx, first[-1].seq, 100))
    assert [kept.seq for kept in first + rest] == list(range(10))
    assert (first[0].record["type"], first[0].details) == ("negotiation.requested", {"offer": "宝钢-1"})


async def test_one_record_is_shown_with_its_details(story):
    shown = await story.read(lambda tx: audit.show(tx, 3))
    assert (shown.record["reason"], shown.record["actor"], shown.details) == ("region", PROVIDER, {})
    assert await story.read(lambda tx: audit.show(tx, 10)) is None


async def test_erased_details_are_gone_and_the_log_still_holds(story, log):
    assert await story.transact(lambda tx: audit.erase(tx, 0))
    assert not await story.transact(lambda tx: audit.erase(tx, 0))
    assert (await story.read(lambda tx: audit.show(tx, 0))).details is None
    assert await story.read(lambda tx: audit.search(tx, text="宝钢")) == []
    report = await check(story, log)
    assert (report.detailed, report.erased) == (9, 1)


async def test_what_no_record_may_hold_is_refused_and_nothing_is_written(database, log):
    for bad in ({"refs": ["x"]}, {"reason": "x" * 65_536}, {"details": {"body": "x" * 1_048_576}}):
        with pytest.raises(RecordError):
            await database.transact(lambda tx, bad=bad: log.append(tx, "test.happened", **bad))
    assert await leaves_of(database) == []


async def test_an_export_is_of_the_checkpoint_at_its_start_while_the_log_grows(database, log):
    await database.transact(append(log, 1200))
    blocks = []
    async for block in audit.export(database, participant=PROVIDER, key=log.key):
        blocks.append(block)
        await database.transact(append(log, 10))
    report = verify_export(io.BytesIO(b"".join(blocks)), verify=verify, key=log.key.public)
    assert (report.ok, report.entries) == (True, 1200)
    assert len(blocks) == 4
