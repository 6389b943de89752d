"""The space is founded, its connectors start, datasets are published, catalogs are read."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from connector.client import Published
from connector.scenario import weft
from connector.scenario.package import Participant
from connector.scenario.stage import Stage, free_ports
from connector.scenario.steps import Crawl, Found, Publish, Serve
from connector.scenario.wire import HOST, Tap

DSP = "/dsp/2025-1"
# Their answers take a moment; a clock without the offset would be days off.
CLOCKS_APART = timedelta(seconds=10)


async def found(stage: Stage, _step: Found) -> None:
    package = stage.package
    made = await weft.run_json("space", "init", str(stage.space), "--name", package.space)
    stage.space_key = made["space_key"]
    numbers = free_ports(2 * len(package.participants))
    for name in package.participants:
        stage.ports[name] = (numbers.pop(), numbers.pop())
        stage.taps[name] = await stage.closing.enter_async_context(Tap(stage.ports[name][0]))
    outsiders = dict.fromkeys(package.outsiders, (1, 2))  # they never serve
    await asyncio.gather(
        *(
            _init(stage, name, participant, stage.taps[name].address, stage.ports[name])
            for name, participant in package.participants.items()
        ),
        *(
            _init(stage, name, outsider, f"http://{HOST}:{outsiders[name][0]}", outsiders[name])
            for name, outsider in package.outsiders.items()
        ),
    )
    entries = [str(stage.folder(name) / "member.json") for name in package.participants]
    at = ("--at", package.clock.isoformat())
    await weft.run("-C", str(stage.space), "space", "add", *entries, *at)
    signed = await weft.run_json("-C", str(stage.space), "space", "sign", "--valid-for", package.list_valid_for, *at)
    stage.tell.line("signed", authority=stage.name(package.authority), members=signed["members"])


async def _init(stage: Stage, name: str, participant: Participant, address: str, ports: tuple[int, int]) -> None:
    """Configuration, keys and entry of one participant; its address is where others reach it."""
    words = {
        "--id": participant.id,
        "--connector-id": participant.connector_id,
        "--name-zh": participant.name.get("zh", ""),
        "--name-en": participant.name.get("en", ""),
        "--region": participant.region,
        "--roles": ",".join(participant.roles),
        "--dsp": address + DSP,
        "--protocol-port": str(ports[0]),
        "--management-port": str(ports[1]),
        "--space-key": stage.space_key,
        "--members": str(stage.members),
        "--at": stage.package.clock.isoformat(),
    }
    given = [word for option, value in words.items() if value for word in (option, value)]
    await weft.run("init", str(stage.folder(name)), *given)


async def serve(stage: Stage, _step: Serve) -> None:
    for name in stage.package.participants:
        health = f"http://{HOST}:{stage.ports[name][0]}/health"
        stage.daemons[name] = weft.Daemon(stage.folder(name), health)
    await asyncio.gather(*(daemon.start(stage.settings(name)) for name, daemon in stage.daemons.items()))
    for name, daemon in stage.daemons.items():
        stage.clients[name] = await stage.closing.enter_async_context(stage.open_client(name))
        stage.tell.line("process", name=stage.name(name), pid=daemon.pid, address=stage.taps[name].address)
    statuses = await asyncio.gather(*(client.status() for client in stage.clients.values()))
    running = {daemon.pid for daemon in stage.daemons.values() if daemon.running}
    stage.check("processes", len(stage.package.participants), len(running))
    now = stage.now()
    apart = max(abs(status.now - now) for status in statuses)
    day = f"{now:%Y-%m-%d}"
    stage.check("clock", day, day if apart < CLOCKS_APART else f"{apart} apart")
    listed = [len(await client.members().all(limit=100)) for client in stage.clients.values()]
    stage.check("listed", _each(len(stage.package.participants), listed), ", ".join(map(str, listed)))


async def publish(stage: Stage, _step: Publish) -> None:
    package = stage.package
    owned = {name: dataset for name, dataset in package.datasets.items() if dataset.derived is None}
    done = await asyncio.gather(*(offered(stage, name, package.data(name)) for name in owned))
    for (name, dataset), shown in zip(owned.items(), done, strict=True):
        stage.tell.line(
            "published",
            owner=stage.name(dataset.owner),
            title=stage.tell.text(dataset.title),
            rows=shown.rows,
            columns=len(shown.columns),
            offers=len(shown.offers),
        )
        path = package.data(name)
        content = path.read_bytes()
        stage.check(
            "published", hashlib.sha256(content).hexdigest(), (shown.sha256 or "").split(":")[-1], file=path.name
        )


async def offered(stage: Stage, name: str, path: Path, **more: Any) -> Published:
    """A dataset of the package with this file, as its owner publishes it; `more` is what a derived one states besides."""
    package, dataset = stage.package, stage.package.datasets[name]
    visible = dataset.visible_to
    return await stage.clients[dataset.owner].publish(
        path,
        id=dataset.id,
        title=dataset.title,
        description=dataset.description,
        keywords=[{"text": text, "lang": lang} for lang in ("zh", "en") for text in dataset.keywords.get(lang, ())],
        offers=[package.document("offers", each) for each in dataset.offers],
        terms=[package.document("terms", each) for each in dataset.terms],
        transforms=[package.document("transforms", each) for each in dataset.transforms],
        visible_to="all" if visible == "all" else [package.participants[each].id for each in visible],
        **more,
    )


async def crawl(stage: Stage, _step: Crawl) -> None:
    fresh = await asyncio.gather(*(client.refresh() for client in stage.clients.values()))
    others = len(stage.clients) - 1
    stage.check(
        "crawled",
        _each(f"{others}/{others}", fresh),
        ", ".join(f"{sum(part.state == 'fresh' for part in parts)}/{len(parts)}" for parts in fresh),
    )


def _each(value: object, of: Sequence[object]) -> str:
    """The same value for each of them."""
    return ", ".join([str(value)] * len(of))
