"""Named queries: one plain SQL file per table family, each statement under a line `-- name: what_it_does`.

A statement is called `family.name`, for example `outbox.due` stands in `sql/outbox.sql`. Parameters are written `:name`,
the form that both engines can be given.
"""

import re
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- name: (?P<name>[a-z_0-9]+)\s*$", re.MULTILINE)


@cache
def load() -> dict[str, str]:
    """Every statement of the package by its full name. Read once: the files are part of the program."""
    found: dict[str, str] = {}
    for entry in sorted((resources.files("connector.store") / "sql").iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".sql"):
            continue
        family = entry.name.removesuffix(".sql")
        text = entry.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        for header, following in zip(headers, [*headers[1:], None], strict=True):
            body = text[header.end() : following.start() if following else None].strip().rstrip(";")
            found[f"{family}.{header['name']}"] = body
    return found
