"""`weft approvals`, `approve`, `reject`: what waits for a person of ours, and the answer with its reason."""

from typing import Annotated

import typer
from typer import Option

from connector.cli.connect import connect
from connector.cli.ids import complete, shortener
from connector.cli.negotiating import show
from connector.cli.shell import LIST_LIMIT, Column, Shell


async def approvals(ctx: typer.Context, limit: int = LIST_LIMIT) -> None:
    """What waits for our decision, longest waiting first."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.approvals().all(limit)
    short = shortener({each.id for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("id", lambda row: short(row["id"])),
            Column("partner", lambda row: shell.name(row.get("counterparty_name"), row["counterparty"])),
            Column("dataset", lambda row: row["dataset"]),
            Column("subject", lambda row: shell.word(f"subject.{row['subject']}")),
            Column("since", lambda row: shell.time(row["updated"])),
        ],
    )


async def approve(ctx: typer.Context, negotiation: str, reason: Annotated[str, Option("--reason")] = "") -> None:
    """Say yes to what waits for us; the reason stays with us."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whole = await complete(negotiation, client.approvals(), lambda each: each.id, shell.lang)
        show(shell, await (await client.negotiation(whole)).approve(reason))


async def reject(ctx: typer.Context, negotiation: str, reason: Annotated[str, Option("--reason")]) -> None:
    """Say no to what waits for us; the counterparty is told the reason."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whole = await complete(negotiation, client.approvals(), lambda each: each.id, shell.lang)
        show(shell, await (await client.negotiation(whole)).reject(reason))
