"""A product is computed from what was really received, published with its lineage, and not passed on by who bought it."""

import asyncio
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path

from connector.client import Client
from connector.client.errors import ClientError
from connector.scenario.acts.delivering import rows_of
from connector.scenario.acts.founding import offered
from connector.scenario.errors import PackageError
from connector.scenario.package import Derived
from connector.scenario.stage import Stage
from connector.scenario.steps import Derive, Release, Reoffer, Trace
from policies.identifiers import short

DENIED = "policy.decision"


async def derive(stage: Stage, step: Derive) -> None:
    dataset, derived = stage.package.datasets[step.dataset], _derived(stage, step.dataset)
    target = stage.made(step.dataset)
    target.parent.mkdir(parents=True, exist_ok=True)
    inputs = [f"{name}={stage.files[name]}" for name in derived.agreements]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(stage.package.folder / derived.program),
        str(target),
        *inputs,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise PackageError("program-failed", path=derived.program, code=process.returncode, said=said.decode().strip())
    expected, got = rows_of(stage.package.data(step.dataset)), rows_of(target)
    stage.tell.line(
        "derived",
        title=stage.tell.text(dataset.title),
        rows=len(got),
        agreements=", ".join(derived.agreements),
        path=stage.shown(target),
    )
    cells = sum(len(row) for row in expected)
    stage.check("rows", len(expected), len(got), file=target.name)
    stage.check("cells", f"0 of {cells}", f"{_different(expected, got)} of {cells}", file=target.name)


async def release(stage: Stage, step: Release) -> None:
    """The catalog says what the product was made of, and what was missing; others read it there."""
    package, dataset, derived = stage.package, stage.package.datasets[step.dataset], _derived(stage, step.dataset)
    inputs = _inputs(stage, derived.agreements)
    named = [
        {"dataset": each, "agreement": stage.agreements[name].digest}
        for name, each in zip(derived.agreements, inputs, strict=True)
    ]
    missing = _inputs(stage, step.missing)
    shown = await offered(
        stage,
        step.dataset,
        stage.made(step.dataset),
        inputs=named,
        missing_inputs=missing,
        partial=bool(missing),
        purpose=derived.purpose,
    )
    stage.tell.line("released", owner=stage.name(dataset.owner), title=stage.tell.text(dataset.title), rows=shown.rows)
    readers = [name for name in package.participants if name != dataset.owner and stage.daemons[name].running]
    owner = package.participants[dataset.owner].id
    await asyncio.gather(*(stage.clients[name].refresh(owner) for name in readers))
    seen = [await _said(stage.clients[name], dataset.id, owner) for name in readers]
    wanted = (sorted(inputs), bool(missing), sorted(missing))
    stage.check("lineage", f"{len(readers)} × {_lineage(*wanted)}", f"{seen.count(wanted)} × {_lineage(*wanted)}")


async def _said(client: Client, dataset: str, provider: str) -> tuple[list[str], bool, list[str]]:
    found = (await client.dataset(dataset, provider=provider)).extra
    return (
        sorted(map(str, found.get("inputs", ()))),
        bool(found.get("partial")),
        sorted(map(str, found.get("missing_inputs", ()))),
    )


def _lineage(inputs: list[str], partial: bool, missing: list[str]) -> str:  # noqa: FBT001  what the catalog says, in order
    return f"{len(inputs)} inputs, {f'partial, {len(missing)} missing' if partial else 'complete'}"


async def trace(stage: Stage, step: Trace) -> None:
    """Both directions, asked of those who can know: the owner of the product, and the owner of each input."""
    package, product, derived = stage.package, stage.package.datasets[step.dataset], _derived(stage, step.dataset)
    inputs = {package.agreements[name].dataset: stage.agreements[name].digest for name in derived.agreements}
    found = await stage.clients[product.owner].lineage(product.id)
    named = {each.dataset: each.agreement for each in found.inputs}
    upward = [name for name, digest in inputs.items() if named.get(package.datasets[name].id) == digest]
    downward = [name for name in inputs if product.id in await _made_of(stage, name)]
    expected, got = f"{_list(inputs)}; {_list(inputs)}", f"{_list(upward)}; {_list(downward)}"
    stage.check("traced", expected, got, title=stage.tell.text(product.title))
    sold = [name for name in stage.agreements if package.agreements[name].dataset == step.dataset]
    shares = [len(sale.shares) for sale in found.sales]
    stage.check("shares", _list([str(len(inputs))] * len(sold)), _list(map(str, shares)), sales=_list(sold))


async def _made_of(stage: Stage, dataset: str) -> set[str]:
    """What the owner of an input knows to be made of it."""
    wanted = stage.package.datasets[dataset]
    return {each.dataset for each in (await stage.clients[wanted.owner].lineage(wanted.id)).derived}


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


async def reoffer(stage: Stage, step: Reoffer) -> None:
    """The connector of the one who received it refuses, and writes down why."""
    package, wanted = stage.package, stage.package.refusals[step.refusal]
    agreement, client = package.agreements[step.agreement], stage.consumer(step.agreement)
    product = package.datasets[agreement.dataset]
    received = stage.files[step.agreement]
    # The same rows in other bytes: no digest knows them, only what their owner says of them.
    rewritten = received.with_name(f"rewritten-{received.name}")
    rewritten.write_bytes(received.read_bytes().replace(b"\n", b"\r\n"))
    by_content = await _refused(stage, step, client, received, ())
    by_lineage = await _refused(stage, step, client, rewritten, (product.id,))
    records = await client.audit(type=DENIED).all(limit=2)
    cited = stage.agreements[step.agreement].digest
    logged = sum(each.reason == wanted.reason and each.agreement == cited for each in records)
    stage.check(
        "reoffered",
        f"{wanted.reason}, {wanted.reason}; 2 records",
        f"{by_content}, {by_lineage}; {logged} records",
        name=stage.name(agreement.consumer),
        title=stage.tell.text(product.title),
    )


async def _refused(stage: Stage, step: Reoffer, client: Client, path: Path, inputs: tuple[str, ...]) -> str:
    """The reason that our own connector gives, or what it did instead."""
    offer = {**stage.package.offer(step.offer), "@id": uuid.uuid4().urn}
    try:
        await client.publish(
            path,
            id=step.dataset_id,
            title={"en": path.stem},
            offers=[offer],
            inputs=list(inputs),
            purpose=stage.package.agreements[step.agreement].purpose,
        )
    except ClientError as error:
        stage.tell.quote([error.sentence(stage.tell.lang)])
        return short(str(error.facts.get("reason", error.code)))
    return "published"


def _derived(stage: Stage, name: str) -> Derived:
    derived = stage.package.datasets[name].derived
    if derived is None:
        raise PackageError("not-derived", path=stage.package.folder, dataset=name)
    return derived


def _inputs(stage: Stage, agreements: tuple[str, ...]) -> list[str]:
    """The datasets of these agreements, by their ids."""
    package = stage.package
    return [package.datasets[package.agreements[name].dataset].id for name in agreements]


def _different(expected: list[dict[str, str]], got: list[dict[str, str]]) -> int:
    """How many cells are not as expected, those that are missing or too many among them."""
    different = sum(
        wanted.get(column) != found.get(column)
        for wanted, found in zip(expected, got, strict=False)
        for column in wanted.keys() | found.keys()
    )
    longer = expected if len(expected) > len(got) else got
    return different + sum(len(row) for row in longer[min(len(expected), len(got)) :])
