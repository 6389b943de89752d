"""`weft show`: where a negotiation or transfer stands, what happened, and why it hangs or failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer

from connector.cli.connect import connect
from connector.cli.shell import Column, Shell
from connector.cli.words import out
from connector.client.looking import Story
from policies.sentences import has_sentence, sentence

# Values of sentences that are instants: people read them in their own zone.
_INSTANTS = ("since", "next", "at", "expires")


async def show(ctx: typer.Context, process: str) -> None:
    """The story of a process, on either side of it."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.story(process)
    if shell.machine:
        shell.show(found.to_dict(), ())
        return
    _head(shell, found)
    for cause in found.causes:
        out()
        out(told(shell, f"show.{cause.code}", cause.facts, cause.sentence))
    if found.timeline:
        out()
        _lines(shell, found.timeline)
    if found.omitted:
        shell.tell("show.omitted", omitted=found.omitted, id=found.id)
    if found.waiting:
        out()
        out(shell.word("show.waits"))
        for each in found.waiting:
            out("  " + _event(shell, each))


def _head(shell: Shell, found: Story) -> None:
    process = found.process
    if process is None:
        return
    shell.show(
        process,
        [
            ("id", found.id),
            ("partner", shell.name(process.get("counterparty_name"), process["counterparty"])),
            ("dataset", process["dataset"]),
            ("role", shell.word(f"role.{process['role']}")),
            ("state", process["state"] or shell.word("story.new")),
            ("agreement", process.get("agreement")),
        ],
    )


def _lines(shell: Shell, timeline: tuple[Mapping[str, Any], ...]) -> None:
    def who(row: Mapping[str, Any]) -> str:
        return shell.name(row.get("by_name"), row["by"]) if not row["ours"] else shell.word("show.us")

    shell.list_(
        timeline,
        [
            Column("time", lambda row: shell.time(row["at"])),
            Column("who", who),
            Column("event", lambda row: _event(shell, row)),
        ],
    )


def _event(shell: Shell, row: Mapping[str, Any]) -> str:
    return told(shell, f"show.event.{row['what']}", row["facts"], row["sentence"])


def told(shell: Shell, identifier: str, facts: Mapping[str, Any], given: Mapping[str, str]) -> str:
    """A sentence of the daemon in the person's language and zone; as the daemon wrote it where we do not know it."""
    if not has_sentence(identifier):
        return given.get(shell.lang) or next(iter(given.values()), "")
    values = {
        name: _instant(shell, value)
        if name in _INSTANTS
        else value.get(shell.lang, "-")
        if isinstance(value, Mapping)
        else value
        for name, value in facts.items()
    }
    return sentence(identifier, shell.lang, **values)


def _instant(shell: Shell, value: Any) -> str:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return shell.time(str(value))
