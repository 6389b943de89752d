"""The twelve offers of the supply chain between Weft and live EDCs, with Weft as provider and as consumer."""

import base64
import contextlib
import json
from http import HTTPStatus

import pytest

from connector.daemon import Daemon
from connector.exchange import command, documents
from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import negotiation as negotiations
from policies.canonical import canonical
from tests.deliveries import expected, scenario_documents, scenario_offer
from tests.interop.conftest import members, quickly
from tests.interop.live_negotiation import in_state
from tests.interop.peer import offers_of
from tests.offers import publish
from tests.pair import did, until

COMPANIES = ("s-zhengshu", "p-oem", "p-seat", "p-stamp", "p-steel", "p-logistics")
OFFERS = [f"A{number}" for number in range(1, 13)]
RULES = ("permission", "prohibition", "obligation")


@pytest.fixture(scope="session")
def edcs(launch):
    """One EDC for each company of the scenario; none of them refuses to store terms that no extension has bound."""
    return {name: launch(did(name), edc__policy__validation__enabled="false") for name in COMPANIES}


def agreed_in_story(name):
    """Provider, consumer and product of an agreement of the story."""
    (found,) = [each for each in expected()["agreements"] if each["id"] == name]
    product = expected()["products"][found["product"]]["product_id"]
    return found["provider"], found["consumer"], product


def rules_of(document):
    """The rules as EDC writes them: all as they came, but for `odrl:use`, which it writes `use`."""
    rules = {name: document[name] for name in RULES if name in document}
    return json.loads(json.dumps(rules).replace('"odrl:use"', '"use"'))


async def know_documents(daemon):
    """Terms and transforms that the offers cite: we hold them already, an EDC does not serve them."""

    def work(tx):
        for folder, kind in (("terms", "terms"), ("transforms", "transform")):
            for document in scenario_documents(folder):
                catalog.put_document(tx, kind, canonical(document))

    await daemon.node.db.transact(work)


@contextlib.asynccontextmanager
async def company(root, name, peers):
    """A Weft daemon that is this company, in a space with these EDCs."""
    others = [peer for peer in peers if peer.participant != did(name)]
    async with Daemon(members(root, others, participant=did(name))) as daemon:
        await know_documents(daemon)
        yield daemon


@pytest.mark.parametrize("name", OFFERS)
async def test_an_edc_takes_our_offer_word_for_word(tmp_path, edcs, name):
    provider, consumer, product = agreed_in_story(name)
    offer, edc = scenario_offer(name), edcs[consumer]
    async with quickly(), company(tmp_path, provider, edcs.values()) as daemon:
        await publish(daemon, offer, dataset=product)
        shown = await edc.catalog(did(provider), daemon.node.base)
        (dataset,) = [each for each in shown["dataset"] if each["@id"] == product]
        (found,) = [each for each in offers_of(dataset) if each["@id"] == offer["@id"]]
        pid = await edc.negotiate(did(provider), daemon.node.base, product, found)
        await edc.finalized(pid)

        def look(tx):
            return in_state(negotiations.by_peer(tx, did(consumer), pid), ("FINALIZED",))

        ours = await until(daemon, "audit", look, timeout_s=30)
        agreed = await daemon.node.db.read(lambda tx: agreements.get(tx, ours.agreement))
        assert rules_of(agreed.document) == rules_of(offer)


async def test_an_offer_whose_profile_the_user_left_out_is_agreed_without_it(tmp_path, edcs):
    """An EDC compares `profile` and never writes it: refused with it, the agreement goes out once more without."""
    provider, consumer, product = agreed_in_story("A7")
    offer, edc = scenario_offer("A7"), edcs[consumer]
    async with quickly(), company(tmp_path, provider, edcs.values()) as daemon:
        await publish(daemon, offer, dataset=product)
        bare = {name: value for name, value in offer.items() if name != "profile"}
        pid = await edc.negotiate(did(provider), daemon.node.base, product, bare)
        await edc.finalized(pid)

        def look(tx):
            return in_state(negotiations.by_peer(tx, did(consumer), pid), ("FINALIZED",))

        ours = await until(daemon, "audit", look, timeout_s=30)
        agreed = await daemon.node.db.read(lambda tx: agreements.get(tx, ours.agreement))
        assert "profile" not in agreed.document
        assert rules_of(agreed.document) == rules_of(offer)


@pytest.mark.parametrize("name", OFFERS)
async def test_we_take_the_same_rules_from_an_edc(tmp_path, edcs, name):
    """EDC enforces nothing of it and loses `profile`; rules, order and every string come back as written."""
    provider, consumer, product = agreed_in_story(name)
    offer, edc = scenario_offer(name), edcs[provider]
    async with quickly(), company(tmp_path, consumer, edcs.values()) as daemon:
        await edc.offer(policy={**rules_of(offer), "profile": offer["profile"]}, asset=product, definition=name)
        found = await offer_by_definition(daemon, edc, product, name)
        pid = await command.request(daemon.node, provider=edc.participant, dataset=product, offer=found)

        def look(tx):
            return in_state(negotiations.get(tx, pid), ("FINALIZED",))

        ours = await until(daemon, "audit", look, timeout_s=30)
        await edc.until("contractnegotiations", ours.peer_pid, "FINALIZED")
        agreed = await daemon.node.db.read(lambda tx: agreements.get(tx, ours.agreement))
        assert rules_of(agreed.document) == rules_of(offer)


async def offer_by_definition(daemon, edc, dataset, definition):
    """The id of the EDC's offer that comes from this contract definition: its first part says so in base64."""
    status, body = await documents.get(daemon.node, edc.participant, f"{edc.dsp}/catalog/datasets/{dataset}")
    assert status == HTTPStatus.OK
    wanted = base64.b64encode(definition.encode()).decode()
    (found,) = [each["@id"] for each in offers_of(json.loads(body)) if each["@id"].split(":")[0] == wanted]
    return found
