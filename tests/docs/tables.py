"""The tables of OPERATIONS.md as the code has them: `python -m tests.docs.tables` prints them, `--write` puts them into the page."""

import re
import sys
from collections.abc import Callable, Iterable

from connector.cli.commands import SECTIONS
from connector.errors import TABLE
from connector.management.metrics import HELP
from connector.settings import Settings
from policies.sentences import sentence
from tests.docs.pages import ROOT, page, with_block


def settings() -> str:
    """Every setting but the folder itself, which is where the file lies."""
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "directory":
            continue
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append((f"`{name}`", default, field.description or ""))
    return table(("setting", "default", "meaning"), rows)


def commands() -> str:
    rows = []
    for section, members in SECTIONS.items():
        rows.append((f"**{sentence(f'cli.section.{section}', 'en')}**", "", ""))
        rows += [
            (f"`weft {command.name}`", sentence(command.sentence, "en"), _plain(command.prints)) for command in members
        ]
    return table(("command", "what it does", "what `--json` prints"), rows)


def errors() -> str:
    rows = [
        (f"`{code}`", str(appearance.status), appearance.level, first_clause(sentence(f"error.{code}", "en")))
        for code, appearance in sorted(TABLE.items())
    ]
    return table(("code", "status", "log", "what it says first"), rows)


def metrics() -> str:
    return table(("metric", "meaning"), [(f"`{name}`", text) for name, text in HELP.items()])


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "metrics": metrics,
    "errors": errors,
}


def first_clause(text: str) -> str:
    """A sentence up to where its reason or its advice begins; values stand as `…`."""
    return re.sub(r"\{\w+\}", "…", re.split(r"(?<=[^ .])[.:;](?: |$)", text, maxsplit=1)[0])


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def _default(value: object) -> str:
    if value is None or value == {}:
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(prints: str) -> str:
    return f"`{prints}`" if prints[:1] in "[{" and prints[-1:] in "]}" else prints


def main(arguments: list[str]) -> None:
    text = page("OPERATIONS.md")
    for name, make in TABLES.items():
        text = with_block(text, name, make())
        sys.stdout.write(f"{make()}\n\n")
    if arguments == ["--write"]:
        (ROOT / "OPERATIONS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
