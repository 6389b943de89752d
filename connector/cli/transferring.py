"""`weft transfers`, `weft transfer …`: access under an agreement."""

from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.ids import complete, shortener
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.client import Client
from connector.client.processes import Transfer


async def transfers(
    ctx: typer.Context,
    transfer: Annotated[str | None, Argument()] = None,
    state: str | None = None,
    role: str | None = None,
    limit: int = LIST_LIMIT,
) -> None:
    """Transfers, last changed first; with an id one of them."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if transfer is not None:
            _show(shell, await _found(shell, client, transfer))
            return
        found = await client.transfers(state=state.upper() if state else None, role=role).all(limit)
    short = shortener({each.id for each in found} | {each.agreement for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("id", lambda row: short(row["id"])),
            Column("partner", lambda row: shell.name(row.get("counterparty_name"), row["counterparty"])),
            Column("dataset", lambda row: row["dataset"]),
            Column("role", lambda row: shell.word(f"role.{row['role']}")),
            Column("purpose", lambda row: row.get("purpose", "")),
            Column("agreement", lambda row: short(row["agreement"])),
            Column("state", lambda row: _state(shell, row)),
            Column("updated", lambda row: shell.time(row["updated"])),
        ],
    )


async def start(
    ctx: typer.Context,
    agreement: str,
    purpose: str = "",
    receive: Annotated[bool, Option("--receive")] = False,
    columns: str | None = None,
    push: Annotated[bool, Option("--push")] = False,
    timeout_s: Annotated[float, Option("--timeout")] = 300.0,
    dry_run: Annotated[bool, Option("--dry-run")] = False,
) -> None:
    """Ask for access under an agreement; with --receive have the daemon fetch the data too, with --push the provider sends it."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        digest = await complete(agreement, client.agreements(), lambda each: each.digest, shell.lang)
        if dry_run:
            decision = await client.test_policy(
                agreement=digest, purpose=purpose, columns=columns.split(",") if columns else None
            )
            shell.show(
                decision.to_dict(), [("decision", decision.outcome), ("reason", decision.sentence.get(shell.lang))]
            )
            return
        found = await client.transfer(digest, purpose=purpose, push=push)
        if receive and not push:
            found = await found.wait("STARTED", timeout_s=timeout_s)
            await client.deliver(transfer=found, columns=columns.split(",") if columns else None)
    _show(shell, found)


async def suspend(
    ctx: typer.Context,
    transfer: str,
    reason: Annotated[str, Option("--reason")],
    yes: Annotated[bool, Option("--yes")] = False,
) -> None:
    """Pause a transfer: no byte moves from now on."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await _found(shell, client, transfer)
        shell.confirm("ask.suspend", yes=yes, id=found.id, partner=found.counterparty)
        _show(shell, await found.suspend(reason))


async def resume(ctx: typer.Context, transfer: str) -> None:
    """Go on with a transfer that we paused."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        _show(shell, await (await _found(shell, client, transfer)).resume())


async def complete_(ctx: typer.Context, transfer: str) -> None:
    """Say that a transfer is done."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        _show(shell, await (await _found(shell, client, transfer)).complete())


async def terminate(
    ctx: typer.Context,
    transfer: str,
    reason: Annotated[str, Option("--reason")],
    yes: Annotated[bool, Option("--yes")] = False,
) -> None:
    """End a transfer for good; the counterparty is told the reason."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await _found(shell, client, transfer)
        shell.confirm("ask.end-transfer", yes=yes, id=found.id, partner=found.counterparty)
        _show(shell, await found.terminate(reason))


async def _found(shell: Shell, client: Client, typed: str) -> Transfer:
    return await client.transfer_process(await complete(typed, client.transfers(), lambda each: each.id, shell.lang))


def _show(shell: Shell, found: Transfer) -> None:
    raw = found.to_dict()
    shell.show(
        raw,
        [
            ("id", found.id),
            ("partner", shell.name(found.counterparty_name, found.counterparty)),
            ("dataset", found.dataset),
            ("agreement", found.agreement),
            ("role", shell.word(f"role.{found.role}")),
            ("purpose", found.purpose),
            ("state", _state(shell, raw)),
            ("allowed", ", ".join(found.allowed)),
            ("updated", shell.time(found.updated.isoformat())),
        ],
    )


def _state(shell: Shell, row: Any) -> str:
    who = shell.name(row.get("counterparty_name"), row["counterparty"])
    state = (row["state"] or "new").lower()
    if state == "suspended":
        state = "suspended.us" if row.get("suspended_by") == row["role"] else "suspended.them"
    return shell.word(f"transfer.{state}", partner=who, reason=row.get("reason") or row.get("code") or "-")
