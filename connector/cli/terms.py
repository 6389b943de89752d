"""`weft terms`: terms of settlement in words, what they would come to, and whether anything could be settled by them.

A file is read here and needs no daemon; a digest is asked from the daemon, which fetches it from `--from` if it does not hold it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import Exit, UsageError
from connector.cli.people import partner
from connector.cli.settling import names_of
from connector.cli.shell import Column, Shell
from connector.cli.tables import table
from contracts.errors import TermsError
from contracts.settlement.amount import major
from contracts.settlement.explain import Names
from contracts.settlement.explain import explain as sentences
from contracts.settlement.lines import Document, read_lines, read_totals
from contracts.settlement.simulate import Outcome, example_volumes, simulate_bundle
from contracts.settlement.simulate import simulate as outcome
from contracts.settlement.terms import Bundle, Terms, check_terms, read_terms
from policies.canonical import canonical, digest

DIGEST = "sha-256:"
LANGUAGES = ("en", "zh")


def check(ctx: typer.Context, files: Annotated[list[str], Argument()]) -> int:
    """Whether terms can be settled by: every fault with its path. Needs no daemon."""
    shell: Shell = ctx.obj
    found = [_checked(shell, file) for file in files]
    if shell.machine:
        shell.list_(found, ())
    else:
        shell.list_([row for each in found for row in _faults(shell, each)], _CHECKED)
    return Exit.DONE if all(each["valid"] for each in found) else Exit.USAGE


async def explain(
    ctx: typer.Context, terms: Annotated[str, Argument()], from_: Annotated[str | None, Option("--from")] = None
) -> None:
    """Terms in words: one sentence for each clause."""
    shell: Shell = ctx.obj
    found, names = await _terms(shell, terms, from_)
    told = {lang: sentences(found, lang, names) for lang in LANGUAGES}
    shown = {"digest": found.digest, "id": found.id, "model": found.model, "sentences": told}
    shell.show(shown, [("digest", found.digest), ("terms", tuple(told[shell.lang]))])


async def simulate(
    ctx: typer.Context,
    terms: Annotated[str, Argument()],
    volume: Annotated[list[int] | None, Option("--volume")] = None,
    days: Annotated[int, Option("--days")] = 0,
    accepted: Annotated[list[str] | None, Option("--accepted")] = None,
    quality: Annotated[list[str] | None, Option("--quality")] = None,
    income: Annotated[int | None, Option("--income")] = None,
    period: Annotated[str, Option("--period")] = "",
    from_: Annotated[str | None, Option("--from")] = None,
) -> None:
    """What each party would owe or get for a period at stated volumes."""
    shell: Shell = ctx.obj
    found, names = await _terms(shell, terms, from_)
    if isinstance(found, Bundle):
        if volume or days or income is None:
            raise UsageError(shell.word("usage.simulate-bundle"))
        counts = {ref: _count(shell, text) for ref, text in shell.pairs(accepted, "--accepted").items()}
        grades = shell.pairs(quality, "--quality")
        supposed = simulate_bundle(found, income=income, accepted=counts, quality=grades, period=period)
        _show_bundle(shell, found, supposed, names)
        return
    if accepted or quality or income is not None:
        raise UsageError(shell.word("usage.simulate-terms"))
    if days < 0 or min(volume or (0,)) < 0:
        raise UsageError(shell.word("usage.count", found=min(days, *(volume or ()))))
    volumes = volume or example_volumes(found)
    _show(shell, found, [outcome(found, each, days=days, period=period) for each in volumes], names)


_CHECKED = (
    Column("file", lambda row: row["file"]),
    Column("digest", lambda row: row["digest"]),
    Column("path", lambda row: row["path"]),
    Column("problem", lambda row: row["problem"]),
)


def _checked(shell: Shell, file: str) -> dict[str, Any]:
    """One file. `canonical` says whether its bytes are those that the digest covers."""
    document = _object(shell, file)
    problems = [{"path": fault.path, "problem": fault.problem} for fault in check_terms(document)]
    body = canonical(document)
    same = file != "-" and shell.read(file) == body
    return {"file": file, "digest": digest(body), "canonical": same, "valid": not problems, "problems": problems}


def _faults(shell: Shell, checked: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of a file: one for each fault, or one that says it is well."""
    row = {"file": checked["file"], "digest": checked["digest"], "path": "", "problem": shell.word("terms.settleable")}
    if checked["valid"]:
        return [row]
    return [{**row, "path": each["path"], "problem": each["problem"]} for each in checked["problems"]]


async def _terms(shell: Shell, given: str, source: str | None) -> tuple[Terms | Bundle, Names]:
    """Terms from a file or from the daemon, and what to call the parties; raises UsageError, TermsError, ClientError."""
    if not given.startswith(DIGEST):
        return read_terms(_object(shell, given)), str
    async with connect(shell) as client:
        whom = await partner(client, source, shell.lang) if source else None
        kept = await client.document(given, from_=whom)
        called = await names_of(shell, client)
    if kept.kind != "terms":
        raise TermsError("$", f"is a {kept.kind}")
    return read_terms(dict(kept.document)), lambda identifier: called.get(identifier, identifier)


def _object(shell: Shell, file: str) -> dict[str, Any]:
    document = shell.read_json(file)
    if not isinstance(document, dict):
        raise UsageError(shell.word("not-an-object", path=file))
    return document


def _show(shell: Shell, terms: Terms, outcomes: Sequence[Outcome], names: Names) -> None:
    if shell.machine:
        shell.list_([_row(terms, each) for each in outcomes], ())
        return
    if terms.payer is not None and terms.payee is not None:
        parties = {"payer": names(terms.payer), "payee": names(terms.payee)}
        shell.tell("terms.simulated", id=terms.id, currency=terms.currency, period=outcomes[0].period, **parties)
    kinds = list(dict.fromkeys(line.kind for each in outcomes for line in each.lines))
    unit = terms.meter.unit if terms.meter is not None and terms.meter.unit is not None else shell.word("col.volume")
    headings = [(unit, True), (shell.word("col.days"), True), *((kind, True) for kind in kinds)]
    rows: list[list[object]] = []
    for each in outcomes:
        amounts = {line.kind: line.amount for line in each.lines}
        cells = [major(amounts.get(kind, 0), terms.exponent, group=True) for kind in kinds]
        rows.append([f"{each.volume:,}", each.days, *cells, major(each.total, terms.exponent, group=True)])
    table([*headings, (shell.word("col.total"), True)], rows)


def _row(terms: Terms, each: Outcome) -> dict[str, Any]:
    return {
        "terms": terms.id,
        "period": each.period,
        "volume": each.volume,
        "unit": terms.meter.unit if terms.meter is not None else None,
        "days": each.days,
        "lines": [{"kind": line.kind, "amount": line.amount, "quantity": line.quantity} for line in each.lines],
        "total": each.total,
        "payer": terms.payer,
        "payee": terms.payee,
        "currency": terms.currency,
        "exponent": terms.exponent,
    }


def _show_bundle(shell: Shell, bundle: Bundle, supposed: Document, names: Names) -> None:
    """The lines of every party, then what it gets in all."""
    if shell.machine:
        shell.show(supposed, ())
        return
    shell.tell("terms.simulated-bundle", id=bundle.id, currency=bundle.currency, period=supposed["period"])

    def shown(amount: int) -> str:
        return major(amount, bundle.exponent, group=True)

    rows = [
        {"party": names(line.party), "ref": line.ref, "line": line.kind, "amount": shown(line.amount)}
        for line in read_lines(supposed)
    ]
    rows += [
        {"party": names(party), "ref": "", "line": shell.word("col.total"), "amount": shown(total)}
        for party, total in read_totals(supposed).items()
    ]
    shell.list_(
        rows,
        [
            Column("party", lambda row: row["party"]),
            Column("ref", lambda row: row["ref"]),
            Column("line", lambda row: row["line"]),
            Column("amount", lambda row: row["amount"], right=True),
        ],
    )


def _count(shell: Shell, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(shell.word("usage.count", found=text))
    return int(text)
