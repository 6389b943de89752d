"""Publishing, withdrawing, offers by id, and pages that every viewer gets right, at any depth and size."""

import json
import sqlite3
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.messages import dataset_root, service_text
from catalog.model import Offer
from catalog.query import Query
from connector.errors import RefusedError
from connector.store import catalog, federation, queries
from connector.store.database import Database, Tx
from connector.store.migrate import migrate
from tests.catalog.samples import DATASET, OEM, SERVICE, STEEL, TERMS, ZHENGSHU, document, schema_errors, simple
from tests.clocks import START

STRANGER = "did:web:stranger.example"


def store():
    """A migrated database in memory and a transaction on it: these functions need no event loop."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection, ":memory:")
    return Tx(connection, queries.load())


@pytest.fixture
def tx():
    return store()


def put(tx, dataset):
    return catalog.publish(tx, dataset, at=START)


def ids(page):
    return [shown.id for shown in page.datasets]


def walk(tx, viewer, limit):
    found, after = [], ""
    while True:
        page = catalog.page(tx, viewer, after=after, limit=limit)
        found += ids(page)
        after = page.after
        if not after:
            return found


# -- publishing ----------------------------------------------------------------------------------------------------------


def test_the_same_content_again_is_no_change(tx):
    """A repeat says so and keeps the change number; another content gets the next one."""
    assert put(tx, DATASET) == catalog.Published(1, changed=True)
    assert put(tx, DATASET) == catalog.Published(1, changed=False)
    assert put(tx, DATASET.model_copy(update={"rows": 241})) == catalog.Published(2, changed=True)
    assert catalog.last_change(tx) == 2
    assert catalog.dataset(tx, DATASET.id).dataset.rows == 241


def test_a_withdrawn_dataset_is_gone_for_everybody_but_us(tx):
    """Absent from pages, by id and search; kept with its reason; published again it is back."""
    put(tx, DATASET)
    assert catalog.withdraw(tx, DATASET.id, reason="replaced", at=START) == catalog.Published(2, changed=True)
    assert catalog.withdraw(tx, DATASET.id, reason="again", at=START) == catalog.Published(2, changed=False)
    assert ids(catalog.page(tx, OEM)) == []
    assert catalog.visible_dataset(tx, DATASET.id, OEM) is None
    assert federation.find(tx, Query(words="钢卷")) == ([], False)
    listed = catalog.dataset(tx, DATASET.id)
    assert (listed.state, listed.reason, listed.dataset) == ("withdrawn", "replaced", DATASET)
    assert catalog.offer(tx, DATASET.offers[0].id).state == "withdrawn"
    assert put(tx, DATASET).changed
    assert ids(catalog.page(tx, OEM)) == [DATASET.id]


def test_withdrawing_what_is_not_there(tx):
    """The refusal names the dataset."""
    with pytest.raises(RefusedError, match="nothing-here"):
        catalog.withdraw(tx, "nothing-here", reason="", at=START)


def test_a_changed_offer_needs_a_new_id(tx):
    """An id never gets other terms, nor another dataset; the old offer stays resolvable and names its successor."""
    put(tx, simple("lot-1"))
    old = catalog.offer(tx, "lot-1/offer-0")
    changed = Offer(id=old.id, document=document(old.id, prohibition=[{"action": "odrl:distribute"}]))
    with pytest.raises(RefusedError, match="offer-reused"):
        put(tx, simple("lot-1").model_copy(update={"offers": (changed,)}))
    with pytest.raises(RefusedError, match="offer-taken"):
        put(tx, simple("lot-2").model_copy(update={"offers": (Offer(id=old.id, document=old.document),)}))
    successor = Offer(id="new", document=document("new"), supersedes=old.id)
    put(tx, simple("lot-1").model_copy(update={"offers": (successor,)}))
    found = catalog.offer(tx, old.id)
    assert (found.state, found.superseded_by, found.classes) == ("superseded", "new", ())
    assert not found.shown_to(OEM)
    assert catalog.offer(tx, "new").shown_to(OEM)


def test_a_dataset_without_an_offer_is_not_published(tx):
    """Nobody could ask for it."""
    with pytest.raises(RefusedError, match="not-publishable"):
        put(tx, simple("x", offers=0))


def test_an_offer_by_id(tx):
    """With everything a negotiation needs to know."""
    put(tx, DATASET)
    offer = catalog.offer(tx, DATASET.offers[1].id)
    assert (offer.dataset, offer.document, offer.decision) == (DATASET.id, DATASET.offers[1].document, "automatic")
    assert (offer.state, offer.terms, offer.classes) == ("current", DATASET.offers[1].terms, ("*",))
    assert catalog.offer(tx, "offer 2").classes == (OEM, ZHENGSHU)
    assert catalog.offer(tx, "unknown") is None


def test_documents_and_sources(tx):
    """Found by digest, word for word; the facts of a file replace those before."""
    digest = catalog.put_document(tx, "terms", b'{"model":"Free"}')
    assert catalog.put_document(tx, "terms", b'{"model":"Free"}') == digest
    assert catalog.document(tx, digest) == catalog.Document(digest, "terms", b'{"model":"Free"}')
    assert catalog.known_documents(tx, [digest, TERMS]) == {digest}
    assert catalog.document(tx, TERMS) is None
    source = catalog.SourceFile("/data/a.csv", 10, 1, 2, "0" * 64, "gb18030", ",", ("炉号", "牌号"))
    catalog.put_source(tx, "x", catalog.SourceFile("/data/b.csv", 1, 1, 1, "1" * 64, "utf-8", ";", ()))
    catalog.put_source(tx, "x", source)
    assert catalog.source(tx, "x") == source
    assert catalog.source(tx, "y") is None


# -- what a viewer sees --------------------------------------------------------------------------------------------------


def test_the_texts_are_valid_dsp(tx):
    """What is joined from stored pieces is a dataset by the official schema, with this viewer's offers only."""
    put(tx, DATASET)
    body = json.loads(dataset_root(catalog.visible_dataset(tx, DATASET.id, STRANGER).parts(service_text(SERVICE))))
    assert schema_errors(body, "dataset") == []
    assert [offer["@id"] for offer in body["hasPolicy"]] == [DATASET.offers[1].id]
    assert len(catalog.visible_dataset(tx, DATASET.id, OEM).offers) == 2
    assert catalog.page(tx, OEM).datasets == (catalog.visible_dataset(tx, DATASET.id, OEM),)


participants = ("did:web:a.example", "did:web:b.example", "did:web:c.example")
audiences = st.just("all") | st.lists(st.sampled_from(participants), max_size=3).map(tuple)


@settings(max_examples=40, deadline=None)
@given(offers=st.lists(st.lists(audiences, min_size=1, max_size=3), max_size=8), limit=st.integers(1, 4))
def test_list_and_by_id_agree_for_random_audiences(offers, limit):
    """For every viewer: pages of any size, single datasets and offers show exactly what the record says."""
    tx = store()
    records = []
    for number, given_audiences in enumerate(offers):
        name = f"d{number}"
        made = tuple(
            Offer(id=f"{name}/{index}", document=document(f"{name}/{index}"), audience=audience)
            for index, audience in enumerate(given_audiences)
        )
        records.append(simple(name).model_copy(update={"offers": made}))
        put(tx, records[-1])
    for viewer in (*participants, STRANGER):
        expected = {record.id: [offer.id for offer in record.for_viewer(viewer).offers] for record in records}
        visible = sorted(name for name, shown in expected.items() if shown)
        assert walk(tx, viewer, limit) == visible
        for record in records:
            shown = catalog.visible_dataset(tx, record.id, viewer)
            assert (
                [json.loads(text)["@id"] for text in shown.offers if text] == expected[record.id]
                if shown
                else not expected[record.id]
            )
            assert all(
                catalog.offer(tx, offer.id).shown_to(viewer) == offer.shown_to(viewer) for offer in record.offers
            )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_pages_are_stable_while_datasets_come_and_go(data):
    """Whatever is added or withdrawn between two pages, what stays is seen exactly once (cases 04)."""
    tx = store()
    names = [f"lot-{number:03}" for number in range(0, 20, 2)]
    for name in names:
        put(tx, simple(name))
    staying, found, after = set(names), [], ""
    while True:
        page = catalog.page(tx, STRANGER, after=after, limit=3)
        found += ids(page)
        after = page.after
        if not after:
            break
        for name in data.draw(st.lists(st.sampled_from([f"lot-{number:03}" for number in range(20)]), max_size=3)):
            if name in staying:
                catalog.withdraw(tx, name, reason="", at=START)
                staying.discard(name)
            elif catalog.dataset(tx, name) is None:
                put(tx, simple(name))
    assert len(found) == len(set(found))
    assert staying <= set(found)


def plan(tx, statement, **values):
    rows = tx._connection.execute("EXPLAIN QUERY PLAN " + tx._statements[statement], values).fetchall()
    return [row["detail"] for row in rows]


def test_a_page_is_two_seeks(tx):
    """The plan reads the index of audiences from the key on, and never scans a table."""
    steps = plan(tx, "catalog.page", viewer=STRANGER, after="m", limit=51)
    seeks = [step for step in steps if "SEARCH offer_audience USING COVERING INDEX" in step and "dataset>?" in step]
    assert len(seeks) == 2
    assert [
        step for step in steps if step.startswith("SCAN") and step.split()[1] not in ("for_all", "for_viewer", "v")
    ] == []


def fill(tx, count):
    """Datasets straight into the tables: publishing a hundred thousand would take a minute."""
    head = '{"@id":"x","@type":"Dataset"' + " " * 800
    rows = [{"id": f"d{number:06}", "n": number + 1, "head": head} for number in range(count)]
    run = tx._connection.executemany
    tx._connection.execute("BEGIN")
    run("INSERT INTO dataset VALUES (:id, '', 'published', '', :n, 0, :head, '{}')", rows)
    run("INSERT INTO offer VALUES (:id || '/o', :id, '{}', '', '', 'person', '', 'current', '', '[]', '[]')", rows)
    run(
        "INSERT INTO offer_audience VALUES (CASE WHEN :n % 7 = 0 THEN 'did:web:rare' ELSE '*' END, :id, :id || '/o')",
        rows,
    )
    tx._connection.execute("COMMIT")


def page_us(tx, *, viewer, after):
    """Microseconds of the fastest of many pages: what the work costs without its neighbours."""
    best = float("inf")
    for _ in range(200):
        started = time.perf_counter()
        assert len(catalog.page(tx, viewer, after=after, limit=50).datasets) == 50
        best = min(best, time.perf_counter() - started)
    return best * 1_000_000


@pytest.mark.slow
def test_a_page_costs_the_same_among_a_hundred_thousand():
    """At most 1.2 times a page among a thousand, at the start and at depth, also where little is visible."""
    small, large = store(), store()
    fill(small, 1_000)
    fill(large, 100_000)
    for viewer, small_after, large_after in (
        (STRANGER, "d000100", "d000100"),
        (STRANGER, "d000500", "d090000"),
        ("did:web:rare", "d000500", "d090000"),
    ):
        few = min(page_us(small, viewer=viewer, after=small_after) for _ in range(3))
        many = min(page_us(large, viewer=viewer, after=large_after) for _ in range(3))
        assert many <= few * 1.2, (viewer, few, many)


async def test_readers_see_a_publication_whole(tmp_path):
    """Through the real database: published in one transaction, read on a snapshot, change number and search included."""
    db = Database(tmp_path / "weft.db", synchronous="OFF")
    await db.open()
    woken = []
    db.subscribe("catalog", lambda: woken.append(1))
    await db.transact(lambda tx: put(tx, DATASET))
    assert ids(await db.read(lambda tx: catalog.page(tx, OEM))) == [DATASET.id]
    assert woken == [1]
    found, more = await db.read(lambda tx: federation.find(tx, Query(words="coil 质量", owner=STEEL)))
    assert ([item.dataset for item in found], found[0].status, more) == ([DATASET.id], "own", False)
    await db.close()
