"""The words of the command line: sentences in the person's language, and the language itself."""

import os
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

from policies.sentences import has_sentence, language, sentence

LANGUAGE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def chosen_language(asked: str | None) -> str:
    """`en` or `zh`: what was asked for, else what the locale says."""
    if asked:
        return language(asked)
    return language(next((os.environ[name] for name in LANGUAGE_VARIABLES if os.environ.get(name)), "en"))


def out(text: object = "", end: str = "\n") -> None:
    """Data, on standard output."""
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()


def err(text: object = "", end: str = "\n") -> None:
    """A word to the person, on standard error."""
    sys.stderr.write(f"{text}{end}")
    sys.stderr.flush()


def say(identifier: str, lang: str, **values: Any) -> str:
    """The sentence `cli.<identifier>`."""
    return sentence(f"cli.{identifier}", lang, **values)


def explain(error: BaseException, lang: str) -> str:
    """The sentence of an error: what happened, why, what to do next. Never a stack trace."""
    told = getattr(error, "sentence", None)
    if callable(told):
        return str(told(lang))
    code, facts = getattr(error, "code", None), getattr(error, "facts", {})
    if isinstance(code, str) and has_sentence(f"error.{code}"):
        return sentence(f"error.{code}", lang, **facts)
    if isinstance(code, str):
        return sentence("error.unexplained", lang, code=code, facts=listed(facts))
    if isinstance(error, OSError):
        return sentence("error.machine", lang, path=error.filename or "-", cause=error.strerror or str(error))
    return sentence("error.unexpected-fault", lang, kind=type(error).__name__, problem=str(error) or "-")


def listed(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in facts.items())


def width(text: str) -> int:
    """Columns of a terminal that a text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text)


def pad(text: str, columns: int) -> str:
    return text + " " * max(columns - width(text), 0)
