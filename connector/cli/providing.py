"""`weft publish`, `withdraw`, `datasets`: what we offer."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import Exit, UsageError
from connector.cli.ids import SHORTEST, complete
from connector.cli.shell import LIST_LIMIT, Column, Shell
from connector.client import Client
from connector.client.models import Preview, in_language

# What agreements of ours say against a publication, and not the publication itself.
_BY_AGREEMENT = ("distribution-prohibited", "derivation-refused")
_AGREEMENT = re.compile(rf"(sha-256:)?[0-9a-f]{{{SHORTEST},64}}")


async def publish(
    ctx: typer.Context,
    file: Annotated[str, Argument()],
    id_: Annotated[str, Option("--id")],
    offer: Annotated[list[str], Option("--offer")],
    terms: Annotated[list[str] | None, Option("--terms")] = None,
    transform: Annotated[list[str] | None, Option("--transform")] = None,
    title_zh: str = "",
    title_en: str = "",
    description_zh: str = "",
    description_en: str = "",
    keyword_zh: Annotated[list[str] | None, Option("--keyword-zh")] = None,
    keyword_en: Annotated[list[str] | None, Option("--keyword-en")] = None,
    visible_to: str = "all",
    decide: Literal["automatic", "person"] = "automatic",
    encoding: str = "",
    derived_from: Annotated[list[str] | None, Option("--derived-from")] = None,
    missing: Annotated[list[str] | None, Option("--missing")] = None,
    purpose: str = "",
    dry_run: Annotated[bool, Option("--dry-run")] = False,
    yes: Annotated[bool, Option("--yes")] = False,
) -> int:
    """Offer a file: what becomes public is shown first."""
    shell: Shell = ctx.obj
    place = Path(file)
    title = _texts(title_zh, title_en) or {"en": place.stem}
    publication: dict[str, Any] = {
        "path": str(shell.place(file)),
        "id": id_,
        "title": title,
        "description": _texts(description_zh, description_en) or title,
        "keywords": [
            *({"text": text, "lang": "zh"} for text in keyword_zh or ()),
            *({"text": text, "lang": "en"} for text in keyword_en or ()),
        ],
        "offers": [_object(shell, path) for path in offer],
        "terms": [_object(shell, path) for path in terms or ()],
        "transforms": [_object(shell, path) for path in transform or ()],
        "visible_to": "all" if visible_to == "all" else visible_to.split(","),
        "decide": decide,
    }
    if encoding:
        publication["encoding"] = encoding
    if missing:
        publication["missing_inputs"] = missing
    if purpose:
        publication["purpose"] = purpose
    async with connect(shell) as client:
        if derived_from:
            publication["inputs"] = [await _input(client, each, shell.lang) for each in derived_from]
        preview = await client.preview(publication)
        if dry_run:
            _show(shell, preview)
            return _exit(preview)
        _announce(shell, preview)
        if not preview.publishable:
            return _exit(preview)
        if sys.stdin.isatty():
            shell.confirm("ask.publish", yes=yes, id=id_)
        done = await client.publish(**publication)
    shell.show(
        done.to_dict(),
        [("id", done.id), ("sha256", done.sha256), ("offers", tuple(each.id for each in done.offers))],
    )
    shell.tell("published-unchanged" if done.unchanged else "published", id=done.id)
    return Exit.DONE


async def withdraw(
    ctx: typer.Context,
    dataset: str,
    reason: Annotated[str, Option("--reason")],
    yes: Annotated[bool, Option("--yes")] = False,
) -> None:
    """Stop offering a dataset; agreements about it stay."""
    shell: Shell = ctx.obj
    shell.confirm("ask.withdraw", yes=yes, id=dataset)
    async with connect(shell) as client:
        await client.withdraw(dataset, reason)
    shell.show({"id": dataset}, [("id", dataset)])
    shell.tell("withdrawn", id=dataset)


async def datasets(ctx: typer.Context, limit: int = LIST_LIMIT) -> None:
    """What we offer, and whether the file is still what the catalog says."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        await shell.listing(
            client.datasets(),
            [
                Column("id", lambda row: row["id"]),
                Column("title", lambda row: in_language(row.get("title", {}), shell.lang)),
                Column("rows", lambda row: row.get("rows"), right=True),
                Column("bytes", lambda row: row.get("bytes"), right=True),
                Column("offers", lambda row: len(row.get("offers", ())), right=True),
                Column("state", lambda row: shell.word(f"dataset.{row['state']}")),
            ],
            limit,
        )


async def _input(client: Client, typed: str, lang: str) -> dict[str, str]:
    """`DATASET` or `DATASET=AGREEMENT`; the agreement may be its beginning. A dataset id may hold an equals sign itself."""
    dataset, sign, agreement = typed.rpartition("=")
    if not sign or not dataset or not _AGREEMENT.fullmatch(agreement):
        return {"dataset": typed}
    known = client.agreements(role="consumer", dataset=dataset)
    return {"dataset": dataset, "agreement": await complete(agreement, known, lambda each: each.digest, lang)}


def _texts(zh: str, en: str) -> dict[str, str]:
    return {lang: text for lang, text in (("zh", zh), ("en", en)) if text}


def _object(shell: Shell, path: str) -> Mapping[str, Any]:
    found = shell.read_json(path)
    if not isinstance(found, dict):
        raise UsageError(shell.word("not-an-object", path=path))
    return found


def _show(shell: Shell, preview: Preview) -> None:
    if shell.machine:
        shell.data(preview.to_dict())
    else:
        _announce(shell, preview)


def _exit(preview: Preview) -> Exit:
    """What a publication ends with that was only looked at, or that cannot be."""
    if preview.publishable:
        return Exit.DONE
    by_agreement = any(problem.get("code") in _BY_AGREEMENT for problem in preview.problems)
    return Exit.POLICY if by_agreement else Exit.USAGE


def _announce(shell: Shell, preview: Preview) -> None:
    """What others will see, and what stops it, for the person."""
    found = preview.dataset
    if found is not None:
        viewers = preview.viewers if isinstance(preview.viewers, str) else ", ".join(preview.viewers)
        shell.tell(
            "preview",
            id=found.id,
            title=in_language(found.title, shell.lang),
            rows=found.rows if found.rows is not None else "-",
            bytes=found.bytes if found.bytes is not None else "-",
            columns=", ".join(column.name for column in found.columns) or "-",
            offers=len(found.offers),
            viewers=shell.word("everybody") if viewers == "all" else viewers,
        )
    for problem in preview.problems:
        message = problem.get("message") or {}
        shell.tell("preview-problem", problem=in_language(message, shell.lang) or problem.get("code", "-"))
