"""`weft get`, `deliveries`: from a dataset to a verified file."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import UsageError
from connector.cli.ids import complete, shortener
from connector.cli.people import partner
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.cli.words import err
from connector.client import Client, accept
from connector.client.accept import Accept
from connector.client.delivery import Delivery, sha256_of
from connector.client.fetch import Progress
from connector.client.models import in_language
from policies.canonical import is_digest


async def get(
    ctx: typer.Context,
    dataset: str,
    output: Annotated[str | None, Option("-o", "--output")] = None,
    provider: str | None = None,
    purpose: str = "",
    columns: str | None = None,
    push: Annotated[bool, Option("--push")] = False,
    accept_: Annotated[list[str] | None, Option("--accept")] = None,
    no_reuse: Annotated[bool, Option("--no-reuse")] = False,
    timeout_s: Annotated[float, Option("--timeout")] = 300.0,
    dry_run: Annotated[bool, Option("--dry-run")] = False,
) -> None:
    """Find, negotiate or reuse an agreement, transfer, verify; one line of progress each."""
    shell: Shell = ctx.obj
    consent = _consent(shell, accept_ or [])
    async with connect(shell) as client:
        whom = await partner(client, provider, shell.lang) if provider else None
        if dry_run:
            await _rehearse(shell, client, dataset, whom, consent)
            return
        target = Path(output) if output else Path(_file_name(dataset))
        delivery = await client.fetch(
            dataset,
            provider=whom,
            purpose=purpose,
            accept=consent,
            columns=columns.split(",") if columns else None,
            push=push,
            save=target,
            reuse=not no_reuse,
            timeout_s=timeout_s,
            progress=_Lines(shell).tell,
        )
    found = {
        **delivery.to_dict(),
        "path": str(target),
        "sha256": sha256_of(target),
        "trace": [dict(step) for step in delivery.trace],
        "reused": list(delivery.reused),
    }
    shell.show(
        found,
        [("file", target), ("bytes", delivery.size), ("rows", delivery.rows), ("sha256", found["sha256"])],
    )


async def deliveries(
    ctx: typer.Context,
    delivery: Annotated[str | None, Argument()] = None,
    agreement: str | None = None,
    output: Annotated[str | None, Option("-o", "--output")] = None,
    limit: int = LIST_LIMIT,
) -> None:
    """Deliveries, newest first; with an id one of them, with -o its file too."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if delivery is None:
            digest = (
                await complete(agreement, client.agreements(), lambda each: each.digest, shell.lang)
                if agreement
                else None
            )
            found = await client.deliveries(agreement=digest).all(limit)
            _list(shell, found)
            return
        whole = await complete(delivery, client.deliveries(), lambda each: each.id, shell.lang)
        one = await client.delivery(whole)
        if output:
            await one.save(output)
    shell.show(
        one.to_dict(),
        [
            ("id", one.id),
            ("dataset", one.dataset),
            ("partner", shell.name(one.counterparty_name, one.counterparty)),
            ("agreement", one.agreement),
            ("purpose", one.purpose),
            ("columns", ", ".join(one.columns or ())),
            ("state", shell.word(f"delivery.{one.state}")),
            ("bytes", f"{one.verified_bytes} / {one.size}"),
            ("rows", one.rows),
            ("reason", one.reason),
            ("updated", shell.time(one.updated.isoformat())),
            ("file", output or one.path),
        ],
    )


class _Lines:
    """One line of progress per step on standard error; on a terminal the last one moves while bytes arrive."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._moving = False
        self._live = sys.stderr.isatty()

    def tell(self, progress: Progress) -> None:
        facts: dict[str, Any] = dict(progress.facts)
        if "title" in facts:
            facts["title"] = in_language(facts["title"], self._shell.lang) or facts["dataset"]
        if progress.step == "receive" and "verified" in facts:
            if self._live:
                text = self._shell.word("step.receiving", **facts)
                err(f"\r{text}\x1b[K", end="")
                self._moving = True
            return
        if self._moving:
            err()
            self._moving = False
        self._shell.tell(f"step.{progress.step}", **facts)


def _consent(shell: Shell, given: list[str]) -> Accept:
    """`any`, digests and files of terms, as often as wanted; nothing means: only without any terms."""
    consents: list[Accept] = []
    for each in given:
        if each == "any":
            consents.append(accept.anything(i_understand=accept.UNDERSTOOD))
        elif is_digest(each):
            consents.append(accept.digest(each))
        elif each == "-":
            found = shell.read_json("-")
            consents.extend(found if isinstance(found, list) else [found])
        elif Path(each).exists():
            consents.append(accept.file(each))
        else:
            raise UsageError(shell.word("accept-unknown", given=each))
    return consents or None


async def _rehearse(shell: Shell, client: Client, dataset: str, provider: str | None, consent: Accept) -> None:
    """What `get` would agree to, without sending anything but the question for the offers."""
    judge = accept.consent(consent)
    participant = await client.participant()
    rows = []
    for offer in await client.offers(dataset, provider=provider):
        objections = [each.sentence(shell.lang) for each in judge.judge(offer, participant)]
        rows.append({"offer": offer.id, "digest": offer.digest, "accepted": not objections, "objections": objections})
    shell.list_(
        rows,
        [
            Column("offer", lambda row: row["offer"]),
            Column("accepted", lambda row: shell.word("yes" if row["accepted"] else "no")),
            Column("objections", lambda row: " | ".join(row["objections"])),
        ],
    )


def _list(shell: Shell, found: list[Delivery]) -> None:
    short = shortener({each.id for each in found} | {each.agreement for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("id", lambda row: short(row["id"])),
            Column("dataset", lambda row: row["dataset"]),
            Column("partner", lambda row: shell.name(row.get("counterparty_name"), row["counterparty"])),
            Column("agreement", lambda row: short(row["agreement"])),
            Column("state", lambda row: shell.word(f"delivery.{row['state']}")),
            Column("bytes", lambda row: row["size"], right=True),
            Column("rows", lambda row: row.get("rows"), right=True),
            Column("updated", lambda row: shell.time(row["updated"])),
        ],
    )


def _file_name(dataset: str) -> str:
    """A file name for a dataset that may be called anything."""
    name = "".join(mark if mark.isalnum() or mark in "._-" else "_" for mark in dataset.rsplit("/", 1)[-1])
    return name.lstrip(".") or "delivery"
