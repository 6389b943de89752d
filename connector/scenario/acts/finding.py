"""A consumer searches, reads terms, and agrees to nothing by silence."""

from connector.client.errors import OfferRejectedError
from connector.scenario.stage import Stage
from connector.scenario.steps import Find, Silence, Terms
from policies.compare import policy_digest

# Of long texts the beginning is shown; the commands at the end show the whole.
SHOWN = 3


async def find(stage: Stage, step: Find) -> None:
    dataset = stage.package.datasets[step.dataset]
    found = await stage.clients[step.by].find(step.words).all(limit=10)
    for each in found[:1]:
        fresh = each.freshness.state if each.freshness is not None else ""
        stage.tell.line(
            "found",
            words=step.words,
            title=stage.tell.text(each.title),
            owner=stage.tell.name(each.provider_name),
            rows=each.rows,
            fresh=stage.tell.word(f"freshness.{fresh}") if fresh else "",
        )
    stage.check("found", dataset.id, found[0].id if found else "", words=step.words)


async def terms(stage: Stage, step: Terms) -> None:
    agreement = stage.package.agreements[step.agreement]
    dataset, document = stage.package.datasets[agreement.dataset], stage.package.offer(step.agreement)
    provider = stage.package.participants[dataset.owner].id
    offers = await stage.consumer(step.agreement).offers(dataset.id, provider=provider)
    found = next((offer for offer in offers if offer.id == document["@id"]), None)
    stage.tell.line("terms", agreement=step.agreement, owner=stage.name(dataset.owner))
    stage.tell.quote(found.summary(stage.tell.lang) if found is not None else ())
    stage.check("terms", policy_digest(document), found.digest if found is not None else "", agreement=step.agreement)
    if found is not None:
        refused = sum(rule.get("class") == "refused" for rule in found.enforcement)
        said = [lang for lang in ("en", "zh") if len(found.sentences.get(lang, ())) == len(found.enforcement)]
        stage.check("sentences", "en, zh; 0 refused", f"{', '.join(said)}; {refused} refused", agreement=step.agreement)


async def silence(stage: Stage, step: Silence) -> None:
    agreement = stage.package.agreements[step.agreement]
    dataset, client = stage.package.datasets[agreement.dataset], stage.consumer(step.agreement)
    provider = stage.package.participants[dataset.owner].id
    got = "accepted"
    try:
        await client.fetch(dataset.id, provider=provider, purpose=agreement.purpose)
    except OfferRejectedError as error:
        got = "refused"
        stage.tell.quote(error.sentence(stage.tell.lang).splitlines()[:SHOWN])
    begun = await client.negotiations(dataset=dataset.id).all(limit=10)
    stage.check("silence", "refused, 0 negotiations", f"{got}, {len(begun)} negotiations")
