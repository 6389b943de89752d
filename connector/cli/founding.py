"""`weft init`: the folder of a new participant."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from connector.cli.exits import UsageError
from connector.cli.moments import moment
from connector.cli.shell import Shell
from connector.identity.setup import MANAGEMENT_KEY, initialise


def init(
    ctx: typer.Context,
    directory: Annotated[str, Argument()] = ".",
    participant: Annotated[str, Option("--id")] = "",
    connector_id: str = "",
    name_zh: str = "",
    name_en: str = "",
    region: str = "",
    dsp: str = "http://127.0.0.1:8282/dsp/2025-1",
    space_key: str = "",
    members: str = "members.json",
    roles: str = "provider,consumer",
    protocol_port: int | None = None,
    management_port: int | None = None,
    at: str = "",
) -> None:
    """Write configuration, keys and `member.json`; nothing that exists is overwritten."""
    shell: Shell = ctx.obj
    for name, value in (("--id", participant), ("--region", region), ("--space-key", space_key)):
        if not value:
            raise UsageError(shell.word("usage.missing", name=name) + shell.word("usage.see-help", command="init"))
    names = {lang: name for lang, name in (("zh", name_zh), ("en", name_en)) if name}
    folder = shell.directory / directory
    member = initialise(
        folder,
        participant=participant,
        names=names or {"en": participant},
        region=region,
        dsp=dsp,
        space_key=space_key,
        members=members,
        now=moment(at, shell) if at else datetime.now(UTC),
        roles=tuple(roles.split(",")),
        connector_id=connector_id or None,
        protocol_port=protocol_port,
        management_port=management_port,
    )
    made = {
        "directory": str(folder.absolute()),
        "participant": participant,
        "member": str(member),
        "management_key": str(Path(folder) / MANAGEMENT_KEY),
    }
    shell.show(made, list(made.items()))
    shell.tell("init-next", member=member, directory=folder)
