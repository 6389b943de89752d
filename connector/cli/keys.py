"""`weft keys`: further management keys."""

import typer

from connector.cli.connect import connect
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.cli.words import out


async def add(ctx: typer.Context, label: str) -> None:
    """Make a further key; it is shown once, the daemon keeps its hash only."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        key = await client.add_key(label)
    if shell.machine:
        shell.data({"key": key, "label": label})
    else:
        out(key)
        shell.tell("key-once")


async def list_(ctx: typer.Context) -> None:
    """The keys the daemon knows, by label and hash."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        await shell.listing(
            client.keys(),
            [
                Column("label", lambda row: row["label"]),
                Column("hash", lambda row: row["hash"][:12]),
                Column("created", lambda row: shell.time(row["created"])),
            ],
            LIST_LIMIT,
        )
