"""Every sentence that the code names exists."""

import ast
from pathlib import Path

import pytest

from connector.cli import commands
from policies.sentences import has_sentence

FOLDER = Path(commands.__file__).parent


def named(path):
    """Literal identifiers in calls of `say`, `word`, `tell` and `confirm`, and headings of columns and lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("say", "word", "tell", "confirm") and isinstance(node.args[0].value, str):
            yield f"cli.{node.args[0].value}"
        elif name == "Column":
            yield f"cli.col.{node.args[0].value}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_is_in_the_table(path):
    # The steps of a fetch are told by the same word in another place: `step.<name>`.
    missing = [each for each in named(path) if not has_sentence(each)]
    assert missing == []


@pytest.mark.parametrize(
    "step", ["resolve", "reuse", "offer", "negotiate", "accept", "agreed", "transfer", "receive", "save"]
)
def test_every_step_of_a_fetch_has_its_line(step):
    assert has_sentence(f"cli.step.{step}")
