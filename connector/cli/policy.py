"""`weft policy`: what a policy says, in words, and what it would decide."""

from typing import Annotated, Any

import typer
from typer import Argument, Option

from connector.cli.connect import connect
from connector.cli.exits import Exit, UsageError
from connector.cli.ids import complete
from connector.cli.moments import moment
from connector.cli.people import partner
from connector.cli.shell import Shell
from policies.compare import policy_digest
from policies.enforcement import enforcement
from policies.explain import explain as sentences
from policies.parse import parse_policy


def explain(ctx: typer.Context, file: Annotated[str, Argument()]) -> None:
    """A policy document in words: one sentence per rule, with its class. Needs no daemon."""
    shell: Shell = ctx.obj
    document = _policy(shell, file)
    parsed = parse_policy(document)
    found = {
        "digest": policy_digest(document),
        "sentences": {lang: sentences(parsed, lang) for lang in ("en", "zh")},
        "enforcement": enforcement(parsed),
    }
    shell.show(found, [("digest", found["digest"]), ("terms", tuple(sentences(parsed, shell.lang)))])


async def dry_run(
    ctx: typer.Context,
    agreement: Annotated[str | None, Argument()] = None,
    file: Annotated[str | None, Option("--policy")] = None,
    partner_: Annotated[str | None, Option("--partner")] = None,
    purpose: str = "",
    columns: str | None = None,
    at: str | None = None,
    action: str = "odrl:use",
) -> int:
    """What an agreement or a policy would decide at that time; nothing is counted."""
    shell: Shell = ctx.obj
    if (agreement is None) == (file is None):
        raise UsageError(shell.word("usage.agreement-or-policy"))
    async with connect(shell) as client:
        digest = None
        if agreement is not None:
            digest = await complete(agreement, client.agreements(), lambda each: each.digest, shell.lang)
        found = await client.test_policy(
            agreement=digest,
            policy=_policy(shell, file) if file is not None else None,
            partner=await partner(client, partner_, shell.lang) if partner_ else None,
            purpose=purpose,
            columns=columns.split(",") if columns else None,
            at=moment(at, shell) if at else None,
            action=action,
        )
    lines: tuple[str, ...] = found.explanation.get(shell.lang, ())
    shell.show(
        found.to_dict(),
        [
            ("decision", shell.word(f"outcome.{found.outcome.replace(' ', '-')}")),
            ("at", shell.time(found.at.isoformat()) if found.at else ""),
            ("reason", found.sentence.get(shell.lang)),
            ("explanation", tuple(lines[1:])),
        ],
    )
    return Exit.DONE if found.allowed else Exit.POLICY


def _policy(shell: Shell, file: str) -> dict[str, Any]:
    found = shell.read_json(file)
    if not isinstance(found, dict):
        raise UsageError(shell.word("not-an-object", path=file))
    return found
