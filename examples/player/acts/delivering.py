"""Contracts are made and data is delivered: whole, and through a crash of the provider."""

import csv
import hashlib
import io
from pathlib import Path

from connector.client import Client, Delivery, Progress, accept
from examples.player.package import Agreement, Golden, Shape
from examples.player.stage import Stage
from examples.player.steps import Fetch, Interrupt

DELIVERY_S = 60.0


async def fetch(stage: Stage, step: Fetch) -> None:
    """One call of the client: an agreement (made, or there already), a transfer, a verified file, a receipt."""
    package, wanted = stage.package, stage.package.agreements[step.agreement]
    dataset = package.datasets[wanted.dataset]
    target = stage.received(step.agreement, f"-{step.used}")
    target.parent.mkdir(parents=True, exist_ok=True)

    def tell(progress: Progress) -> None:
        if progress.step in ("offer", "negotiate", "agreed", "reuse", "transfer"):
            stage.tell.line(f"fetch.{progress.step}", agreement=step.agreement, owner=stage.name(dataset.owner))

    delivery = await stage.consumer(step.agreement).fetch(
        dataset.id,
        provider=package.participants[dataset.owner].id,
        purpose=wanted.purpose,
        accept=accept.file(package.contract("offers", step.agreement)),
        save=target,
        progress=tell,
    )
    stage.tell.line(
        "received", agreement=step.agreement, rows=delivery.rows, bytes=delivery.size, path=stage.shown(target)
    )
    if step.agreement not in stage.agreements:
        await _sealed(stage, step.agreement, delivery)
        _whole(stage, step.agreement, wanted.delivery, target)
        _masked(stage, step.agreement, wanted, target)
        await _receipted(stage, step.agreement, delivery)
    else:
        _whole(stage, step.agreement, wanted.delivery, target)
    stage.check("used", step.used, await stage.used(step.agreement), agreement=step.agreement)


async def interrupt(stage: Stage, step: Interrupt) -> None:
    """The provider sends slowly in small chunks and is killed on the way; the same delivery ends well."""
    wanted, provider = stage.package.agreements[step.agreement], stage.package.provider(step.agreement)
    daemon, client = stage.daemons[provider], stage.consumer(step.agreement)
    slow = {"chunk_bytes": step.chunk_bytes, "test_rate_limit_bytes_s": step.rate_bytes_s}
    stopped = await daemon.stop()
    stage.check("stopped", 0, stopped, name=stage.name(provider))
    await daemon.start({**stage.settings(provider), **slow})
    stage.tell.line("slow", name=stage.name(provider), chunk=step.chunk_bytes, rate=step.rate_bytes_s)

    agreement = stage.agreements[step.agreement]
    transfer = await (await agreement.transfer(purpose=wanted.purpose)).wait("STARTED", timeout_s=DELIVERY_S)
    begun = await client.deliver(transfer=transfer)
    async for delivery in begun.progress():
        if delivery.verified_bytes >= step.after_chunks * step.chunk_bytes:
            break
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


def _state(delivery: Delivery) -> str:
    return "verified" if delivery.verified else "unfinished"


async def _sealed(stage: Stage, name: str, delivery: Delivery) -> None:
    """The agreement as both sides have it."""
    await stage.quiet()
    mine = await stage.consumer(name).agreement(delivery.agreement)
    theirs = await stage.provider(name).agreement(delivery.agreement)
    stage.agreements[name] = mine
    states = [
        (await client.negotiation(agreement.negotiation)).state
        for client, agreement in ((stage.consumer(name), mine), (stage.provider(name), theirs))
    ]
    stage.check("finalized", "FINALIZED, FINALIZED", ", ".join(map(str, states)), agreement=name)
    stage.check("sealed", "2, 2", f"{len(mine.seals)}, {len(theirs.seals)}", agreement=name)


def _whole(stage: Stage, name: str, wanted: Shape, path: Path) -> None:
    """The file, byte for byte."""
    stage.check("sha256", wanted.sha256, sha256_of(path), agreement=name, file=path.name)


def _masked(stage: Stage, name: str, agreement: Agreement, path: Path) -> None:
    """What the transform had to do, in the file and on the wire."""
    wanted = agreement.delivery
    owned, delivered = _rows(stage.package.data(agreement.dataset)), _rows(path)
    columns = list(delivered[0]) if delivered else []
    shape = f"{wanted.rows} × {','.join(wanted.columns)}"
    stage.check("shape", shape, f"{len(delivered)} × {','.join(columns)}", agreement=name)
    cells = [f"{_cell(owned, each)} → {_cell(delivered, each)}" for each in wanted.golden]
    stage.check(
        "golden",
        ", ".join(f"{each.given} → {each.delivered}" for each in wanted.golden),
        ", ".join(cells),
        agreement=name,
        columns=", ".join(dict.fromkeys(each.column for each in wanted.golden)),
    )
    secret = {row[column] for row in owned for column in (*wanted.dropped, *wanted.replaced) if row[column]}
    seen = [text for tap in stage.taps.values() for text in tap.found(secret)]
    # A tap that heard nothing would prove nothing: what was delivered must have passed it.
    heard = stage.taps[stage.package.provider(name)].holds(path.read_text(encoding="utf-8"))
    stage.check(
        "wire",
        f"0 of {len(secret)}",
        f"{len(seen)} of {len(secret)}" if heard else "nothing was heard",
        agreement=name,
        columns=", ".join((*wanted.dropped, *wanted.replaced)),
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


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def _cell(rows: list[dict[str, str]], golden: Golden) -> str:
    for row in rows:
        if all(row.get(column) == value for column, value in golden.row.items()):
            return row.get(golden.column, "")
    return ""
