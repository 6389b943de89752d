"""One line of the command line, run by typer: parse the words of a command, call its function, wait for it."""

import asyncio
import gc
import inspect
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import Abort, TyperException
from typer.exceptions import Exit as Leave

from connector.cli import helping
from connector.cli.commands import Command
from connector.cli.exits import Exit, UsageError
from connector.cli.shell import Shell
from connector.cli.words import say

DIRECTORY_VARIABLE = "WEFT_DIR"


def build(command: Command) -> Any:
    """The typer command of a row: its module is imported here. Help and complaints are ours, not typer's."""
    module, function = command.place.split(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name=command.name, context_settings={"allow_extra_args": True, "help_option_names": []})(
        getattr(import_module(f"connector.cli.{module}"), function)
    )
    return typer.main.get_command(app)


def run(command: Command, words: list[str], given: dict[str, str], lang: str) -> int:
    """Run a command with the rest of its line; returns the exit code. Raises UsageError and whatever the command raises."""
    shell = Shell(
        lang=lang,
        directory=Path(given.get("dir") or os.environ.get(DIRECTORY_VARIABLE) or "."),
        json="json" in given,
        jsonl="jsonl" in given,
        utc="utc" in given,
    )
    click = build(command)
    if not gc.isenabled():
        # What was imported lives as long as the process: it need not be looked through again and again.
        gc.freeze()
        gc.enable()
    try:
        with click.make_context(f"weft {command.name}", words, obj=shell) as context:
            if context.args:
                raise UsageError(say("usage.extra", lang, words=" ".join(context.args), command=command.name))
            result = click.invoke(context)
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
    except TyperException as error:
        raise UsageError(helping.usage_problem(command, error, lang)) from error
    except Leave as leave:
        return leave.exit_code
    except Abort as abort:
        raise KeyboardInterrupt from abort
    return result if isinstance(result, int) else Exit.DONE
