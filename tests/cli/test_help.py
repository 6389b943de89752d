"""The help: every command and parameter explained in both languages, from one table."""

import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli import commands
from connector.cli.line import build
from connector.cli.main import main
from policies.sentences import has_sentence, table

OVERVIEW = [
    *("init", "space init", "space add", "space remove", "space sign", "serve", "status", "config"),
    *("keys add", "keys list", "members", "members reload", "publish", "withdraw", "datasets", "lineage"),
    *("find", "catalog show", "catalog check", "catalog export", "catalog refresh", "offers", "get", "deliveries"),
    *("negotiate", "negotiations", "accept", "counter", "agree", "terminate", "approvals", "approve", "reject"),
    *("agreements", "terms check", "terms explain", "terms simulate"),
    *("transfers", "transfer start", "transfer suspend", "transfer resume", "transfer complete", "transfer terminate"),
    *("stop", "resume", "breach", "release", "duties"),
    *("show", "doctor"),
    *("bundle sign", "bundle list", "bundle show", "ledger import", "ledger list", "state"),
    *("statement", "statement close"),
    *("policy explain", "policy test", "audit search", "audit show", "audit export", "audit verify", "events"),
    *("db tables", "db rows", "db export", "db sql"),
    *("demo", "scenario run", "scenario check"),
]


def test_the_commands_are_these_in_this_order():
    assert list(commands.COMMANDS) == OVERVIEW


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("command", commands.COMMANDS.values(), ids=lambda command: command.key)
def test_every_command_and_parameter_has_help(command, lang, capsys):
    assert main([*command.name.split(), "--help", "--lang", lang]) == 0
    shown = capsys.readouterr().out
    assert table()[command.sentence][lang] in shown
    for param in build(command).params:
        own = f"cli.arg.{command.key}.{param.name}"
        text = table()[own if has_sentence(own) else f"cli.arg.{param.name}"][lang]
        assert text in shown, param.name
    assert "{" not in shown.replace(command.prints, "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_overview_names_every_command_once(lang, capsys):
    assert main(["--help", "--lang", lang]) == 0
    shown = capsys.readouterr().out
    for command in commands.COMMANDS.values():
        told = table()[command.sentence][lang]
        assert sum(line.split(told)[0].strip() == command.name for line in shown.splitlines() if told in line) == 1


def test_a_group_alone_lists_its_commands_and_is_no_command(capsys):
    assert main(["audit"]) == 2
    shown = capsys.readouterr().out
    assert all(f"audit {verb}" in shown for verb in ("search", "show", "export", "verify"))


def test_every_sentence_of_the_command_line_is_used():
    """A sentence that no help and no code names is one that nobody can meet."""
    source = "".join(path.read_text(encoding="utf-8") for path in (commands_folder() / "..").resolve().rglob("*.py"))
    parameters = {
        f"cli.arg.{prefix}{param.name}"
        for command in commands.COMMANDS.values()
        for param in build(command).params
        for prefix in ("", f"{command.key}.")
    }
    made_up = ("cli.help.", "cli.col.", "cli.section.", "cli.common.", "cli.step.", "cli.delivery.", "cli.dataset.")
    made_up += ("cli.negotiation.", "cli.transfer.", "cli.role.", "cli.outcome.", "cli.freshness.", "cli.fresh.")
    made_up += ("cli.relied.", "cli.statement.", "cli.subject.", "cli.duty.", "cli.stated.", "cli.doctor.")
    for identifier in table():
        if identifier.startswith("cli.arg."):
            assert identifier in parameters, identifier
        elif identifier.startswith("cli.") and not identifier.startswith(made_up):
            assert re.search(rf"""["']{re.escape(identifier.removeprefix("cli."))}["']""", source), identifier


def test_headings_of_columns_are_used():
    source = "".join(path.read_text(encoding="utf-8") for path in commands_folder().glob("*.py"))
    for identifier in table():
        if identifier.startswith("cli.col."):
            assert f'"{identifier.removeprefix("cli.col.")}"' in source, identifier


@pytest.mark.parametrize("area", ["cli.", "client."])
def test_both_languages_have_the_same_placeholders(area):
    for identifier, templates in table().items():
        if identifier.startswith(area):
            assert fields(templates["en"]) == fields(templates["zh"]), identifier
            assert templates["en"] != templates["zh"] or identifier == "cli.col.sha256", identifier


def test_the_version_needs_no_typer_and_the_help_no_command():
    code = (
        "import sys; from connector.cli.main import main; main(['--version']); main(['--help']);"
        "sys.exit(any(name in sys.modules for name in ('typer', 'rich', 'pydantic', 'aiohttp', 'asyncio')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "weft 0.1.0")


@pytest.mark.parametrize("variable", ["LC_ALL", "LC_MESSAGES", "LANG"])
def test_the_language_is_that_of_the_locale(variable, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "zh_CN.UTF-8")
    main(["--help"])
    assert "用法：" in capsys.readouterr().out


def commands_folder():
    return Path(commands.__file__).parent


def fields(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
