"""Search: exact for Chinese, English and part numbers, whatever people type; and one generation at a time."""

import sqlite3
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.entry import own_entry
from catalog.query import Query
from catalog.text import fold, terms
from connector.federation.index import Index, Replacement
from connector.store import federation, queries
from connector.store.database import Database, Tx
from connector.store.migrate import migrate
from tests.catalog.samples import DATASET, simple
from tests.clocks import START, SteppingClock

pytestmark = pytest.mark.slow

PEER = "did:web:peer.example"


def store():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection, ":memory:")
    return Tx(connection, queries.load())


def found(tx, **query):
    return {item.dataset for item in federation.find(tx, Query(limit=200, **query))[0]}


def crawl(tx, *entries):
    """A whole crawl in one go."""
    federation.add_member(tx, PEER)
    while federation.sweep(tx, PEER):
        pass
    changed = federation.write(tx, PEER, entries)
    seen = frozenset((item.owner, item.dataset) for item in entries)
    changed += federation.retire_unseen(tx, PEER, seen, after=("", ""))[0]
    federation.switch(tx, PEER, changed=changed > 0, digest="", entries=len(entries), fetched_us=1, next_us=2)
    return changed


def entry(name, **members):
    return own_entry(simple(name, owner=PEER, **members))


# -- search --------------------------------------------------------------------------------------------------------------

# Few characters, so that random texts really have parts in common; rare and compatibility ones among them.
alphabet = "电池模组碳排放量𠀀豈㎏ABab12-.\"'*()Ａ１éßÇ \n"
snippets = st.text(alphabet, min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(titles=st.lists(st.text(alphabet, min_size=1, max_size=14), min_size=1, max_size=8), query=snippets)
@example(titles=["碳排量与排放因子", "碳排放"], query="碳排放")
@example(titles=["三元电池", "A-1234"], query="池")
@example(titles=["part a-1234"], query="Ａ-１２")
def test_the_index_answers_as_a_naive_scan(titles, query):
    """Every term of the query is a part of the text, and nothing else decides."""
    tx = store()
    for number, title in enumerate(titles):
        federation.put_own(tx, entry(f"#{number}", title={"zh": title}, description={"zh": "-"}))
    expected = {
        f"#{number}"
        for number, title in enumerate(titles)
        if all(term in fold(f"#{number}\n{title}\n-") for term in terms(query))
    }
    assert found(tx, words=query) == expected


HOSTILE = [
    '"',
    "'",
    "*",
    "a*",
    "NOT",
    "AND OR",
    "title:x",
    "(",
    ")",
    '" OR 1=1 --',
    "^a",
    "-x",
    "a NEAR b",
    "\x00",
    "%",
    "_",
    "\ud800",
    "{}",
    "",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_never_raise(query):
    """What a person types is never syntax."""
    tx = store()
    federation.put_own(tx, entry("lot-1"))
    assert found(tx, words=query) <= {"lot-1"}
    assert found(tx, keyword=query, owner=query, price_kind=query) <= {"lot-1"}


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec=None), max_size=300))
def test_no_text_is_hostile(query):
    """Neither as a query nor as a title."""
    tx = store()
    federation.put_own(tx, entry("lot-1", title={"zh": query.encode(errors="ignore").decode() or "x"}))
    assert found(tx, words=query) <= {"lot-1"}


@pytest.mark.parametrize(
    ("query", "hit"),
    [
        ({"words": "钢卷"}, True),
        ({"words": "卷质"}, True),
        ({"words": "COIL"}, True),
        ({"words": "s235"}, True),
        ({"words": "rp02_mpa"}, True),
        ({"words": "691320281MA1DEM000K32020000000"}, True),
        ({"words": "coil 铝"}, False),
        ({"keyword": "Coil"}, True),
        ({"keyword": "coi"}, False),
        ({"price_kind": "Subscription"}, True),
        ({"price_kind": "Free"}, False),
        ({"grade": "一般3级", "scenario": "U0100", "owner": DATASET.owner}, True),
        ({"scenario": "U0200"}, False),
        ({"owner": PEER}, False),
        ({"own": False}, False),
    ],
)
def test_what_finds_our_dataset(query, hit):
    """By Chinese, English, parts, ids, columns, keyword, price kind, grade, scenario and owner."""
    tx = store()
    federation.put_own(tx, own_entry(DATASET))
    assert found(tx, **query) == ({DATASET.id} if hit else set())


def test_title_hits_come_first_and_the_limit_is_told():
    """Then the newest; `more` says that there was more."""
    tx = store()
    federation.put_own(tx, entry("in-text", title={"en": "x"}, description={"en": "coil"}, modified=START))
    federation.put_own(tx, entry("old", title={"en": "coil"}, modified=START - timedelta(days=1)))
    federation.put_own(tx, entry("new", title={"en": "coil"}, modified=START))
    hits, more = federation.find(tx, Query(words="coil", limit=2))
    assert ([item.dataset for item in hits], more) == (["new", "old"], True)
    assert not federation.find(tx, Query(words="coil", limit=3))[1]


def test_another_cutting_function_renews_the_index():
    """Entries are cut anew in batches, then the version is noted."""
    tx = store()
    for number in range(40):
        federation.put_own(tx, entry(f"lot-{number}", title={"zh": "电池"}))
    tx._connection.execute("DELETE FROM entry_words")
    tx._connection.execute("UPDATE entry SET folded = '', title_folded = ''")
    assert federation.needs_reindex(tx)
    after = 0
    while after is not None:
        after = federation.reindex(tx, after=after)
    assert not federation.needs_reindex(tx)
    assert len(found(tx, words="电池")) == 40


# -- generations ---------------------------------------------------------------------------------------------------------


def test_only_what_changed_is_written():
    """The same catalog again touches nothing; one change writes one entry; what is gone is gone."""
    tx = store()
    assert crawl(tx, entry("a"), entry("b")) == 2
    numbers = {row["number"] for row in tx._connection.execute("SELECT number FROM entry")}
    assert crawl(tx, entry("a"), entry("b")) == 0
    assert {row["number"] for row in tx._connection.execute("SELECT number FROM entry")} == numbers
    assert federation.member(tx, PEER).generation == 1
    assert crawl(tx, entry("a", rows=5)) == 2
    assert found(tx) == {"a"}


@settings(max_examples=60, deadline=None)
@given(
    old=st.sets(st.integers(0, 30), max_size=20),
    new=st.dictionaries(st.integers(0, 30), st.booleans(), max_size=20),
    killed_after=st.integers(0, 12),
)
def test_a_crawl_killed_at_any_point_leaves_the_old_or_the_new_catalog(old, new, killed_after):
    """Never a mixture; and the next crawl puts it right, leaving nothing behind."""
    tx = store()
    before = [entry(f"d{number:02}") for number in sorted(old)]
    after = [entry(f"d{number:02}", rows=7 if touched else None) for number, touched in sorted(new.items())]
    crawl(tx, *before)

    def steps():
        yield federation.sweep(tx, PEER)
        for start in range(0, len(after), 3):
            yield federation.write(tx, PEER, after[start : start + 3])
        seen = frozenset((item.owner, item.dataset) for item in after)
        yield federation.retire_unseen(tx, PEER, seen, after=("", ""))
        federation.switch(tx, PEER, changed=True, digest="", entries=len(after), fetched_us=3, next_us=4)
        yield True
        while federation.sweep(tx, PEER):
            yield True

    def shown():
        return {(item.dataset, item.document["rows"]) for item in federation.find(tx, Query(limit=200))[0]}

    whole = [
        {(item.dataset, 7 if "7" in str(item.document.split('"rows":')[1][:2]) else None) for item in side}
        for side in (before, after)
    ]
    for step, _ in enumerate(steps()):
        assert shown() in whole
        if step == killed_after:
            break
    crawl(tx, *after)
    assert shown() == whole[1]
    while federation.sweep(tx, PEER):
        pass
    left = tx._connection.execute("SELECT count(*) AS n FROM entry_words").fetchone()["n"]
    assert left == len(after)


def test_batches_bound_the_work_of_a_transaction():
    """By number and by characters; nothing is lost."""
    entries = [entry(f"d{number}", description={"zh": "长" * (number * 977 % 3000 + 1)}) for number in range(60)]
    pieces = list(federation.batches(entries))
    assert [item for piece in pieces for item in piece] == entries
    assert all(len(piece) <= federation.BATCH for piece in pieces)
    assert all(
        len(piece) == 1 or sum(len(item.text) for item in piece) <= federation.BATCH_CHARACTERS for piece in pieces
    )


# -- freshness -----------------------------------------------------------------------------------------------------------


async def test_freshness_is_shown(tmp_path):
    """Own, fresh, ageing, unreachable since, never: with the reason in a code."""
    clock = SteppingClock()
    db = Database(tmp_path / "weft.db", synchronous="OFF")
    await db.open()
    index = Index(db, clock, interval_s=300)
    await index.renew()

    async def state():
        return {known.participant: known.freshness for known in await index.known()}

    replacement = Replacement(db, PEER)
    await replacement.begin()
    assert (await state())[PEER].state == "never"
    us = round(START.timestamp() * 1_000_000)
    await db.transact(lambda tx: federation.write(tx, PEER, [entry("a")]))
    await db.transact(
        lambda tx: federation.switch(tx, PEER, changed=True, digest="", entries=1, fetched_us=us, next_us=us)
    )
    assert (await index.get(PEER, "a")).freshness.state == "fresh"
    clock.advance(400)
    hit = (await index.find(Query(words="a"))).hits[0]
    assert (hit.freshness.state, hit.freshness.as_of) == ("ageing", START)
    later = us + 400_000_000
    await db.transact(lambda tx: federation.failed(tx, PEER, reason="timeout", detail="", at_us=later, next_us=later))
    freshness = (await state())[PEER]
    assert (freshness.state, freshness.reason, freshness.since) == ("unreachable", "timeout", clock.now())
    assert (await index.find(Query(words="a"))).hits[0].freshness == freshness
    await db.transact(lambda tx: federation.put_own(tx, own_entry(DATASET)))
    assert (await index.get(DATASET.owner, DATASET.id)).freshness.state == "own"
    assert await index.get(PEER, "unknown") is None
    await db.close()
