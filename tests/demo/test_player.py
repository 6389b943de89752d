"""The player holds nothing of the story: another package plays as well."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from connector.scenario import steps
from connector.scenario.acts import ACTS

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "policies" / "sentences" / "scenario.toml"
PLAYER = [*sorted((ROOT / "connector" / "scenario").rglob("*.py")), ROOT / "connector" / "cli" / "playing.py", WORDS]
FOLDER = ROOT / "examples" / "supply-chain-control"
PACKAGE = FOLDER / "package.toml"
# Words of the protocol and of the player's own verbs, which the package uses as the player does.
COMMON = {"all", "provider", "consumer", "operator", "service-provider", "free", "input"}
# Columns and keywords of the story that are everyday words.
COMMON |= {"line", "parts", "quality", "result", "standard"}


# Tables whose keys are names of the story; every other key is a member that `package.py` or `steps.py` declares.
NAMING = ("participants", "outsiders", "datasets", "agreements", "refusals", "settlements", "pseudonym_keys", "row")
NAMING += ("quality", "without_service", "lines", "positions", "digests")


def _figures(value, key=""):
    """Every text and every larger number of the package, and every name that it gives; what it tells in sentences is no figure."""
    if isinstance(value, dict):
        for name, member in value.items():
            if key in NAMING:
                yield name
            if name not in ("play", "say", "title"):
                yield from _figures(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _figures(member, key)
    elif isinstance(value, str) or (isinstance(value, int) and value > 100):
        yield str(value)


def _package():
    """The table of the package, and the outcomes that it names: what is in them is as much the story's."""
    table = tomllib.loads(PACKAGE.read_text(encoding="utf-8"))
    yield table
    for settlement in table["settlements"].values():
        outcome = json.loads((FOLDER / settlement["expected"]).read_text(encoding="utf-8"))
        yield {name: outcome[name] for name in ("digests", "lines", "positions")}


FIGURES = sorted({figure for part in _package() for figure in _figures(part) if len(figure) > 1} - COMMON)


@pytest.mark.parametrize("path", PLAYER, ids=lambda path: path.name)
def test_the_player_holds_no_figure_of_the_story(path):
    text = path.read_text(encoding="utf-8")
    found = [figure for figure in FIGURES if re.search(rf"(?<![\w-]){re.escape(figure)}(?![\w-])", text)]
    assert not found


def test_the_search_would_find_a_figure():
    known = {
        "p-steel",
        "A4",
        "A-D1",
        "A-R2",
        "counter-exhausted",
        "锡澄特钢",
        "4096",
        "shipment_no",
        "f9a412e86cdf0268",
        "到货",
        "2026-10",
        "1250000",
        "RISK-2026",
        "derive.py",
        "onward",
        "operator-share",
    }
    assert known <= set(FIGURES)


def test_every_verb_is_played():
    verbs = {each for each in vars(steps).values() if isinstance(each, type) and issubclass(each, steps.Step)}
    assert set(ACTS) == verbs - {steps.Step}


def test_every_word_is_used():
    words = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in PLAYER if path.suffix == ".py")
    unused = [
        name
        for name in words
        if name.startswith("scenario.")
        and f'"{re.sub("^scenario[.](check[.]|problem[.])?", "", name)}"' not in code
        and name.split(".")[1] not in ("fetch", "freshness")
    ]
    assert not unused
