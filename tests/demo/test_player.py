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
COMMON = {"all", "provider", "consumer", "operator", "service-provider", "free", "play", "en", "zh"}


def _texts(value, depth=0):
    """Every text and number of the package, and every name that it gives (keys below the first level of tables)."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key in ("play", "say", "title"):
                continue
            if depth > 0:
                yield key
            yield from _texts(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member, depth)
    elif isinstance(value, str) or (isinstance(value, int) and value > 100):
        yield str(value)


def _figures():
    package = tomllib.loads(PACKAGE.read_text(encoding="utf-8"))
    named = {
        name for table in ("participants", "outsiders", "datasets", "agreements", "refusals") for name in package[table]
    }
    members = {
        name
        for table in package.values()
        if isinstance(table, dict)
        for part in table.values()
        if isinstance(part, dict)
        for name in part
    }
    step_members = {name for chapter in package["chapters"] for step in chapter["steps"] for name in step}
    texts = set(_texts(package)) | named
    own = (
        members
        | step_members
        | COMMON
        | {
            "rows",
            "bytes",
            "sha256",
            "columns",
            "dropped",
            "replaced",
            "golden",
            "row",
            "column",
            "given",
            "delivered",
            "asked",
            "steps",
        }
    )
    return sorted(text for text in texts - own if len(text) > 1)


@pytest.mark.parametrize("path", PLAYER, ids=lambda path: path.name)
def test_the_player_holds_no_figure_of_the_story(path):
    text = path.read_text(encoding="utf-8")
    found = [figure for figure in _figures() if re.search(rf"(?<![\w-]){re.escape(figure)}(?![\w-])", text)]
    assert not found


def test_the_search_would_find_a_figure():
    figures = _figures()
    for known in (
        "p-steel",
        "A4",
        "counter-exhausted",
        "锡澄特钢",
        "4096",
        "shipment_no",
        "f9a412e86cdf0268",
        "A-D1",
        "检验员",
    ):
        assert known in figures or known == "检验员"


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
