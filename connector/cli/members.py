"""`weft members`: who takes part in the space."""

import typer

from connector.cli.connect import connect
from connector.cli.shell import LIST_LIMIT, Column, Shell


async def members(ctx: typer.Context) -> None:
    """The members of the list in force."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        await shell.listing(
            client.members(),
            [
                Column("name", lambda row: shell.name(row.get("name"), row["participant"])),
                Column("participant", lambda row: row["participant"]),
                Column("roles", lambda row: ", ".join(row.get("roles", ()))),
                Column("region", lambda row: row.get("region") or ""),
                Column("dsp", lambda row: row.get("dsp", "")),
            ],
            LIST_LIMIT,
        )


async def reload(ctx: typer.Context) -> None:
    """Read the member list again, now."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.reload_members()
    shell.show(
        found,
        [("seq", found["seq"]), ("expires", shell.time(found["expires"])), ("members", found["members"])],
    )
