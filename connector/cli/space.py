"""`weft space`: the desk of the space authority. Its key lies apart from the keys of all members."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from typer import Argument

from connector.authority import space
from connector.cli.moments import moment
from connector.cli.shell import Column, Shell


def init(ctx: typer.Context, directory: Annotated[str, Argument()] = ".", name: str = "weft") -> None:
    """Make the authority's own key and print its public part, which every member writes into its configuration."""
    shell: Shell = ctx.obj
    folder = shell.directory / directory
    key = space.create_space(folder, name)
    shell.show(
        {"directory": str(folder.absolute()), "space_key": key},
        [("directory", folder.absolute()), ("space_key", key)],
    )
    shell.tell("space-next", key=key)


def add(
    ctx: typer.Context,
    members: Annotated[list[str], Argument()],
    at: str = "",
) -> None:
    """Put members (the `member.json` that `weft init` wrote) into the draft of the next list."""
    shell: Shell = ctx.obj
    folder = shell.directory
    now = moment(at, shell) if at else datetime.now(UTC)
    added = []
    for path in members:
        member = space.add_member(folder, shell.read(path), now)
        added.append({"participant": member.participant_id, "name": member.name, "region": member.region})
    shell.list_(
        added,
        [
            Column("name", lambda row: shell.name(row["name"], row["participant"])),
            Column("participant", lambda row: row["participant"]),
            Column("region", lambda row: row["region"]),
        ],
    )
    shell.tell("space-sign-next")


def remove(ctx: typer.Context, participant: str) -> None:
    """Take a participant out of the draft of the next list."""
    shell: Shell = ctx.obj
    folder = shell.directory
    space.remove_member(folder, participant)
    count = len(space.read_draft(folder).members)
    shell.show({"participant": participant, "members": count}, [("participant", participant), ("members", count)])
    shell.tell("space-sign-next")


def sign(ctx: typer.Context, valid_for: str = "P30D", at: str = "") -> None:
    """Sign the draft as the next member list; connectors that watch the file apply it without a restart."""
    shell: Shell = ctx.obj
    folder = shell.directory
    now = moment(at, shell) if at else datetime.now(UTC)
    path = space.sign(folder, valid_for, now)
    signed = shell.read_json(str(path))["document"]
    made = {
        "path": str(path),
        "seq": signed["seq"],
        "expires": signed["expires"],
        "members": len(signed["members"]),
    }
    shell.show(
        made, [*list(made.items())[:2], ("expires", shell.time(signed["expires"])), ("members", made["members"])]
    )
