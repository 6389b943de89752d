"""Products made from others' data: a licence for every input, offers that hand down the strictest, and the lineage that is kept."""

import copy
import json
from datetime import datetime

import pytest

from catalog.messages import DERIVED_FROM
from connector.dataplane.derivation import derivations
from connector.dataplane.publication import Publication, read_publication
from connector.dataplane.publish import preview, publish
from connector.errors import RefusedError
from connector.store import agreement as agreements
from connector.store import catalog, lineage
from connector.store import delivery as deliveries
from connector.store.delivery import State
from tests.deliveries import (
    NoShapes,
    agree,
    fetched,
    offer_file,
    records,
    scenario_documents,
    scenario_file,
    scenario_offer,
    start,
)
from tests.offers import free_offer
from tests.pair import community, did

pytestmark = pytest.mark.slow

PURPOSE = "supply-chain-control"
LOGISTICS, ZHENGSHU = did("p-logistics"), did("s-zhengshu")
SHAPES = NoShapes()


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-logistics", "s-zhengshu") as daemons:
        yield daemons


def unpriced(name, identifier=None):
    """An offer of the scenario without its prices, which are for one dataset and one payer only."""
    offer = scenario_offer(name)
    offer["obligation"] = [duty for duty in offer["obligation"] if not duty["action"].endswith("#settle")]
    return offer | {"@id": identifier or offer["@id"]}


async def agreed(provider, consumer, offer, *, dataset="A-D4", product="A-D4"):
    """The digest of an agreement about a dataset of the scenario under this offer."""
    transforms = tuple(scenario_documents("transforms"))
    await offer_file(provider, scenario_file(product), offer, dataset=dataset, transforms=transforms)
    return await agree(provider, consumer, dataset=dataset, offer=offer["@id"])


async def received(provider, consumer, agreement):
    ours, _ = await start(provider, consumer, agreement, PURPOSE)
    delivery = await fetched(consumer, ours.pid)
    assert delivery.state is State.RECEIVED
    return delivery


async def licensed(provider, consumer, name="A4", **members):
    """An agreement of the scenario with one delivery under it."""
    digest = await agreed(provider, consumer, unpriced(name), **members)
    return digest, await received(provider, consumer, digest)


def product(*inputs, offers=(), **members):
    """A-P1, made of these inputs."""
    given = {
        "path": scenario_file("A-P1"),
        "id": "A-P1",
        "title": {"en": "Risk index", "zh": "风险指数"},
        "offers": offers or (unpriced("A5"),),
        "inputs": inputs,
        "purpose": PURPOSE,
        "transforms": tuple(scenario_documents("transforms")),
    }
    return Publication(**given | members)


async def refused(daemon, publication):
    """Code and facts of the refusal, which a preview shows, too, and the log records with the same words."""
    shown = await preview(daemon.node, publication, rdf=SHAPES)
    with pytest.raises(RefusedError) as caught:
        await publish(daemon.node, publication, rdf=SHAPES)
    code, facts = caught.value.code, dict(caught.value.facts)
    assert (code, facts) in [(problem.code, dict(problem.facts)) for problem in shown.problems]
    logged = (await records(daemon, "policy.decision"))[-1]
    assert (logged["decision"], logged["details"]["code"], logged["details"]["facts"]) == ("deny", code, facts)
    return code, facts


async def test_a_product_needs_a_licence_for_every_input_and_offers_that_hand_it_down(pair):
    """A-R9: no agreement about an input; A-R10: an offer that may be distributed; with both right it is published."""
    logistics, zhengshu = pair
    missing = {"input": "A-D4", "agreement": "-", "rule": "odrl:derive", "reason": "no-permission"}
    assert await refused(zhengshu, product("A-D4")) == ("derivation-refused", missing)
    digest, _ = await licensed(logistics, zhengshu)
    loose = copy.deepcopy(unpriced("A5"))
    del loose["prohibition"]
    code, facts = await refused(zhengshu, product("A-D4", offers=(loose,)))
    assert (code, facts["agreement"]) == ("derivation-refused", digest)
    assert (facts["reason"], facts["rule"]) == ("duty-unfulfilled", "odrl:distribute")
    assert (await publish(zhengshu.node, product("A-D4"), rdf=SHAPES)).changed


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda _, constraints: constraints.pop(0), "odrl:purpose"),
        (lambda _, constraints: constraints.pop(2), "odrl:spatial"),
        (lambda _, constraints: constraints.pop(3), "odrl:dateTime"),
        (lambda offer, _: offer["obligation"].pop(1), "odrl:delete"),
    ],
)
async def test_the_rule_that_is_not_handed_down_is_named(pair, change, rule):
    """Purpose, region, end and deletion: each is missed by its name."""
    digest, _ = await licensed(*pair)
    offer = unpriced("A5")
    change(offer, offer["permission"][0]["constraint"])
    _, facts = await refused(pair[1], product("A-D4", offers=(offer,)))
    assert facts == {"input": "A-D4", "agreement": digest, "rule": rule, "reason": "duty-unfulfilled"}


async def test_a_licence_for_another_purpose_is_none(pair):
    """What the derivation is for must be what the agreement allows it for."""
    await licensed(*pair)
    _, facts = await refused(pair[1], product("A-D4", purpose="model-training"))
    assert (facts["rule"], facts["reason"]) == ("odrl:purpose", "constraint-not-satisfied")


async def test_an_expired_licence_is_none(tmp_path):
    """After the end date of the agreement nothing new may be made of what was received under it."""
    names = ("p-logistics", "s-zhengshu")
    async with community(
        tmp_path, *names, test_clock_start=datetime.fromisoformat("2026-12-31T23:59:00+08:00")
    ) as pair:
        await licensed(*pair)
        zhengshu = pair[1]
        zhengshu.node.clock = Later(zhengshu.node.clock)
        _, facts = await refused(zhengshu, product("A-D4"))
        assert (facts["rule"], facts["reason"]) == ("odrl:dateTime", "outside-validity")


class Later:
    """The clock of a daemon, an hour on."""

    def __init__(self, clock):
        self._clock = clock

    def __getattr__(self, name):
        return getattr(self._clock, name)

    def now(self):
        return datetime.fromtimestamp(self._clock.now().timestamp() + 3600, self._clock.now().tzinfo)


async def test_the_agreement_can_be_named(pair):
    """It must be one of ours under which we receive, and about this dataset."""
    logistics, zhengshu = pair
    digest, _ = await licensed(logistics, zhengshu)
    other = await agreed(logistics, zhengshu, free_offer("urn:uuid:8"), dataset="other", product="A-D6")
    for named, reason in ((other, "other-dataset"), ("sha-256:" + "0" * 64, "agreement-unknown")):
        _, facts = await refused(zhengshu, product({"dataset": "A-D4", "agreement": named}))
        assert (facts["agreement"], facts["reason"]) == (named, reason)
    _, facts = await refused(logistics, product({"dataset": "A-D4", "agreement": digest}))
    assert facts["reason"] == "agreement-unknown"  # there we provide
    done = await publish(zhengshu.node, product({"dataset": "A-D4", "agreement": digest}), rdf=SHAPES)
    assert [each.agreement for each in done.dataset.derivations] == [digest]


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ([{"dataset": ""}], "inputs.0.dataset"),
        ([{"dataset": "A-D4", "agreement": "A4"}], "inputs.0.agreement"),
        ([{"agreement": "sha-256:" + "0" * 64}], "inputs.0.dataset"),
        ([7], "inputs.0"),
    ],
)
def test_inputs_are_read_strictly(inputs, path):
    """A misspelt input is refused with its path."""
    given = {"path": "/x.csv", "id": "x", "title": {"en": "x"}, "offers": [free_offer()], "inputs": inputs}
    with pytest.raises(RefusedError) as caught:
        read_publication(given)
    assert (caught.value.code, caught.value.facts["path"]) == ("publication-invalid", path)


async def test_a_product_is_not_made_of_itself(pair):
    """Neither directly nor through a product of its own that was made from it."""
    zhengshu = pair[1]
    assert (await refused(zhengshu, product("A-P1")))[0] == "input-is-self"
    await publish(zhengshu.node, product(id="base", offers=(unpriced("A6", "urn:uuid:6"),)), rdf=SHAPES)
    await publish(zhengshu.node, product("base"), rdf=SHAPES)
    code, facts = await refused(zhengshu, product("A-P1", id="base", offers=(unpriced("A6", "urn:uuid:6"),)))
    assert (code, facts["input"]) == ("input-is-self", "base")


async def test_a_product_in_two_steps_keeps_what_its_inputs_demand(pair):
    """A product of ours brings along the agreements of its inputs: what they prohibit cannot be shed on the way."""
    logistics, zhengshu = pair
    digest, _ = await licensed(logistics, zhengshu)
    await publish(zhengshu.node, product("A-D4", id="step", offers=(unpriced("A6", "urn:uuid:6"),)), rdf=SHAPES)
    loose = copy.deepcopy(unpriced("A5"))
    del loose["prohibition"]
    code, facts = await refused(zhengshu, product("step", offers=(loose,)))
    assert (code, facts["input"], facts["agreement"]) == ("derivation-refused", "A-D4", digest)
    done = await publish(zhengshu.node, product("step"), rdf=SHAPES)
    (derivation,) = done.dataset.derivations
    assert (derivation.dataset, derivation.owner, derivation.agreement) == ("step", ZHENGSHU, None)


async def test_an_id_of_two_owners_must_be_told_apart(tmp_path):
    """Whose dataset a product was made from is said by the agreement where the id does not say it."""
    async with community(tmp_path, "p-logistics", "p-seat", "s-zhengshu") as (logistics, seat, zhengshu):
        await licensed(logistics, zhengshu, dataset="shared-id")
        digest, _ = await licensed(seat, zhengshu, "A3", dataset="shared-id", product="A-D3")
        assert (await refused(zhengshu, product("shared-id")))[0] == "input-ambiguous"
        named = {"dataset": "shared-id", "agreement": digest}
        done = await publish(zhengshu.node, product(named), rdf=SHAPES)
        assert [each.owner for each in done.dataset.derivations] == [did("p-seat")]


async def test_nothing_is_made_of_what_never_came(pair):
    """Without a delivery there is no input, unless the publication says that it is missing."""
    logistics, zhengshu = pair
    offer = unpriced("A4")
    offer["permission"][1]["duty"].pop(0)  # nothing to desensitize: the licence itself is fine
    digest = await agreed(logistics, zhengshu, offer)
    code, facts = await refused(zhengshu, product("A-D4"))
    assert (code, facts["agreement"], facts["reason"]) == ("input-not-received", digest, "input-not-received")
    done = await publish(zhengshu.node, product("A-D4", missing_inputs=("A-D4",)), rdf=SHAPES)
    assert (done.dataset.partial, done.dataset.missing_inputs) == (True, ("A-D4",))
    (used,) = await zhengshu.node.db.read(lambda tx: lineage.of_product(tx, "A-P1"))
    assert (used.delivery, used.version, used.missing) == ("", "", True)


async def test_the_last_verified_delivery_is_the_input_of_the_day(pair):
    """Each version keeps which delivery of each input was used, with version and manifest; a missing day uses the one before."""
    logistics, zhengshu = pair
    digest, first = await licensed(logistics, zhengshu)
    await publish(zhengshu.node, product("A-D4"), rdf=SHAPES)

    def kept(tx):
        return lineage.of_product(tx, "A-P1")

    (used,) = await zhengshu.node.db.read(kept)
    assert (used.owner, used.input, used.agreement) == (LOGISTICS, "A-D4", digest)
    assert (used.delivery, used.version, used.missing) == (first.id, first.version, False)
    theirs = await logistics.node.db.read(lambda tx: catalog.dataset(tx, "A-D4"))
    assert used.version == f"sha-256:{theirs.dataset.sha256}"
    second = await received(logistics, zhengshu, digest)
    again = await publish(zhengshu.node, product("A-D4", version="2"), rdf=SHAPES)
    assert (again.changed, (await zhengshu.node.db.read(kept))[0].delivery) == (True, second.id)
    partial = await publish(zhengshu.node, product("A-D4", version="3", missing_inputs=("A-D4",)), rdf=SHAPES)
    (older,) = await zhengshu.node.db.read(kept)
    assert (partial.dataset.partial, older.delivery, older.missing) == (True, second.id, True)
    await publish(zhengshu.node, product(version="4"), rdf=SHAPES)
    assert await zhengshu.node.db.read(kept) == []


async def test_the_same_product_again_writes_nothing(pair):
    """Lineage belongs to a version, and what is published again is none."""
    await licensed(*pair)
    zhengshu = pair[1]
    await publish(zhengshu.node, product("A-D4", "A-D4"), rdf=SHAPES)
    assert not (await publish(zhengshu.node, product("A-D4"), rdf=SHAPES)).changed
    rows = await zhengshu.node.db.read(lambda tx: tx.all("lineage.of_product", product="A-P1"))
    assert len(rows) == 1


async def test_a_failed_publication_leaves_no_lineage(pair):
    """Record and lineage are one transaction: an offer that belongs to another dataset undoes both."""
    await licensed(*pair)
    zhengshu = pair[1]
    offer = unpriced("A5")
    await publish(zhengshu.node, product(id="earlier", offers=(offer,)), rdf=SHAPES)
    with pytest.raises(RefusedError, match="offer-taken"):
        await publish(zhengshu.node, product("A-D4", offers=(offer,)), rdf=SHAPES)
    assert await zhengshu.node.db.read(lambda tx: tx.all("lineage.of_product", product="A-P1")) == []


async def test_catalog_and_log_say_what_a_product_was_made_from(pair):
    """The DSP body has `prov:wasDerivedFrom` for RDF tools and plain facts; the log has the deliveries, the catalog has not."""
    logistics, zhengshu = pair
    digest, delivery = await licensed(logistics, zhengshu)
    shown = await preview(zhengshu.node, product("A-D4"), rdf=SHAPES)
    body = json.loads(shown.body)
    iri = f"{logistics.node.base.removesuffix('/dsp/2025-1')}/datasets/A-D4"
    assert body[DERIVED_FROM] == [{"@id": iri}]
    assert delivery.id.encode() not in shown.body
    done = await publish(zhengshu.node, product("A-D4"), rdf=SHAPES)
    (said,) = done.dataset.derivations
    assert (said.iri, said.owner, said.agreement) == (iri, LOGISTICS, digest)
    (record,) = [each for each in await records(zhengshu, "catalog.published") if each["details"]["dataset"] == "A-P1"]
    assert f"licence:{digest}" in record["refs"]
    (used,) = record["details"]["inputs"]
    assert (used["dataset"], used["owner"], used["delivery"]) == ("A-D4", LOGISTICS, delivery.id)
    assert (used["agreement"], used["version"], used["missing"]) == (digest, delivery.version, False)


@pytest.mark.slow
async def test_the_real_shapes_accept_a_product(pair):
    """What RDF says of the inputs breaks no rule of DCAT."""
    await licensed(*pair)
    assert (await publish(pair[1].node, product("A-D4"))).changed


async def test_a_purchaser_may_neither_copy_nor_derive(tmp_path):
    """A-R4: the file itself is known by its content, a rewritten one by what its owner says; both are on record with remedies."""
    async with community(tmp_path, "s-zhengshu", "p-seat") as (zhengshu, seat):
        digest, delivery = await licensed(zhengshu, seat, "A6", dataset="A-P1", product="A-P1")
        received_file = tmp_path / delivery.path
        rewritten = tmp_path / "rewritten.csv"
        rewritten.write_bytes(received_file.read_bytes().replace(b"\n", b"\r\n"))
        plain = {"id": "resold", "offers": (free_offer("urn:uuid:7"),)}
        code, facts = await refused(seat, product(path=received_file, **plain))
        assert (code, facts["agreement"], facts["reason"]) == ("distribution-prohibited", digest, "prohibited")
        code, facts = await refused(seat, product("A-P1", path=rewritten, **plain))
        assert (code, facts["agreement"], facts["rule"]) == ("derivation-refused", digest, "odrl:derive")
        copied, derived = await records(seat, "policy.decision")
        assert [short.rpartition("#")[2] for short in copied["details"]["remedies"]] == ["alert", "suspend"]
        assert (copied["peer"], derived["reason"]) == (ZHENGSHU, "prohibited")
        both = product("A-P1", path=received_file, **plain)
        with pytest.raises(RefusedError, match="distribution-prohibited"):
            await publish(seat.node, both, rdf=SHAPES)
        assert len(await records(seat, "policy.decision")) == 4  # each reason has its record
        assert await seat.node.db.read(lambda tx: catalog.dataset(tx, "resold")) is None


async def test_an_owner_that_left_the_space_is_still_named(pair):
    """Its data is still its own; what it was called stands in the lineage under a name that leads nowhere."""
    gone = lineage.Input("A-D9", did("p-gone"), "sha-256:" + "1" * 64)
    (said,) = derivations(pair[1].node, [gone])
    assert (said.owner, said.iri) == (did("p-gone"), "urn:weft:did:web:p-gone.example:A-D9")


async def test_only_whole_deliveries_are_inputs(pair):
    """A delivery that failed after the last good one is not what a product was made from."""
    logistics, zhengshu = pair
    digest, good = await licensed(logistics, zhengshu)

    def fail(tx):
        bad = deliveries.Delivery(
            id="bad", role=good.role, transfer="t", agreement=digest, counterparty=LOGISTICS, dataset="A-D4",
            columns="", state=State.FAILED,
        )  # fmt: skip
        deliveries.insert(tx, bad, zhengshu.clock.now())

    await zhengshu.node.db.transact(fail)
    assert (await zhengshu.node.db.read(lambda tx: lineage.last_delivery(tx, digest))).id == good.id
    (held,) = await zhengshu.node.db.read(lambda tx: lineage.licences(tx, "A-D4"))
    assert held == await zhengshu.node.db.read(lambda tx: agreements.get(tx, digest))
