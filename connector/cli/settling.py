"""`weft bundle` and `weft statement`: contracts of many parties, and what a period comes to."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.ids import shortener
from connector.cli.people import partner
from connector.cli.shell import Column, Shell
from connector.cli.words import out
from connector.client.models import Bundle, Settlement
from contracts.settlement.amount import major
from contracts.settlement.export import csv_of
from contracts.settlement.lines import exponent_of
from contracts.settlement.positions import my_lines
from policies.canonical import is_digest
from policies.sentences import has_sentence, sentence

ALL = "all"


async def sign(
    ctx: typer.Context, terms: Annotated[str, Argument()], from_: Annotated[str | None, Option("--from")] = None
) -> None:
    """Sign a bundle: its terms document, or its digest."""
    shell: Shell = ctx.obj
    document = None if is_digest(terms) else shell.read_json(terms)
    async with connect(shell) as client:
        source = await partner(client, from_, shell.lang) if from_ else None
        found = await client.sign_bundle(document, terms=terms if document is None else None, from_=source)
        names = await names_of(shell, client)
    _show_bundle(shell, found, names)


async def list_(ctx: typer.Context) -> None:
    """The bundles we are a signatory of."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.bundles().all()
        names = await names_of(shell, client)
    short = shortener({each.terms for each in found})
    shell.list_(
        [each.to_dict() for each in found],
        [
            Column("bundle", lambda row: row["id"]),
            Column("terms", lambda row: short(row["terms"])),
            Column("operator", lambda row: names.get(row["operator"], row["operator"])),
            Column("in_force", lambda row: shell.time(row["since"])),
            Column("missing", lambda row: ", ".join(names.get(each, each) for each in row["missing"])),
        ],
    )


async def show(ctx: typer.Context, bundle: Annotated[str, Argument()]) -> None:
    """One bundle: who has signed, who is missing, which agreements it has."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.bundle(bundle)
        names = await names_of(shell, client)
    _show_bundle(shell, found, names)


async def close(
    ctx: typer.Context, period: Annotated[str, Argument()], only: Annotated[list[str] | None, Option("--only")] = None
) -> None:
    """Consent to the statements of a period: they are computed, proposed and signed."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.close_period(period, only=only or ())
        names = await names_of(shell, client)
    _show_period(shell, found, names, found.participant)


async def statement(
    ctx: typer.Context,
    period: Annotated[str, Argument()],
    party: Annotated[str | None, Option("--party")] = None,
    csv: Annotated[bool, Option("--csv")] = False,
) -> None:
    """What a period comes to for us, for another party, or for all, and how far its statements are."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        found = await client.settlement(period)
        names = await names_of(shell, client)
        whom = ALL if party == ALL else await partner(client, party, shell.lang) if party else found.participant
    if csv:
        sys.stdout.write(csv_of(found.documents, party=None if whom == ALL else whom))
        sys.stdout.flush()
    else:
        _show_period(shell, found, names, whom)


async def names_of(shell: Shell, client: Any) -> dict[str, str]:
    """What the members are called."""
    return {each.participant: shell.name(each.name, each.participant) for each in await client.members().all()}


def _show_bundle(shell: Shell, found: Bundle, names: Mapping[str, str]) -> None:
    signed = [
        shell.word("signed", who=names.get(party, party), at=shell.time(at))
        if at
        else shell.word("unsigned", who=names.get(party, party))
        for party, at in found.signed.items()
    ]
    slots = [shell.word("slot", **{**slot, "agreement": slot["agreement"] or "-"}) for slot in found.agreements]
    shell.show(
        found.to_dict(),
        [
            ("bundle", found.id),
            ("terms", found.terms),
            ("operator", names.get(found.operator, found.operator)),
            ("in_force", shell.time(found.since) if found.since else shell.word("not-in-force")),
            ("signatures", tuple(signed)),
            ("agreements", tuple(slots)),
        ],
    )


def _show_period(shell: Shell, found: Settlement, names: Mapping[str, str], whom: str) -> None:
    if shell.machine:
        (shell.line if shell.jsonl else shell.data)(found.to_dict())
        return
    if not found.statements:
        shell.tell("nothing-settled", period=found.period)
        return
    for purse in found.purses:
        out(shell.word("statement-of", period=found.period, who=_whom(shell, names, whom), currency=purse["currency"]))
        _lines(shell, found, names, whom, purse)
        out()
        out(shell.word("net-positions", currency=purse["currency"]))
        _positions(shell, names, purse)
        out()
    _states(shell, found, names)


def _whom(shell: Shell, names: Mapping[str, str], whom: str) -> str:
    return shell.word("all-parties") if whom == ALL else names.get(whom, whom)


def _lines(shell: Shell, found: Settlement, names: Mapping[str, str], whom: str, purse: Mapping[str, Any]) -> None:
    """The lines of one party or of all, with the total of each."""
    exponent = purse["exponent"]
    documents = [
        each for each in found.documents if (each["currency"], exponent_of(each)) == (purse["currency"], exponent)
    ]
    parties = [each["party"] for each in purse["positions"]] if whom == ALL else [whom]
    rows: list[Mapping[str, Any]] = []
    for party in parties:
        lines = my_lines(documents, party)
        who = names.get(party, party)
        rows += [
            {"party": who, "kind": line.kind, "ref": line.ref, "quantity": line.quantity, "amount": line.amount}
            for line in lines
        ]
        total = sum(line.amount for line in lines)
        rows.append(
            {
                "party": names.get(party, party),
                "kind": shell.word("total"),
                "ref": "",
                "quantity": None,
                "amount": total,
            }
        )
    columns = [
        Column("line", lambda row: row["kind"]),
        Column("ref", lambda row: row["ref"]),
        Column("quantity", lambda row: "" if row["quantity"] is None else f"{row['quantity']:,}", right=True),
        Column("amount", lambda row: major(row["amount"], exponent, group=True), right=True),
    ]
    shell.list_(rows, [Column("party", lambda row: row["party"]), *columns] if whom == ALL else columns)


def _positions(shell: Shell, names: Mapping[str, str], purse: Mapping[str, Any]) -> None:
    exponent, positions = purse["exponent"], purse["positions"]
    rows = [{"party": names.get(each["party"], each["party"]), "amount": each["amount"]} for each in positions]
    rows.append({"party": shell.word("sum"), "amount": sum(each["amount"] for each in positions)})
    shell.list_(
        rows,
        [
            Column("party", lambda row: row["party"]),
            Column("amount", lambda row: major(row["amount"], exponent, group=True), right=True),
        ],
    )


def _states(shell: Shell, found: Settlement, names: Mapping[str, str]) -> None:
    """How far each statement is, what is missing, and who has to act."""
    short = shortener({each["digest"] for each in found.statements if each["digest"]})
    shell.list_(
        found.statements,
        [
            Column("statement", lambda row: row["ref"]),
            Column("state", lambda row: shell.word(f"statement.{row['state']}")),
            Column("digest", lambda row: short(row["digest"]) if row["digest"] else ""),
            Column("seals", lambda row: f"{len(row['seals'])}/{len(row['parties'])}"),
            Column("waits_for", lambda row: ", ".join(names.get(each, each) for each in row["missing"])),
        ],
    )
    for each in found.statements:
        for problem in each["problems"]:
            facts = {name: names.get(value, value) for name, value in problem["facts"].items()}
            out(f"{each['ref']}: {_named(problem, facts, shell.lang)}")
        _differences(shell, each["ref"], each["differences"], names)


def _named(problem: Mapping[str, Any], facts: Mapping[str, str], lang: str) -> str:
    """The sentence of a problem with the names that people know."""
    identifier = f"settlement.problem.{problem['code']}"
    return sentence(identifier, lang, **facts) if has_sentence(identifier) else str(problem["message"][lang])


def _differences(shell: Shell, ref: str, rows: Sequence[Mapping[str, str]], names: Mapping[str, str]) -> None:
    for row in rows:
        who = names.get(row["participant"], row["participant"])
        out(
            f"{ref}: "
            + shell.word(
                "row-differs", who=who, ref=row["ref"], member=row["member"], recorded=row["recorded"], own=row["own"]
            )
        )
