"""The client: everything the daemon can do for a program, typed and asynchronous (client-sdk.md 4).

    async with Client("http://127.0.0.1:8283", key_file=Path("management.key")) as weft:
        dataset = await weft.find("coil quality").first()
        data = await weft.fetch(dataset, purpose="supply-chain-control", accept=accept.file("terms/A1.json"))
        await data.save("coil_quality.csv")

Lists are async iterators with `.first()`, `.all(limit=)` and `.page(size=)`. Changing calls take `idempotency_key=`: repeated
with the same key they have one effect. Cancelling a call cancels the waiting, never a negotiation or a transfer.
"""

import ssl as tls
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from connector.client.accept import Accept
from connector.client.caller import segment
from connector.client.controlling import Controlling
from connector.client.delivery import Delivery
from connector.client.errors import InvalidRequestError, NotFoundError
from connector.client.fetch import Tell, fetch
from connector.client.listing import Listing
from connector.client.looking import Looking
from connector.client.models import (
    AuditRecord,
    Dataset,
    Document,
    DryRun,
    Event,
    Freshness,
    Lineage,
    Member,
    Model,
    Offer,
    Preview,
    Published,
    Status,
)
from connector.client.processes import Agreement, Negotiation, Transfer
from connector.client.session import Session
from connector.client.settling import Settling


class Client(Settling, Controlling, Looking):
    """A client of one daemon. `key` is the management key, else it is read from `key_file`, else from WEFT_KEY."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        key_file: Path | None = None,
        timeout_s: float = 30.0,
        ssl_context: tls.SSLContext | None = None,
    ) -> None:
        self.session = Session(url, key=key, key_file=key_file, timeout_s=timeout_s, ssl_context=ssl_context)
        self._participant = ""

    def __repr__(self) -> str:
        return f"Client({urlsplit(self.session.url).netloc})"

    async def __aenter__(self) -> Self:
        await self.session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    # -- the daemon and the space ----------------------------------------------------------------------------------

    async def status(self) -> Status:
        return Status.read(await self.session.get("/v1/status"))

    async def participant(self) -> str:
        """Who the daemon is; asked once."""
        if not self._participant:
            self._participant = (await self.status()).participant
        return self._participant

    def members(self) -> Listing[Member]:
        return self._listing("members", "/v1/members", Member.read)

    async def reload_members(self) -> Mapping[str, Any]:
        """Read the member list again now; the answer says which list is in force."""
        answer: Mapping[str, Any] = await self.session.send("POST", "/v1/members/reload", {})
        return answer

    async def add_key(self, label: str) -> str:
        """A further management key: shown once, the daemon keeps its hash only."""
        answer = await self.session.send("POST", "/v1/keys", {"label": label})
        return str(answer["key"])

    def keys(self) -> Listing[Model]:
        return self._listing("keys", "/v1/keys", Model.read)

    async def metrics(self) -> str:
        async with self.session.stream("GET", "/metrics") as answer:
            return await answer.text()

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(
        self,
        words: str = "",
        *,
        from_: str | None = None,
        keyword: str | None = None,
        price_kind: str | None = None,
        dataset: str | None = None,
    ) -> Listing[Dataset]:
        """Datasets of all members in the daemon's index; each says how fresh its part of the index is."""
        query = {"q": words, "owner": from_, "keyword": keyword, "price_kind": price_kind, "dataset": dataset}
        return self._listing(words or dataset or "datasets", "/v1/find", Dataset.read, query)

    def catalog(self, participant: str) -> Listing[Dataset]:
        """The catalog of one provider, asked now."""
        return self._listing(participant, f"/v1/catalogs/{segment(participant)}", Dataset.read)

    async def refresh(self, participant: str | None = None) -> list[Freshness]:
        """Crawl all members, or one, now; returns how fresh each part of the index is then."""
        answer = await self.session.send("POST", "/v1/refresh", {"participant": participant}, timeout_s=120)
        return [Freshness.read(each) for each in answer["catalogs"]]

    async def dataset(self, identifier: str, *, provider: str | None = None) -> Dataset:
        """One dataset of the index by its id; raises NotFoundError, InvalidRequestError when two providers have it."""
        found = await self.find(dataset=identifier, from_=provider).all(limit=2)
        if not found:
            raise NotFoundError("dataset-not-in-index", id=identifier)
        if len(found) > 1:
            raise InvalidRequestError(
                "dataset-ambiguous", id=identifier, providers=", ".join(d.provider for d in found)
            )
        return found[0]

    async def offers(self, dataset: Dataset | str, *, provider: str | None = None) -> list[Offer]:
        """The offers of a dataset, asked from its provider now, each with its sentences and enforcement classes."""
        found = dataset if isinstance(dataset, Dataset) else await self._located(dataset, provider)
        query = {"provider": found.provider, "dataset": found.id}
        answer = await self.session.get("/v1/offers", query)
        return [Offer.read(each) for each in answer["items"]]

    async def fetch(
        self,
        what: Dataset | str,
        *,
        provider: str | None = None,
        purpose: str = "",
        accept: Accept = None,
        columns: Sequence[str] | None = None,
        push: bool = False,
        save: str | Path | None = None,
        reuse: bool = True,
        timeout_s: float = 300.0,
        progress: Tell | None = None,
    ) -> Delivery:
        """From a dataset to a verified delivery: agreement (reused or negotiated), transfer, bytes, receipt.

        Terms are refused unless `accept` consents to them (see `connector.client.accept`). `save` writes the file too. With `push`
        the provider sends everything that is granted, instead of our fetching `columns`.
        Raises OfferRejectedError with the differences of each offer, NegotiationTerminatedError, TransferTerminatedError,
        DeliveryFailedError, StillWaitingError; a repeated fetch goes on where this one stopped.
        """
        return await fetch(
            self,
            what,
            provider=provider,
            purpose=purpose,
            accept=accept,
            columns=tuple(columns) if columns is not None else None,
            push=push,
            save=Path(save) if save is not None else None,
            reuse=reuse,
            timeout_s=timeout_s,
            progress=progress,
        )

    # -- negotiating -------------------------------------------------------------------------------------------------

    async def negotiate(
        self,
        offer: Offer | str,
        *,
        provider: str | None = None,
        dataset: str | None = None,
        terms: Mapping[str, Any] | None = None,
        seen: bool = False,
        idempotency_key: str | None = None,
    ) -> Negotiation:
        """As consumer: request an offer as it is, or other `terms` under its id. Returns once that is durable.

        The provider is asked for its offer first, unless this `Offer` is `seen`: as its catalog has shown it just now.
        """
        found = offer if isinstance(offer, Offer) else None
        if seen and found is None:
            raise ValueError("only an Offer has been seen: its id alone says nothing of its terms")
        body = {
            "provider": found.provider if found else provider,
            "dataset": found.dataset if found else dataset,
            "offer": found.id if found else offer,
            "document": dict(terms) if terms is not None else None,
            "seen": dict(found.policy) if seen and found else None,
        }
        raw = await self.session.send("POST", "/v1/negotiations", body, idempotency_key=idempotency_key)
        return Negotiation.of(self, raw)

    async def offer(
        self, consumer: str, *, dataset: str, offer: str, idempotency_key: str | None = None
    ) -> Negotiation:
        """As provider: open a negotiation with an offer of ours."""
        body = {"consumer": consumer, "dataset": dataset, "offer": offer}
        raw = await self.session.send("POST", "/v1/negotiations", body, idempotency_key=idempotency_key)
        return Negotiation.of(self, raw)

    def negotiations(
        self,
        *,
        state: str | None = None,
        role: str | None = None,
        counterparty: str | None = None,
        dataset: str | None = None,
    ) -> Listing[Negotiation]:
        """Negotiations, last changed first."""
        query = {"state": state, "role": role, "counterparty": counterparty, "dataset": dataset}
        return self._listing("negotiations", "/v1/negotiations", self._of(Negotiation), query)

    def approvals(self) -> Listing[Negotiation]:
        """Negotiations that a person of ours must decide about, longest waiting first; `subject` says what is asked."""
        return self._listing("approvals", "/v1/approvals", self._of(Negotiation))

    async def keep_terms(self, document: Mapping[str, Any], *, idempotency_key: str | None = None) -> Document:
        """Have the daemon hold and serve a terms document of ours, so that we can ask for it by its digest."""
        body = {"kind": "terms", "document": dict(document)}
        raw = await self.session.send("POST", "/v1/documents", body, idempotency_key=idempotency_key)
        return Document.read(raw)

    async def document(self, digest: str, *, from_: str | None = None, kind: str = "terms") -> Document:
        """Terms or a transform by digest: what the daemon holds, else fetched from the participant who cites it."""
        query = {"from": from_, "kind": kind}
        return Document.read(await self.session.get(f"/v1/documents/{segment(digest)}", query))

    async def negotiation(self, identifier: str) -> Negotiation:
        return Negotiation.of(self, await self.session.get(f"/v1/negotiations/{segment(identifier)}"))

    def agreements(
        self,
        *,
        role: str | None = None,
        counterparty: str | None = None,
        dataset: str | None = None,
        usable: bool = False,
    ) -> Listing[Agreement]:
        """Agreements, newest first; `usable` leaves out those not in force or past their end."""
        query = {"role": role, "counterparty": counterparty, "dataset": dataset, "usable": usable}
        return self._listing("agreements", "/v1/agreements", self._of(Agreement), query)

    async def agreement(self, digest: str) -> Agreement:
        return Agreement.of(self, await self.session.get(f"/v1/agreements/{segment(digest)}"))

    # -- transferring ------------------------------------------------------------------------------------------------

    async def transfer(
        self,
        agreement: Agreement | str,
        *,
        purpose: str = "",
        push: bool = False,
        idempotency_key: str | None = None,
    ) -> Transfer:
        """Ask the provider for access under an agreement, or with `push` to send the data. Returns once that is durable."""
        digest = agreement if isinstance(agreement, str) else agreement.digest
        body = {"agreement": digest, "purpose": purpose} | ({"push": True} if push else {})
        return Transfer.of(
            self, await self.session.send("POST", "/v1/transfers", body, idempotency_key=idempotency_key)
        )

    def transfers(
        self, *, state: str | None = None, role: str | None = None, agreement: str | None = None
    ) -> Listing[Transfer]:
        """Transfers, last changed first."""
        query = {"state": state, "role": role, "agreement": agreement}
        return self._listing("transfers", "/v1/transfers", self._of(Transfer), query)

    async def transfer_process(self, identifier: str) -> Transfer:
        return Transfer.of(self, await self.session.get(f"/v1/transfers/{segment(identifier)}"))

    async def deliver(
        self,
        *,
        agreement: Agreement | str | None = None,
        transfer: Transfer | str | None = None,
        purpose: str = "",
        columns: Sequence[str] | None = None,
        push: bool = False,
        idempotency_key: str | None = None,
    ) -> Delivery:
        """Have the daemon receive and verify data: under an agreement (it asks for the transfer first) or of a transfer.

        With `push`, under an agreement, the provider sends everything that is granted.
        """
        body = {
            "agreement": agreement.digest if isinstance(agreement, Agreement) else agreement,
            "transfer": transfer.id if isinstance(transfer, Transfer) else transfer,
            "purpose": purpose,
            "columns": list(columns) if columns is not None else None,
        } | ({"push": True} if push else {})
        return Delivery.of(
            self, await self.session.send("POST", "/v1/deliveries", body, idempotency_key=idempotency_key)
        )

    def deliveries(self, *, agreement: str | None = None, unfinished: bool = False) -> Listing[Delivery]:
        """Deliveries to us, newest first."""
        query = {"agreement": agreement, "unfinished": unfinished}
        return self._listing("deliveries", "/v1/deliveries", self._of(Delivery), query)

    async def delivery(self, identifier: str) -> Delivery:
        return Delivery.of(self, await self.session.get(f"/v1/deliveries/{segment(identifier)}"))

    # -- providing -----------------------------------------------------------------------------------------------------

    async def publish(
        self,
        path: str | Path,
        *,
        id: str,  # noqa: A002  the word of the domain, and of the command line
        title: Mapping[str, str],
        description: Mapping[str, str] | None = None,
        keywords: Sequence[Mapping[str, str]] = (),
        offers: Sequence[Mapping[str, Any]],
        terms: Sequence[Mapping[str, Any]] = (),
        transforms: Sequence[Mapping[str, Any]] = (),
        visible_to: Collection[str] | str = "all",
        decide: str = "automatic",
        inputs: Sequence[str | Mapping[str, str]] = (),
        missing_inputs: Collection[str] = (),
        purpose: str | None = None,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> Published:
        """Offer a file on the daemon's machine. The same content again changes nothing and says so (`unchanged`).

        A derived product names its `inputs`, by dataset id or as `{"dataset", "agreement"}`, and the `purpose` of the derivation;
        `missing_inputs` are those of which the day's delivery did not come.
        """
        body = {
            "path": str(path),
            "id": id,
            "title": dict(title),
            "description": dict(description or title),
            "keywords": [dict(each) for each in keywords],
            "offers": [dict(each) for each in offers],
            "terms": [dict(each) for each in terms],
            "transforms": [dict(each) for each in transforms],
            "visible_to": visible_to if visible_to == "all" else sorted(visible_to),
            "decide": decide,
            "inputs": [each if isinstance(each, str) else dict(each) for each in inputs],
            "missing_inputs": sorted(missing_inputs),
            "purpose": purpose,
            **more,
        }
        raw = await self.session.send("POST", "/v1/datasets", body, idempotency_key=idempotency_key, timeout_s=300)
        return Published.read(raw)

    async def preview(self, publication: Mapping[str, Any]) -> Preview:
        """What the members of a publication (the arguments of `publish` by name, with `path`) would make public."""
        return Preview.read(await self.session.send("POST", "/v1/datasets/preview", dict(publication), timeout_s=300))

    async def withdraw(self, dataset: str, reason: str, *, idempotency_key: str | None = None) -> None:
        """Stop offering a dataset; agreements about it stay."""
        await self.session.send(
            "DELETE", f"/v1/datasets/{segment(dataset)}", query={"reason": reason}, idempotency_key=idempotency_key
        )

    def datasets(self) -> Listing[Published]:
        """What we offer."""
        return self._listing("datasets", "/v1/datasets", Published.read)

    async def lineage(self, dataset: str, *, provider: str | None = None) -> Lineage:
        """Where a dataset came from and what came of it; without a `provider` ours, else the only one that is known."""
        return Lineage.read(await self.session.get(f"/v1/lineage/{segment(dataset)}", {"provider": provider}))

    # -- policies, events, audit ---------------------------------------------------------------------------------------

    async def explain_policy(self, policy: Mapping[str, Any]) -> Mapping[str, Any]:
        """One sentence per rule in both languages, the class of each rule, and the policy digest."""
        answer: Mapping[str, Any] = await self.session.send("POST", "/v1/policy/explain", {"policy": dict(policy)})
        return answer

    async def test_policy(
        self,
        *,
        agreement: str | None = None,
        policy: Mapping[str, Any] | None = None,
        partner: str | None = None,
        purpose: str = "",
        columns: Sequence[str] | None = None,
        at: datetime | None = None,
        action: str = "odrl:use",
    ) -> DryRun:
        """What an agreement, or a policy, would say to a request at that time. Nothing is counted; the run is audited."""
        body = {
            "agreement": agreement,
            "policy": dict(policy) if policy is not None else None,
            "partner": partner,
            "purpose": purpose,
            "columns": list(columns) if columns is not None else None,
            "at": at.isoformat() if at is not None else None,
            "action": action,
        }
        return DryRun.read(await self.session.send("POST", "/v1/policy/test", body))

    async def events(self, *, since: int | None = None, types: Sequence[str] = ()) -> AsyncIterator[Event]:
        """The daemon's events, from `since` (the `seq` of the last one seen) or from now on; at least once, without end.

        `types` are names or prefixes: `negotiation` stands for `negotiation.requested` and all others.
        """
        query = {"types": ",".join(types) or None, "since": since}
        async for event in self.session.events(query, since=since):
            data = event.data if isinstance(event.data, dict) else {}
            yield Event.read({"type": event.name, **data})

    def audit(
        self,
        *,
        about: str | None = None,
        type: str | None = None,  # noqa: A002  the word of the record
        peer: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Listing[AuditRecord]:
        """Audit records, newest first; `about` is a digest, an agreement or the id of a process."""
        query = {
            "about": about,
            "type": type,
            "peer": peer,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }
        return self._listing("records", "/v1/audit", AuditRecord.read, query)

    async def audit_record(self, seq: int) -> AuditRecord:
        return AuditRecord.read(await self.session.get(f"/v1/audit/{seq}"))

    async def audit_export(self) -> AsyncIterator[bytes]:
        """The whole log as JSON lines, in pieces of any size: what `weft audit verify` reads."""
        async with self.session.stream("GET", "/v1/audit/export", silence_s=60) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def catalog_check(self) -> Mapping[str, Any]:
        """Whether our catalog keeps the rules of publishing: `{valid, problems}`."""
        answer: Mapping[str, Any] = await self.session.send("POST", "/v1/catalog/check", {}, timeout_s=120)
        return answer

    async def catalog_export(self, form: str = "turtle") -> bytes:
        """Our catalog as RDF, `turtle` or `json-ld`."""
        async with self.session.stream("GET", "/v1/catalog/export", query={"format": form}, timeout_s=300) as answer:
            return await answer.read()

    # -- inside ----------------------------------------------------------------------------------------------------------

    async def _located(self, dataset: str, provider: str | None) -> Dataset:
        if provider is not None:
            return Dataset(id=dataset, provider=provider)
        return await self.dataset(dataset)
