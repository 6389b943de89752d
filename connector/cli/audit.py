"""`weft audit`: search, show, export and verify. None of it needs a running daemon; verifying needs no database either."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import settings
from connector.cli.exits import UsageError
from connector.cli.moments import moment
from connector.cli.shell import Column, Shell
from connector.cli.storefile import store
from connector.clock import stamp
from connector.identity.keys import KeyRing
from connector.store import agreement as agreements
from connector.store import audit as log
from connector.store.audit import KeptRecord
from connector.store.database import Database
from contracts.evidence.checkpoint import LogKey
from contracts.evidence.record import origin_of

_DIGEST = "sha-256:"
# Agreements looked through for the one that a beginning stands for.
_AGREEMENTS = 10_000


async def search(
    ctx: typer.Context,
    words: Annotated[str, Argument()] = "",
    type_: Annotated[str, Option("--type")] = "",
    peer: str = "",
    agreement: str = "",
    decision: str = "",
    since: str = "",
    until: str = "",
    limit: int = 100,
) -> None:
    """Records, newest first: by text, type, partner, agreement, decision or time."""
    shell: Shell = ctx.obj
    async with store(shell) as database:
        digest = await _agreement(database, agreement, shell) if agreement else ""
        found = await database.read(
            lambda tx: log.search(
                tx,
                text=words,
                type_=type_,
                peer=peer,
                agreement=digest,
                decision=decision,
                since=stamp(moment(since, shell)) if since else "",
                until=stamp(moment(until, shell)) if until else log.FOREVER,
                limit=limit,
            )
        )
    shell.list_(
        [flat(each) for each in found],
        [
            Column("seq", lambda row: row["seq"], right=True),
            Column("time", lambda row: shell.time(row["time"])),
            Column("type", lambda row: row["type"]),
            Column("partner", lambda row: row.get("peer") or ""),
            Column("decision", lambda row: row.get("decision") or ""),
            Column("reason", lambda row: row.get("reason") or ""),
            Column("details", _brief),
        ],
        next_=str(found[-1].seq) if len(found) == limit else None,
    )


async def show(ctx: typer.Context, seq: int) -> None:
    """One record, whole."""
    shell: Shell = ctx.obj
    async with store(shell) as database:
        found = await database.read(lambda tx: log.show(tx, seq))
    if found is None:
        raise UsageError(shell.word("no-record", seq=seq))
    raw = flat(found)
    shell.show(
        raw,
        [
            *((name, raw.get(name)) for name in ("seq", "type")),
            ("time", shell.time(raw["time"])),
            *((name, raw.get(name)) for name in ("actor", "peer", "agreement", "policy", "decision", "reason")),
            ("refs", tuple(raw["refs"])),
            ("details", tuple(f"{name}: {value}" for name, value in (raw["details"] or {}).items())),
        ],
    )


async def export(ctx: typer.Context, output: Annotated[str, Option("-o", "--output")] = "-") -> None:
    """The whole log as a file of JSON lines, for whoever wants to verify it."""
    shell: Shell = ctx.obj
    found = settings(shell)
    ring = KeyRing.load(found.keys_dir, found.participant)
    key = LogKey(origin_of(found.participant), ring.public("audit"))
    # Written as one file by one program run: nothing else waits for this event loop.
    target = sys.stdout.buffer if output == "-" else Path(output).open("wb")  # noqa: ASYNC230, SIM115
    try:
        async with store(shell) as database:
            async for block in log.export(database, participant=found.participant, key=key):
                target.write(block)
        target.flush()
    finally:
        if output != "-":
            target.close()
    shell.tell("exported", path=output)


def flat(found: KeptRecord) -> dict[str, Any]:
    """A record as `--json` prints it and as the management side sends it."""
    record = dict(found.record)
    return {
        "seq": found.seq,
        "time": record.get("ts"),
        **{name: record.get(name) for name in ("type", "actor", "peer", "agreement", "policy", "decision", "reason")},
        "refs": record.get("refs", []),
        "details": found.details,
        "trace": record.get("trace"),
    }


def _brief(row: Any) -> str:
    details = row.get("details") or {}
    known = [str(details[name]) for name in ("state", "dataset", "purpose", "text") if details.get(name)]
    return ", ".join(known)


async def _agreement(database: Database, typed: str, shell: Shell) -> str:
    """The digest of an agreement that a beginning stands for."""
    wanted = typed.removeprefix(_DIGEST)
    known = await database.read(lambda tx: agreements.page(tx, limit=_AGREEMENTS))
    found = [each.digest for each in known if each.digest.removeprefix(_DIGEST).startswith(wanted)]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        shell.word("id-unknown" if not found else "id-ambiguous", typed=typed, candidates=", ".join(found[:5]))
    )
