"""Tables and lists of facts on a terminal, by rich; plain aligned text where nobody looks."""

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wide enough that a pipe never wraps a line: whoever reads it cuts it.
PIPE_COLUMNS = 10_000


def console() -> Console:
    # rich itself respects NO_COLOR and the size of the terminal.
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False)


def table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[object]]) -> None:
    """Rows under headings; a heading comes with whether its column stands to the right."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, right in headings:
        drawn.add_column(
            heading, justify="right" if right else "left", overflow="fold", no_wrap=not sys.stdout.isatty()
        )
    for row in rows:
        # Text, not markup: what a partner wrote is shown, never interpreted.
        drawn.add_row(*(Text(_clean(cell)) for cell in row))
    _print(drawn)


def facts(lines: Sequence[tuple[str, object]]) -> None:
    """One object: heading and value per line; a value of several lines is indented."""
    drawn = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold", no_wrap=not sys.stdout.isatty())
    for heading, value in lines:
        texts = value if isinstance(value, list | tuple) else [value]
        for number, text in enumerate(texts):
            drawn.add_row(Text("" if number else heading), Text(_clean(text)))
    _print(drawn)


def _print(drawn: Table) -> None:
    out = console()
    with out.capture() as captured:
        out.print(drawn)
    # rich pads the last column: trailing blanks are nothing but noise in a pipe.
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def _clean(cell: object) -> str:
    """Text without control characters: a title from a partner must not drive the terminal."""
    text = "" if cell is None else str(cell)
    return "".join(mark if mark.isprintable() else " " for mark in text)


def red(text: str, *, stream: TextIO) -> None:
    """A warning in red, on a terminal that has colours."""
    Console(file=stream, highlight=False).print(Text(text, style="bold red"))
