"""What catalogs say was derived from what: found by the input, in one generation at a time, without a scan."""

import sqlite3

import pytest

from catalog.entry import DERIVATIONS_MAX, own_entry
from catalog.model import Derivation
from connector.store import federation, queries
from connector.store.database import Tx
from connector.store.migrate import migrate
from tests.catalog.samples import STEEL, simple
from tests.federation.test_index import PEER, crawl, store

LICENCE = "sha-256:" + "a1" * 32


def derivation(dataset="ore", owner=STEEL, **members):
    return Derivation(dataset=dataset, owner=owner, iri=f"https://x.example/datasets/{dataset}", **members)


def made(name, *derivations):
    return own_entry(simple(name, owner=PEER, derivations=derivations))


def derived(tx, dataset="ore", owner=STEEL):
    return [(each.participant, each.dataset) for each in federation.derived(tx, owner, dataset, limit=10)]


def test_a_product_is_found_by_its_input():
    """By owner and id together: another owner's dataset of the same id is another dataset."""
    tx = store()
    crawl(tx, made("steel", derivation(agreement=LICENCE)), made("salt", derivation(owner=PEER)), made("plain"))
    assert derived(tx) == [(PEER, "steel")]
    assert derived(tx, owner=PEER) == [(PEER, "salt")]
    assert derived(tx, "plain") == []
    (found,) = federation.derived(tx, STEEL, "ore", limit=10)
    assert found.document["derivations"][0]["agreement"] == LICENCE


def test_the_next_generation_replaces_the_last():
    """What a catalog no longer says is no longer found; what it says anew is found only once the crawl is complete."""
    tx = store()
    crawl(tx, made("steel", derivation()))
    federation.write(tx, PEER, [made("steel", derivation("scrap"))])
    assert (derived(tx), derived(tx, "scrap")) == ([(PEER, "steel")], [])
    crawl(tx, made("steel", derivation("scrap")))
    assert (derived(tx), derived(tx, "scrap")) == ([], [(PEER, "steel")])
    crawl(tx)
    while federation.sweep(tx, PEER):
        pass
    assert tx.one("federation.derived", owner=STEEL, dataset="scrap", limit=1) is None
    assert _rows(tx) == 0


def test_a_member_that_left_says_nothing():
    tx = store()
    crawl(tx, made("steel", derivation()))
    federation.hide(tx, PEER)
    assert derived(tx) == []
    while federation.forget(tx, PEER):
        pass
    assert _rows(tx) == 0


def test_ours_counts_at_once_and_until_it_is_withdrawn():
    """A dataset of ours is in the index with the transaction that publishes it."""
    tx = store()
    federation.put_own(tx, made("steel", derivation()))
    federation.put_own(tx, made("steel", derivation()))
    assert derived(tx) == [(PEER, "steel")]
    federation.remove_own(tx, PEER, "steel")
    assert (derived(tx), _rows(tx)) == ([], 0)


def test_a_peer_cannot_make_the_index_large():
    """More derivations of one dataset are shown but not looked for."""
    tx = store()
    names = [f"ore-{number:04}" for number in range(DERIVATIONS_MAX + 50)]
    crawl(tx, made("steel", *map(derivation, names)))
    assert (derived(tx, names[0]), derived(tx, names[-1])) == ([(PEER, "steel")], [])
    assert _rows(tx) == DERIVATIONS_MAX


def test_who_has_a_dataset_of_this_id():
    """In the catalog of its owner only: a broker that shows it is not its provider."""
    tx = store()
    crawl(tx, made("steel"), own_entry(simple("brokered", owner=STEEL)))
    assert federation.providers(tx, "steel", limit=5) == [PEER]
    assert federation.providers(tx, "brokered", limit=5) == []


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        ("federation.derived", {"owner": "o", "dataset": "d", "limit": 1}, "sqlite_autoindex_entry_derivation_1"),
        ("federation.providers", {"dataset": "d", "limit": 1}, "entry_dataset"),
        ("lineage.licences", {"dataset": "d", "limit": 1}, "agreement_of_dataset"),
        ("lineage.last_delivery", {"agreement": "a"}, "delivery_agreement"),
        ("lineage.of_product", {"product": "p"}, "sqlite_autoindex_lineage_1"),
        ("lineage.sales", {"dataset": "d", "limit": 1}, "agreement_of_dataset"),
    ],
)
def test_nothing_is_scanned(statement, values, index):
    """Each question of lineage is a seek, however large the tables are."""
    connection = sqlite3.connect(":memory:")
    migrate(connection, ":memory:")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {queries.load()[statement]}", values)]
    assert any(index in step for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan


def _rows(tx: Tx) -> int:
    return tx._connection.execute("SELECT count(*) FROM entry_derivation").fetchone()[0]
