"""`weft status`, `weft config`: what the daemon does, and what it was told to do."""

import sys
from collections.abc import Mapping
from typing import Any

import typer

from connector.cli.connect import connect, settings
from connector.cli.shell import Column, Shell
from connector.cli.tables import red
from connector.client.models import Freshness, Status


async def status(ctx: typer.Context) -> None:
    """What the daemon is doing."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.status()
    for setting in found.test_settings:
        # A connector with a moved clock or a slowed line must not be taken for a real one.
        red(shell.word("test-setting", name=setting), stream=sys.stderr)
    shell.show(
        found.to_dict(),
        [
            ("participant", found.participant),
            ("version", found.version),
            ("started", shell.time(found.started.isoformat())),
            ("now", shell.time(found.now.isoformat())),
            ("members", _members(shell, found)),
            ("outbox", shell.word("outbox", **{"depth": 0, **found.outbox})),
            ("audit", shell.word("audit-state", **{"size": 0, **found.audit})),
            ("stops", tuple(_stopped(shell, each) for each in found.stops)),
            ("holds", tuple(_held(shell, each) for each in found.holds)),
            *((name, _counts(found.counts.get(name))) for name in ("datasets", "negotiations", "agreements")),
            *((name, _counts(found.counts.get(name))) for name in ("transfers", "deliveries")),
            ("catalogs", tuple(freshness(shell, each) for each in found.catalogs)),
        ],
    )


def freshness(shell: Shell, catalog: Freshness) -> str:
    """How old what we know of one catalog is, in a line."""
    who = shell.name(catalog.name, catalog.participant)
    at = shell.time(catalog.as_of.isoformat()) if catalog.as_of else "-"
    problem = shell.word("freshness.problem", problem=catalog.problem) if catalog.problem else ""
    return shell.word(f"freshness.{catalog.state}", who=who, at=at, datasets=catalog.datasets, problem=problem)


def _stopped(shell: Shell, stop: Mapping[str, str]) -> str:
    """With whom nothing moves, since when and why, in a line."""
    who = shell.word("stop.everybody") if stop["participant"] == "*" else stop["participant"]
    return shell.word("stops.line", partner=who, at=shell.time(stop["at"]), reason=stop["reason"])


def _held(shell: Shell, hold: Mapping[str, str]) -> str:
    return shell.word("holds.line", agreement=hold["agreement"], at=shell.time(hold["at"]), reason=hold["reason"])


def config(ctx: typer.Context) -> None:
    """Every setting and where it comes from; secrets are masked."""
    shell: Shell = ctx.obj
    rows: list[Mapping[str, Any]] = [
        {"name": each.name, "value": each.value, "source": each.source, "description": each.description}
        for each in settings(shell).sources()
    ]
    shell.list_(
        rows,
        [
            Column("name", lambda row: row["name"]),
            Column("value", lambda row: row["value"]),
            Column("source", lambda row: row["source"]),
        ],
    )


def _members(shell: Shell, found: Status) -> str:
    known = {"seq": "-", "number": 0, "expires": "", **found.members}
    state = "members-in-force" if found.members.get("in_force") else "members-missing"
    return shell.word(state, **{**known, "expires": shell.time(str(known["expires"] or "")) or "-"})


def _counts(counts: Any) -> str:
    if isinstance(counts, Mapping):
        return ", ".join(f"{state} {number}" for state, number in counts.items()) or "0"
    return str(counts or 0)
