"""The list form of `?columns=` and `weft:columns`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.columns import format_list, parse_list
from policies.errors import ListFormError

NAMES = st.lists(st.text('ab,"  é列', min_size=1, max_size=6), min_size=1, max_size=6, unique=True)


@given(NAMES)
def test_round_trip(names):
    """Names of any spelling survive the list form, in order."""
    assert tuple(names) == parse_list(format_list(names))


@given(st.text('ab," ', max_size=12))
def test_total(text):
    """Any text is a list of distinct, non-empty names or a ListFormError."""
    try:
        names = parse_list(text)
    except ListFormError:
        return
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ("a",)),
        ("a,b,c", ("a", "b", "c")),
        ('"a, b",c', ("a, b", "c")),
        ('"a ""b""",c', ('a "b"', "c")),
        ('"a",b', ("a", "b")),
        ("批次,日期", ("批次", "日期")),
    ],
)
def test_reads(text, names):
    """Quoted and plain names are read as RFC 4180 reads them."""
    assert names == parse_list(text)


@pytest.mark.parametrize(
    "text", ["", ",", "a,", ",a", "a,,b", "a,a", 'a,"a"', '""', '"a', 'a"b', '"a"b', "a, b", "a b"]
)
def test_refuses(text):
    """Empty and repeated names, blanks and stray quotes are refused."""
    with pytest.raises(ListFormError):
        parse_list(text)


@pytest.mark.parametrize("names", [[], [""], ["a", "a"]])
def test_writes_no_broken_list(names):
    """A list that could not be read is not written."""
    with pytest.raises(ListFormError):
        format_list(names)


def test_no_needless_quotes():
    """Only a name with a comma, a quote or a space is quoted."""
    assert format_list(["a", "b c", 'd"e', "f,g"]) == 'a,"b c","d""e","f,g"'
