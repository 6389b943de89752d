"""Strict tables: what is read, and that everything else names its line and column."""

import hashlib
import io

import pytest

from connector.dataplane.table import Table, TableError


def table(data, **more):
    return Table(io.BytesIO(data), **{"encoding": "utf-8"} | more)


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        (b"a,b\n1,2\n", ("a", "b"), [["1", "2"]]),
        (b"\xef\xbb\xbfa,b\r\n1,\r\n", ("a", "b"), [["1", ""]]),
        (b"a;b\n1,5;2\n", ("a", "b"), [["1,5", "2"]]),
        (b"a\tb\n1\t2", ("a", "b"), [["1", "2"]]),
        (b'"a, b";c\n1;"2 ""x""\n3"\n', ("a, b", "c"), [["1", '2 "x"\n3']]),
        (b"one\nx\n", ("one",), [["x"]]),
        (b"a,b\n", ("a", "b"), []),
    ],
)
def test_what_is_a_table(data, columns, rows):
    """UTF-8 with and without a byte order mark, four delimiters, quoted cells over several lines."""
    found = table(data)
    assert (found.columns, list(found.rows())) == (columns, rows)


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"", "table-empty", 1, "1"),
        (b"a,b\n1\n", "table-row-broken", 2, "b"),
        (b"a,b\n1,2\n1,2,3\n", "table-row-broken", 3, "3"),
        (b"a,b\n1,2\n\n1,2\n", "table-row-broken", 3, "a"),
        (b'a,b\n1,2\n1,"x\n2,y\n', "table-quote", 3, "b"),
        (b'a,b\n"1"x,2\n', "table-quote", 2, "a"),
        (b'a,b\n1,x"y\n', "table-quote", 2, "b"),
        (b"a,b\n1,2\n3,\xff\n", "table-encoding", 3, "b"),
        (b"a,b\n1,2\n3,\x00\n", "table-nul", 3, "b"),
        (b"a,,c\n1,2,3\n", "table-header-empty", 1, "2"),
        (b"a,b,a\n1,2,3\n", "table-header-twice", 1, "a"),
        (b"C001,352\nC002,376\n", "table-header-missing", 1, "2"),
        (b"a,2026-11-10\n", "table-header-missing", 1, "2"),
        (b"a,b\r1,2\r", "table-line-end", 1, "b"),
        (b'a,b\n1,"' + b"x" * 200_000, "table-quote", 2, "b"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "table-cell-large", 2, "b"),
        (b"a,b\n1," + b"x" * 2_000_000 + b"\n", "table-line-long", 2, "b"),
    ],
)
def test_what_is_no_table_names_line_and_column(data, code, line, column):
    """Every fault is a TableError with its place."""
    with pytest.raises(TableError) as caught:
        list(table(data).rows())
    assert (caught.value.code, caught.value.facts["line"], caught.value.facts["column"]) == (code, line, column)


def test_the_digest_is_that_of_the_source_bytes():
    """A hash handed in sees every byte once, the byte order mark included."""
    data = "\ufeffname,text\n".encode() + b"1,x\n" * 200_000
    digest = hashlib.sha256()
    assert sum(1 for _ in table(data, digest=digest).rows()) == 200_000
    assert digest.digest() == hashlib.sha256(data).digest()


def test_gb18030_holds_what_gbk_does_not():
    """A character of four bytes is read; a GBK reader would fail at it."""
    text = "钢卷号,牌号\nC001,㭎\n"
    assert list(table(text.encode("gb18030"), encoding="gb18030").rows()) == [["C001", "㭎"]]
    with pytest.raises(UnicodeEncodeError):
        text.encode("gbk")
