"""`weft find`, `catalog`, `offers`: who has what, on which terms, and how fresh that is."""

import sys
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import Exit
from connector.cli.looking import freshness
from connector.cli.people import partner
from connector.cli.shell import LIST_LIMIT, Column, Item, Shell
from connector.cli.words import err, out
from connector.client.models import Freshness, Price, in_language


async def find(
    ctx: typer.Context,
    words: Annotated[list[str] | None, Argument()] = None,
    owner: str | None = None,
    keyword: str | None = None,
    price_kind: str | None = None,
    limit: int = 50,
) -> None:
    """Search the catalogs of all members, in Chinese and English."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        if owner is not None:
            owner = await partner(client, owner, shell.lang)
        found = client.find(" ".join(words or ()), from_=owner, keyword=keyword, price_kind=price_kind)
        page = await found.page(limit)
    shell.list_([item.to_dict() for item in page.items], _columns(shell), next_=page.next)
    if not shell.machine:
        for each in page.raw.get("freshness", ()):
            if each.get("state") != "fresh":
                err(freshness(shell, Freshness.read(each)))


async def show(ctx: typer.Context, participant: str, limit: int = LIST_LIMIT) -> None:
    """The catalog of one provider, asked now."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await partner(client, participant, shell.lang)
        await shell.listing(client.catalog(whom), _columns(shell), limit)


async def check(ctx: typer.Context) -> int:
    """Whether our catalog keeps the rules of publishing (SHACL)."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.catalog_check()
    if shell.machine:
        shell.data(found)
        return Exit.DONE if found["valid"] else Exit.VERIFICATION
    if found["problems"]:
        shell.list_(
            found["problems"],
            [
                Column("dataset", lambda row: row.get("dataset", "")),
                Column("severity", lambda row: row.get("severity", "")),
                Column("property", lambda row: row.get("property", "")),
                Column("problem", lambda row: row.get("message", "")),
            ],
        )
    shell.tell("catalog-valid" if found["valid"] else "catalog-invalid")
    return Exit.DONE if found["valid"] else Exit.VERIFICATION


async def export(
    ctx: typer.Context,
    form: Annotated[Literal["turtle", "json-ld"], Option("--format")] = "turtle",
) -> None:
    """Our catalog as RDF (DCAT 3)."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        data = await client.catalog_export(form)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def refresh(ctx: typer.Context, participant: Annotated[str | None, Argument()] = None) -> None:
    """Read the catalogs of all members, or of one, now."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await partner(client, participant, shell.lang) if participant else None
        found = await client.refresh(whom)
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("name", lambda row: shell.name(row.get("name"), row["participant"])),
            Column("datasets", lambda row: row.get("datasets", 0), right=True),
            Column("as_of", lambda row: shell.time(row.get("as_of"))),
            Column("state", lambda row: shell.word(f"fresh.{row['state']}")),
            Column("problem", lambda row: row.get("problem", "")),
        ],
    )


async def offers(ctx: typer.Context, dataset: str, provider: str | None = None) -> None:
    """The offers of a dataset: each rule as a sentence, and whether it is enforced, promised or refused."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        whom = await partner(client, provider, shell.lang) if provider else None
        found = await client.offers(dataset, provider=whom)
    if shell.machine:
        shell.list_([each.to_dict() for each in found], ())
        return
    for each in found:
        shell.show(
            each.to_dict(),
            [
                ("offer", each.id),
                ("digest", each.digest),
                ("price", price(each.price)),
                ("acceptable", shell.word("yes" if each.acceptable else "no")),
                ("terms", each.summary(shell.lang)),
            ],
        )
        out()


def price(found: Price | None) -> str:
    """What an offer costs, in a few characters."""
    if found is None:
        return ""
    return f"{found.amount} {found.currency} ({found.kind})" if found.amount is not None else found.kind


def _columns(shell: Shell) -> list[Column]:
    def prices(row: Item) -> str:
        return ", ".join(dict.fromkeys(price(Price.read(each)) for each in row.get("prices", ())))

    def as_of(row: Item) -> str:
        fresh = row.get("freshness") or {}
        state = "" if fresh.get("state", "fresh") == "fresh" else f" ({shell.word('fresh.' + fresh['state'])})"
        return shell.time(fresh.get("as_of")) + state

    return [
        Column("dataset", lambda row: row["id"]),
        Column("title", lambda row: in_language(row.get("title", {}), shell.lang)),
        Column("provider", lambda row: shell.name(row.get("provider_name"), row["provider"])),
        Column("price", prices),
        Column("as_of", as_of),
    ]
