"""A daemon whose processes stand in every state of both protocols, in both roles, opposite a member that speaks by hand.

Every process is driven by real messages. States that pass by themselves (our verification, our start, …) are held because the
member never takes the message that would end them.
"""

import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from connector.daemon import Daemon
from connector.dsp.routes import MESSAGES
from connector.exchange import command
from connector.store import agreement as agreements
from connector.store import negotiation as negotiations
from connector.store import transfer as transfers
from connector.store.database import Tx
from contracts.machine import Role
from tests.cases.stub import Stub
from tests.offers import DATASET, OFFER, constrained, free_offer, publish
from tests.pair import did, eventually
from tests.speaker import Speaker, message, pid

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
BY_PERSON = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0007"
COUNTERED = constrained(BY_PERSON, leftOperand="odrl:purpose", operator="eq", rightOperand="quality")
THEIRS = free_offer("urn:uuid:theirs", target="their-data", assigner=ZHENGSHU)
NEGOTIATION_STATES = ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED")
TRANSFER_STATES = ("REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED")
# What must not change when a message is refused: everything but what says that it came, and attempts of what waits.
UNTOUCHED = ("negotiation", "transfer", "agreement", "seal", "counter", "delivery", "usage", "lineage", "stop", "hold", "bundle",
             "statement", "offer", "dataset", "document")  # fmt: skip
OUTBOX = "message, kind, process, trigger_name, destination, method, url, body, expects, becomes"
TYPES = {path: route.model.__name__ for path, route in MESSAGES.items()}


@dataclass(frozen=True)
class Place:
    """Which process is wanted: `kind` is negotiation or transfer, `role` ours."""

    kind: str
    role: str
    state: str

    @property
    def folder(self) -> str:
        return f"{self.kind}s"


PLACES = tuple(
    Place(kind, role, state)
    for kind, states in (("negotiation", NEGOTIATION_STATES), ("transfer", TRANSFER_STATES))
    for role in ("provider", "consumer")
    for state in states
)


class Arena:
    """Drives processes of `steel` into states; `speaker` is the member opposite, `stub` where it hears."""

    def __init__(self, steel: Daemon, stub: Stub, speaker: Speaker) -> None:
        self.steel = steel
        self.stub = stub
        self.speaker = speaker
        self.ready: dict[Place, str] = {}

    async def open(self) -> None:
        """Publish what is negotiated about: an offer that is agreed at once, and one that a person decides about."""
        await publish(self.steel)
        await publish(self.steel, free_offer(BY_PERSON), dataset="by-person", decision="person")

    async def process(self, place: Place) -> Any:
        """A process in this state: the one of before if it still is, else a new one."""
        known = self.ready.get(place)
        if known is None or (await self._read(place.kind, known)).state.value != place.state:
            # An agreement's id is known to its own party only.
            drive: Callable[[], Awaitable[str]] = getattr(self, f"_{place.kind}_{place.role}_{place.state.lower()}")
            known = self.ready[place] = await drive()
            found = await self._read(place.kind, known)
            assert found.state.value == place.state, (place, found)
        await self.quiet()
        return await self._read(place.kind, known)

    async def agreement_of(self, process: Any) -> str:
        """The id of the agreement of a process, `""` if it has none."""
        found = await self.steel.node.db.read(lambda tx: agreements.get(tx, process.agreement))
        return found.id if found else ""

    async def right(self, path: str, process: Any, luck: random.Random) -> dict[str, Any]:
        """A message for an address that is right in all its parts, if the state allows it."""
        pids = {"providerPid": process.provider_pid, "consumerPid": process.consumer_pid}
        back = {"callbackAddress": self.stub.base}
        asked = {**free_offer(luck.choice((OFFER, BY_PERSON))), "target": process.dataset}
        if process.role is Role.CONSUMER:
            asked = THEIRS
        type_, extra = TYPES[path], {}
        match type_:
            case "ContractRequestMessage" | "ContractOfferMessage" if "{pid}" in path:
                extra = {"offer": {**asked, "@id": process.offer["@id"]} if hasattr(process, "offer") else asked}
            case "ContractRequestMessage":
                pids = {"consumerPid": pid()}
                extra = {"offer": {**free_offer(OFFER), "target": DATASET}, **back}
            case "ContractOfferMessage":
                pids = {"providerPid": pid()}
                extra = {"offer": THEIRS, **back}
            case "ContractAgreementMessage":
                extra = {"agreement": _agreement({**getattr(process, "offer", THEIRS)})}
            case "ContractNegotiationEventMessage":
                extra = {"eventType": "ACCEPTED" if process.role is Role.PROVIDER else "FINALIZED"}
            case "TransferRequestMessage":
                finalized = await self.process(Place("negotiation", "provider", "FINALIZED"))
                pids = {"consumerPid": pid()}
                extra = {"agreementId": await self.agreement_of(finalized), "format": "HttpData-PULL", **back}
            case "TransferStartMessage" if process.role is Role.CONSUMER:
                extra = {"dataAddress": self._address()}
        return message(type_, **pids, **extra)

    async def quiet(self) -> None:
        """Wait until nothing is under way and all that waits is what the member never takes."""
        held = {process for _, process in self.stub.busy}

        def waiting(tx: Tx) -> list[str]:
            return [row["process"] for row in _rows(tx, "outbox", "process") if row["process"] not in held]

        async def nothing() -> bool:
            return not self.steel.dispatcher.under_way and not await self.steel.node.db.read(waiting)

        await eventually(nothing, timeout_s=20)

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the tables that a refused message must not touch."""

        def work(tx: Tx) -> dict[str, list[tuple[Any, ...]]]:
            wanted = {**dict.fromkeys(UNTOUCHED, "*"), "outbox": OUTBOX}
            return {table: [tuple(row) for row in _rows(tx, table, columns)] for table, columns in wanted.items()}

        return await self.steel.node.db.read(work)

    # -- steps ---------------------------------------------------------------------------------------------------------

    async def _read(self, kind: str, process: str) -> Any:
        get = negotiations.get if kind == "negotiation" else transfers.get
        return await self.steel.node.db.read(lambda tx: get(tx, process))

    async def _say(self, path: str, body: dict[str, Any]) -> Any:
        status, answer = await self.speaker.send(path, body)
        assert status in (200, 201), (path, status, answer)
        return answer

    async def _reach(self, kind: str, process: str, state: str) -> str:
        async def reached() -> bool:
            found = await self._read(kind, process)
            return found.state is not None and found.state.value == state

        await eventually(reached, timeout_s=20)
        return process

    async def _to(self, kind: str, process: str, ending: str, type_: str, **members: Any) -> str:
        found = await self._read(kind, process)
        pids = {"providerPid": found.provider_pid, "consumerPid": found.consumer_pid}
        await self._say(f"/{kind}s/{process}/{ending}", message(type_, **pids, **members))
        return process

    def _hold(self, type_: str, process: str) -> None:
        self.stub.busy.add((type_, process))

    # -- we provide ------------------------------------------------------------------------------------------------------

    async def _asked(self, offer: str, dataset: str, consumer: str) -> str:
        asked = {**free_offer(offer), "target": dataset}
        body = message("ContractRequestMessage", consumerPid=consumer, offer=asked, callbackAddress=self.stub.base)
        return (await self._say("/negotiations/request", body))["providerPid"]

    async def _negotiation_provider_requested(self) -> str:
        return await self._asked(BY_PERSON, "by-person", pid())

    async def _negotiation_provider_offered(self) -> str:
        process = await self._negotiation_provider_requested()
        await command.counter(self.steel.node, process, COUNTERED)
        return await self._reach("negotiation", process, "OFFERED")

    async def _negotiation_provider_accepted(self) -> str:
        process = await self._negotiation_provider_offered()
        self._hold("ContractAgreementMessage", process)
        return await self._to("negotiation", process, "events", "ContractNegotiationEventMessage", eventType="ACCEPTED")

    async def _negotiation_provider_agreed(self) -> str:
        return await self._reach("negotiation", await self._asked(OFFER, DATASET, pid()), "AGREED")

    async def _negotiation_provider_verified(self) -> str:
        process = await self._negotiation_provider_agreed()
        self._hold("ContractNegotiationEventMessage", process)
        return await self._to("negotiation", process, "agreement/verification", "ContractAgreementVerificationMessage")

    async def _negotiation_provider_finalized(self) -> str:
        process = await self._negotiation_provider_agreed()
        await self._to("negotiation", process, "agreement/verification", "ContractAgreementVerificationMessage")
        return await self._reach("negotiation", process, "FINALIZED")

    async def _negotiation_provider_terminated(self) -> str:
        process = await self._negotiation_provider_requested()
        return await self._to("negotiation", process, "termination", "ContractNegotiationTerminationMessage")

    # -- we consume ------------------------------------------------------------------------------------------------------

    async def _negotiation_consumer_offered(self) -> str:
        body = message("ContractOfferMessage", providerPid=pid(), offer=THEIRS, callbackAddress=self.stub.base)
        return (await self._say("/negotiations/offers", body))["consumerPid"]

    async def _negotiation_consumer_requested(self) -> str:
        process = await self._negotiation_consumer_offered()
        await command.counter(self.steel.node, process, THEIRS)
        return await self._reach("negotiation", process, "REQUESTED")

    async def _negotiation_consumer_accepted(self) -> str:
        process = await self._negotiation_consumer_offered()
        await command.accept(self.steel.node, process)
        return await self._reach("negotiation", process, "ACCEPTED")

    async def _agreed(self, process: str) -> str:
        members = {"agreement": _agreement(THEIRS)}
        return await self._to("negotiation", process, "agreement", "ContractAgreementMessage", **members)

    async def _negotiation_consumer_agreed(self) -> str:
        process = await self._negotiation_consumer_requested()
        self._hold("ContractAgreementVerificationMessage", process)
        return await self._agreed(process)

    async def _negotiation_consumer_verified(self) -> str:
        process = await self._agreed(await self._negotiation_consumer_requested())
        return await self._reach("negotiation", process, "VERIFIED")

    async def _negotiation_consumer_finalized(self) -> str:
        process = await self._negotiation_consumer_verified()
        return await self._to(
            "negotiation", process, "events", "ContractNegotiationEventMessage", eventType="FINALIZED"
        )

    async def _negotiation_consumer_terminated(self) -> str:
        process = await self._negotiation_consumer_offered()
        return await self._to("negotiation", process, "termination", "ContractNegotiationTerminationMessage")

    # -- transfers -------------------------------------------------------------------------------------------------------

    async def _transferring(self, consumer: str) -> str:
        agreed = await self._read("negotiation", await self._negotiation_provider_finalized())
        body = message(
            "TransferRequestMessage",
            consumerPid=consumer,
            agreementId=await self.agreement_of(agreed),
            format="HttpData-PULL",
            callbackAddress=self.stub.base,
        )
        return (await self._say("/transfers/request", body))["providerPid"]

    async def _transfer_provider_requested(self) -> str:
        consumer = pid()
        self._hold("TransferStartMessage", consumer)
        process = await self._transferring(consumer)
        self._hold("TransferStartMessage", process)
        return process

    async def _transfer_provider_started(self) -> str:
        return await self._reach("transfer", await self._transferring(pid()), "STARTED")

    async def _transfer_consumer_requested(self) -> str:
        agreed = await self._read("negotiation", await self._negotiation_consumer_finalized())
        process = await command.start(self.steel.node, agreement=agreed.agreement)
        return await self._reach("transfer", process, "REQUESTED")

    async def _transfer_consumer_started(self) -> str:
        process = await self._transfer_consumer_requested()
        return await self._to("transfer", process, "start", "TransferStartMessage", dataAddress=self._address())

    def _address(self) -> dict[str, Any]:
        return {
            "@type": "DataAddress",
            "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": f"{self.stub.root}/data/1",
            "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "x"}],
        }

    async def _transfer_provider_suspended(self) -> str:
        process = await self._transfer_provider_started()
        return await self._to("transfer", process, "suspension", "TransferSuspensionMessage")

    async def _transfer_consumer_suspended(self) -> str:
        process = await self._transfer_consumer_started()
        return await self._to("transfer", process, "suspension", "TransferSuspensionMessage")

    async def _transfer_provider_completed(self) -> str:
        process = await self._transfer_provider_started()
        return await self._to("transfer", process, "completion", "TransferCompletionMessage")

    async def _transfer_consumer_completed(self) -> str:
        process = await self._transfer_consumer_started()
        return await self._to("transfer", process, "completion", "TransferCompletionMessage")

    async def _transfer_provider_terminated(self) -> str:
        process = await self._transfer_provider_started()
        return await self._to("transfer", process, "termination", "TransferTerminationMessage")

    async def _transfer_consumer_terminated(self) -> str:
        process = await self._transfer_consumer_started()
        return await self._to("transfer", process, "termination", "TransferTerminationMessage")


def _agreement(offer: dict[str, Any]) -> dict[str, Any]:
    return {
        **offer,
        "@id": f"urn:uuid:{uuid.uuid4()}",
        "@type": "Agreement",
        "assigner": ZHENGSHU,
        "assignee": STEEL,
        "timestamp": "2026-11-10T01:00:00Z",
    }


def _rows(tx: Tx, table: str, columns: str) -> list[Any]:
    """All rows of a table: names of ours, none from outside."""
    return tx._connection.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608


def encoded(document: Any) -> bytes:
    """Bytes as the member writes them."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
