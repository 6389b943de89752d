"""A contract of many parties is signed; a period is booked, stated and settled by each alone, and compared."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from connector.client import Client
from connector.client.errors import ClientError
from connector.client.models import Settlement
from connector.scenario import weft
from connector.scenario.package import Line
from connector.scenario.stage import LOOKS, PAUSE_S, Stage
from connector.scenario.steps import Book, Close, Premature, Sign, Statement
from contracts.settlement.amount import major
from contracts.settlement.positions import net_positions
from policies.canonical import digest, digest_of

REFUSED = "settlement.refused"


async def sign(stage: Stage, step: Sign) -> None:
    """The first has the document, the others fetch it by its digest; then each holds the same signatures."""
    package = stage.package
    terms = package.digest(step.bundle)
    if not stage.signed:  # what all are about to sign, as a person reads it
        path = package.contract("terms", step.bundle)
        stage.tell.quote((await weft.run("terms", "explain", str(path), "--lang", stage.tell.lang)).out.splitlines())
    for name in step.by:
        client = stage.clients[name]
        if not stage.signed:
            await client.sign_bundle(package.document("terms", step.bundle))
        else:
            await client.sign_bundle(terms=terms, from_=package.participants[stage.signed[0]].id)
        stage.signed.append(name)
        stage.tell.line("signed-bundle", name=stage.name(name), bundle=step.bundle)
    await stage.quiet()
    found = await asyncio.gather(*(stage.clients[name].bundle(terms) for name in stage.signed))
    total = len(found[0].signatories)
    wanted = f"{len(stage.signed)} of {total}, {'in force' if len(stage.signed) == total else 'not in force'}"
    got = [
        f"{total - len(each.missing)} of {total}, {'in force' if each.in_force else 'not in force'}" for each in found
    ]
    stage.check("signatures", wanted, "; ".join(dict.fromkeys(got)), bundle=step.bundle, number=len(found))


async def premature(stage: Stage, step: Premature) -> None:
    """A period cannot be closed before everybody has signed; who is missing is named, and the refusal is on record."""
    package, wanted, client = stage.package, stage.package.refusals[step.refusal], stage.clients[step.by]
    terms = package.digest(package.settlements[step.settlement].bundle)
    missing = ", ".join((await client.bundle(terms)).missing)
    got = "closed"
    try:
        await client.close_period(step.settlement)
    except ClientError as error:
        got = f"{error.code}: {error.facts.get('missing', '')}"
        stage.tell.quote([error.sentence(stage.tell.lang)])
    logged = any(each.reason == wanted.reason for each in await client.audit(type=REFUSED).all(limit=5))
    stage.check(
        "premature",
        f"{wanted.reason}: {missing}; on record",
        f"{got}; {'on record' if logged else 'not on record'}",
        period=step.settlement,
    )


async def book(stage: Stage, step: Book) -> None:
    """Everybody imports the same ledger; who has to state something states it."""
    package, wanted = stage.package, stage.package.settlements[step.settlement]
    ledger = package.folder / wanted.ledger
    done = await asyncio.gather(
        *(
            client.import_ledger(ledger, period=step.settlement, names=package.short_names())
            for client in stage.clients.values()
        )
    )
    await stage.quiet()
    held = await asyncio.gather(*(_holders(client, step.settlement) for client in stage.clients.values()))
    everybody, others = len(stage.clients), len(stage.clients) - 1
    expected = f"{everybody} × {digest(ledger.read_bytes())}, {others} others each"
    got = ", ".join(dict.fromkeys(str(each["digest"]) for each in done))
    stage.check(
        "ledger",
        expected,
        f"{len(done)} × {got}, {', '.join(dict.fromkeys(map(str, held)))} others each",
        file=ledger.name,
        rows=done[0]["rows"],
    )
    for name, stated in _statements(stage, step.settlement).items():
        await stage.clients[name].state(step.settlement, **stated)
        stage.tell.line("stated", name=stage.name(name), stated=_shown(stated))


async def _holders(client: Client, label: str) -> int:
    """How many others are known to hold the ledger."""
    us = await client.participant()
    return sum(
        len([each for each in found.extra["holders"] if each != us]) for found in await client.ledgers(label).all()
    )


def _statements(stage: Stage, label: str) -> dict[str, dict[str, Any]]:
    """What each has to state: grades by provider and operator, days without service by the provider, income by the operator."""
    package, wanted = stage.package, stage.package.settlements[label]
    operator = package.participant(str(package.document("terms", wanted.bundle)["operator"]))
    terms = package.digest(wanted.bundle)
    found: dict[str, dict[str, Any]] = {operator: {"quality": dict(wanted.quality), "bundle": terms}}
    if wanted.declared_income is not None:
        found[operator]["income"] = wanted.declared_income
    for ref, grade in wanted.quality.items():
        if package.provider(ref) != operator:
            found.setdefault(package.provider(ref), {"bundle": terms}).setdefault("quality", {})[ref] = grade
    for ref, days in wanted.without_service.items():
        outage = found.setdefault(package.provider(ref), {}).setdefault("outage", {})
        outage[ref] = [each.isoformat() for each in days]
    return found


def _shown(stated: Mapping[str, Any]) -> str:
    parts = [f"{ref} = {grade}" for ref, grade in stated.get("quality", {}).items()]
    parts += [f"{ref}: {', '.join(days) or '-'}" for ref, days in stated.get("outage", {}).items()]
    return "; ".join([*parts, *([str(stated["income"])] if "income" in stated else [])])


async def close(stage: Stage, step: Close) -> None:
    """Each computes alone and says only digests; what comes of it is compared with the package, to the smallest unit."""
    await asyncio.gather(*(client.close_period(step.settlement) for client in stage.clients.values()))
    found = await _agreed(stage, step.settlement)
    outcome = stage.package.outcome(step.settlement)
    documents: dict[str, Mapping[str, Any]] = {}
    for ref, wanted in outcome.digests.items():
        if ref == "input":
            held = [each["digest"] for one in found.values() for each in one.inputs]
            stage.check("record", f"{len(held)} × {wanted}", _counted(held), period=step.settlement)
            continue
        statements = [(one, each) for one in found.values() for each in one.statements if each["ref"] == ref]
        held = [digest_of(each["document"]) for _, each in statements if each["document"]]
        sealed = all(each["state"] == "agreed" and not each["missing"] for _, each in statements)
        parties = len(statements[0][1]["parties"]) if statements else 0
        if held:
            documents[ref] = next(each["document"] for _, each in statements if each["document"])
        stage.check(
            "statement",
            f"{parties} × {wanted}, all signed",
            f"{_counted(held)}, {'all signed' if sealed else 'not all signed'}",
            ref=ref,
        )
    _compare(stage, step.settlement, found, documents)
    again = await asyncio.gather(*(client.close_period(step.settlement) for client in stage.clients.values()))
    same = [one.documents for one in again] == [one.documents for one in found.values()]
    stage.check("again", "the same bytes", "the same bytes" if same else "other bytes", period=step.settlement)


async def _agreed(stage: Stage, label: str) -> dict[str, Settlement]:
    """The period at everybody, once all signatures are there, or as it is when that takes too long."""
    names = list(stage.clients)
    for _ in range(LOOKS):
        found = await asyncio.gather(*(stage.clients[name].settlement(label) for name in names))
        if all(each.agreed for each in found):
            break
        await asyncio.sleep(PAUSE_S)
    for name, each in zip(names, found, strict=True):
        for statement in each.statements:
            for problem in statement["problems"]:
                stage.tell.quote([f"{stage.name(name)}, {statement['ref']}: {stage.tell.text(problem['message'])}"])
    return dict(zip(names, found, strict=True))


def _compare(
    stage: Stage, label: str, found: Mapping[str, Settlement], documents: Mapping[str, Mapping[str, Any]]
) -> None:
    """The lines of each party as its own connector has them, and the net positions of all."""
    outcome = stage.package.outcome(label)
    for name, lines in outcome.lines.items():
        got = [Line(kind=each["kind"], ref=each["ref"], amount=each["amount"]) for each in found[name].lines]
        exponent = found[name].exponent
        stage.check("lines", _sum(lines, exponent), _sum(got, exponent), name=stage.name(name))
    positions = net_positions(list(documents.values()))
    for (currency, exponent), amounts in positions.items():
        named = {stage.package.participant(party): amount for party, amount in amounts.items()}
        stage.check(
            "positions",
            _positions(outcome.positions, exponent),
            _positions(named, exponent),
            currency=currency,
            period=label,
        )


def _sum(lines: Iterable[Line], exponent: int) -> str:
    """Lines in one order, with their total."""
    listed = sorted(lines, key=lambda each: (each.ref, each.kind, each.amount))
    text = ", ".join(f"{each.kind} {each.ref} {major(each.amount, exponent, group=True)}" for each in listed)
    return f"{major(sum(each.amount for each in listed), exponent, group=True)} = {text}"


def _positions(amounts: Mapping[str, int], exponent: int) -> str:
    text = ", ".join(f"{name} {major(amount, exponent, group=True)}" for name, amount in sorted(amounts.items()))
    return f"{text}; sum {major(sum(amounts.values()), exponent, group=True)}"


def _counted(held: list[str]) -> str:
    return ", ".join(f"{held.count(each)} × {each}" for each in dict.fromkeys(held)) or "none"


async def statement(stage: Stage, step: Statement) -> None:
    """What a person of one company types, and what the table for finance is; typed twice it is the same."""
    words = ("-C", str(stage.folder(step.by)), "statement", step.settlement, "--lang", stage.tell.lang)
    shown, first, second = await asyncio.gather(weft.run(*words), weft.run(*words, "--csv"), weft.run(*words, "--csv"))
    stage.tell.verbatim(shown.out)
    lines = len(stage.package.outcome(step.settlement).lines[step.by])
    rows = len(first.out.splitlines()) - 1
    same = "the same twice" if first.out == second.out else "another one each time"
    stage.check("export", f"{lines} lines, the same twice", f"{rows} lines, {same}", name=stage.name(step.by))
