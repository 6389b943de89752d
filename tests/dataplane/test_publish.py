"""Publishing: what is checked, what becomes public, what changes nothing, and what our own connector refuses."""

import pytest

from catalog.errors import NotPublishableError
from connector.dataplane.publication import Publication, read_publication
from connector.dataplane.publish import preview, publish, withdraw
from connector.dataplane.table import TableError
from connector.errors import RefusedError
from connector.store import catalog
from connector.store.delivery import State
from tests.deliveries import (
    NoShapes,
    agree,
    fetched,
    offer_file,
    records,
    scenario_dataset,
    scenario_documents,
    scenario_file,
    scenario_offer,
    start,
)
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import community

PURPOSE = "supply-chain-control"
SHAPES = NoShapes()


@pytest.fixture
async def steel(tmp_path):
    async with community(tmp_path, "p-steel") as (daemon,):
        yield daemon


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("coil_no,qty\nC001,5\n")
    return path


def publication(source, *offers, **more):
    given = {"path": source, "id": DATASET, "title": {"en": "Coils", "zh": "钢卷"}, "offers": offers or (free_offer(),)}
    return Publication(**given | more)


def product(name):
    """The publication of a product of the scenario, by its offers' names."""
    return {"terms": tuple(scenario_documents("terms")), "transforms": tuple(scenario_documents("transforms"))} | name


async def test_a_publication_is_one_record_with_its_facts(steel, source):
    """The record has columns, rows, digest and price; the file is known; the log says what was published."""
    done = await publish(steel.node, publication(source), rdf=SHAPES)
    assert done.changed
    assert [(column.name, column.type) for column in done.dataset.columns] == [
        ("coil_no", "string"),
        ("qty", "integer"),
    ]
    listed, kept = await steel.node.db.read(lambda tx: (catalog.dataset(tx, DATASET), catalog.source(tx, DATASET)))
    assert listed.dataset == done.dataset
    assert (kept.path, kept.sha256, kept.columns) == (str(source), done.dataset.sha256, ("coil_no", "qty"))
    (record,) = await records(steel, "catalog.published")
    assert record["refs"] == [f"dataset:sha-256:{done.dataset.sha256}"]
    assert record["details"]["offers"] == [OFFER]


async def test_the_same_again_changes_nothing_and_says_so(steel, source):
    """Also when the file was touched; new bytes are a new version of the same dataset."""
    await publish(steel.node, publication(source), rdf=SHAPES)
    source.touch()
    again = await publish(steel.node, publication(source), rdf=SHAPES)
    assert not again.changed
    assert len(await records(steel, "catalog.published")) == 1
    source.write_text("coil_no,qty\nC001,5\nC002,6\n")
    third = await publish(steel.node, publication(source), rdf=SHAPES)
    assert (third.changed, third.dataset.rows) == (True, 2)
    with pytest.raises(RefusedError, match="dataset-exists"):
        await publish(steel.node, publication(source, if_exists="refuse"), rdf=SHAPES)


async def test_a_preview_shows_everything_and_writes_nothing(steel, source):
    """What becomes public, to whom, and every problem at once; the path of the file is not in it."""
    shown = await preview(steel.node, publication(source, visible_to=("did:web:p-oem.example",)), rdf=SHAPES)
    assert (shown.publishable, shown.viewers) == (True, ("did:web:p-oem.example",))
    assert b"coil_no" in shown.body
    assert str(source).encode() not in shown.body
    assert await steel.node.db.read(lambda tx: catalog.dataset(tx, DATASET)) is None
    assert await records(steel, "catalog.published") == []


async def test_a_withdrawal_keeps_the_dataset_and_its_reason(steel, source):
    """Out of sight with a reason, recorded once; what is not there is said."""
    await publish(steel.node, publication(source), rdf=SHAPES)
    assert await withdraw(steel.node, DATASET, "recalled")
    assert not await withdraw(steel.node, DATASET, "recalled")
    listed = await steel.node.db.read(lambda tx: catalog.dataset(tx, DATASET))
    assert (listed.state, listed.reason) == ("withdrawn", "recalled")
    assert len(await records(steel, "catalog.withdrawn")) == 1
    with pytest.raises(RefusedError, match="dataset-unknown"):
        await withdraw(steel.node, "nothing", "x")


@pytest.mark.slow
async def test_the_real_shapes_accept_a_publication(steel, source):
    """The SHACL worker is asked for every publication."""
    assert (await publish(steel.node, publication(source))).changed


async def test_a_broken_table_is_refused_with_its_place(steel, source):
    """What is no table is not published."""
    source.write_text("coil_no,qty\nC001\n")
    with pytest.raises(TableError) as caught:
        await publish(steel.node, publication(source), rdf=SHAPES)
    assert caught.value.facts["line"] == 2


async def test_a_missing_file_is_refused(steel, tmp_path):
    with pytest.raises(RefusedError, match="source-missing"):
        await publish(steel.node, publication(tmp_path / "nothing.csv"), rdf=SHAPES)


def _problems(caught):
    return [problem.code for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda offer: offer["permission"][0]["constraint"][-1].update(rightOperand="coil_no,secret"),
            "columns-unknown",
        ),
        (
            lambda offer: offer["permission"][0]["constraint"][-1].update(rightOperand="inspector_name"),
            "columns-unknown",
        ),
        (
            lambda offer: offer["permission"][0]["duty"][0]["constraint"][0].update(rightOperand="sha-256:" + "0" * 64),
            "document-missing",
        ),
        (
            lambda offer: offer["permission"][0]["constraint"][0].update(leftOperand="odrl:mood"),
            "policy-not-publishable",
        ),
    ],
)
async def test_an_offer_must_be_one_that_the_gate_can_keep(steel, change, code):
    """Granted columns exist after the transform, documents are there, every rule can be decided."""
    offer = scenario_offer("A1")
    change(offer)
    with pytest.raises(NotPublishableError) as caught:
        await offer_file(steel, scenario_file("A-D1"), offer, **product({}))
    assert code in _problems(caught)


async def test_a_transform_must_be_for_this_file(steel):
    """Another header than the transform's input: refused, with both."""
    with pytest.raises(NotPublishableError) as caught:
        await offer_file(steel, scenario_file("A-D3"), scenario_offer("A1"), **product({}))
    assert "transform-input-differs" in _problems(caught)


async def test_offers_have_their_own_audience_and_decision(steel, source):
    """What is said for one offer holds for it alone."""
    other = free_offer("urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0002")
    rules = {other["@id"]: {"visible_to": ["did:web:p-oem.example"], "decide": "person"}}
    done = await publish(steel.node, publication(source, free_offer(), other, per_offer=rules), rdf=SHAPES)
    assert [(offer.audience, offer.decision) for offer in done.dataset.offers] == [
        ("all", "automatic"),
        (("did:web:p-oem.example",), "person"),
    ]


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"surprise": 1}, "surprise"),
        ({"title": {}}, "title"),
        ({"offers": []}, "offers"),
        ({"decide": "maybe"}, "decide"),
    ],
)
def test_a_publication_is_read_strictly(source, members, path):
    """An unknown or wrong member is refused with its path."""
    given = {"path": str(source), "id": "x", "title": {"en": "x"}, "offers": [free_offer()]} | members
    with pytest.raises(RefusedError) as caught:
        read_publication(given)
    assert (caught.value.code, caught.value.facts["path"]) == ("publication-invalid", path)


# -- what was received from others -------------------------------------------------------------------------------------


async def _received(provider, consumer, name, offer_name, path):
    """The file of a product of the scenario, delivered under its agreement."""
    offer, dataset = scenario_offer(offer_name), scenario_dataset(name)
    await offer_file(provider, path, offer, dataset=dataset, **product({}))
    agreement = await agree(provider, consumer, dataset=dataset, offer=offer["@id"])
    ours, _ = await start(provider, consumer, agreement, PURPOSE)
    delivery = await fetched(consumer, ours.pid)
    assert delivery.state is State.RECEIVED
    return delivery


async def test_received_content_is_not_offered_again(tmp_path):
    """A-R4: the received file, as it is or masked, is known by its content whatever its name; refused, recorded, not shown."""
    names = ("s-zhengshu", "p-seat", "p-logistics")
    async with community(tmp_path, *names) as (zhengshu, seat, logistics):
        plain = await _received(zhengshu, seat, "A-P1", "A6", scenario_file("A-P1"))
        masked = await _received(logistics, zhengshu, "A-D4", "A4", scenario_file("A-D4"))
        for daemon, delivery in ((seat, plain), (zhengshu, masked)):
            copied = tmp_path / f"copy-{daemon.node.participant.rpartition(':')[2]}.csv"
            copied.write_bytes((tmp_path / delivery.path).read_bytes())
            offered = publication(copied, free_offer("urn:uuid:7"), id="resold")
            shown = await preview(daemon.node, offered, rdf=SHAPES)
            assert [problem.code for problem in shown.problems] == ["distribution-prohibited"]
            with pytest.raises(RefusedError) as caught:
                await publish(daemon.node, offered, rdf=SHAPES)
            assert (caught.value.code, caught.value.facts["reason"]) == ("distribution-prohibited", "prohibited")
            (denied,) = [each for each in await records(daemon, "policy.decision") if each["decision"] == "deny"]
            assert (denied["reason"], denied["agreement"]) == ("prohibited", delivery.agreement)
            assert denied["details"]["decision"]["action"] == "odrl:distribute"
            assert await daemon.node.db.read(lambda tx: catalog.dataset(tx, "resold")) is None
