"""`weft stop`, `resume`, `breach`, `release`, `duties`: what is stopped, what is held, what is owed."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli import people
from connector.cli.connect import connect
from connector.cli.exits import UsageError
from connector.cli.ids import complete
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.client import Client
from policies.identifiers import short
from policies.sentences import has_sentence, sentence

EVERYBODY = "*"


async def stop(
    ctx: typer.Context,
    reason: Annotated[str, Option("--reason")],
    partner: Annotated[str | None, Argument()] = None,
    all_: Annotated[bool, Option("--all")] = False,
) -> None:
    """From now on nothing moves with a partner, or with anybody."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await _whom(shell, client, partner, everybody=all_)
        ended = await client.stop(whom, reason=reason)
    if shell.machine:
        shell.data({"participant": whom, "transfers": ended})
    else:
        shell.tell("stopped", partner=_named(shell, whom), transfers=ended)


async def resume(
    ctx: typer.Context,
    partner: Annotated[str | None, Argument()] = None,
    all_: Annotated[bool, Option("--all")] = False,
) -> None:
    """Let data move with a partner again, or with everybody."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await _whom(shell, client, partner, everybody=all_)
        still = await client.resume(whom)
    if shell.machine:
        shell.data({"participant": whom, "still": list(still)})
        return
    shell.tell("resumed", partner=_named(shell, whom))
    if still:
        shell.tell("resume.still", partners=", ".join(_named(shell, each) for each in still))


async def breach(
    ctx: typer.Context,
    agreement: Annotated[str, Argument()],
    action: Annotated[str, Option("--action")],
    reason: Annotated[str, Option("--reason")],
) -> None:
    """Say that a partner did what an agreement of ours prohibits: its remedies are carried out."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whole = await _agreement(shell, client, agreement)
        done = await client.report_breach(whole, action=action, reason=reason)
    if shell.machine:
        shell.data({"agreement": whole, "remedies": list(done)})
    else:
        shell.tell("breached", remedies=", ".join(short(each) for each in done) or "-")


async def release(
    ctx: typer.Context, agreement: Annotated[str, Argument()], reason: Annotated[str, Option("--reason")]
) -> None:
    """Let transfers under a held agreement begin again."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whole = await _agreement(shell, client, agreement)
        await client.release(whole, reason=reason)
    if shell.machine:
        shell.data({"agreement": whole})
    else:
        shell.tell("released", agreement=whole)


async def duties(
    ctx: typer.Context, state: str | None = None, partner: Annotated[str | None, Option("--partner")] = None
) -> None:
    """What is owed after deliveries, by us and to us, and until when."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await people.partner(client, partner, shell.lang) if partner else None
        ours = await client.participant()
        await shell.listing(
            client.duties(state=state, partner=whom),
            [
                Column("duty", lambda row: _duty(shell, row, ours)),
                Column("dataset", lambda row: row["dataset"]),
                Column("deadline", lambda row: shell.time(row["deadline"]) if row["deadline"] else ""),
                Column("left", lambda row: "" if row["days_left"] is None else str(row["days_left"]), right=True),
                Column("state", lambda row: shell.word(f"duty.{row['state']}")),
            ],
            LIST_LIMIT,
        )


def _duty(shell: Shell, row: Mapping[str, Any], ours: str) -> str:
    """Who owes what to whom."""
    known = f"cli.duty.what.{row['action'].rsplit(':', 1)[-1].rsplit('#', 1)[-1]}"
    what = sentence(known, shell.lang) if has_sentence(known) else row["action"]
    name = shell.name(row["partner_name"], row["creditor"] if row["debtor"] == ours else row["debtor"])
    return shell.word("duty.ours" if row["debtor"] == ours else "duty.theirs", what=what, partner=name)


def _named(shell: Shell, participant: str) -> str:
    return shell.word("stop.everybody") if participant == EVERYBODY else participant


async def _agreement(shell: Shell, client: Client, typed: str) -> str:
    """The digest of the agreement that was meant, by its beginning."""
    return await complete(typed, client.agreements(), lambda each: each.digest, shell.lang)


async def _whom(shell: Shell, client: Client, typed: str | None, *, everybody: bool) -> str:
    """The partner that was named, or everybody; never both, never nobody."""
    if everybody == (typed is not None):
        raise UsageError(shell.word("usage.partner-or-all"))
    return EVERYBODY if typed is None else await people.partner(client, typed, shell.lang)
