"""Published files, agreements and transfers between two daemons, for tests of the data plane."""

import asyncio
import json
from pathlib import Path

from connector.dataplane.publication import Publication
from connector.dataplane.publish import publish
from connector.exchange import command
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from contracts.negotiation.table import State as NegotiationState
from contracts.transfer.messages import DataAddress
from contracts.transfer.table import State
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import until
from tests.shared import shared

SCENARIO = "scenarios/supply-chain-control"
FILES = {
    "A-D1": "coil_quality",
    "A-D2": "stamping_batch",
    "A-D3": "seat_assembly",
    "A-D4": "shipment_event",
    "A-D5": "demand_forecast",
    "A-D6": "mill_certificate",
    "A-P1": "batch_risk_index",
}


class NoShapes:
    """Stands in for the SHACL worker, which takes a second: what the shapes say is tests/catalog's matter."""

    async def check(self, datasets, publisher):
        return []


def expected():
    return json.loads(shared(f"{SCENARIO}/expected.json").read_bytes())


def scenario_file(product):
    return shared(f"{SCENARIO}/data/{FILES[product]}.csv")


def scenario_dataset(product):
    """The id under which a product of the scenario is offered: its terms are about that one."""
    return expected()["products"][product]["product_id"]


def scenario_offer(name):
    return json.loads(shared(f"{SCENARIO}/contracts/offers/{name}.json").read_bytes())


def scenario_documents(folder):
    return [json.loads(path.read_bytes()) for path in sorted(shared(f"{SCENARIO}/contracts/{folder}").glob("*.json"))]


async def offer_file(daemon, path, *offers, dataset=DATASET, **more):
    """Publish a file under these offers (anybody may use it for anything, if none is given)."""
    publication = Publication(
        path=Path(path), id=dataset, title={"en": "Test", "zh": "测试"}, offers=offers or (free_offer(),), **more
    )
    return await publish(daemon.node, publication, rdf=NoShapes())


async def agree(provider, consumer, *, dataset=DATASET, offer=OFFER):
    """The digest of an agreement in force, negotiated between the two."""
    pid = await command.request(consumer.node, provider=provider.node.participant, dataset=dataset, offer=offer)

    def final(tx):
        found = negotiations.get(tx, pid)
        return found if found.state is NegotiationState.FINALIZED else None

    found = await until(consumer, f"negotiation:{pid}", final)
    theirs = await until(
        provider,
        f"negotiation:{found.peer_pid}",
        lambda tx: n if (n := negotiations.get(tx, found.peer_pid)).state is NegotiationState.FINALIZED else None,
    )
    assert theirs.agreement == found.agreement
    return found.agreement


async def reaches(daemon, pid, state, *, timeout_s=10):
    def check(tx):
        found = transfers.get(tx, pid)
        return found if found and found.state is state else None

    return await until(daemon, f"transfer:{pid}", check, timeout_s=timeout_s)


async def start(provider, consumer, agreement, purpose=""):
    """A started transfer as each side knows it: (consumer's, provider's)."""
    pid = await command.start(consumer.node, agreement=agreement, purpose=purpose)
    ours = await reaches(consumer, pid, State.STARTED)
    return ours, await reaches(provider, ours.peer_pid, State.STARTED)


async def fetched(consumer, pid, *, columns=None, timeout_s=20):
    """The delivery of a transfer once it has ended, well or not."""
    identifier = await consumer.receiver.start(pid, columns=columns)
    return await ended(consumer, identifier, timeout_s=timeout_s)


async def ended(consumer, identifier, *, timeout_s=20):
    async with asyncio.timeout(timeout_s):
        return await consumer.receiver.wait(identifier)


async def sent(provider, pid):
    """The deliveries of a transfer at the provider."""
    return await provider.node.db.read(lambda tx: deliveries.of_transfer(tx, pid))


def address(transfer):
    """Endpoint and header of a transfer's data, as the consumer has them."""
    found = DataAddress.model_validate(transfer.data_address)
    return found.url, {"Authorization": f"Bearer {found.token}"}


async def records(daemon, *types):
    """The audit records of these types (all, if none is given), in order, with their details."""

    def work(tx):
        rows = tx.all("audit.after", after=-1, limit=10_000)
        return [
            json.loads(row["body"]) | {"details": json.loads(row["details"]) if row["details"] else None}
            for row in rows
        ]

    return [record for record in await daemon.node.db.read(work) if not types or record["type"] in types]


def rows_of(count, *, width=40):
    """A CSV text of two columns and so many rows."""
    return "number,text\n" + "".join(f"{n},{str(n) * 3:.{width}}\n" for n in range(count))
