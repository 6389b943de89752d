"""Negotiations, agreements and transfers as the client gives them back: frozen, with the verbs that move them.

A verb returns the object as it was right after the daemon has made the command durable; the counterparty answers later:
`await negotiation.wait()` sees it.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import Field, PrivateAttr

from connector.client.errors import EndedError, NegotiationTerminatedError, TransferTerminatedError
from connector.client.models import Difference, Model, Words
from connector.client.waiting import Goal, reach
from contracts.negotiation import table as negotiation_table
from contracts.transfer import table as transfer_table

if TYPE_CHECKING:
    from connector.client.client import Client

WAIT_S = 300.0


class Handle(Model):
    """A model that knows the client it came from."""

    _client: "Client | None" = PrivateAttr(default=None)

    @classmethod
    def of(cls, client: "Client", raw: Any) -> Self:
        handle = cls.read(raw)
        object.__setattr__(handle, "_client", client)
        return handle

    @property
    def client(self) -> "Client":
        if self._client is None:
            raise RuntimeError("this object was made by hand: it has no client to ask")
        return self._client


class Negotiation(Handle):
    """A contract negotiation. `state` is None until the first message was acknowledged.

    `offer` is the last offer on the table, as sent; `allowed` are our next moves; `waiting_for` is us, counterparty or nobody.
    `approval` is why a person of ours approved; in a list of approvals, `subject` says what is to be decided.
    """

    id: str
    role: str
    counterparty: str
    counterparty_name: Words = Field(default_factory=dict)
    state: str | None
    dataset: str
    offer: Mapping[str, Any] = {}
    offer_digest: str = ""
    offered_by: str = ""
    approval: str = ""
    agreement: str | None = None
    code: str = ""
    reason: str = ""
    allowed: tuple[str, ...] = ()
    waiting_for: str = "nobody"
    subject: str = ""
    created: datetime
    updated: datetime

    async def wait(self, until: str | Collection[str] = "FINALIZED", *, timeout_s: float = WAIT_S) -> "Negotiation":
        """This negotiation once it is in a wanted state; raises NegotiationTerminatedError, StillWaitingError."""
        goal = Goal(negotiation_table.MACHINE, negotiation_table.State, until)

        def missed(raw: dict[str, Any]) -> EndedError | None:
            return (
                _ended(NegotiationTerminatedError, "negotiation-terminated", raw) if goal.missed(raw["state"]) else None
            )

        raw = await reach(
            self.client.session,
            "negotiation",
            self.id,
            reached=lambda raw: goal.reached(raw["state"]),
            missed=missed,
            timeout_s=timeout_s,
        )
        return Negotiation.of(self.client, raw)

    async def refresh(self) -> "Negotiation":
        return await self.client.negotiation(self.id)

    async def accept(self, *, idempotency_key: str | None = None) -> "Negotiation":
        return await self._move("accept", {}, idempotency_key)

    async def agree(self, *, idempotency_key: str | None = None) -> "Negotiation":
        """As provider: agree to what was asked."""
        return await self._move("agree", {}, idempotency_key)

    async def counter(self, policy: Mapping[str, Any], *, idempotency_key: str | None = None) -> "Negotiation":
        """Put other terms on the table under the same offer id."""
        return await self._move("counter", {"document": dict(policy)}, idempotency_key)

    async def difference(self) -> Difference:
        """What separates the offer on the table from the one that it answers, in sentences and in money."""
        path = f"/v1/negotiations/{quote(self.id, safe='')}/difference"
        return Difference.read(await self.client.session.get(path))

    async def approve(self, reason: str = "", *, idempotency_key: str | None = None) -> "Negotiation":
        """Say yes to what waits for us: agree as provider, accept as consumer; the reason stays with us."""
        return await self._move("approve", {"reason": reason}, idempotency_key)

    async def reject(self, reason: str, *, idempotency_key: str | None = None) -> "Negotiation":
        """Say no to what waits for us: the negotiation ends, and the counterparty is told the reason."""
        return await self._move("reject", {"reason": reason}, idempotency_key)

    async def terminate(self, reason: str, *, code: str = "", idempotency_key: str | None = None) -> "Negotiation":
        return await self._move("terminate", {"reason": reason, "code": code}, idempotency_key)

    async def _move(self, verb: str, body: Mapping[str, Any], key: str | None) -> "Negotiation":
        path = f"/v1/negotiations/{quote(self.id, safe='')}/{verb}"
        return Negotiation.of(self.client, await self.client.session.send("POST", path, body, idempotency_key=key))


class Agreement(Handle):
    """An agreement. `digest` identifies it on both sides; `document` is what was agreed, word for word.

    `remaining` has one entry per counted window: `{"window", "limit", "used", "left"}`. `in_force` is since when.
    """

    digest: str
    id: str
    negotiation: str
    role: str
    counterparty: str
    counterparty_name: Words = Field(default_factory=dict)
    dataset: str
    offer: str
    offer_digest: str = ""
    policy: str
    document: Mapping[str, Any]
    in_force: datetime | None = None
    created: datetime
    valid_until: datetime | None = None
    seals: tuple[Mapping[str, Any], ...] = ()
    sentences: Mapping[str, tuple[str, ...]] = {}
    enforcement: tuple[Mapping[str, Any], ...] = ()
    remaining: tuple[Mapping[str, Any], ...] = ()
    price: Mapping[str, Any] | None = None

    @property
    def exhausted(self) -> bool:
        return any(int(window.get("left", 1)) <= 0 for window in self.remaining)

    def summary(self, lang: str = "en") -> tuple[str, ...]:
        return self.sentences.get(lang) or next(iter(self.sentences.values()), ())

    async def transfer(self, *, purpose: str = "", idempotency_key: str | None = None) -> "Transfer":
        """Ask the provider for access under this agreement."""
        return await self.client.transfer(self, purpose=purpose, idempotency_key=idempotency_key)


class Transfer(Handle):
    """A transfer process under an agreement (`agreement` is its digest). `suspended_by` is who paused it."""

    id: str
    role: str
    counterparty: str
    counterparty_name: Words = Field(default_factory=dict)
    state: str | None
    agreement: str
    dataset: str
    format: str = ""
    purpose: str = ""
    suspended_by: str = ""
    code: str = ""
    reason: str = ""
    allowed: tuple[str, ...] = ()
    waiting_for: str = "nobody"
    created: datetime
    updated: datetime

    async def wait(self, until: str | Collection[str] = "STARTED", *, timeout_s: float = WAIT_S) -> "Transfer":
        """This transfer once it is in a wanted state; raises TransferTerminatedError, StillWaitingError."""
        goal = Goal(transfer_table.MACHINE, transfer_table.State, until)

        def missed(raw: dict[str, Any]) -> EndedError | None:
            return _ended(TransferTerminatedError, "transfer-ended", raw) if goal.missed(raw["state"]) else None

        raw = await reach(
            self.client.session,
            "transfer",
            self.id,
            reached=lambda raw: goal.reached(raw["state"]),
            missed=missed,
            timeout_s=timeout_s,
        )
        return Transfer.of(self.client, raw)

    async def refresh(self) -> "Transfer":
        return await self.client.transfer_process(self.id)

    async def suspend(self, reason: str, *, idempotency_key: str | None = None) -> "Transfer":
        return await self._move("suspend", {"reason": reason}, idempotency_key)

    async def resume(self, *, idempotency_key: str | None = None) -> "Transfer":
        return await self._move("resume", {}, idempotency_key)

    async def complete(self, *, idempotency_key: str | None = None) -> "Transfer":
        return await self._move("complete", {}, idempotency_key)

    async def terminate(self, reason: str, *, code: str = "", idempotency_key: str | None = None) -> "Transfer":
        return await self._move("terminate", {"reason": reason, "code": code}, idempotency_key)

    async def _move(self, verb: str, body: Mapping[str, Any], key: str | None) -> "Transfer":
        path = f"/v1/transfers/{quote(self.id, safe='')}/{verb}"
        return Transfer.of(self.client, await self.client.session.send("POST", path, body, idempotency_key=key))


def _ended(kind: type[EndedError], code: str, raw: Mapping[str, Any]) -> EndedError:
    facts = {
        "id": raw.get("id", ""),
        "state": raw.get("state", ""),
        "peer_code": raw.get("code", ""),
        "reason": raw.get("reason", "") or raw.get("code", "") or "-",
        "counterparty": raw.get("counterparty", ""),
    }
    return kind(code, **facts)
