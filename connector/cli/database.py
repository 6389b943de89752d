"""`weft db`: look into the store and take data out, through sqlite-utils on a connection that can change nothing."""

import csv
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import orjson
import typer
from sqlite_utils import Database
from typer import Argument, Option

from connector.cli.exits import UsageError
from connector.cli.shell import Column, Shell
from connector.cli.storefile import path
from connector.cli.tables import table as draw


def tables(ctx: typer.Context) -> None:
    """The tables and how many rows each has."""
    shell: Shell = ctx.obj
    with _opened(shell) as database:
        rows = [{"table": name, "rows": database[name].count} for name in sorted(database.table_names())]
    shell.list_(rows, [Column("table", lambda row: row["table"]), Column("rows", lambda row: row["rows"], right=True)])


def rows(
    ctx: typer.Context,
    table: str,
    where: str = "",
    order: str = "",
    limit: int = 100,
) -> None:
    """Rows of a table."""
    shell: Shell = ctx.obj
    with _opened(shell) as database:
        _known(shell, database, table)
        found = [
            _plain(row)
            for row in _judged(shell, database[table].rows_where(where or None, order_by=order or None, limit=limit))
        ]
    _print(shell, found)


def export(
    ctx: typer.Context,
    table: str,
    form: Annotated[Literal["jsonl", "csv"], Option("--format")] = "jsonl",
) -> None:
    """All rows of a table, one per line, in constant memory."""
    shell: Shell = ctx.obj
    with _opened(shell) as database:
        _known(shell, database, table)
        found = (_plain(row) for row in database[table].rows)
        if form == "jsonl":
            for row in found:
                sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        else:
            # A mark at the beginning and CRLF: this is how Excel in China knows UTF-8.
            sys.stdout.write("\ufeff")
            writer = csv.DictWriter(sys.stdout, [column.name for column in database[table].columns])
            writer.writeheader()
            writer.writerows(found)
    sys.stdout.flush()


def sql(ctx: typer.Context, statement: Annotated[str, Argument()]) -> None:
    """The answer to a SQL query; `-` reads it from standard input."""
    shell: Shell = ctx.obj
    text = shell.read("-").decode() if statement == "-" else statement
    with _opened(shell) as database:
        found = [_plain(row) for row in _judged(shell, _query(database, text))]
    _print(shell, found)


@contextmanager
def _opened(shell: Shell) -> Iterator[Any]:
    address = f"{path(shell).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=10)
    connection.execute("PRAGMA query_only = ON")
    try:
        yield Database(connection)
    finally:
        connection.close()


def _query(database: Any, text: str) -> Iterator[Mapping[str, Any]]:
    yield from database.query(text)


def _judged(shell: Shell, found: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The rows; what SQLite refuses becomes a sentence."""
    try:
        yield from found
    except (sqlite3.Error, ValueError) as error:
        raise UsageError(shell.word("sql-refused", problem=error)) from error


def _known(shell: Shell, database: Any, table: str) -> None:
    if table not in database.table_names():
        raise UsageError(shell.word("no-table", table=table, tables=", ".join(sorted(database.table_names()))))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it: bytes that are text as text, others as hex."""
    return {name: _text(value) if isinstance(value, bytes) else value for name, value in row.items()}


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex()


def _print(shell: Shell, found: list[dict[str, Any]]) -> None:
    if shell.machine or not found:
        shell.list_(found, ())
        return
    # Columns of the store are named in the store's language, not translated.
    draw([(name, False) for name in found[0]], [list(row.values()) for row in found])
