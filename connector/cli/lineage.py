"""`weft lineage`: what a dataset was made from, what was made from it, and who gets it for what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer

from connector.cli.connect import connect
from connector.cli.ids import shortener
from connector.cli.people import partner
from connector.cli.shell import Column, Item, Shell
from connector.cli.words import out
from connector.client.models import Lineage, in_language

# A row of a tree, with how deep it stands.
_Row = tuple[int, Item]


async def show(ctx: typer.Context, dataset: str, provider: str | None = None) -> None:
    """Where a dataset came from, what came of it, and what its sales bring to whom."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await partner(client, provider, shell.lang) if provider is not None else None
        found = await client.lineage(dataset, provider=whom)
    raw = found.to_dict()
    if shell.machine:
        (shell.line if shell.jsonl else shell.data)(raw)
        return
    missing = ", ".join(found.missing_inputs)
    shell.show(
        raw,
        [
            ("dataset", found.dataset),
            ("title", in_language(found.title, shell.lang)),
            ("provider", shell.name(found.provider_name, found.provider)),
            ("version", found.version),
            ("partial", shell.word("lineage.partial", inputs=missing or "-") if found.partial else ""),
        ],
    )
    upstream, downstream = list(_tree(raw["inputs"], "inputs")), list(_tree(raw["derived"], "derived"))
    short = shortener(_digests(found, [row for _, row in (*upstream, *downstream)]))
    _made_from(shell, upstream, short)
    _became(shell, downstream, short)
    _sold(shell, found, short)


def _made_from(shell: Shell, rows: Sequence[_Row], short: Callable[[str], str]) -> None:
    def received(row: Item) -> str:
        day = shell.time(row["received"]) if row["received"] else ""
        return shell.word("lineage.older", time=day or "-") if row["missing"] else day

    _part(
        shell,
        "lineage.made-from",
        rows,
        [
            *_place(shell),
            Column("agreement", lambda row: short(row[1]["agreement"] or "")),
            Column("version", lambda row: short(row[1]["version"])),
            Column("received", lambda row: received(row[1])),
        ],
    )


def _became(shell: Shell, rows: Sequence[_Row], short: Callable[[str], str]) -> None:
    _part(
        shell,
        "lineage.became",
        rows,
        [
            *_place(shell),
            Column("agreement", lambda row: short(row[1]["agreement"] or "")),
            Column("partial", lambda row: ", ".join(row[1]["missing_inputs"]) if row[1]["partial"] else ""),
        ],
    )


def _sold(shell: Shell, found: Lineage, short: Callable[[str], str]) -> None:
    """One sale on a line, with the refs of the inputs that are paid from it."""
    _part(
        shell,
        "lineage.sold",
        [(0, sale) for sale in found.to_dict()["sales"]],
        [
            Column("agreement", lambda row: short(row[1]["agreement"])),
            Column("partner", lambda row: shell.name(row[1]["consumer_name"], row[1]["consumer"])),
            Column("since", lambda row: shell.time(row[1]["since"])),
            Column("deliveries", lambda row: row[1]["deliveries"], right=True),
            Column("rows", lambda row: row[1]["rows"], right=True),
            Column("shares", lambda row: _shares(shell, row[1]["shares"])),
        ],
    )


def _part(shell: Shell, heading: str, rows: Sequence[Any], columns: Sequence[Column]) -> None:
    if rows:
        out()
        out(shell.word(heading))
        shell.list_(rows, columns)


def _place(shell: Shell) -> tuple[Column, ...]:
    """Which dataset, indented by its depth, and whose."""
    return (
        Column("dataset", lambda row: "  " * row[0] + row[1]["dataset"]),
        Column("title", lambda row: in_language(row[1]["title"], shell.lang)),
        Column("provider", lambda row: shell.name(row[1]["provider_name"], row[1]["provider"])),
    )


def _shares(shell: Shell, shares: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{each['ref']} {shell.name(each['provider_name'], each['provider'])}" for each in shares)


def _tree(items: Sequence[Item], inside: str, depth: int = 0) -> Iterator[_Row]:
    for item in items:
        yield depth, item
        yield from _tree(item[inside], inside, depth + 1)


def _digests(found: Lineage, rows: Sequence[Item]) -> set[str]:
    named = {found.version, *(sale.agreement for sale in found.sales)}
    named |= {str(row[name]) for row in rows for name in ("agreement", "version") if row.get(name)}
    return named - {""}
