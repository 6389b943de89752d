"""The player holds nothing of the story: another package plays as well."""

import re
import tomllib
from pathlib import Path

import pytest

from examples.player import steps
from examples.player.acts import ACTS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PLAYER = sorted(path for path in (EXAMPLES / "player").rglob("*") if path.suffix in (".py", ".toml"))
PACKAGE = EXAMPLES / "supply-chain-control" / "package.toml"
# Words of the protocol and of the player's own verbs, which the package uses as the player does.
COMMON = {"all", "provider", "consumer", "operator", "service-provider", "free"}


# Tables whose keys are names of the story; every other key is a member that `package.py` or `steps.py` declares.
NAMING = ("participants", "outsiders", "datasets", "agreements", "refusals", "pseudonym_keys", "row")


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


FIGURES = sorted(
    {figure for figure in _figures(tomllib.loads(PACKAGE.read_text(encoding="utf-8"))) if len(figure) > 1} - COMMON
)


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
    }
    assert known <= set(FIGURES)


def test_every_verb_is_played():
    verbs = {each for each in vars(steps).values() if isinstance(each, type) and issubclass(each, steps.Step)}
    assert set(ACTS) == verbs - {steps.Step}


def test_words_have_the_same_placeholders_in_both_languages():
    words = tomllib.loads((EXAMPLES / "player" / "words.toml").read_text(encoding="utf-8"))
    for name, texts in words.items():
        assert set(texts) == {"en", "zh"}, name
        en, zh = (set(re.findall(r"\{(\w+)\}", texts[lang])) for lang in ("en", "zh"))
        assert en == zh, name


def test_every_word_is_used():
    words = tomllib.loads((EXAMPLES / "player" / "words.toml").read_text(encoding="utf-8"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in PLAYER if path.suffix == ".py")
    unused = [
        name
        for name in words
        if f'"{name.removeprefix("check.")}"' not in code and name.partition(".")[0] not in ("fetch", "freshness")
    ]
    assert not unused
