"""`weft negotiate`, `accept`, `counter`, `agree`, `terminate`, `negotiations`, `agreements`."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import UsageError
from connector.cli.ids import complete, shortener
from connector.cli.people import partner
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.cli.words import out
from connector.client import Client
from connector.client.processes import Agreement, Negotiation
from contracts.settlement.amount import major

# An offer is on the table that somebody must answer.
_OPEN = ("REQUESTED", "OFFERED")


async def negotiate(
    ctx: typer.Context,
    dataset: str,
    offer: str | None = None,
    provider: str | None = None,
    consumer: str | None = None,
    terms: str | None = None,
    document: Annotated[list[str] | None, Option("--document")] = None,
    wait: Annotated[str | None, Option("--wait")] = None,
    timeout_s: Annotated[float, Option("--timeout")] = 300.0,
    dry_run: Annotated[bool, Option("--dry-run")] = False,
) -> None:
    """Ask for a contract about a dataset, or offer one of ours to a consumer."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if consumer is not None:
            whom = await partner(client, consumer, shell.lang)
            if dry_run:
                shell.tell("would-offer", dataset=dataset, offer=offer or "-", partner=whom)
                return
            found = await client.offer(whom, dataset=dataset, offer=offer or "")
        else:
            whom = await partner(client, provider, shell.lang) if provider else (await client.dataset(dataset)).provider
            policy = shell.read_json(terms) if terms else None
            if dry_run:
                shell.tell("would-request", dataset=dataset, offer=offer or "-", partner=whom)
                return
            await _keep(shell, client, document)
            found = await client.negotiate(offer or "", provider=whom, dataset=dataset, terms=policy)
        if wait:
            found = await found.wait(wait.upper(), timeout_s=timeout_s)
    show(shell, found)


async def negotiations(
    ctx: typer.Context,
    negotiation: Annotated[str | None, Argument()] = None,
    state: str | None = None,
    role: str | None = None,
    limit: int = LIST_LIMIT,
) -> None:
    """Negotiations, last changed first; with an id one of them."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if negotiation is not None:
            await _show_whole(shell, await client.negotiation(await _whole(shell, client, negotiation)))
            return
        listing = client.negotiations(state=state.upper() if state else None, role=role)
        found = await listing.all(limit)
    short = shortener({each.id for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("id", lambda row: short(row["id"])),
            Column("partner", lambda row: shell.name(row.get("counterparty_name"), row["counterparty"])),
            Column("dataset", lambda row: row["dataset"]),
            Column("role", lambda row: shell.word(f"role.{row['role']}")),
            Column("state", lambda row: _state(shell, row)),
            Column("updated", lambda row: shell.time(row["updated"])),
        ],
    )


async def accept(ctx: typer.Context, negotiation: str) -> None:
    """Accept the offer on the table, as consumer."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.negotiation(await _whole(shell, client, negotiation))
        show(shell, await found.accept())


async def counter(
    ctx: typer.Context,
    negotiation: str,
    terms: Annotated[str, Argument()],
    document: Annotated[list[str] | None, Option("--document")] = None,
) -> None:
    """Put other terms on the table."""
    shell: Shell = ctx.obj
    policy = shell.read_json(terms)
    async with connect(shell) as client:
        found = await client.negotiation(await _whole(shell, client, negotiation))
        await _keep(shell, client, document)
        show(shell, await found.counter(policy))


async def agree(ctx: typer.Context, negotiation: str) -> None:
    """Agree to what was asked, as provider."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.negotiation(await _whole(shell, client, negotiation))
        show(shell, await found.agree())


async def terminate(
    ctx: typer.Context,
    negotiation: str,
    reason: Annotated[str, Option("--reason")],
    yes: Annotated[bool, Option("--yes")] = False,
) -> None:
    """End a negotiation; the counterparty is told the reason."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.negotiation(await _whole(shell, client, negotiation))
        shell.confirm("ask.terminate", yes=yes, id=found.id, partner=found.counterparty)
        show(shell, await found.terminate(reason))


async def agreements(
    ctx: typer.Context, agreement: Annotated[str | None, Argument()] = None, limit: int = LIST_LIMIT
) -> None:
    """Agreements, newest first; with a digest one of them, with what is left of it."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if agreement is not None:
            whole = await complete(agreement, client.agreements(), lambda each: each.digest, shell.lang)
            _show_agreement(shell, await client.agreement(whole))
            return
        found = await client.agreements().all(limit)
    short = shortener({each.digest for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("agreement", lambda row: short(row["digest"])),
            Column("partner", lambda row: shell.name(row.get("counterparty_name"), row["counterparty"])),
            Column("dataset", lambda row: row["dataset"]),
            Column("role", lambda row: shell.word(f"role.{row['role']}")),
            Column("in_force", lambda row: shell.time(row.get("in_force"))),
            Column("valid_until", lambda row: shell.time(row.get("valid_until"))),
            Column("remaining", lambda row: _remaining(shell, row)),
        ],
    )


async def _whole(shell: Shell, client: Client, typed: str) -> str:
    return await complete(typed, client.negotiations(), lambda each: each.id, shell.lang)


async def _keep(shell: Shell, client: Client, files: Sequence[str] | None) -> None:
    """Have the daemon hold the terms that a policy of ours cites by digest."""
    for file in files or ():
        document = shell.read_json(file)
        if not isinstance(document, dict):
            raise UsageError(shell.word("not-an-object", path=file))
        await client.keep_terms(document)


async def _show_whole(shell: Shell, found: Negotiation) -> None:
    """A negotiation; while somebody must answer, also what separates the two sides."""
    if found.state not in _OPEN:
        show(shell, found)
        return
    compared = await found.difference()
    show(shell, found, difference=compared.to_dict())
    if shell.machine:
        return
    shell.tell("difference")
    for told in compared.sentences.get(shell.lang, ()):
        out(f"  {told}")
    if compared.money:
        shell.list_([each.to_dict() for each in compared.money], _money_columns())


def _money_columns() -> list[Column]:
    """What the payer owes under both sides' terms; amounts with their currency."""

    def amount(row: Any, name: str) -> str:
        return f"{major(row[name], row['exponent'], group=True)} {row['currency']}"

    return [
        Column("volume", lambda row: f"{row['volume']:,} {row['unit']}", right=True),
        Column("days", lambda row: row["days"], right=True),
        Column("ours", lambda row: amount(row, "ours"), right=True),
        Column("theirs", lambda row: amount(row, "theirs"), right=True),
        Column("difference", lambda row: amount(row, "difference"), right=True),
    ]


def show(shell: Shell, found: Negotiation, **more: Any) -> None:
    """One negotiation; `more` stands beside its members in JSON."""
    raw = found.to_dict()
    shell.show(
        {**raw, **more},
        [
            ("id", found.id),
            ("partner", shell.name(found.counterparty_name, found.counterparty)),
            ("dataset", found.dataset),
            ("role", shell.word(f"role.{found.role}")),
            ("state", _state(shell, raw)),
            ("offer", found.offer.get("@id", "")),
            ("allowed", ", ".join(found.allowed)),
            ("agreement", found.agreement),
            ("approval", found.approval),
            ("updated", shell.time(found.updated.isoformat())),
        ],
    )


def _show_agreement(shell: Shell, found: Agreement) -> None:
    raw = found.to_dict()
    shell.show(
        raw,
        [
            ("agreement", found.digest),
            ("id", found.id),
            ("partner", shell.name(found.counterparty_name, found.counterparty)),
            ("dataset", found.dataset),
            ("role", shell.word(f"role.{found.role}")),
            ("in_force", shell.time(raw.get("in_force"))),
            ("valid_until", shell.time(raw.get("valid_until"))),
            ("terms", found.summary(shell.lang)),
            ("remaining", _remaining(shell, raw)),
            ("seals", tuple(str(seal.get("signatory", "")) for seal in found.seals)),
        ],
    )


def _state(shell: Shell, row: Any) -> str:
    """The state in words for people, with whose turn it is."""
    who = shell.name(row.get("counterparty_name"), row["counterparty"])
    turn = "us" if row.get("waiting_for") == "us" else "them"
    state = (row["state"] or "new").lower()
    key = f"negotiation.{state}.{turn}" if state in ("requested", "offered") else f"negotiation.{state}"
    return shell.word(key, partner=who, reason=row.get("reason") or row.get("code") or "-")


def _remaining(shell: Shell, row: Any) -> str:
    return ", ".join(shell.word("remaining", **window) for window in row.get("remaining", ()))
