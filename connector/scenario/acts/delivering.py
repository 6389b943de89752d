"""Data is delivered: whole, under many agreements at once, and through a crash of the provider."""

import asyncio
import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from connector.client import Client, Delivery, Progress, accept
from connector.client.errors import StillWaitingError
from connector.client.models import Model
from connector.scenario.acts.agreeing import concluded
from connector.scenario.package import Agreement, Golden, Shape
from connector.scenario.stage import Stage
from connector.scenario.steps import Fetch, Interrupt, Owed

DELIVERY_S = 60.0
# A provider that is down does not answer within this; one that serves has answered long before.
DOWN_S = 3.0


async def fetch(stage: Stage, step: Fetch) -> None:
    """One call of the client each: an agreement (made, or there already), a transfer, a verified file, a receipt."""
    stage.received(step.agreements[0]).parent.mkdir(parents=True, exist_ok=True)
    working = [name for name in step.agreements if name not in step.failing]
    first = {name for name in working if name not in stage.files}
    deliveries, failed = await asyncio.gather(
        asyncio.gather(*(_fetched(stage, name, step.used) for name in working)), _without(stage, step.failing)
    )
    if step.failing:
        stage.check("without", ", ".join(step.failing), ", ".join(failed), working=", ".join(working))
    await stage.quiet()
    for name, delivery in zip(working, deliveries, strict=True):
        await _delivered(stage, name, delivery, step.used, first=name in first)


async def _delivered(stage: Stage, name: str, delivery: Delivery, used: int, *, first: bool) -> None:
    wanted, target = stage.package.agreements[name], stage.files[name]
    stage.tell.line("received", agreement=name, rows=delivery.rows, bytes=delivery.size, path=stage.shown(target))
    if name not in stage.agreements:
        await concluded(stage, name, delivery.agreement)
    _whole(stage, name, wanted.delivery, target)
    if first:
        _masked(stage, name, wanted, target)
        await _receipted(stage, name, delivery)
    if (await stage.consumer(name).agreement(delivery.agreement)).remaining:
        stage.check("used", used, await stage.used(name), agreement=name)


async def _fetched(stage: Stage, name: str, used: int) -> Delivery:
    package, wanted = stage.package, stage.package.agreements[name]
    dataset = package.datasets[wanted.dataset]
    target = stage.received(name, f"-{used}")

    def tell(progress: Progress) -> None:
        if progress.step in ("offer", "negotiate", "agreed"):
            stage.tell.line(f"fetch.{progress.step}", agreement=name, owner=stage.name(dataset.owner))

    delivery = await stage.consumer(name).fetch(
        dataset.id,
        provider=package.participants[dataset.owner].id,
        purpose=wanted.purpose,
        accept=accept.file(package.contract("offers", name)),
        save=target,
        progress=tell,
    )
    stage.files[name] = target
    return delivery


async def _without(stage: Stage, names: tuple[str, ...]) -> list[str]:
    """Which of these deliveries do not even begin. Their requests are taken back: they would be answered later."""
    failed = []
    for name in names:
        transfer = await stage.agreements[name].transfer(purpose=stage.package.agreements[name].purpose)
        try:
            await transfer.wait("STARTED", timeout_s=DOWN_S)
        except StillWaitingError:
            failed.append(name)
            stage.unanswered.append((name, transfer.id))
    return failed


async def interrupt(stage: Stage, step: Interrupt) -> None:
    """The provider sends slowly in small chunks and is killed on the way; the same delivery ends well."""
    wanted, provider = stage.package.agreements[step.agreement], stage.package.provider(step.agreement)
    daemon, client = stage.daemons[provider], stage.consumer(step.agreement)
    await slowed(stage, provider, step.chunk_bytes, step.rate_bytes_s)

    agreement = stage.agreements[step.agreement]
    transfer = await (await agreement.transfer(purpose=wanted.purpose)).wait("STARTED", timeout_s=DELIVERY_S)
    begun = await client.deliver(transfer=transfer)
    delivery = await underway(begun, step.after_chunks * step.chunk_bytes)
    await daemon.kill()
    stage.tell.line("killed", name=stage.name(provider), chunks=delivery.verified_bytes // step.chunk_bytes)
    stage.check("midway", "unfinished, killed", f"{_state(delivery)}, {'running' if daemon.running else 'killed'}")

    await daemon.start(stage.settings(provider))
    stage.tell.line("back", name=stage.name(provider), port=stage.ports[provider][0])
    done = await begun.wait(timeout_s=DELIVERY_S)
    target = await done.save(stage.received(step.agreement, f"-{step.used}"))
    stage.tell.line("received", agreement=step.agreement, rows=done.rows, bytes=done.size, path=stage.shown(target))
    chunk = int((done.manifest or {}).get("document", {}).get("chunk", 0))
    stage.check("chunk", step.chunk_bytes, chunk)
    resumed = [
        each.headers["range"] for each in stage.taps[provider].requests("GET", "/data/") if "range" in each.headers
    ]
    for asked in resumed:
        stage.tell.line("asked", range=asked)
    first = min((int(asked.removeprefix("bytes=").partition("-")[0]) // chunk + 1 for asked in resumed), default=0)
    stage.check("taken-up", f"≥ {step.after_chunks + 1}", first, ok=first > step.after_chunks, agreement=step.agreement)
    stage.check("same-delivery", "same, verified", f"{'same' if done.id == begun.id else 'other'}, {_state(done)}")
    _whole(stage, step.agreement, wanted.delivery, target)
    stage.check("used", step.used, await stage.used(step.agreement), agreement=step.agreement)


async def slowed(stage: Stage, participant: str, chunk_bytes: int, rate_bytes_s: int) -> None:
    """A connector stops in order and starts again with small chunks and a slow pace (test settings)."""
    daemon = stage.daemons[participant]
    stage.check("stopped", 0, await daemon.stop(), name=stage.name(participant))
    slow = {"chunk_bytes": chunk_bytes, "test_rate_limit_bytes_s": rate_bytes_s}
    await daemon.start({**stage.settings(participant), **slow})
    stage.tell.line("slow", name=stage.name(participant), chunk=chunk_bytes, rate=rate_bytes_s)


async def underway(begun: Delivery, verified_bytes: int) -> Delivery:
    """A delivery once so much of it has arrived, or its end."""
    delivery = begun
    async for delivery in begun.progress():
        if delivery.verified_bytes >= verified_bytes:
            break
    return delivery


async def owed(stage: Stage, step: Owed) -> None:
    """Every duty that a delivery left behind, with its deadline and state, as the debtor and the creditors have it."""
    debtor = stage.package.participants[step.by].id
    mine: list[Model] = []
    theirs: list[Model] = []
    for name, client in stage.clients.items():
        side = mine if name == step.by else theirs
        side += [each for each in await client.duties().all(limit=1000) if each.extra["debtor"] == debtor]
    expected = f"{step.open} open, {step.fulfilled} fulfilled"
    got = f"{_duties(mine)}; {_duties(theirs)}"
    stage.check("owed", f"{expected}; {expected}", got, name=stage.name(step.by))


def _duties(found: Sequence[Model]) -> str:
    due = sum(each.extra["state"] == "open" and bool(each.extra["deadline"]) for each in found)
    return f"{due} open, {sum(each.extra['state'] == 'fulfilled' for each in found)} fulfilled"


def _state(delivery: Delivery) -> str:
    return "verified" if delivery.verified else "unfinished"


def _whole(stage: Stage, name: str, wanted: Shape, path: Path) -> None:
    """The file, byte for byte."""
    stage.check("sha256", wanted.sha256, sha256_of(path), agreement=name, file=path.name)


def _masked(stage: Stage, name: str, agreement: Agreement, path: Path) -> None:
    """What the transform had to do, in the file and on the wire."""
    wanted = agreement.delivery
    hidden = (*wanted.dropped, *wanted.replaced)
    if not (wanted.golden or hidden):
        return
    owned, delivered = rows_of(stage.package.data(agreement.dataset)), rows_of(path)
    if wanted.golden:
        cells = [f"{_cell(owned, each)} → {_cell(delivered, each)}" for each in wanted.golden]
        stage.check(
            "golden",
            ", ".join(f"{each.given} → {each.delivered}" for each in wanted.golden),
            ", ".join(cells),
            agreement=name,
            columns=", ".join(dict.fromkeys(each.column for each in wanted.golden)),
        )
    if hidden:
        secret = {row[column] for row in owned for column in hidden if row[column]}
        seen = [text for tap in stage.taps.values() for text in tap.found(secret)]
        # A tap that heard nothing would prove nothing: what was delivered must have passed it.
        heard = stage.taps[stage.package.provider(name)].holds(path.read_text(encoding="utf-8"))
        stage.check(
            "wire",
            f"0 of {len(secret)}",
            f"{len(seen)} of {len(secret)}" if heard else "nothing was heard",
            agreement=name,
            columns=", ".join(hidden),
        )


async def _receipted(stage: Stage, name: str, delivery: Delivery) -> None:
    """The usage record that the final receipt makes, once on each side."""
    counts = [await _usage(client, delivery) for client in (stage.consumer(name), stage.provider(name))]
    stage.check("receipt", "1, 1", ", ".join(map(str, counts)), agreement=name)


async def _usage(client: Client, delivery: Delivery) -> int:
    records = await client.audit(type="usage.recorded").all(limit=100)
    return sum(record.agreement == delivery.agreement for record in records)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a table in UTF-8 with a line of names."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def _cell(rows: list[dict[str, str]], golden: Golden) -> str:
    for row in rows:
        if all(row.get(column) == value for column, value in golden.row.items()):
            return row.get(golden.column, "")
    return ""
