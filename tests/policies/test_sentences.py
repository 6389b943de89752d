"""The message table: both languages, same placeholders, proper Chinese punctuation, no id twice."""

import re
import string
import tomllib
from collections import Counter
from importlib.resources import files

import pytest

from policies.decision import REASONS
from policies.errors import PolicyError, UnknownSentenceError
from policies.sentences import LANGUAGES, has_sentence, language, sentence, table

FILES = sorted(file.name for file in files("policies").joinpath("sentences").iterdir() if file.name.endswith(".toml"))
# Half-width punctuation after a Chinese character, or between a value and one; inside codes such as `sha-256:` it is right.
HALF_WIDTH = re.compile(r"[一-鿿][,;:!?()]|[一-鿿]\.(?!\w)|\}[,;:!?)]\s?[一-鿿]")


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_ids_are_unique():
    """No id stands in two files of the table."""
    ids = Counter()
    for name in FILES:
        ids.update(tomllib.loads(files("policies").joinpath("sentences", name).read_text(encoding="utf-8")).keys())
    assert [identifier for identifier, count in ids.items() if count > 1] == []
    assert set(ids) == set(table())


@pytest.mark.parametrize("identifier", sorted(table()))
def test_sentence(identifier):
    """Every sentence exists in both languages with the same placeholders, and nothing else stands in its table."""
    templates = table()[identifier]
    assert set(LANGUAGES) == set(templates)
    assert all(text.strip() for text in templates.values())
    names = placeholders(templates["en"])
    assert names == placeholders(templates["zh"])
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
    assert not HALF_WIDTH.search(templates["zh"]), templates["zh"]


def test_every_reason_is_printable():
    """Each reason of the closed list has a sentence and an advice."""
    for reason in REASONS:
        assert has_sentence(f"reason.{reason}")
        assert has_sentence(f"advice.{reason}")


def test_every_error_is_printable():
    """Each error of the package has a sentence, and prints its code and facts."""
    for error in PolicyError.__subclasses__():
        assert has_sentence(f"error.{error.code}")
    assert str(UnknownSentenceError("x")) == "sentence-unknown: identifier=x"


def test_locales():
    """A locale selects its language; anything but Chinese reads English."""
    assert [language(lang) for lang in ("zh-CN", "zh_CN.UTF-8", "en", "de")] == ["zh", "zh", "en", "en"]


def test_unknown_id():
    """An unknown id is an error of its own, and a missing value stays visible instead of becoming a second error."""
    with pytest.raises(UnknownSentenceError):
        sentence("no.such.sentence", "en")
    assert "{path}" in sentence("error.policy-invalid", "en", problem="x")
