"""Lineage in both directions, as each company of the story sees it, and what one sale of the product brings to whom."""

import asyncio

import pytest

from connector.dataplane.lineage import trace
from connector.errors import RefusedError
from connector.store import catalog
from tests.deliveries import (
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
from tests.offers import free_offer
from tests.pair import community, did

PURPOSE = "supply-chain-control"
SUPPLIERS = {
    "A1": ("p-steel", "A-D1"),
    "A2": ("p-stamp", "A-D2"),
    "A3": ("p-seat", "A-D3"),
    "A4": ("p-logistics", "A-D4"),
}


def documents():
    return {each: tuple(scenario_documents(each)) for each in ("terms", "transforms")}


async def traced(daemon, dataset, provider=None):
    return await daemon.node.db.read(lambda tx: trace(tx, daemon.node, dataset, provider))


async def concluded(provider, consumer, ref, product):
    """An agreement of the scenario, published before."""
    return await agree(provider, consumer, dataset=scenario_dataset(product), offer=scenario_offer(ref)["@id"])


async def supplied(supplier, zhengshu, ref, product):
    """A supplier's data, agreed and delivered once; returns the agreement and the delivery."""
    dataset = scenario_dataset(product)
    await offer_file(supplier, scenario_file(product), scenario_offer(ref), dataset=dataset, **documents())
    digest = await concluded(supplier, zhengshu, ref, product)
    ours, _ = await start(supplier, zhengshu, digest, PURPOSE)
    return digest, await fetched(zhengshu, ours.pid)


async def refusals(daemon):
    """What our own connector has refused so far: reason, input and agreement of each."""
    facts = [each["details"]["facts"] for each in await records(daemon, "policy.decision")]
    return [(each["reason"], each["input"], each["agreement"]) for each in facts]


async def test_the_story_of_the_risk_index(tmp_path):
    """Four inputs with their agreements and deliveries; one sale, four shares; every company finds its part of it.

    Before that A-R9 and A-R10: without a licence, and with an offer that lets the product be passed on, nothing is published.
    """
    names = ("s-zhengshu", "p-oem", *(name for name, _ in SUPPLIERS.values()))
    async with community(tmp_path, *names) as (zhengshu, oem, *suppliers):
        index, inputs = scenario_dataset("A-P1"), [scenario_dataset(product) for _, product in SUPPLIERS.values()]
        more = {"inputs": inputs, "missing_inputs": inputs[:1], "purpose": PURPOSE, "dataset": index, **documents()}
        offers = (scenario_offer("A5"), scenario_offer("A6"))
        with pytest.raises(RefusedError, match="derivation-refused"):
            await offer_file(zhengshu, scenario_file("A-P1"), *offers, **more)
        assert await refusals(zhengshu) == [("no-permission", each, "-") for each in inputs]
        supplies = await asyncio.gather(
            *(
                supplied(supplier, zhengshu, ref, product)
                for supplier, (ref, (_, product)) in zip(suppliers, SUPPLIERS.items(), strict=True)
            )
        )
        wanted = dict(zip(SUPPLIERS, supplies, strict=True))
        loose = scenario_offer("A5")
        del loose["prohibition"]
        with pytest.raises(RefusedError, match="derivation-refused"):
            await offer_file(zhengshu, scenario_file("A-P1"), loose, offers[1], **more)
        of_each = [("duty-unfulfilled", name, digest) for name, (digest, _) in zip(inputs, supplies, strict=True)]
        assert (await refusals(zhengshu))[4:] == of_each
        await offer_file(zhengshu, scenario_file("A-P1"), *offers, **more)
        sale = await concluded(zhengshu, oem, "A5", "A-P1")
        ours, _ = await start(zhengshu, oem, sale, PURPOSE)
        await fetched(oem, ours.pid)

        found = await traced(zhengshu, index)
        assert (found.ours, found.described.partial, found.described.missing) == (True, True, (inputs[0],))
        assert {(each.described.owner, each.described.dataset) for each in found.inputs} == {
            (did(name), scenario_dataset(product)) for name, product in SUPPLIERS.values()
        }
        for each in found.inputs:
            ref = next(r for r, (name, _) in SUPPLIERS.items() if did(name) == each.described.owner)
            digest, delivery = wanted[ref]
            assert (each.agreement, each.used.delivery, each.used.version) == (digest, delivery.id, delivery.version)
            assert each.used.missing == (ref == "A1")
        ((sold, shares),) = found.sales
        assert (sold.agreement.digest, sold.agreement.counterparty, sold.deliveries) == (sale, did("p-oem"), 1)
        assert sold.rows == len(scenario_file("A-P1").read_text().splitlines()) - 1
        assert [(each.bundle, each.ref) for each in shares] == [("RISK-2026", ref) for ref in SUPPLIERS]
        assert [(each.provider, each.dataset) for each in shares] == [
            (did(name), scenario_dataset(product)) for name, product in SUPPLIERS.values()
        ]

        # A supplier reads in the catalog of the product what was made of its data, and under which agreement of its own.
        steel, logistics = suppliers[0], suppliers[-1]
        await asyncio.gather(*(each.crawler.refresh(did("s-zhengshu")) for each in (steel, logistics, oem)))
        data = await traced(logistics, scenario_dataset("A-D4"))
        (made,) = data.derived
        assert (made.described.owner, made.described.dataset, made.described.partial) == (
            did("s-zhengshu"),
            index,
            True,
        )
        ((given, shares),) = data.sales
        assert (made.agreement, given.agreement.digest) == (wanted["A4"][0], wanted["A4"][0])
        assert (data.inputs, shares) == ((), ())

        # A purchaser sees the inputs by name, and nothing of deliveries that were not its own.
        await oem.crawler.refresh(did("p-steel"))
        bought = await traced(oem, index)
        assert (bought.ours, bought.described.owner, len(bought.inputs)) == (False, did("s-zhengshu"), 4)
        assert [each.used for each in bought.inputs] == [None] * 4
        titles = {each.described.owner: dict(each.described.title) for each in bought.inputs}
        assert (titles[did("p-steel")], titles[did("p-stamp")]) == ({"en": "Test", "zh": "测试"}, {})
        assert bought.described.missing == (inputs[0],)


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


def table(tmp_path, name):
    path = tmp_path / f"{name}.csv"
    path.write_text(f"n,of\n1,{name}\n")
    return path


async def chain(daemon, tmp_path, *names):
    """Datasets of one owner, each made from the one before."""
    before = ()
    for number, name in enumerate(names):
        offer = free_offer(f"urn:uuid:{daemon.node.participant[-9]}{number}")
        await offer_file(daemon, table(tmp_path, name), offer, dataset=name, inputs=before)
        before = (name,)


async def test_a_chain_is_followed_both_ways(pair, tmp_path):
    """From the last to the first and back, also in another member's catalog, and also what was withdrawn."""
    steel, zhengshu = pair
    await chain(steel, tmp_path, "ore", "coil", "part")
    await zhengshu.crawler.refresh(did("p-steel"))
    for daemon in pair:
        part, ore = await traced(daemon, "part"), await traced(daemon, "ore")
        (coil,) = part.inputs
        assert (coil.described.dataset, coil.inputs[0].described.dataset, coil.agreement) == ("coil", "ore", "")
        (coil,) = ore.derived
        assert (coil.described.dataset, coil.derived[0].described.dataset) == ("coil", "part")
    await steel.node.db.transact(lambda tx: catalog.withdraw(tx, "part", reason="x", at=steel.clock.now()))
    assert [each.described.dataset for each in (await traced(steel, "part")).inputs] == ["coil"]
    assert (await traced(steel, "coil")).derived == ()


async def test_a_circle_ends(pair, tmp_path):
    """Catalogs that name each other as their inputs are walked once."""
    steel, _ = pair
    await chain(steel, tmp_path, "one", "two")
    record = (await steel.node.db.read(lambda tx: catalog.dataset(tx, "two"))).dataset
    back = record.derivations[0].model_copy(update={"dataset": "two"})
    circle = (await steel.node.db.read(lambda tx: catalog.dataset(tx, "one"))).dataset
    circle = circle.model_copy(update={"derivations": (back,)})
    await steel.node.db.transact(lambda tx: catalog.publish(tx, circle, at=steel.clock.now()))
    found = await traced(steel, "two")
    (one,) = found.inputs
    assert (one.described.dataset, one.inputs[0].described.dataset, one.inputs[0].inputs) == ("one", "two", ())


async def test_whose_dataset_is_meant(pair, tmp_path):
    """Ours first; else the only one in the index; of several the provider must be named; an unknown one is said."""
    steel, zhengshu = pair
    for number, daemon in enumerate(pair):
        await offer_file(daemon, table(tmp_path, "x"), free_offer(f"urn:uuid:{number}"), dataset="same")
    await offer_file(steel, table(tmp_path, "y"), free_offer("urn:uuid:9"), dataset="only")
    await zhengshu.crawler.refresh(did("p-steel"))
    assert (await traced(zhengshu, "same")).described.owner == did("s-zhengshu")
    assert (await traced(zhengshu, "same", did("p-steel"))).described.owner == did("p-steel")
    assert (await traced(zhengshu, "only")).described.owner == did("p-steel")
    for dataset, provider in (("nothing", None), ("only", did("s-zhengshu"))):
        with pytest.raises(RefusedError, match="dataset-unknown"):
            await traced(zhengshu, dataset, provider)


async def test_several_providers_must_be_told_apart(tmp_path):
    async with community(tmp_path, "p-steel", "p-seat", "s-zhengshu") as (steel, seat, zhengshu):
        for number, daemon in enumerate((steel, seat)):
            await offer_file(daemon, table(tmp_path, "x"), free_offer(f"urn:uuid:{number}"), dataset="same")
        await zhengshu.crawler.refresh(None)
        with pytest.raises(RefusedError) as caught:
            await traced(zhengshu, "same")
        assert caught.value.code == "dataset-ambiguous"
        assert caught.value.facts["providers"] == f"{did('p-seat')}, {did('p-steel')}"
