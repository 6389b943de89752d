"""`weft doctor`: what is wrong between us and a partner, one line for each check, and who must mend it."""

import typer

from connector.cli.connect import connect
from connector.cli.people import partner as whom
from connector.cli.shell import Shell
from connector.cli.showing import told
from connector.cli.words import out, pad
from connector.client.looking import Check

_CHECK_WIDTH, _STATE_WIDTH = 14, 6
_OURS = ("us", "partner", "authority", "both")
FAILED = 1


async def doctor(ctx: typer.Context, partner: str) -> int:
    """Check everything between us and a partner; the exit code is 1 when something has to be mended."""
    shell: Shell = ctx.obj
    async with connect(shell) as client:
        participant = await whom(client, partner, shell.lang)
        if shell.json:
            found = await client.doctor(participant)
            shell.data({"items": [each.to_dict() for each in found], "next": None})
            return _code(found)
        if shell.jsonl:
            return _code(await client.doctor(participant, tell=lambda check: shell.line(check.to_dict())))
        shell.tell("doctor.begins", partner=participant)
        found = await client.doctor(participant, tell=lambda check: _line(shell, check))
    failed = [check for check in found if check.state == "fail"]
    if failed:
        guilty = [shell.word(f"doctor.who.{who}") for who in _OURS if any(check.who == who for check in failed)]
        shell.tell("doctor.ill", number=len(failed), who=", ".join(guilty))
    else:
        shell.tell("doctor.well", partner=participant)
    return _code(found)


def _code(found: list[Check]) -> int:
    return FAILED if any(check.state == "fail" for check in found) else 0


def _line(shell: Shell, check: Check) -> None:
    identifier = f"doctor.{check.check}.{check.code}"
    facts = dict(check.facts)
    if check.state == "skipped":
        identifier, facts["why"] = "doctor.skipped", shell.word(f"doctor.check.{facts.get('why', '-')}")
    text = told(shell, identifier, facts, check.sentence)
    state, name = shell.word(f"doctor.state.{check.state}"), shell.word(f"doctor.check.{check.check}")
    out(f"{pad(state, _STATE_WIDTH)}{pad(name, _CHECK_WIDTH)}{text}")
