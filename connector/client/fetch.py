"""From a dataset to a verified file, in the steps of client-sdk.md 5; each step leaves a line in the trace.

A repeated fetch goes on where the last one stopped: it joins a negotiation under way for the same terms, reuses an agreement
in force, and joins a delivery that is still being received.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.client.accept import Accept, consent
from connector.client.consent import Consent, Rejection, Said
from connector.client.delivery import FAILED, RECEIVED, Delivery, failure
from connector.client.errors import OfferRejectedError, StillWaitingError
from connector.client.models import Dataset, Offer, Price
from connector.client.processes import Agreement, Negotiation
from policies.canonical import digest_of
from policies.parse import parse_policy

if TYPE_CHECKING:
    from connector.client.client import Client

# How many negotiations about the same dataset are looked through for one to join.
LOOK_BACK = 20
# States in which a request of ours is on its way to an agreement without us.
UNDER_WAY = (None, "REQUESTED", "ACCEPTED", "AGREED", "VERIFIED")


@dataclass(frozen=True, slots=True)
class Progress:
    """One remark about a fetch: the step (resolve, reuse, offer, negotiate, transfer, receive, save) and its facts."""

    step: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Tell = Callable[[Progress], None]


async def fetch(
    client: "Client",
    what: Dataset | str,
    *,
    provider: str | None,
    purpose: str,
    accept: Accept,
    columns: tuple[str, ...] | None,
    push: bool,
    save: Path | None,
    reuse: bool,
    timeout_s: float,
    progress: Tell | None,
) -> Delivery:
    """See `Client.fetch`."""
    run = _Fetch(
        client,
        accepted=consent(accept),
        purpose=purpose,
        columns=columns,
        push=push,
        deadline=time.monotonic() + timeout_s,
        progress=progress,
    )
    dataset = what if isinstance(what, Dataset) else await client.dataset(what, provider=provider)
    run.tell("resolve", dataset=dataset.id, provider=dataset.provider, title=dict(dataset.title))
    agreement = await run.reusable(dataset) if reuse else None
    if agreement is None:
        agreement = await run.negotiated(await run.offer(dataset), join=reuse)
    delivery = await run.delivered(agreement, join=reuse)
    if save is not None:
        await delivery.save(save)
        run.tell("save", path=str(save), size=delivery.size)
    return run.traced(delivery)


class _Fetch:
    """One run: what was consented to, until when, and what was done so far."""

    def __init__(
        self,
        client: "Client",
        *,
        accepted: Consent,
        purpose: str,
        columns: tuple[str, ...] | None,
        push: bool,
        deadline: float,
        progress: Tell | None,
    ) -> None:
        self._client = client
        self._consent = accepted
        self._purpose = purpose
        self._columns = columns
        self._push = push
        self._deadline = deadline
        self._progress = progress
        self._started = time.monotonic()
        self._trace: list[Mapping[str, Any]] = []
        self._reused: list[str] = []

    def tell(self, step: str, **facts: Any) -> None:
        self._trace.append({"step": step, "ms": round((time.monotonic() - self._started) * 1000), **facts})
        if self._progress is not None:
            self._progress(Progress(step, facts))

    def traced(self, delivery: Delivery) -> Delivery:
        return delivery.model_copy(update={"trace": tuple(self._trace), "reused": tuple(self._reused)})

    async def reusable(self, dataset: Dataset) -> Agreement | None:
        """An agreement in force about the dataset whose terms are consented to and leave something, newest first."""
        participant = await self._client.participant()
        async for agreement in self._client.agreements(
            role="consumer", counterparty=dataset.provider, dataset=dataset.id, usable=True
        ):
            if not agreement.exhausted and not self._consent.judge(_as_offer(agreement), participant):
                self._reused.append("agreement")
                self.tell("reuse", agreement=agreement.digest)
                return agreement
        return None

    async def offer(self, dataset: Dataset) -> Offer:
        """The accepted offer that costs least, then asks least; raises OfferRejectedError with why, per offer."""
        participant = await self._client.participant()
        offers = await self._client.offers(dataset)
        rejected: list[Rejection] = []
        accepted: list[Offer] = []
        for offer in offers:
            objections = tuple(self._consent.judge(offer, participant))
            if not offer.acceptable:
                objections = (Said("not-acceptable"), *objections)
            if objections:
                rejected.append(Rejection(offer, objections))
            else:
                accepted.append(offer)
        if not accepted:
            raise OfferRejectedError(
                "offers-rejected", offers=rejected, dataset=dataset.id, provider=dataset.provider, number=len(rejected)
            )
        chosen = min(accepted, key=_burden)
        self.tell("offer", offer=chosen.id, digest=chosen.digest, of=len(offers))
        return chosen

    async def negotiated(self, offer: Offer, *, join: bool) -> Agreement:
        """The agreement about this offer, by the negotiation under way for the same terms, else by a new one."""
        negotiation = await self._negotiation(offer, join=join)
        self.tell("negotiate", negotiation=negotiation.id, counterparty=negotiation.counterparty)
        done = await negotiation.wait({"FINALIZED", "OFFERED"}, timeout_s=self._left(negotiation.id))
        if done.state == "OFFERED":
            await self._answer(done)
            # Once accepted there is no other offer (the machine has no such row), but the state is OFFERED for a moment more.
            done = await done.wait("FINALIZED", timeout_s=self._left(done.id))
        self.tell("agreed", agreement=done.agreement)
        return await self._client.agreement(done.agreement or "")

    async def _negotiation(self, offer: Offer, *, join: bool) -> Negotiation:
        """Two fetches of the same terms share one negotiation: both derive the same key from the newest one before."""
        if not join:
            return await self._client.negotiate(offer, seen=True)
        earlier = await self._client.negotiations(
            role="consumer", counterparty=offer.provider, dataset=offer.dataset
        ).page(LOOK_BACK)
        for each in earlier.items:
            if each.offer_digest == offer.digest and each.state in UNDER_WAY:
                self._reused.append("negotiation")
                return each
        newest = earlier.items[0].id if earlier.items else ""
        key = digest_of({"provider": offer.provider, "dataset": offer.dataset, "terms": offer.digest, "after": newest})
        return await self._client.negotiate(offer, seen=True, idempotency_key=f"fetch:{key}")

    async def _answer(self, negotiation: Negotiation) -> None:
        """The provider put other terms on the table: they are accepted if they were consented to; nothing else is said."""
        counter = Offer(
            id=str(negotiation.offer.get("@id", "")),
            policy=negotiation.offer,
            digest=negotiation.offer_digest,
            dataset=negotiation.dataset,
            provider=negotiation.counterparty,
        )
        objections = tuple(self._consent.judge(counter, await self._client.participant()))
        if objections:
            raise OfferRejectedError(
                "counter-rejected",
                offers=[Rejection(counter, objections)],
                negotiation=negotiation.id,
                provider=negotiation.counterparty,
            )
        await negotiation.accept()
        self.tell("accept", negotiation=negotiation.id, digest=counter.digest)

    async def delivered(self, agreement: Agreement, *, join: bool) -> Delivery:
        """The verified delivery: the one under way for the same request, else that of a new transfer."""
        delivery = await self._under_way(agreement) if join else None
        if delivery is None:
            # One request: the daemon asks for the transfer, and the delivery waits until it has started.
            delivery = await self._client.deliver(
                agreement=agreement, purpose=self._purpose, columns=self._columns, push=self._push
            )
            self.tell("transfer", transfer=delivery.transfer)
        self.tell("receive", delivery=delivery.id, size=delivery.size)
        return await self._received(delivery)

    async def _under_way(self, agreement: Agreement) -> Delivery | None:
        async for delivery in self._client.deliveries(agreement=agreement.digest, unfinished=True):
            if delivery.purpose == self._purpose and delivery.columns == self._columns:
                self._reused.append("delivery")
                return delivery
        return None

    async def _received(self, delivery: Delivery) -> Delivery:
        if self._progress is None:
            return await delivery.wait(timeout_s=self._left(delivery.id))
        async for state in delivery.progress():
            self._progress(Progress("receive", {"verified": state.verified_bytes, "size": state.size}))
            if state.state == RECEIVED:
                return state
            if state.state == FAILED:
                raise failure(state.raw)
        return await delivery.wait(timeout_s=self._left(delivery.id))

    def _left(self, identifier: str) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StillWaitingError("still-waiting", kind="fetch", id=identifier, state="-")
        return left


def _as_offer(agreement: Agreement) -> Offer:
    """An agreement's terms in the form that a consent judges."""
    return Offer(
        id=agreement.offer,
        policy=agreement.document,
        digest=agreement.offer_digest or agreement.policy,
        dataset=agreement.dataset,
        provider=agreement.counterparty,
        price=Price.model_validate(agreement.price) if agreement.price else None,
    )


def _burden(offer: Offer) -> tuple[bool, float, int, str]:
    """Order of choice: free first, then cheapest, then fewest duties."""
    policy = parse_policy(offer.policy)
    duties = len(policy.obligations) + sum(len(rule.duties) for rule in policy.permissions)
    price = offer.price
    amount = float(price.amount) if price is not None and price.amount is not None else 0.0
    return (price is not None and not price.free, amount, duties, offer.id)
