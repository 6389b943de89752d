"""Cutting and folding: the two texts that decide what is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.text import QUERY_TERMS_MAX, cut, fold, match_expression, terms, trigram_expression


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("碳排放", "碳 排 放 碳排 排放"),
        ("池", "池"),
        ("电池pack A-12", "电 池 电池 pack a-12"),
        ("Ａ-１２３４", "a-1234"),
        ("𠀀㎏", "𠀀 kg"),
        ("", ""),
    ],
)
def test_cut(text, pieces):
    """Characters, then bigrams; the rest folded."""
    assert pieces == cut(text)


@pytest.mark.parametrize(
    ("query", "words", "trigrams"),
    [
        ("碳排放", '"碳排 排放"', ""),
        ("池", '"池"', ""),
        ("电池 A-1234", '"电池"', '"a-1234"'),
        ("电池A-12", '"电池"', '"电池a-12"'),
        ('a"b"c NOT', "", '"a""b""c" AND "not"'),
        ("ab", "", ""),
        ("", "", ""),
    ],
)
def test_expressions(query, words, trigrams):
    """Always quoted phrases, so that nothing a person types is syntax."""
    assert (words, trigrams) == (match_expression(query), trigram_expression(query))


def test_a_query_is_bounded():
    """A long query costs no more than a short one."""
    assert len(terms(" ".join(f"t{number}" for number in range(100)))) == QUERY_TERMS_MAX


@given(st.text(st.characters(codec=None), max_size=40))
def test_folding_twice_is_folding_once(text):
    """Folding is stable, holds no control character, and can always be written as UTF-8."""
    folded = fold(text)
    assert folded == fold(folded)
    assert not any(ord(char) < 32 for char in folded.encode().decode())
