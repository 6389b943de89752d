"""Contracts are made, all at once: as offered, or after other terms were asked for and answered."""

import asyncio

from connector.client import Agreement, Client, Negotiation, Offer
from connector.scenario.errors import PackageError
from connector.scenario.package import Wish
from connector.scenario.stage import Stage
from connector.scenario.steps import Negotiate
from contracts.settlement.amount import major
from policies.canonical import JsonValue
from policies.compare import policy_digest

NEGOTIATION_S = 60.0
# What the log of either side calls the messages of a negotiation with one counter-offer, in order.
COUNTERED = ("requested", "offered", "accepted", "agreed", "verified", "finalized")


async def negotiate(stage: Stage, step: Negotiate) -> None:
    """Every consumer asks at the same time; afterwards both sides hold the same agreements."""
    done = await asyncio.gather(*(_negotiated(stage, name) for name in step.agreements))
    await stage.quiet()
    for name, negotiation in zip(step.agreements, done, strict=True):
        await concluded(stage, name, str(negotiation.agreement))
        if stage.package.agreements[name].wish is not None:
            await _countered(stage, name, negotiation)
    stage.tell.line("concluded", agreements=", ".join(step.agreements))


async def _negotiated(stage: Stage, name: str) -> Negotiation:
    package, wanted = stage.package, stage.package.agreements[name]
    dataset, client = package.datasets[wanted.dataset], stage.consumer(name)
    offer = await _offer(client, dataset.id, package.participants[dataset.owner].id, package.offer(name)["@id"])
    if policy_digest(offer.policy) != policy_digest(package.offer(name)):
        raise PackageError("unreadable", path=package.contract("offers", name), problem=offer.digest)
    if wanted.wish is None:
        return await (await client.negotiate(offer)).wait(timeout_s=NEGOTIATION_S)
    return await _wished(stage, name, offer, wanted.wish)


async def _offer(client: Client, dataset: str, provider: str, identifier: str) -> Offer:
    return next(each for each in await client.offers(dataset, provider=provider) if each.id == identifier)


async def _wished(stage: Stage, name: str, offer: Offer, wish: Wish) -> Negotiation:
    """The consumer asks for other terms under the same offer, the provider answers with its own, the consumer takes them."""
    package, client = stage.package, stage.consumer(name)
    asked = _replaced(dict(package.offer(name)), package.digest(wish.instead_of), package.digest(wish.terms))
    await client.keep_terms(package.document("terms", wish.terms))
    begun = await client.negotiate(offer, terms=asked if isinstance(asked, dict) else {})
    await begun.wait("REQUESTED", timeout_s=NEGOTIATION_S)
    theirs = await _waiting(stage, name)
    stage.tell.line("asked-other", agreement=name, name=stage.name(package.agreements[name].consumer))
    difference = await theirs.difference()
    said = difference.sentences.get(stage.tell.lang, ())
    stage.tell.quote(said)
    for row in difference.money:
        values = {
            each: major(getattr(row, each), row.exponent, group=True) for each in ("ours", "theirs", "difference")
        }
        stage.tell.line("at-volume", volume=row.volume, unit=row.unit, currency=row.currency, **values)
    dearer = sum(row.difference != 0 for row in difference.money)
    got = f"{'sentences' if said else '-'}, {'money' if dearer else '-'}"
    stage.check("difference", "sentences, money", got, agreement=name)
    await theirs.counter(package.offer(name))
    offered = await begun.wait("OFFERED", timeout_s=NEGOTIATION_S)
    stage.tell.line("answered", agreement=name, name=stage.name(package.provider(name)))
    stage.check("answered", policy_digest(package.offer(name)), policy_digest(offered.offer), agreement=name)
    return await (await offered.accept()).wait(timeout_s=NEGOTIATION_S)


async def _waiting(stage: Stage, name: str) -> Negotiation:
    """The provider's side of a request that waits for a person."""
    package = stage.package
    wanted = package.agreements[name]
    listing = stage.provider(name).negotiations(
        state="REQUESTED", role="provider", counterparty=package.participants[wanted.consumer].id
    )
    return next(each for each in await listing.all(limit=10) if each.dataset == package.datasets[wanted.dataset].id)


async def concluded(stage: Stage, name: str, digest_: str) -> Agreement:
    """The agreement as both sides have it; from here on the stage knows it by its name."""
    sides = stage.consumer(name), stage.provider(name)
    mine, theirs = await asyncio.gather(*(client.agreement(digest_) for client in sides))
    states = await asyncio.gather(
        *(client.negotiation(each.negotiation) for client, each in zip(sides, (mine, theirs), strict=True))
    )
    stage.agreements[name] = mine
    got = ", ".join(f"{each.state} {len(side.seals)}" for each, side in zip(states, (mine, theirs), strict=True))
    stage.check("concluded", "FINALIZED 2, FINALIZED 2", got, agreement=name)
    return mine


async def _countered(stage: Stage, name: str, negotiation: Negotiation) -> None:
    """Every message is in the log, and each once."""
    records = await stage.consumer(name).audit(about=negotiation.id, type="negotiation").all(limit=100)
    said = [each.type.rpartition(".")[2] for each in reversed(records)]
    stage.check("countered", ", ".join(COUNTERED), ", ".join(said), agreement=name)


def _replaced(value: JsonValue, old: str, new: str) -> JsonValue:
    """A document with one digest in place of another, wherever it stands."""
    if isinstance(value, dict):
        return {name: _replaced(member, old, new) for name, member in value.items()}
    if isinstance(value, list):
        return [_replaced(member, old, new) for member in value]
    return new if value == old else value
