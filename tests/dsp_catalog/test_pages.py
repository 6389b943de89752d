"""Pages against an oracle that reads the records: every viewer, filter, size and direction; and what a page costs."""

import json
import sqlite3
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.cursor import Cursor
from catalog.filter import Condition, Filter, terms_of
from catalog.model import Offer
from connector.store import catalog, catalog_page, queries
from connector.store.catalog_page import page
from connector.store.database import Tx
from tests.catalog.samples import document, simple
from tests.clocks import START
from tests.store.test_catalog import store as migrated_store

A, B, STRANGER = "did:web:a.example", "did:web:b.example", "did:web:stranger.example"
IDS = ["a", "ab", "ab_", "abc", "b", "b-1", "b-2", "c", "\ud7ff", "\U0010ffff", "\U0010ffff1", "钢-1", "钢-2"]


@cache
def _empty():
    return migrated_store()._connection.serialize()


def store():
    """A migrated database in memory, copied from one that was made once."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.deserialize(_empty())
    return Tx(connection, queries.load())


def put(tx, record):
    return catalog.publish(tx, record, at=START)


def record(name, audiences=("all",), **members):
    offers = tuple(
        Offer(id=f"{name}/{index}", document=document(f"{name}/{index}"), audience=audience)
        for index, audience in enumerate(audiences)
    )
    return simple(name, **members).model_copy(update={"offers": offers})


def names(found):
    return [dataset.id for dataset in found.datasets]


def matches(item, condition):
    values = [item.id] if condition.operand == "id" else [v for n, v in terms_of(item) if n == condition.operand]
    return any(condition.holds(value) for value in values)


def expected(records, viewer, asked):
    found = [item.id for item in records if item.for_viewer(viewer).offers]
    by_id = {item.id: item for item in records}
    found = [name for name in found if all(matches(by_id[name], condition) for condition in asked.conditions)]
    return sorted(found)[asked.offset :]


audiences = st.just("all") | st.lists(st.sampled_from([A, B]), max_size=2).map(tuple)
records = st.lists(
    st.builds(
        record,
        st.sampled_from(IDS),
        st.lists(audiences, min_size=1, max_size=2).map(tuple),
        title=st.sampled_from([{"en": "Coil"}, {"en": "Coil", "zh": "钢卷"}, {"zh": "模具"}]),
        keywords=st.lists(st.sampled_from(["coil", "钢卷", "die"]), max_size=2).map(tuple),
        grade=st.sampled_from([None, "1", "2"]),
    ),
    max_size=10,
    unique_by=lambda item: item.id,
)
conditions = st.one_of(
    st.builds(Condition, st.just("id"), st.just("="), st.sampled_from([*IDS, "none"]).map(lambda name: (name,))),
    st.builds(
        Condition,
        st.just("id"),
        st.just("in"),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True).map(tuple),
    ),
    st.builds(
        Condition,
        st.just("id"),
        st.just("like"),
        st.sampled_from(["%", "a%", "ab%", "ab_", "b-_", "%-1", "钢%", "\ud7ff%", "\U0010ffff%", "%c", "x%", "a"]).map(
            lambda pattern: (pattern,)
        ),
    ),
    st.builds(Condition, st.just("keyword"), st.just("in"), st.just(("coil", "钢卷"))),
    st.builds(Condition, st.just("keyword"), st.just("="), st.just(("die",))),
    st.builds(Condition, st.just("title"), st.just("like"), st.sampled_from([("Co%",), ("%卷",)])),
    st.builds(Condition, st.just("grade"), st.just("="), st.just(("2",))),
)
filters = st.builds(
    Filter, st.lists(conditions, max_size=3).map(tuple), st.integers(0, 4), st.none() | st.integers(1, 4)
)


@settings(max_examples=40, deadline=None)
@given(given_records=records, asked=filters, size=st.integers(1, 4), viewer=st.sampled_from([A, B, STRANGER]))
def test_every_walk_shows_what_the_records_say(given_records, asked, size, viewer):
    """Forwards by `next`, then back by `previous`: each dataset that is visible and matches once, in order, with its offers."""
    tx = store()
    for item in given_records:
        put(tx, item)
    wanted = expected(given_records, viewer, asked)
    found, visited = [], []
    cursor = Cursor(asked)
    while cursor is not None:
        shown = page(tx, viewer, cursor, size=size)
        assert len(shown.datasets) <= (asked.limit or size)
        assert shown.next is None or len(shown.datasets) == (asked.limit or size)
        visited.append(shown)
        found += names(shown)
        cursor = shown.next
    assert found == wanted
    for dataset in (dataset for shown in visited for dataset in shown.datasets):
        item = next(each for each in given_records if each.id == dataset.id)
        assert [json.loads(text)["@id"] for text in dataset.offers] == [
            offer.id for offer in item.for_viewer(viewer).offers
        ]
    # From the last page back: all that stands before it, also what the offset passed over.
    everything = expected(given_records, viewer, replace(asked, offset=0))
    last = visited[-1]
    back, cursor = names(last), last.previous
    while cursor is not None:
        shown = page(tx, viewer, cursor, size=size)
        assert shown.datasets
        assert (shown.next is not None) == (names(shown)[-1] != everything[-1])
        back = names(shown) + back
        cursor = shown.previous
    assert back == everything
    first = page(tx, viewer, Cursor(replace(asked, offset=0)), size=size)
    assert first.previous is None


@settings(max_examples=25, deadline=None)
@given(given_records=records, asked=filters, viewer=st.sampled_from([A, STRANGER]), hidden=records)
def test_what_is_hidden_changes_nothing(given_records, asked, viewer, hidden):
    """Pages and places are the same, byte for byte, whether or not there are datasets that the viewer must not see."""
    plain, crowded = store(), store()
    known = {item.id for item in given_records}
    for item in given_records:
        put(plain, item)
        put(crowded, item)
    for item in hidden:
        if item.id not in known:
            offers = tuple(offer.model_copy(update={"audience": (B,)}) for offer in item.offers)
            put(crowded, item.model_copy(update={"offers": offers}))
    cursor = Cursor(asked)
    while cursor is not None:
        shown = page(plain, viewer, cursor, size=2)
        assert page(crowded, viewer, cursor, size=2) == shown
        cursor = shown.next


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_filtered_walk_is_stable_while_datasets_come_and_go(data):
    """Whatever is published, changed or withdrawn between two pages, what stays is seen exactly once, nothing twice."""
    tx = store()
    pool = [f"lot-{number:03}" for number in range(20)]
    for name in pool[::2]:
        put(tx, record(name, keywords=("coil",)))
    staying, found = set(pool[::2]), []
    backwards = data.draw(st.booleans())
    asked = Filter((Condition("keyword", "=", ("coil",)),))
    cursor = Cursor(asked, "before" if backwards else "after")
    while cursor is not None:
        shown = page(tx, STRANGER, cursor, size=3)
        found += names(shown)
        cursor = shown.previous if backwards else shown.next
        for name in data.draw(st.lists(st.sampled_from(pool), max_size=3)):
            if name in staying:
                if data.draw(st.booleans()):
                    catalog.withdraw(tx, name, reason="", at=START)
                else:
                    put(tx, record(name, keywords=("die",)))
                staying.discard(name)
            elif catalog.dataset(tx, name) is None:
                put(tx, record(name, keywords=("coil",)))
    assert len(found) == len(set(found))
    assert staying <= set(found)


def test_terms_follow_the_record():
    """A new version is found by its new words only; a withdrawn dataset by none; a narrower audience hides it."""
    tx = store()
    asked = {word: Cursor(Filter((Condition("keyword", "=", (word,)),))) for word in ("coil", "die")}

    def seen(word, viewer=A):
        return names(page(tx, viewer, asked[word], size=5))

    put(tx, record("x", keywords=("coil",)))
    assert (seen("coil"), seen("die")) == (["x"], [])
    put(tx, record("x", keywords=("die",)))
    assert (seen("coil"), seen("die"), seen("die", B)) == ([], ["x"], ["x"])
    put(tx, record("x", keywords=("die",), audiences=((A,),)))
    assert (seen("die"), seen("die", B)) == (["x"], [])
    catalog.withdraw(tx, "x", reason="", at=START)
    assert seen("die") == []


def test_the_terms_of_an_older_database_are_found_at_the_start():
    """Rows published before there were terms are filled in once, and not again."""
    tx = store()
    put(tx, record("x", keywords=("coil",)))
    put(tx, record("y", keywords=("coil",), audiences=((A,), (B,))))
    wanted = tx._connection.execute("SELECT * FROM dataset_term ORDER BY 1, 2, 3, 4").fetchall()
    tx._connection.execute("DELETE FROM dataset_term")
    # As a migrated older database is: a new one has nothing to go through.
    tx._connection.execute("DELETE FROM fact WHERE name = 'catalog_terms'")
    catalog.renew_terms(tx)
    assert tx._connection.execute("SELECT * FROM dataset_term ORDER BY 1, 2, 3, 4").fetchall() == wanted
    tx._connection.execute("DELETE FROM dataset_term")
    catalog.renew_terms(tx)
    assert tx._connection.execute("SELECT count(*) FROM dataset_term").fetchone()[0] == 0


def test_an_answer_judges_a_bounded_number(monkeypatch):
    """Where few of many match, pages are short and their links go on behind the last one judged; nothing is missed."""
    monkeypatch.setattr(catalog_page, "CANDIDATES_MAX", 10)
    tx = store()
    for number in range(60):
        put(tx, record(f"lot-{number:03}", grade="2" if number in (3, 37, 59) else "1"))
    asked = Filter((Condition("title", "like", ("%",)), Condition("id", "like", ("%7",))), offset=1)
    found, pages, cursor = [], 0, Cursor(asked)
    while cursor is not None:
        shown = page(tx, STRANGER, cursor, size=50)
        found += names(shown)
        pages += 1
        cursor = shown.next
    assert found == ["lot-017", "lot-027", "lot-037", "lot-047", "lot-057"]
    assert pages == 6


# -- cost ------------------------------------------------------------------------------------------------------------------

STATEMENTS = {
    "catalog.page": {"after": "m", "limit": 51},
    "catalog.visible_after": {"key": "m", "limit": 51},
    "catalog.visible_from": {"key": "m", "limit": 51},
    "catalog.visible_before": {"key": "m", "limit": 51},
    "catalog.visible_at": {"key": "m", "skip": 5},
    "catalog.term_after": {"name": "keyword", "value": "coil", "key": "m", "limit": 51},
    "catalog.term_before": {"name": "keyword", "value": "coil", "key": "m", "limit": 51},
    "catalog.term_values": {"name": "keyword", "dataset": "m"},
    "catalog.visible_dataset": {"id": "m"},
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_seeks(statement):
    """The plan reads indexes from a key of the viewer's class on: no table is scanned, and no other class is stepped over."""
    tx = store()
    rows = tx._connection.execute(
        "EXPLAIN QUERY PLAN " + tx._statements[statement], {"viewer": STRANGER, **STATEMENTS[statement]}
    )
    steps = [row["detail"] for row in rows]
    scans = [
        step for step in steps if step.startswith("SCAN") and step.split()[1] not in ("for_all", "for_viewer", "v")
    ]
    assert scans == []
    audience = [step for step in steps if "offer_audience" in step or step.startswith("SEARCH a ")]
    assert all("class=?" in step for step in audience)
    terms = [step for step in steps if "dataset_term" in step]
    assert all("class=?" in step and "name=?" in step for step in terms)
    assert audience or terms


def steps_of(tx, work):
    """How many instructions of its machine SQLite takes for some work: what it costs, without its neighbours."""
    count = 0

    def counted():
        nonlocal count
        count += 1

    tx._connection.set_progress_handler(counted, 1)
    try:
        result = work()
    finally:
        tx._connection.set_progress_handler(None, 1)
    assert count > 0
    return count, result


ASKED = {
    "everything": Cursor(),
    "from the middle": Cursor(key="lot-010"),
    "backwards": Cursor(direction="before", key="lot-010"),
    "behind an offset": Cursor(Filter((), 5)),
    "one id": Cursor(Filter((Condition("id", "=", ("lot-003",)),))),
    "beginning of an id": Cursor(Filter((Condition("id", "like", ("lot-01%",)),))),
    "end of an id": Cursor(Filter((Condition("id", "like", ("%1",)),))),
    "a keyword": Cursor(Filter((Condition("keyword", "=", ("coil",)),))),
    "a keyword and a title": Cursor(
        Filter((Condition("keyword", "in", ("coil", "die")), Condition("title", "like", ("lot%",))))
    ),
}


def crowded(foreign, rules):
    """Twenty datasets for everybody or for A, among `foreign` ones for others only, each with `rules` offers for others."""
    tx = store()
    tx._connection.execute("BEGIN")
    others = tuple(f"did:web:{number}.example" for number in range(rules))
    for number in range(20):
        mine = ("all",) if number % 2 else ((A,),)
        put(tx, record(f"lot-{number:03}", (*mine, *((other,) for other in others)), keywords=("coil",)))
    for number in range(foreign):
        # Between ours, before them, behind them.
        name = f"{('lot-010', 'aaa', 'zzz')[number % 3]}-{number}"
        put(tx, record(name, ((B,),), keywords=("coil",)))
    tx._connection.execute("COMMIT")
    return tx


@pytest.mark.slow
def test_cost_does_not_grow_with_what_the_asker_must_not_see():
    """The same page, in as many steps (but for the depth of an index), among ten and a thousand foreign offers and rules."""
    few, many = crowded(10, 10), crowded(1000, 1000)
    for name, cursor in ASKED.items():
        small, shown = steps_of(few, lambda cursor=cursor: page(few, A, cursor, size=10))
        large, again = steps_of(many, lambda cursor=cursor: page(many, A, cursor, size=10))
        assert shown == again, name
        assert large <= small * 1.05, (name, small, large)
    small, shown = steps_of(few, lambda: catalog.visible_dataset(few, "lot-002", A))
    large, again = steps_of(many, lambda: catalog.visible_dataset(many, "lot-002", A))
    assert shown == again
    assert large <= small * 1.05
    assert catalog.visible_dataset(many, "zzz-2", A) is None
