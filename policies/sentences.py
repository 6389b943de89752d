"""The one message table: every sentence a person reads, in English and Chinese, for all packages.

The table is the TOML files in `policies/sentences/`, one per area; a sentence is a table named by its id:

    ["error.not-a-member"]
    en = "{participant} is not a member of the space. Ask the operator of the space to list it."
    zh = "{participant}不是本空间的成员。请联系空间运营方将其列入成员名单。"

An id stands once in all files and has the same placeholders in both languages. The sentence of an error has the id
`error.<code>` and says what happened, why, and what to do next.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from policies.errors import UnknownSentenceError

LANGUAGES = ("en", "zh")


def sentence(identifier: str, lang: str, /, **values: object) -> str:
    """The sentence of this id with its placeholders filled in; `lang` is `en`, `zh`, or a locale such as `zh-CN`.

    Raises UnknownSentenceError. A placeholder without a value stays visible as `{name}`: a sentence about an error
    must not become a second error.
    """
    templates = table().get(identifier)
    if templates is None:
        raise UnknownSentenceError(identifier)
    return templates[language(lang)].format_map(_Values(values))


def has_sentence(identifier: str) -> bool:
    """Whether the table has a sentence of this id."""
    return identifier in table()


def language(lang: str) -> str:
    """The language of the table that serves a locale: `zh` for `zh-CN` or `zh_CN.UTF-8`, else `en`."""
    return "zh" if lang.lower().startswith("zh") else "en"


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All sentences by id, read once. Raises ValueError for an id that stands in two files."""
    sentences: dict[str, Mapping[str, str]] = {}
    for file in sorted(files("policies").joinpath("sentences").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".toml"):
            continue
        for identifier, templates in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if identifier in sentences:
                raise ValueError(f"{file.name}: the sentence {identifier} exists already")
            sentences[identifier] = templates
    return sentences


class _Values(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "{" + name + "}"
