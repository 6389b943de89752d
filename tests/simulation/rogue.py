"""A member that keeps none of our rules: says what it likes in well-formed messages, and answers as it likes or not at all."""

import random
from collections.abc import Callable
from typing import Any

import orjson
from multidict import CIMultiDict

from connector.exchange.process import TAKEN
from contracts.machine import Role
from contracts.negotiation.table import MACHINE as NEGOTIATION
from contracts.negotiation.table import State
from contracts.transfer.table import MACHINE as TRANSFER
from tests.simulation.founding import AUTOMATIC, COUNTED, DIDS, PERSON, dataset_of, document_of, found
from tests.simulation.side import Side
from tests.simulation.world import Request, Served, World

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
KINDS = (AUTOMATIC, PERSON, COUNTED)
# How it answers messages, by mood: acknowledged, refused, passing trouble, silence, nonsense.
MOODS = {
    "kind": (20, 1, 1, 1, 0),
    "deaf": (0, 0, 0, 1, 0),
    "stubborn": (1, 8, 1, 0, 0),
    "busy": (1, 1, 8, 1, 0),
    "mad": (5, 3, 3, 2, 2),
}
NONSENSE = (b"", b"[]", b"{}", b"<html>", b'{"providerPid":7,"consumerPid":[],"state":{}}', b"\xff\xfe")
# Suffix of the address, type and members of every message about a process, by what moves it.
NEGOTIATING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "request": ("request", "ContractRequestMessage", {}),
    "offer": ("offers", "ContractOfferMessage", {}),
    "agreement": ("agreement", "ContractAgreementMessage", {}),
    "verification": ("agreement/verification", "ContractAgreementVerificationMessage", {}),
    "accepted": ("events", "ContractNegotiationEventMessage", {"eventType": "ACCEPTED"}),
    "finalized": ("events", "ContractNegotiationEventMessage", {"eventType": "FINALIZED"}),
    "termination": ("termination", "ContractNegotiationTerminationMessage", {"code": "whim"}),
}
TRANSFERRING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "start": ("start", "TransferStartMessage", {}),
    "suspension": ("suspension", "TransferSuspensionMessage", {"reason": ["whim"]}),
    "completion": ("completion", "TransferCompletionMessage", {}),
    "termination": ("termination", "TransferTerminationMessage", {"reason": ["whim"]}),
}


class Rogue:
    """The other member. It knows all pids that it could have been told, and may use wrong ones all the same."""

    name = "b"

    def __init__(self, world: World, victim: Side, luck: random.Random) -> None:
        self.world = world
        self.victim = victim
        self.luck = luck
        self.up = True
        self.did = DIDS[self.name]
        self.mood = luck.choices(list(MOODS), (4, 1, 1, 1, 2))[0]
        self._ids = 0
        self._said: list[tuple[str, dict[str, Any]]] = []
        self._tokens: list[tuple[str, str]] = []  # of data: path and token

    # -- answering ---------------------------------------------------------------------------------------------------

    def serve(self, request: Request, done: Callable[[Served | None], None]) -> None:
        """Answer as the mood is; silence is no answer at all."""

        def said(status: int, body: bytes) -> None:
            taken = self.luck.choice(("", "", "", "x", "-1", "9" * 17, "9" * 99))
            done((status, body, {TAKEN.lower(): taken} if taken else {}))

        kind = self.luck.choices(("yes", "no", "later", "silence", "nonsense"), MOODS[self.mood])[0]
        if "/catalog/datasets/" in request.path:
            said(200, orjson.dumps(self._dataset(request.path.rpartition("/")[2])))
        elif kind == "silence":
            return
        elif kind == "later":
            said(self.luck.choice((401, 408, 425, 429, 500, 502, 503, 504)), b"")
        elif kind == "no":
            said(self.luck.choice((400, 403, 404, 405, 409, 410, 422, 501)), self._refusal())
        elif kind == "nonsense":
            said(self.luck.choice((200, 201, 204, 400, 418)), self.luck.choice(NONSENSE))
        elif request.method == "GET":
            said(200, self._look(request))
        else:
            said(200, self._acknowledgement(request))

    def _dataset(self, name: str) -> dict[str, Any]:
        return {"@id": name, "hasPolicy": [document_of(self.name, name.partition("-")[2])]}

    def _refusal(self) -> bytes:
        return orjson.dumps(
            {"code": self.luck.choice(("no", "409", 7)), "reason": self.luck.choice((["no"], "no", None))}
        )

    def _acknowledgement(self, request: Request) -> bytes:
        said = orjson.loads(request.body) if request.body else {}
        if "@type" not in said:
            return b"{}"
        self._learn(said)
        named = {name: said.get(name) or self._id() for name in ("consumerPid", "providerPid")}
        if self.luck.random() < 0.05:
            named = {name: self._id() for name in named}
        return orjson.dumps({"@context": CONTEXT, "state": self.luck.choice(list(State)).value, **named})

    def _look(self, request: Request) -> bytes:
        if request.path.endswith("/weft"):
            return orjson.dumps({"name": "weft", "version": "1"})
        states = [state.value for machine in (NEGOTIATION, TRANSFER) for row in machine.rows for state in (row.to,)]
        return orjson.dumps({"@context": CONTEXT, "state": self.luck.choice([*states, "ELSEWHERE", None])})

    def _learn(self, said: dict[str, Any]) -> None:
        """Keep the tokens for data that come with a start."""
        for each in (said.get("dataAddress") or {}).get("endpointProperties", ()):
            if each["name"] == "authorization":
                self._tokens.append((f"/data/{said['providerPid']}", each["value"]))

    # -- speaking ----------------------------------------------------------------------------------------------------

    def plan(self, at: float) -> None:
        """Say something at this time."""
        self.world.loop.call_at(at, self._say)

    def _say(self) -> None:
        if self._tokens and self.luck.random() < 0.2:
            path, token = self.luck.choice(self._tokens)
            self._send(Request("GET", f"{path}/manifest", CIMultiDict({"Authorization": f"Bearer {token}"}), b""))
            return
        if self._said and self.luck.random() < 0.15:  # the same again, word for word
            path, message = self.luck.choice(self._said)
        else:
            path, message = self.luck.choice(
                (self._opening, self._negotiating, self._negotiating, self._transferring)
            )()
            self._name(message)
            self._said.append((path, message))
        body = orjson.dumps({"@context": CONTEXT, **message})
        self.world.tell("b", f"says {message['@type']} {str(message.get('@id', ''))[-6:]} to {path}")
        self._send(Request("POST", f"/dsp/2025-1/{path}", CIMultiDict({"Authorization": self._token()}), body))

    def _send(self, request: Request) -> None:
        answer = self.world.loop.create_future()
        answer.add_done_callback(lambda done: done.exception())
        self.world.carry(self.name, self.victim, request, answer)

    def _token(self) -> str:
        jti = self._id() if self.luck.random() < 0.95 else "again"
        return f"Bearer sim {self.did} {self.victim.did} {jti} {self.victim.clock.now().timestamp() // 1}"

    def _id(self) -> str:
        self._ids += 1
        return f"urn:uuid:00000002-0000-4000-8000-{self._ids:012x}"

    def _name(self, message: dict[str, Any]) -> None:
        """A fresh @id mostly; sometimes that of another message, sometimes none."""
        draw = self.luck.random()
        if draw < 0.8 or not self._said:
            message["@id"] = self._id()
        elif draw < 0.93:
            message["@id"] = self.luck.choice(self._said)[1].get("@id", self._id())

    def _callback(self) -> str:
        base = found()[self.name].settings.dsp
        return base if self.luck.random() < 0.95 else self.luck.choice(("http://elsewhere.example/dsp", "file:///etc"))

    def _pid(self, known: list[str]) -> str:
        return self.luck.choice(known) if known and self.luck.random() < 0.3 else self._id()

    def _offer(self, provider: str) -> dict[str, Any]:
        kind = self.luck.choice(KINDS)
        offer = {**document_of(provider, kind), "target": dataset_of(provider, kind)}
        draw = self.luck.random()
        if draw < 0.15:
            offer["permission"] = [{"action": "odrl:use", "constraint": [self._constraint()]}]
        elif draw < 0.2:
            offer["target"] = "elsewhere"
        elif draw < 0.25:
            offer["assigner"] = self.did
        elif draw < 0.3:
            offer["@id"] = "urn:offer:unknown"
        return offer

    def _constraint(self) -> dict[str, str]:
        return {"leftOperand": "odrl:count", "operator": "odrl:lteq", "rightOperand": str(self.luck.randint(0, 3))}

    def _opening(self) -> tuple[str, dict[str, Any]]:
        known = [row["peer_pid"] for row in self.victim.rows("SELECT peer_pid FROM negotiation WHERE peer_pid <> ''")]
        draw = self.luck.random()
        if draw < 0.5:
            offer = self._offer("a")
            message = {"@type": "ContractRequestMessage", "consumerPid": self._pid(known), "offer": offer}
            return "negotiations/request", {**message, "callbackAddress": self._callback()}
        if draw < 0.85:
            message = {"@type": "ContractOfferMessage", "providerPid": self._pid(known), "offer": self._offer("b")}
            return "negotiations/offers", {**message, "callbackAddress": self._callback()}
        return self._asking()

    def _asking(self) -> tuple[str, dict[str, Any]]:
        """Ask for a transfer, under a good agreement if there is one."""
        known = [row["peer_pid"] for row in self.victim.rows("SELECT peer_pid FROM transfer WHERE peer_pid <> ''")]
        agreements = [row["id"] for row in self.victim.rows("SELECT id FROM agreement ORDER BY in_force DESC, digest")]
        return "transfers/request", {
            "@type": "TransferRequestMessage",
            "consumerPid": self._pid(known),
            "agreementId": self.luck.choice([*agreements[:1] * 3, *agreements, "urn:none"]),
            "format": "HttpData-PULL" if self.luck.random() < 0.9 else "Paper",
            "callbackAddress": self._callback(),
        }

    def _negotiating(self) -> tuple[str, dict[str, Any]]:
        rows = self.victim.rows("SELECT * FROM negotiation ORDER BY pid")
        if not rows:
            return self._opening()
        row = self._one(rows)
        trigger = self._trigger(NEGOTIATION, row, list(NEGOTIATING))
        suffix, type_, members = NEGOTIATING[trigger]
        message = {"@type": type_, **members, **self._pids(row)}
        if trigger in ("request", "offer"):
            message["offer"] = self._offer("a" if row["role"] == "provider" else "b")
            if self.luck.random() < 0.7:
                message["offer"] |= {"target": row["dataset"]}
        if trigger == "agreement":
            message["agreement"] = self._agreement(row)
        return f"negotiations/{row['pid']}/{suffix}", message

    def _agreement(self, row: Any) -> dict[str, Any]:
        offer = orjson.loads(row["offer"])
        agreement = offer | {
            "@type": "Agreement",
            "@id": self._id(),
            "assigner": self.did,
            "assignee": self.victim.did,
            "timestamp": "2026-11-10T01:00:00Z",
        }
        draw = self.luck.random()
        if draw < 0.1:
            agreement["permission"] = [{"action": "odrl:use", "constraint": [self._constraint()]}]
        elif draw < 0.2:
            known = self.victim.rows("SELECT id FROM agreement ORDER BY digest")
            agreement["@id"] = self.luck.choice(known)["id"] if known else agreement["@id"]
        elif draw < 0.25:
            agreement["timestamp"] = "2026-11-10T01:00:00"
        return agreement

    def _transferring(self) -> tuple[str, dict[str, Any]]:
        rows = self.victim.rows("SELECT * FROM transfer ORDER BY pid")
        if not rows or self.luck.random() < 0.3:
            return self._asking()
        row = self._one(rows)
        suffix, type_, members = TRANSFERRING[self._trigger(TRANSFER, row, list(TRANSFERRING))]
        message = {"@type": type_, **members, **self._pids(row)}
        if suffix == "start" and self.luck.random() < 0.8:
            message["dataAddress"] = {
                "@type": "DataAddress",
                "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
                "endpoint": self.luck.choice(("http://b.example/data/1", "http://elsewhere.example/data")),
                "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "token"}],
            }
        return f"transfers/{row['pid']}/{suffix}", message

    def _one(self, rows: list[Any]) -> Any:
        """A process to speak about: an open one, mostly."""
        ends = ("FINALIZED", "TERMINATED", "COMPLETED")
        still = [row for row in rows if row["state"] not in ends]
        return self.luck.choice(still if still and self.luck.random() < 0.8 else rows)

    def _trigger(self, machine: Any, row: Any, known: list[str]) -> str:
        """What the table would allow now, or anything."""
        state = next((each.to for each in machine.rows if each.to.value == row["state"]), None)
        allowed = [each.value for each in machine.allowed(state, Role(row["role"]).other) if each.value in known]
        return self.luck.choice(allowed if allowed and self.luck.random() < 0.75 else known)

    def _pids(self, row: Any) -> dict[str, str]:
        ours, theirs = row["pid"], row["peer_pid"] or self._id()
        if self.luck.random() < 0.08:
            theirs = self._id()
        pids = (ours, theirs) if row["role"] == "consumer" else (theirs, ours)
        return dict(zip(("consumerPid", "providerPid"), pids, strict=True))
