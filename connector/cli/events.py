"""`weft events`: what happens, as it happens."""

from typing import Annotated

import typer
from typer import Option

from connector.cli.connect import connect
from connector.cli.shell import Shell
from connector.cli.words import out


async def events(
    ctx: typer.Context,
    since: int | None = None,
    type_: Annotated[list[str] | None, Option("--type")] = None,
    count: int | None = None,
) -> None:
    """Follow the events of the daemon until Ctrl-C, or until `count` of them came."""
    shell: Shell = ctx.obj
    seen = 0
    async with connect(shell) as client:
        async for event in client.events(since=since, types=type_ or ()):
            if shell.machine:
                # Always one per line: a stream has no end at which a list could be closed.
                shell.line(event.to_dict())
            else:
                details = event.details
                told = [str(details[name]) for name in ("state", "dataset", "purpose", "text") if details.get(name)]
                number = "" if event.seq is None else str(event.seq)
                at = shell.time(event.time.isoformat()) if event.time else ""
                out(f"{number:>8}  {at}  {event.type}  {event.peer or ''}  {', '.join(told)}".rstrip())
            seen += 1
            if count is not None and seen >= count:
                return
