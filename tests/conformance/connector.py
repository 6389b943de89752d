"""The connector under test of a conformance run: a real daemon whose reactions are the table of the scenarios.

Everything else is the product's: routes, state machines, transactions, outbox, storage. What a run needs beside them is made here
and in no configuration: datasets with the ids of the kit, agreements that nobody negotiated, one member (`TCK_PARTICIPANT`) for
whom every request speaks, and two start hooks on a listener of their own (DSP conformance kit, README).
"""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from connector.authority import space
from connector.daemon import Daemon
from connector.exchange import agreed as agreed_of
from connector.exchange import automate, command, outgoing, settle
from connector.exchange.node import Node
from connector.exchange.peer import PEERS, Peer, Peers
from connector.identity.setup import initialise
from connector.settings import Settings
from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.agreement import draw_up
from contracts.machine import Role
from contracts.negotiation.model import Negotiation
from contracts.negotiation.table import State
from contracts.transfer.model import Transfer
from tests.offers import free_offer, record
from tests.pair import free_ports
from tests.shared import shared

AGENT = "urn:connector:weft"
KIT = "TCK_PARTICIPANT"
AUTHORISATION = "Bearer tck-static-token"
CATALOG = ("CAT0101", "CAT0102")
TRANSFERRED = "ATP0101"
# The kit registers its handlers some 100 ms late and moves its own state only after our answer: wait, and ask again.
SLOWLY = Peer("kit", pause_s=0.5, again={404: (0.3,) * 10, 409: (0.3,) * 5, 0: (0.3,) * 10})


@dataclass(frozen=True)
class ConnectorUnderTest:
    """Where the kit finds the connector: its DSP base with the version path, its root, and its two start hooks."""

    dsp: str
    root: str
    negotiation_webhook: str
    transfer_webhook: str
    daemon: Daemon
    agent: str = AGENT
    authorization: str = AUTHORISATION


def scenarios() -> list[dict[str, Any]]:
    """The scripted scenarios of the kit as data, those that it has disabled too."""
    found: list[dict[str, Any]] = json.loads(shared("data/dsp/tck-scenarios.json").read_text())["scenarios"]
    return found


class Scripted:
    """Reactions from the scenario table: by dataset or agreement, then by state and by how often it was reached."""

    def __init__(self, table: Mapping[str, Mapping[str, list[str]]]) -> None:
        self._table = table
        self._visits: Counter[tuple[str, str]] = Counter()

    def moved(self, tx: Tx, node: Node, protocol: str, process: Any, now: datetime) -> Any:
        """Take the action for this visit; the count belongs to the process, so a run can be repeated."""
        name = process.dataset if protocol == "negotiation" else _agreement_id(tx, process)
        visit = process.pid, process.state.value
        actions = self._table.get(name, {}).get(process.state.value, [])
        position = self._visits[visit]
        self._visits[visit] += 1
        if position >= len(actions):
            return process
        return _ACTIONS[protocol, actions[position]](tx, node, process, now)


def _agreement_id(tx: Tx, transfer: Transfer) -> str:
    found = agreements.get(tx, transfer.agreement)
    assert found is not None
    return found.id


def _offer(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    offered = replace(negotiation, offered_by=Role.PROVIDER)
    negotiations.save(tx, offered, now)
    outgoing.offer(tx, node, offered, now)
    return offered


def _counter(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    asked = replace(negotiation, offered_by=Role.CONSUMER)
    negotiations.save(tx, asked, now)
    outgoing.request(tx, node, asked, now)
    return asked


def _accept(tx: Tx, node: Node, negotiation: Negotiation, now: datetime) -> Negotiation:
    outgoing.accepted(tx, node, negotiation, now)
    return negotiation


def _terminate(tx: Tx, node: Node, process: Any, now: datetime) -> Any:
    settle.end(tx, node, process, "1", "the scenario ends here", now)
    return process


def _complete(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> Transfer:
    outgoing.completion(tx, node, transfer, now)
    return transfer


def _suspend(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> Transfer:
    paused = replace(transfer, suspended_by=transfer.role.value, reason="the scenario pauses here")
    transfers.save(tx, paused, now)
    outgoing.suspension(tx, node, paused, "1", paused.reason, now)
    return paused


def _start(tx: Tx, node: Node, transfer: Transfer, now: datetime) -> Transfer:
    if transfer.role is Role.PROVIDER:
        return automate.begin(tx, node, transfer, now)
    outgoing.start(tx, node, transfer, now)
    return transfer


_ACTIONS = {
    ("negotiation", "offer"): _offer,
    ("negotiation", "agree"): automate.agree,
    ("negotiation", "finalize"): automate.on_verified,
    ("negotiation", "accept"): _accept,
    ("negotiation", "verify"): automate.on_agreed,
    ("negotiation", "counter"): _counter,
    ("negotiation", "terminate"): _terminate,
    ("transfer", "start"): _start,
    ("transfer", "complete"): _complete,
    ("transfer", "suspend"): _suspend,
    ("transfer", "terminate"): _terminate,
}


@contextlib.asynccontextmanager
async def connector_under_test(root: Path, kit_address: str) -> AsyncIterator[ConnectorUnderTest]:
    """A started connector whose one partner is the kit at this address (no path, no trailing slash)."""
    asked = scenarios()
    table = {item.get("agreement", item.get("dataset", "")): item.get("policy", {}) for item in asked}
    settings = _found(root, kit_address)
    peers = Peers({KIT: "kit"}, {**PEERS, "kit": SLOWLY})
    async with Daemon(settings, reactions=Scripted(table), peers=peers) as daemon:
        await daemon.node.db.transact(lambda tx: _seed(tx, daemon, asked))
        runner = web.AppRunner(_hooks(daemon), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            hooks = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield ConnectorUnderTest(
                dsp=settings.dsp,
                root=settings.dsp.removesuffix("/dsp/2025-1"),
                negotiation_webhook=f"{hooks}/tck/negotiations/requests",
                transfer_webhook=f"{hooks}/tck/transfers/requests",
                daemon=daemon,
            )
        finally:
            await runner.cleanup()


def _found(root: Path, kit_address: str) -> Settings:
    """A space of two: the connector under test, and the kit, whose keys nobody uses."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    key = space.create_space(root / "space", "conformance")
    protocol, management = free_ports(2)
    for participant, dsp in ((AGENT, f"http://127.0.0.1:{protocol}/dsp/2025-1"), (KIT, kit_address)):
        member = initialise(
            root / participant.rpartition(":")[2],
            participant=participant,
            names={"en": participant},
            region="CN-32",
            dsp=dsp,
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=now,
            protocol_port=protocol,
            management_port=management,
        )
        space.add_member(root / "space", member.read_bytes(), now)
    space.sign(root / "space", "P3650D", now)
    return Settings.load(
        root / AGENT.rpartition(":")[2],
        {
            "production": False,
            "test_mock_identity": True,
            "test_mock_speaker": KIT,
            "test_synchronous": "OFF",
            "crawl_interval_s": 86400,
            "retry_first_s": 0.3,
        },
    )


def _seed(tx: Tx, daemon: Daemon, asked: list[dict[str, Any]]) -> None:
    """The datasets and agreements that the scenarios name."""
    now = daemon.clock.now()
    offers = {name: f"CD123:{name}:456" for name in (*CATALOG, TRANSFERRED)}
    offers |= {item["dataset"]: item["offer"] for item in asked if item["id"].startswith("CN:")}
    for dataset, offer in offers.items():
        catalog.publish(tx, record(AGENT, free_offer(offer), dataset=dataset), at=now)
    for item in asked:
        if "agreement" in item:
            _agree(tx, daemon, item["agreement"], Role(item["role"]), now)


def _agree(tx: Tx, daemon: Daemon, agreement: str, role: Role, now: datetime) -> None:
    """A negotiation that ended long ago in this agreement."""
    node = daemon.node
    provider, consumer = (AGENT, KIT) if role is Role.PROVIDER else (KIT, AGENT)
    negotiation = Negotiation(
        pid=node.new_id(),
        role=role,
        counterparty=KIT,
        peer_pid=node.new_id(),
        address=node.members.current().member(KIT).dsp,
        state=State.FINALIZED,
        dataset=TRANSFERRED,
        offer={**free_offer(f"CD123:{TRANSFERRED}:456"), "target": TRANSFERRED, "assigner": provider},
        offered_by=Role.CONSUMER,
    )
    document = draw_up(
        negotiation.offer,
        agreement_id=agreement,
        assigner=provider,
        assignee=consumer,
        timestamp=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    negotiations.insert(tx, negotiation, now)
    agreed = agreed_of.keep(tx, negotiation, document, now)
    negotiations.save(tx, replace(negotiation, agreement=agreed.digest), now)
    agreements.enforce(tx, agreed.digest, now)


def _hooks(daemon: Daemon) -> web.Application:
    """The two addresses at which the kit tells us to begin: answered at once, the request follows."""
    node = daemon.node

    async def negotiate(request: web.Request) -> web.Response:
        asked = await request.json()
        offer = free_offer(asked["offerId"], target=asked["datasetId"], assigner=asked["providerId"])
        negotiation = Negotiation(
            pid=node.new_id(),
            role=Role.CONSUMER,
            counterparty=asked["providerId"],
            peer_pid="",
            address=asked["connectorAddress"],
            state=None,
            dataset=asked["datasetId"],
            offer=offer,
            offered_by=Role.CONSUMER,
        )

        def work(tx: Tx) -> None:
            now = node.clock.now()
            negotiations.insert(tx, negotiation, now)
            outgoing.request(tx, node, negotiation, now)

        await node.db.transact(work)
        return web.Response()

    async def move(request: web.Request) -> web.Response:
        asked = await request.json()
        agreed = await node.db.read(lambda tx: agreements.by_id(tx, asked["providerId"], asked["agreementId"]))
        assert agreed is not None
        await command.start(node, agreement=agreed.digest)
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/tck/negotiations/requests", negotiate), web.post("/tck/transfers/requests", move)])
    return app
