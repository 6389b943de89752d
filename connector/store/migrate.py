"""Numbered, forward-only migrations: `migrations/0001_….sql`, `0002_….sql`, each applied once, in order.

A database made by a newer Weft is refused: an old program does not know what the new one promised.
"""

import sqlite3
from importlib import resources

from connector.errors import StoreError


def statements() -> list[tuple[int, str]]:
    """The migrations of this program as (number, SQL script), ascending, without gaps."""
    folder = resources.files("connector.store") / "migrations"
    scripts = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda item: item.name)
    return [(int(entry.name.split("_", 1)[0]), entry.read_text(encoding="utf-8")) for entry in scripts]


def migrate(connection: sqlite3.Connection, path: str) -> int:
    """Bring the database to this program's version and return it; raises StoreError `database-newer`."""
    connection.execute("CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY NOT NULL)")
    row = connection.execute("SELECT coalesce(max(number), 0) FROM migration").fetchone()
    current, known = int(row[0]), statements()
    newest = known[-1][0]
    if current > newest:
        raise StoreError("database-newer", path=path, found=current, known=newest)
    for number, script in known:
        if number > current:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nINSERT INTO migration VALUES ({number});\nCOMMIT;")
    return newest
