"""Cases 1, 3 and 4 of the users of other connectors, through what exists here: protocol, native API, command line.

What needs the Management API in EDC's spelling (`/v3/assets`, `/v3/catalog/request`, a CatalogAsset) stands here as skipped.
"""

import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from catalog.model import Offer
from catalog.query import Query
from connector.store import catalog, federation
from tests.catalog.samples import document, simple
from tests.cli.conftest import quiet, weft  # noqa: F401  fixtures
from tests.dsp_catalog.asking import ask, publish_many, request
from tests.dspschema import validate
from tests.federation.stub import STUB, beside_a_stub
from tests.management.conftest import Caller
from tests.pair import community
from tests.shared import shared
from tests.speaker import Speaker

NO_MANAGEMENT_API = "needs the Management API in EDC's spelling, which is not built"


@pytest.fixture
async def http_session():
    async with aiohttp.ClientSession() as session:
        yield session


def case(name):
    """An input; its provider is our stub."""
    text = shared(f"cases/inputs/{name}").read_text(encoding="utf-8")
    return json.loads(text.replace("did:web:steel.example", STUB))


# -- case 1: catalog shapes ------------------------------------------------------------------------------------------------


async def test_case_1a_lists_stay_lists(tmp_path):
    """0, 1 and 2 datasets over the wire: valid, lists are lists, `dataset` absent at 0."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), Speaker(zhengshu, steel) as speaker:
        for count in range(3):
            await publish_many(steel, [f"coil-{number}" for number in range(count)])
            said = await ask(speaker, "/catalog/request", request())
            assert said.status == 200
            validate(said.body, "catalog/catalog-schema.json")
            assert ("dataset" in said.body) == (count > 0)
            assert len(said.body.get("dataset", [])) == count
            for dataset in said.body.get("dataset", []):
                assert isinstance(dataset["hasPolicy"], list)
                assert isinstance(dataset["distribution"], list)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("none", []),
        ("one_compacted", ["coil-17"]),
        ("one_expanded", ["coil-17"]),
        ("two_mixed", ["coil-17", "coil-18"]),
    ],
)
async def test_case_1b_four_bodies_from_a_stub(tmp_path, http_session, weft, name, found):  # noqa: F811
    """By the native API and by the command line: every dataset with its offers and formats, unknown constraint kept."""
    body = case("01-catalogs.json")[name]
    async with beside_a_stub(tmp_path, answer=lambda _: web.json_response(body)) as (daemon, _):
        await daemon.crawler.refresh(STUB)
        caller = Caller(daemon, http_session)
        status, live = await caller.ask("GET", f"/v1/catalogs/{STUB}")
        assert (status, live["unreadable"]) == (200, [])
        offers = {"coil-17": ["offer-1"], "coil-18": ["offer-2"]}
        wanted = {name: offers[name] for name in found}
        assert {item["id"]: item["offer_ids"] for item in live["items"]} == wanted
        status, listed = await caller.ask("GET", "/v1/find")
        assert {item["id"]: item["offer_ids"] for item in listed["items"]} == wanted
        shown = await weft("p-ours", "find", "--json")
        assert shown.code == 0, shown.err
        assert {item["id"]: item["offer_ids"] for item in shown.json["items"]} == wanted
        kept, _ = await daemon.node.db.read(lambda tx: federation.find(tx, Query()))
        assert {item.document["id"]: item.document["formats"] for item in kept} == {
            name: ["HttpData-PULL"] for name in found
        }
        if "coil-18" in found:
            (coil,) = (item.document for item in kept if item.document["id"] == "coil-18")
            (constraint,) = coil["offers"][0]["permission"][0]["constraint"]
            assert constraint["leftOperand"] == "https://vendor.example/ns/shift"


async def test_case_1c_a_catalog_inside_itself_is_walked_once(tmp_path):
    """The crawler finds `furnace-log` once and stops."""
    body = case("02-catalog-nested.json")["foreign_catalog"]
    async with beside_a_stub(tmp_path, answer=lambda _: web.json_response(body)) as (daemon, stub):
        (outcome,) = await daemon.crawler.refresh(STUB)
        assert outcome.datasets == 1
        assert {path for _, path in stub.asked} == {"/dsp/2025-1/catalog/request"}


@pytest.mark.skip(reason=f"case 1b through POST /v3/catalog/request: {NO_MANAGEMENT_API}")
def test_case_1b_through_the_management_api():
    """The four bodies through EDC's own interface."""


@pytest.mark.skip(reason=f"case 1c, our catalog with a CatalogAsset: {NO_MANAGEMENT_API}")
def test_case_1c_our_catalog_nests():
    """A CatalogAsset stands under `catalog` only."""


# -- case 3: an undeclared prefix ------------------------------------------------------------------------------------------

FREE = {"@id": "urn:free", "@type": "Offer", "permission": [{"action": "odrl:use"}]}


@pytest.mark.parametrize("name", ["dct:type", "cx-common:version"])
async def test_case_3_an_undeclared_prefix_is_refused_where_it_comes_in(tmp_path, http_session, name):
    """As a member of the publication and inside an offer: 400 naming it; the catalog is answered afterwards."""
    value = case("03-undeclared-prefix.json")["properties"][name]
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    good = {
        "path": str(Path(tmp_path / "a.csv").absolute()),
        "id": "prefix-trap",
        "title": {"en": "prefix trap"},
        "offers": [FREE],
    }
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), Speaker(zhengshu, steel) as speaker:
        caller = Caller(steel, http_session)
        for broken in ({**good, name: value}, {**good, "offers": [{**FREE, name: value}]}):
            status, said = await caller.ask("POST", "/v1/datasets", json=broken)
            assert status == 400, said
            assert name in json.dumps(said)
        assert (await ask(speaker, "/catalog/request", request())).ids == []
        assert (await caller.ask("POST", "/v1/datasets", json=good))[0] == 201
        said = await ask(speaker, "/catalog/request", request())
        assert (said.status, said.ids) == (200, ["prefix-trap"])
        validate(said.body, "catalog/catalog-schema.json")


@pytest.mark.slow
async def test_case_3_through_the_command_line(tmp_path, weft):  # noqa: F811
    """An offer with such a member: the command fails, names it, and publishes nothing."""
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "offer.json").write_text(json.dumps({**FREE, "cx-common:version": "3.0"}), encoding="utf-8")
    async with community(tmp_path, "p-steel"):
        words = ("--id", "prefix-trap", "--offer", str(tmp_path / "offer.json"), "--title-en", "t", "--title-zh", "题")
        done = await weft("p-steel", "publish", str(tmp_path / "a.csv"), *words)
        assert done.code != 0
        assert "cx-common:version" in done.err
        assert (await weft("p-steel", "datasets", "--json")).json["items"] == []


async def test_case_3_in_a_foreign_catalog(tmp_path):
    """Read the other way round: an undeclared prefix in one dataset of a peer spoils neither it nor its neighbours."""
    body = case("01-catalogs.json")["two_mixed"]
    body["dataset"][0] |= case("03-undeclared-prefix.json")["properties"]
    async with beside_a_stub(tmp_path, answer=lambda _: web.json_response(body)) as (daemon, _):
        (outcome,) = await daemon.crawler.refresh(STUB)
        assert (outcome.datasets, outcome.unreadable) == (2, 0)


@pytest.mark.skip(reason=f"case 3 through POST /v3/assets: {NO_MANAGEMENT_API}")
def test_case_3_through_the_management_api():
    """The asset of the input itself."""


# -- case 4: fifty-one -----------------------------------------------------------------------------------------------------

LOTS = [f"lot-{number:03}" for number in range(1, 121)]


def query(**members):
    return request(filter=[{"@type": "QuerySpec", "filterExpression": [], **members}])


@pytest.mark.slow
async def test_case_4_a_hundred_and_twenty(tmp_path):
    """All are seen once over the pages; limit and offset count datasets; ids are the same in two requests."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), Speaker(zhengshu, steel) as speaker:
        await publish_many(steel, LOTS)
        for _ in range(2):
            said = await ask(speaker, "/catalog/request", request())
            found = said.ids
            while "next" in said.links:
                said = await ask(speaker, said.links["next"], request())
                found += said.ids
            assert found == LOTS
        assert (await ask(speaker, "/catalog/request", query(offset=0, limit=50))).ids == LOTS[:50]
        assert (await ask(speaker, "/catalog/request", query(offset=100, limit=50))).ids == LOTS[100:]
        beyond = await ask(speaker, "/catalog/request", query(offset=500, limit=50))
        assert (beyond.status, beyond.ids) == (200, [])
        # The consumer's own way: the crawler of another connector.
        (outcome,) = await zhengshu.crawler.refresh(steel.node.participant)
        assert (outcome.result, outcome.datasets) == ("ok", 120)


async def test_case_4_limit_counts_datasets_not_offers(tmp_path):
    """Three offers on each: a limit of 2 is 2 datasets, each with all its offers."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), Speaker(zhengshu, steel) as speaker:

        def work(tx):
            for name in LOTS[:5]:
                offers = tuple(Offer(id=f"{name}/{n}", document=document(f"{name}/{n}")) for n in range(3))
                record = simple(name, owner=steel.node.participant).model_copy(update={"offers": offers})
                catalog.publish(tx, record, at=steel.clock.now())

        await steel.node.db.transact(work)
        said = await ask(speaker, "/catalog/request", query(limit=2))
        assert [len(dataset["hasPolicy"]) for dataset in said.body["dataset"]] == [3, 3]


async def test_case_4_between_two_pages(tmp_path):
    """`lot-000` comes and `lot-060` goes after page 1: nothing else is missed or doubled."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), Speaker(zhengshu, steel) as speaker:
        await publish_many(steel, LOTS)
        said = await ask(speaker, "/catalog/request", query(offset=0, limit=50))
        found = said.ids
        await publish_many(steel, ["lot-000"])
        await steel.node.db.transact(lambda tx: catalog.withdraw(tx, "lot-060", reason="x", at=steel.clock.now()))
        while "next" in said.links:
            said = await ask(speaker, said.links["next"], query(offset=0, limit=50))
            found += said.ids
        assert found == [name for name in LOTS if name != "lot-060"]
