"""CSV tables read strictly, row by row, in constant memory.

A table is UTF-8 (with or without a byte order mark) or GB18030, has one header line of distinct names, and every row has as
many cells as the header. Whatever else a file holds is a TableError that names the line and the column: a cell that slips
into the wrong column would be priced, masked and delivered as something it is not.

GBK is never guessed: GB18030 contains it, and a file may need the rest of it.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

from connector.errors import RefusedError

Encoding: TypeAlias = Literal["utf-8", "gb18030"]

DELIMITERS = (",", ";", "\t", "|")
READ_BYTES = 1024 * 1024
# A line is read in pieces of this many characters, so that a file without line ends cannot fill the memory.
LINE_LIMIT = 1024 * 1024
# Enough for the first two lines of any table; a longer header is found by its own delimiter.
PEEK_BYTES = 64 * 1024

_BOM = "\ufeff"
_QUOTE = '"'
# A first line that holds one of these is data: the header is missing.
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
# Below this character UTF-8 needs at most two bytes, and two bytes of GB18030 may look like it by chance.
_THREE_BYTES = "\u0800"


class TableError(RefusedError):
    """A file is no table we can vouch for; facts `line` (from 1) and `column` (its name, or its number from 1)."""


class Digest(Protocol):
    """What a hash object offers while a file is read."""

    def update(self, data: bytes | memoryview, /) -> None: ...


class Table:
    """One table, open for reading from its first byte; `columns` is its header, `delimiter` what separates its cells.

    `source` is binary and seekable and stays open. `digest` is updated with every byte that is read, so that profile and
    version come from one pass. Raises TableError from here and from `rows`.
    """

    def __init__(
        self, source: BinaryIO, *, encoding: Encoding, delimiter: str | None = None, digest: Digest | None = None
    ) -> None:
        self.encoding = encoding
        self.columns: tuple[str, ...] = ()
        self.delimiter = ","
        self._source = source
        self._peeked: tuple[str, ...] = ()
        self._look(delimiter)
        source.seek(0)
        self._text = io.TextIOWrapper(
            io.BufferedReader(_Tee(source, digest), READ_BYTES), encoding=encoding, errors="strict", newline=""
        )
        self._row: list[str] = []
        self._quotes = False
        self._read = 0
        self._reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        self.columns = self._header(self._next())

    def rows(self) -> Iterator[list[str]]:
        """Every row as its cells, in the order of `columns`."""
        width = len(self.columns)
        while row := self._next():
            if len(row) != width:
                column = self.columns[len(row)] if len(row) < width else str(width + 1)
                raise TableError("table-row-broken", line=self.line, column=column, cells=len(row), expected=width)
            yield row

    @property
    def line(self) -> int:
        """Line on which the row read last begins."""
        return self._read - max(len(self._row) - 1, 0)

    def _look(self, delimiter: str | None) -> None:
        """The delimiter, and the names that faults before the header can be told by: a look that judges nothing."""
        self._source.seek(0)
        lines = self._source.read(PEEK_BYTES).decode(self.encoding, errors="replace").removeprefix(_BOM).splitlines()
        self.delimiter = delimiter or (_delimiter(lines[0], lines[min(1, len(lines) - 1)]) if lines else ",")
        separator = re.escape(self.delimiter)
        cell = rf'"[^"]*(?:""[^"]*)*"|[^"\r\n{separator}]*'
        self._cell = re.compile(cell)
        self._well_formed = re.compile(rf"(?:{cell})(?:{separator}(?:{cell}))*(?:\r?\n)?")
        if lines:
            self._peeked = tuple(match[1] for match in re.finditer(rf"({cell})(?:{separator}|$)", lines[0]))

    def _next(self) -> list[str] | None:
        self._row.clear()
        self._quotes = False
        try:
            row = next(self._reader, None)
        except csv.Error as error:
            raise self._broken(str(error)) from error
        if self._row and self._row[-1].endswith("\r"):
            raise TableError("table-line-end", line=self.line, column=self._name(max(len(row or ()) - 1, 0)))
        if self._quotes and not self._well_formed.fullmatch("".join(self._row)):
            raise self._broken("quote")
        if row == []:
            raise TableError(
                "table-row-broken", line=self.line, column=self._name(0), cells=0, expected=len(self._peeked)
            )
        return row

    def _lines(self) -> Iterator[str]:
        """Lines with their ends; the lines of the row being read are kept, to say what is wrong with them."""
        read, row = self._text.readline, self._row
        try:
            while line := read(LINE_LIMIT):
                if self._read == 0:
                    line = line.removeprefix(_BOM)
                self._read += 1
                row.append(line)
                if _QUOTE in line:
                    self._quotes = True
                if "\0" in line:
                    raise TableError("table-nul", line=self._read, column=self._place(line[: line.index("\0")]))
                if len(line) == LINE_LIMIT and not line.endswith(("\n", "\r")):
                    raise TableError("table-line-long", line=self._read, column=self._place(line), limit=LINE_LIMIT)
                yield line
        except UnicodeDecodeError as error:
            number, before = _undecodable(self._source, self.encoding)
            raise TableError(
                "table-encoding", line=number, column=self._place(before), encoding=self.encoding
            ) from error

    def _broken(self, problem: str) -> TableError:
        """The cell of the row being read that is not well formed, or the one that is too large."""
        text, position, sizes = "".join(self._row), 0, []
        while True:
            match = self._cell.match(text, position)
            end = match.end() if match is not None else position
            sizes.append(end - position)
            if end == len(text) or text[end] in "\r\n":
                break
            if text[end] != self.delimiter:
                return TableError("table-quote", line=self.line, column=self._name(len(sizes) - 1))
            position = end + 1
        code = "table-cell-large" if "limit" in problem else "table-quote"
        return TableError(code, line=self.line, column=self._name(sizes.index(max(sizes))))

    def _place(self, before: str) -> str:
        return self._name(before.count(self.delimiter))

    def _name(self, index: int) -> str:
        names = self.columns or self._peeked
        return names[index] if index < len(names) else str(index + 1)

    def _header(self, header: Sequence[str] | None) -> tuple[str, ...]:
        if header is None:
            raise TableError("table-empty", line=1, column="1")
        names = tuple(header)
        for number, name in enumerate(names, 1):
            if not name.strip():
                raise TableError("table-header-empty", line=1, column=str(number))
        for number, name in enumerate(names, 1):
            if _VALUE.fullmatch(name):
                raise TableError("table-header-missing", line=1, column=str(number), value=name)
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise TableError("table-header-twice", line=1, column=name)
        return names


def utf8_until(source: BinaryIO) -> bool:
    """Whether a file that is no UTF-8 began as UTF-8: it has a byte order mark, or a character of three bytes or more.

    Such a file is damaged and is not read as GB18030, which gives a meaning to nearly every sequence of bytes.
    """
    source.seek(0)
    if source.read(3) == _BOM.encode():
        return True
    source.seek(0)
    for line in source:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            return max(line[: error.start].decode(), default="") >= _THREE_BYTES
        if max(text) >= _THREE_BYTES:
            return True
    return True


def _undecodable(source: BinaryIO, encoding: Encoding) -> tuple[int, str]:
    """Line (from 1) of the first byte that is not of this encoding, and the text before it on that line."""
    source.seek(0)
    number = 0
    for number, line in enumerate(source, 1):
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            return number, line[: error.start].decode(encoding)
    return number, ""


def _delimiter(first: str, second: str) -> str:
    """What separates the cells: equally often on the first two lines, and most often on the first."""
    header, row = _without_quoted(first), _without_quoted(second)

    def fit(delimiter: str) -> tuple[bool, int]:
        times = header.count(delimiter)
        return times > 0 and row.count(delimiter) == times, times

    return max(DELIMITERS, key=fit)


def _without_quoted(line: str) -> str:
    return "".join(line.split(_QUOTE)[::2])


class _Tee(io.RawIOBase):
    """A file read once, its bytes shown to a hash on the way."""

    def __init__(self, source: BinaryIO, digest: Digest | None) -> None:
        self._source = source
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        if self._digest is not None:
            self._digest.update(data)
        return len(data)
