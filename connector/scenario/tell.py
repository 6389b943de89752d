"""The story as a person reads it: chapters, short lines, checks as they come, and the table at the end."""

import re
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.scenario.checks import Check
from policies.sentences import sentence

WIDTH = 118
INDENT = 3
FIGURES = 32
# A digest is recognised by its beginning; the report has it whole.
_DIGEST = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")


class Teller:
    """Prints in one language; `word` looks up the player's own words (`scenario.…` in the message table)."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._console = Console(highlight=False, soft_wrap=False)
        if not self._console.is_terminal or self._console.width > WIDTH:
            self._console.width = WIDTH
        self._chapters = 0

    def word(self, identifier: str, **values: object) -> str:
        return sentence(f"scenario.{identifier}", self.lang, **values)

    def text(self, words: Mapping[str, str]) -> str:
        """A text of the package in this language."""
        return words.get(self.lang) or next(iter(words.values()), "")

    def name(self, words: Mapping[str, str]) -> str:
        """A company's name; in English the Chinese one stands before it."""
        both = (words.get("zh", ""), words.get("en", ""))
        return self.text(words) if self.lang == "zh" else " ".join(filter(None, both))

    def title(self, words: Mapping[str, str], say: Mapping[str, str]) -> None:
        self._console.print(Text(f"Weft · {self.text(words)}", style="bold cyan"))
        self._indented(self.text(say), style="dim")

    def chapter(self, title: Mapping[str, str], say: Mapping[str, str]) -> None:
        self._chapters += 1
        self._console.print()
        self._console.print(Text(f"{self._chapters:>2} {self.text(title)}", style="bold"))
        if say:
            self._indented(self.text(say), style="dim")

    def line(self, identifier: str, **values: object) -> None:
        self._indented(self.word(identifier, **values))

    def quote(self, lines: Iterable[str]) -> None:
        """Words of a connector, as it said them."""
        for line in lines:
            for part in line.splitlines():
                self._indented(Text(part, style="italic"), mark="│ ")

    def verbatim(self, text: str) -> None:
        """What a command printed, line by line as it stands."""
        for line in text.rstrip("\n").splitlines():
            self._console.print(Text.assemble(" " * INDENT, "│ ", line.rstrip()), soft_wrap=True)

    def check(self, check: Check) -> None:
        if check.ok:
            self._indented(Text.assemble(("✓ ", "green"), check.check))
        else:
            self._indented(Text.assemble(("✗ ", "bold red"), check.check))
            self._indented(f"  {self.word('expected')} {check.expected}", style="red")
            self._indented(f"  {self.word('got')} {check.got}", style="red")

    def commands(self, identifier: str, commands: Iterable[str]) -> None:
        """A sentence and lines that can be copied: never wrapped."""
        self._console.print()
        self._console.print(Text(self.word(identifier)))
        for command in commands:
            self._console.print(Text(f"   {command}", style="cyan"), soft_wrap=True)

    def table(self, checks: Iterable[Check]) -> None:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
        table.add_column("", justify="right")
        table.add_column(self.word("check"), overflow="fold")
        for identifier in ("expected", "got"):
            table.add_column(self.word(identifier), max_width=FIGURES, overflow="fold")
        table.add_column("")
        for number, each in enumerate(checks, 1):
            mark = Text("✓", style="green") if each.ok else Text("✗", style="bold red")
            table.add_row(str(number), Text(each.check), _short(each.expected), _short(each.got), mark)
        self._console.print()
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self._console.file.write(line.rstrip() + "\n")

    def verdict(self, identifier: str, *, good: bool, **values: object) -> None:
        self._console.print()
        self._console.print(Text(self.word(identifier, **values), style="bold green" if good else "bold red"))

    def _indented(self, text: str | Text, style: str = "", mark: str = "") -> None:
        """A paragraph, wrapped; `mark` stands before each of its lines."""
        whole = text if isinstance(text, Text) else Text(text, style=style)
        for line in whole.wrap(self._console, self._console.width - INDENT - len(mark)):
            line.rstrip()
            self._console.print(Text.assemble(" " * INDENT, mark, line))


def _short(text: str) -> Text:
    return Text(_DIGEST.sub(r"\1…", text))
