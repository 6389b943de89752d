"""`weft demo`, `weft scenario run|check`: a whole data space on this machine, played from a package of files."""

import os
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from connector.cli.exits import Exit, UsageError
from connector.cli.shell import Shell
from connector.cli.words import out
from connector.scenario import main, soundness
from connector.scenario.errors import PackageError

BUILD = "weft-demo"
# What a Makefile can hand on where it cannot add an option.
KEEP = "KEEP"


async def demo(
    ctx: typer.Context,
    build: str = BUILD,
    keep: Annotated[bool, Option("--keep")] = False,
) -> int:
    """Play the package that comes with Weft."""
    return await _play(ctx.obj, main.shipped(), build, keep=keep)


async def run(
    ctx: typer.Context,
    folder: Annotated[str, Argument()],
    build: str = BUILD,
    keep: Annotated[bool, Option("--keep")] = False,
) -> int:
    """Play the package of a folder."""
    return await _play(ctx.obj, Path(folder), build, keep=keep)


def check(ctx: typer.Context, folder: Annotated[str, Argument()]) -> int:
    """Say what is wrong with a package, without starting anything."""
    shell: Shell = ctx.obj
    problems = [each.sentence(shell.lang) for each in soundness.problems(Path(folder))]
    if shell.machine:
        shell.data({"valid": not problems, "problems": problems})
        return Exit.USAGE if problems else Exit.DONE
    for problem in problems:
        out(problem)
    shell.tell("package-invalid" if problems else "package-valid", path=folder, number=len(problems))
    return Exit.USAGE if problems else Exit.DONE


async def _play(shell: Shell, folder: Path, build: str, *, keep: bool) -> int:
    stays = keep or os.environ.get(KEEP, "") not in ("", "0")
    try:
        return await main.run(folder, Path(build), shell.lang, keep=stays)
    except PackageError as error:
        raise UsageError(error.sentence(shell.lang)) from error
