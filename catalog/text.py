"""Cutting text for full-text search, so that Chinese is found by any part of it and user text is never query syntax.

SQLite's `unicode61` makes one token of a whole run of Chinese characters, so nothing inside it is found, and its trigram
tokenizer needs three characters where Chinese words have two. So each run of CJK characters is replaced by its characters
followed by its overlapping bigrams; a query run of one character is that character, a longer one the *phrase* of its
bigrams, which is exactly substring matching. A second, trigram index over the folded text finds parts of Latin words and
part numbers. Both only narrow: a hit is confirmed by looking for each term as a substring of the folded text, so an
answer is the answer of a naive scan whatever a tokenizer does with rare characters.
"""

import re
import unicodedata
from typing import Final

# Of `cut` and `fold`: an index written by another version is rebuilt.
CUT_VERSION: Final = 1

QUERY_CHARACTERS_MAX: Final = 256
QUERY_TERMS_MAX: Final = 8
TRIGRAM: Final = 3

_CJK: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_RUN: Final = re.compile(f"[{_CJK}]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")


def fold(text: str) -> str:
    """The form in which texts are compared: NFKC, case-folded, blanks and control characters as one blank.

    Full-width letters become plain ones (`Ａ-１２３４` is `a-1234`).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _CONTROL.sub(" ", folded).strip()


def cut(text: str) -> str:
    """Folded text with every CJK run as its characters and overlapping bigrams: `碳排放` is `碳 排 放 碳排 排放`."""
    return " ".join(_RUN.sub(lambda run: f" {_pieces(run[0])} ", fold(text)).split())


def terms(query: str) -> tuple[str, ...]:
    """The words of a query, folded; all must occur. At most QUERY_TERMS_MAX, from its first QUERY_CHARACTERS_MAX."""
    return tuple(dict.fromkeys(fold(query[:QUERY_CHARACTERS_MAX]).split()))[:QUERY_TERMS_MAX]


def match_expression(query: str) -> str:
    """FTS5 expression over `cut` text: the CJK runs of all terms, '' when the query has none."""
    runs = dict.fromkeys(run for term in terms(query) for run in _RUN.findall(term))
    return " AND ".join(_quoted(" ".join(_bigrams(run)) if len(run) > 1 else run) for run in runs)


def trigram_expression(query: str) -> str:
    """FTS5 expression over the trigram index: terms of three characters or more that are not plain CJK, else ''."""
    return " AND ".join(_quoted(term) for term in terms(query) if len(term) >= TRIGRAM and not _RUN.fullmatch(term))


def _pieces(run: str) -> str:
    return " ".join((*run, *_bigrams(run)))


def _bigrams(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)]


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'
