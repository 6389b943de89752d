"""Filters of catalog requests: both forms are read, everything else is refused by name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cursor import Cursor, read_cursor
from catalog.errors import CursorError, FilterError
from catalog.filter import Condition, Filter, read_filter, terms_of
from tests.catalog.samples import DATASET

EDC = "https://w3id.org/edc/v0.0.1/ns/"


def criterion(left, operator, right):
    return {"operandLeft": left, "operator": operator, "operandRight": right}


def query(*criteria, **members):
    return [{"@type": "QuerySpec", "filterExpression": list(criteria), **members}]


@pytest.mark.parametrize("value", [None, [], [{}], {}, [{"@type": "QuerySpec"}], [{"filterExpression": []}]])
def test_nothing_asked_is_everything(value):
    """Absent, null, an empty list, an empty object, a query without criteria."""
    assert read_filter(value) == Filter()


def test_what_edc_sends_by_default():
    """Recorded from an EDC 0.15.1 consumer."""
    sent = [{"@type": "QuerySpec", "limit": 50, "offset": 0, "sortOrder": "ASC", "filterExpression": []}]
    assert read_filter(sent) == Filter((), 0, 50)


SPELLINGS = [
    [
        {
            "@type": "QuerySpec",
            "offset": 3,
            "limit": 7,
            "filterExpression": [{"@type": "Criterion", **criterion(EDC + "id", "=", "x")}],
        }
    ],
    {
        f"{EDC}offset": 3,
        f"{EDC}limit": 7,
        f"{EDC}filterExpression": {
            f"{EDC}operandLeft": "id",
            f"{EDC}operator": "=",
            f"{EDC}operandRight": "x",
        },
    },
    [
        {
            "@type": f"{EDC}QuerySpec",
            f"{EDC}offset": [{"@value": 3}],
            f"{EDC}limit": [{"@value": 7}],
            f"{EDC}filterExpression": [
                {
                    "@type": [f"{EDC}Criterion"],
                    f"{EDC}operandLeft": [{"@value": "@id"}],
                    f"{EDC}operator": [{"@value": "="}],
                    f"{EDC}operandRight": [{"@value": "x"}],
                }
            ],
        }
    ],
    [
        {
            "@type": "edc:QuerySpec",
            "edc:offset": 3,
            "edc:limit": 7,
            "edc:filterExpression": [
                {"edc:operandLeft": "edc:id", "edc:operator": "=", "edc:operandRight": {"@list": ["x"]}}
            ],
        }
    ],
    [{"offset": 3, "limit": 7, "filterExpression": [criterion("'https://w3id.org/edc/v0.0.1/ns/id'", "=", ["x"])]}],
]


@pytest.mark.parametrize("value", SPELLINGS)
def test_a_query_in_every_spelling(value):
    """Bare, prefixed, full IRIs, expanded, a single object; the type may be left out."""
    assert read_filter(value) == Filter((Condition("id", "=", ("x",)),), 3, 7)


def test_our_own_form():
    """A text is equal, a list any of it; members and objects must all hold."""
    assert read_filter([{"keyword": ["coil", "钢卷"], "grade": "2"}, {"dct:title": "Coils"}]) == Filter(
        (
            Condition("keyword", "in", ("coil", "钢卷")),
            Condition("grade", "=", ("2",)),
            Condition("title", "=", ("Coils",)),
        )
    )


@pytest.mark.parametrize(
    ("name", "operand"),
    [
        ("title", "title"),
        ("dct:title", "title"),
        ("http://purl.org/dc/terms/title", "title"),
        (EDC + "name", "title"),
        ("dcat:keyword", "keyword"),
        ("dcat:theme", "scenario"),
        ("http://purl.org/dc/terms/type", "scenario"),
        ("dcat:version", "version"),
        ("edc:contenttype", "mediaType"),
        ("grade", "grade"),
    ],
)
def test_operands_by_all_their_names(name, operand):
    """Ours, DCAT's, and those that users of EDC know."""
    assert read_filter(query(criterion(name, "in", ["a", "b"]))).conditions[0] == Condition(operand, "in", ("a", "b"))


BAD = [
    ([{"x": 1}], "filter.0.x"),
    (["coil"], "filter.0"),
    ("coil", "filter.0"),
    ([{"id": "a"}, 7], "filter.1"),
    ([{"weft:text": "coil"}], "filter.0.weft:text"),
    ([{"@type": "Other"}], "filter.0.@type"),
    ([{"id": []}], "filter.0.id"),
    ([{"id": None}], "filter.0.id"),
    ([{"id": {"like": "a"}}], "filter.0.id"),
    ([{"id": True}], "filter.0.id"),
    ([{"id": "a\x00b"}], "filter.0.id"),
    ([{"id": "a", "edc:id": "b"}], "filter.0.edc:id"),
    ([{"id": [str(number) for number in range(201)]}], "filter.0.id"),
    ([{"title": "x" * 4097}], "filter"),
    ([{"id": str(number)} for number in range(17)], "filter"),
    ([{"limit": 1}, {"id": "x"}], "filter.0"),
    ([{"limit": 1, "text": "coil"}], "filter.0.text"),
    (query(criterion("x", "=", "a")), "filter.0.filterExpression.0.operandLeft"),
    (query(criterion(None, "=", "a")), "filter.0.filterExpression.0.operandLeft"),
    (query(criterion("id", "!=", "a")), "filter.0.filterExpression.0.operator"),
    (query(criterion("id", None, "a")), "filter.0.filterExpression.0.operator"),
    (query(criterion("id", "=", ["a", "b"])), "filter.0.filterExpression.0.operandRight"),
    (query(criterion("id", "like", None)), "filter.0.filterExpression.0.operandRight"),
    (query(criterion("id", "=", "a"), "x"), "filter.0.filterExpression.1"),
    (query({**criterion("id", "=", "a"), "not": 1}), "filter.0.filterExpression.0.not"),
    (query(limit=0), "filter.0.limit"),
    (query(limit="10"), "filter.0.limit"),
    (query(limit=True), "filter.0.limit"),
    (query(limit=2**31), "filter.0.limit"),
    (query(offset=-1), "filter.0.offset"),
    (query(offset=1.5), "filter.0.offset"),
    (query(offset=[1, 2]), "filter.0.offset"),
    (query(sortOrder="DESC"), "filter.0.sortOrder"),
    (query(sortField="title"), "filter.0.sortField"),
]


@pytest.mark.parametrize(("value", "member"), BAD)
def test_what_is_not_understood_is_refused_by_name(value, member):
    """A filter that was silently ignored would show what was not asked for."""
    with pytest.raises(FilterError) as caught:
        read_filter(value)
    assert caught.value.facts["member"] == member


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "limit", "offset", "filterExpression", "operandLeft", "@type", "@value", "@list"])
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_read_or_refused(value):
    """Nothing else can happen, and what was read survives its way through a cursor."""
    try:
        found = read_filter(value)
    except FilterError:
        return
    cursor = Cursor(found, "before", "lot-7")
    assert read_cursor(cursor.token()) == cursor


# -- like ------------------------------------------------------------------------------------------------------------------


@given(st.text("ab%_\n", max_size=8), st.text("ab%_\n", max_size=8))
def test_like_means_what_sql_says(pattern, text):
    """`%` any characters, `_` exactly one, everything else itself; the whole text must match."""
    expression = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    expected = re.fullmatch(expression, text, re.DOTALL) is not None
    assert Condition("title", "like", (pattern,)).holds(text) == expected


def test_a_hostile_pattern_costs_nothing():
    """Many wildcards over a long text of almost the right characters: no backtracking."""
    assert not Condition("title", "like", ("%a" * 500 + "%b",)).holds("a" * 4000)


def test_the_terms_of_a_dataset():
    """Every language, every keyword, the single ones where they are said."""
    assert set(terms_of(DATASET)) == {
        ("title", "钢卷质量"),
        ("title", "Coil quality"),
        ("keyword", "钢卷"),
        ("keyword", "coil"),
        ("keyword", "S235JR"),
        ("grade", "一般3级"),
        ("scenario", "U0100"),
        ("version", "2026-11-10"),
        ("mediaType", "text/csv"),
    }


# -- cursors ---------------------------------------------------------------------------------------------------------------


TOKEN = Cursor(Filter((Condition("keyword", "in", ("coil", "钢卷")),), 0, 7), "after", "lot-050").token()


def test_a_token_needs_no_escape():
    """It stands in an address as it is."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", TOKEN)


@pytest.mark.parametrize("place", range(0, len(TOKEN), 7))
def test_a_changed_token_is_refused(place):
    """Cut, lengthened, or one character exchanged: no page of another place is shown."""
    other = "A" if TOKEN[place] != "A" else "B"
    for changed in (TOKEN[:place], TOKEN[:place] + other + TOKEN[place + 1 :], TOKEN[:place] + "!" + TOKEN[place:]):
        with pytest.raises(CursorError):
            read_cursor(changed)


@pytest.mark.parametrize("token", ["", "x", "lot-050", "%00", "é", "A" * 9000, TOKEN + "A", TOKEN + "="])
def test_what_is_no_token_is_refused(token):
    """Whatever stands in the address; the refusal names the parameter."""
    with pytest.raises(CursorError) as caught:
        read_cursor(token)
    assert caught.value.facts["parameter"] == "continuationToken"
