"""`weft ledger` and `weft state`: the books that statements are computed from."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.ids import shortener
from connector.cli.settling import names_of
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.client.models import Model

NONE = "none"


async def import_(
    ctx: typer.Context,
    file: Annotated[str, Argument()],
    period: Annotated[str, Option("--period")],
    name: Annotated[list[str] | None, Option("--name")] = None,
    names: Annotated[str | None, Option("--names")] = None,
) -> None:
    """Book the usage records of a CSV file, all or nothing."""
    shell: Shell = ctx.obj
    meant = {str(short): str(full) for short, full in dict(shell.read_json(names) if names else {}).items()}
    async with connect(shell) as client:
        done = await client.import_ledger(shell.place(file), period=period, names=meant | shell.pairs(name, "--name"))
    shell.show(done, [("digest", done["digest"]), ("rows", done["rows"]), ("added", done["added"])])


async def list_(ctx: typer.Context, period: Annotated[str | None, Option("--period")] = None) -> None:
    """The ledgers that were imported, and who else holds each."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = client.ledgers(period)
        called = await names_of(shell, client)
        kept: list[Model] = await client.ledgers(period).all(limit=LIST_LIMIT)
        short = shortener({str(each.to_dict()["digest"]) for each in kept})
        await shell.listing(
            found,
            [
                Column("period", lambda row: row["period"]),
                Column("digest", lambda row: short(row["digest"])),
                Column("rows", lambda row: row["rows"], right=True),
                Column("imported", lambda row: shell.time(row["at"])),
                Column("held_by", lambda row: ", ".join(called.get(each, each) for each in row["holders"])),
            ],
            LIST_LIMIT,
        )


async def state(
    ctx: typer.Context,
    period: Annotated[str, Argument()],
    quality: Annotated[list[str] | None, Option("--quality")] = None,
    outage: Annotated[list[str] | None, Option("--outage")] = None,
    income: Annotated[int | None, Option("--income")] = None,
    bundle: Annotated[str, Option("--bundle")] = "",
) -> None:
    """State grades, days without service and declared income of a period; without any, show what is stated."""
    shell: Shell = ctx.obj
    grades, days = shell.pairs(quality, "--quality"), shell.pairs(outage, "--outage")
    outages = {ref: [] if text == NONE else text.split(",") for ref, text in days.items()}
    async with connect(shell) as client:
        found: Sequence[Any] = (
            await client.state(period, quality=grades, outage=outages, income=income, bundle=bundle)
            if grades or outages or income is not None
            else await client.stated(period)
        )
    shell.list_(
        found,
        [
            Column("ref", lambda row: row["ref"]),
            Column("stated", lambda row: shell.word(f"stated.{row['name']}")),
            Column("value", lambda row: _shown(shell, row["value"])),
        ],
    )


def _shown(shell: Shell, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or shell.word("stated.none")
    return str(value)
