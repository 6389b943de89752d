"""Rows of the table: a figure, what the bare machine does in the same run, their ratio, the goal, and whether it is met."""

from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("What", "Weft", "Floor", "Ratio", "Goal", "Met")


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is compared with `limit`: at most that where `at_most`, else at least. `beside` are facts about the run."""

    what: str
    figure: str
    baseline: str
    ratio: float
    limit: float
    at_most: bool
    unit: str = "x"
    beside: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        return self.ratio <= self.limit if self.at_most else self.ratio >= self.limit

    @property
    def cells(self) -> tuple[str, ...]:
        goal = f"{'at most' if self.at_most else 'at least'} {_number(self.limit)}{self.unit}"
        return (
            self.what,
            self.figure,
            self.baseline,
            f"{_number(self.ratio)}{self.unit}",
            goal,
            "yes" if self.met else "no",
        )


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, padded so that it reads well on a terminal too."""
    lines = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"
