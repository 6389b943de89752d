"""What a source file is: its version, and, where it is a table, its shape. One pass, made in a worker thread.

The version of a dataset is the SHA-256 of its source bytes. Size, modification time and inode say cheaply whether the file
is still the one that was profiled; only where they differ are the bytes read again.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from connector.dataplane.table import READ_BYTES, Encoding, Table, TableError, utf8_until
from connector.errors import RefusedError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the file system says about a file; `mtime_ns` is nanoseconds since 1970."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Fingerprint":
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column: its XML Schema type (string, integer, decimal, date, dateTime) and how many rows have a value."""

    name: str
    type: str
    filled: int

    def completeness(self, rows: int) -> Fraction:
        return Fraction(self.filled, rows) if rows else Fraction(1)


@dataclass(frozen=True, slots=True)
class Profile:
    """A source file. `sha256` is 64 hex digits; `encoding`, `delimiter`, `columns` and `rows` only of a table."""

    fingerprint: Fingerprint
    sha256: str
    media_type: str
    encoding: Encoding | None = None
    delimiter: str = ""
    columns: tuple[ColumnProfile, ...] = ()
    rows: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


async def profile(path: Path, *, media_type: str | None = None, encoding: Encoding | None = None) -> Profile:
    """Profile a file off the event loop. What is not `text/csv` (by its name, if not said) has a version and a size only.

    Raises TableError, and RefusedError `source-missing` or `source-busy` (it was written to meanwhile).
    """
    return await asyncio.to_thread(profile_now, path, media_type=media_type, encoding=encoding)


def profile_now(path: Path, *, media_type: str | None = None, encoding: Encoding | None = None) -> Profile:
    """The same, here and now."""
    kind = media_type or ("text/csv" if path.suffix.lower() in TABLE_SUFFIXES else "application/octet-stream")
    try:
        with path.open("rb", buffering=0) as source:
            before = Fingerprint.of(os.fstat(source.fileno()))
            found = _table(source, before, encoding) if kind == "text/csv" else _opaque(source, before, kind)
            if Fingerprint.of(os.fstat(source.fileno())) != before:
                raise RefusedError("source-busy", path=str(path))
    except OSError as error:
        raise RefusedError("source-missing", path=str(path), problem=error.strerror or str(error)) from error
    return found


def _opaque(source: BinaryIO, fingerprint: Fingerprint, media_type: str) -> Profile:
    digest = hashlib.sha256()
    while data := source.read(READ_BYTES):
        digest.update(data)
    return Profile(fingerprint, digest.hexdigest(), media_type)


def _table(source: BinaryIO, fingerprint: Fingerprint, encoding: Encoding | None) -> Profile:
    try:
        return _scan(source, fingerprint, encoding or "utf-8")
    except TableError as error:
        if encoding is not None or error.code != "table-encoding" or utf8_until(source):
            raise
    return _scan(source, fingerprint, "gb18030")


def _scan(source: BinaryIO, fingerprint: Fingerprint, encoding: Encoding) -> Profile:
    digest = hashlib.sha256()
    table = Table(source, encoding=encoding, digest=digest)
    kinds = [_Kind() for _ in table.columns]
    rows = 0
    for row in table.rows():
        rows += 1
        for kind, cell in zip(kinds, row, strict=True):
            if cell:
                kind.see(cell)
    columns = tuple(
        ColumnProfile(name, kind.name, kind.filled) for name, kind in zip(table.columns, kinds, strict=True)
    )
    return Profile(fingerprint, digest.hexdigest(), "text/csv", encoding, table.delimiter, columns, rows)


# From the narrowest type to the widest; a leading zero makes a code of a number (`007`).
_INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII).fullmatch
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII).fullmatch
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII).fullmatch
_DATETIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d{2}:\d{2})?", re.ASCII
).fullmatch
_TYPES: Sequence[tuple[str, Callable[[str], object]]] = (
    ("integer", _INTEGER),
    ("decimal", _DECIMAL),
    ("date", _DATE),
    ("dateTime", _DATETIME),
)


class _Kind:
    """The narrowest type that all cells of a column seen so far have."""

    __slots__ = ("_left", "filled")

    def __init__(self) -> None:
        self.filled = 0
        self._left = list(_TYPES)

    def see(self, cell: str) -> None:
        self.filled += 1
        if self._left:
            self._left = [kind for kind in self._left if kind[1](cell)]

    @property
    def name(self) -> str:
        return self._left[0][0] if self._left and self.filled else "string"


def hash_open(source: BinaryIO) -> tuple[str, Fingerprint]:
    """SHA-256 (64 hex digits) of an open file and its fingerprint before it was read."""
    found = Fingerprint.of(os.fstat(source.fileno()))
    digest = hashlib.sha256()
    source.seek(0)
    while data := source.read(READ_BYTES):
        digest.update(data)
    return digest.hexdigest(), found
