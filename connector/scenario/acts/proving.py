"""The logs are exported and verified by a command that needs no daemon, no database and no trust."""

import asyncio
import json
import re
from typing import Any

from connector.scenario import weft
from connector.scenario.stage import Stage
from connector.scenario.steps import Prove, Tamper

VERIFICATION_FAILED = 6


async def prove(stage: Stage, _step: Prove) -> None:
    names = list(stage.package.participants)
    stage.log(names[0]).parent.mkdir(parents=True, exist_ok=True)
    await stage.quiet()
    await asyncio.gather(
        *(weft.run("-C", str(stage.folder(name)), "audit", "export", "-o", str(stage.log(name))) for name in names)
    )
    found = await _verify(stage, *(str(stage.log(name)) for name in names))
    for name, log in zip(names, found, strict=True):
        stage.tell.line("log", name=stage.name(name), entries=log["entries"], checkpoints=log["checkpoints"])
        said = "valid" if log["valid"] else "; ".join(log["problems"])
        stage.check(
            "log",
            f"{stage.package.participants[name].id}, valid",
            f"{log['participant']}, {said}",
            name=stage.name(name),
        )
    # Verified together they were compared: a digest that one has with another and the other lacks would be a problem.
    problems = sum(len(log["problems"]) for log in found)
    stage.check("logs-agree", "0 differences", f"{problems} differences", logs=len(found))


async def tamper(stage: Stage, step: Tamper) -> None:
    """One digit of one record becomes another; the verifier must name that record."""
    original = stage.log(step.with_)
    lines = original.read_bytes().splitlines(keepends=True)
    entries = [number for number, line in enumerate(lines) if b'"entry":' in line]
    number = entries[len(entries) // 2]
    seq = json.loads(lines[number])["entry"]["seq"]
    altered = original.with_name(f"{original.stem}-altered{original.suffix}")
    lines[number] = _other_digit(lines[number])
    altered.write_bytes(b"".join(lines))
    [log] = await _verify(stage, str(altered))
    stage.tell.quote(log["problems"])
    named = any(re.search(rf"\b{seq}\b", problem) for problem in log["problems"])
    stage.check(
        "altered",
        "invalid, named",
        f"{'valid' if log['valid'] else 'invalid'}, {'named' if named else 'not named'}",
        seq=seq,
    )


async def _verify(stage: Stage, *files: str) -> list[dict[str, Any]]:
    options = ("--members", str(stage.members), "--space-key", stage.space_key, "--lang", stage.tell.lang)
    answer = await weft.run_json("audit", "verify", *files, *options, codes=(0, VERIFICATION_FAILED))
    logs: list[dict[str, Any]] = answer["items"]
    return logs


def _other_digit(line: bytes) -> bytes:
    """The line with one digit changed, at its middle or after it."""
    place = next(at for at in range(len(line) // 2, len(line)) if line[at : at + 1].isdigit())
    digit = b"1" if line[place : place + 1] != b"1" else b"2"
    return line[:place] + digit + line[place + 1 :]
