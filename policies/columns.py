"""Lists that belong together as one string: the form of `?columns=` and of `weft:columns isPartOf` (policies.md 2.6, rule 4).

Names separated by commas without blanks; a name that holds a comma, a quote or a space is quoted as in RFC 4180, a quote
inside doubled. No empty and no repeated name. Superfluous quotes are read but never written.
"""

from collections.abc import Iterable

from policies.errors import ListFormError


def parse_list(text: str) -> tuple[str, ...]:
    """The names of a list, in order. Raises ListFormError."""
    names: list[str] = []
    rest = text
    while True:
        name, rest, more = _quoted(rest, text) if rest.startswith('"') else _plain(rest, text)
        names.append(name)
        if not more:
            return _checked(names, text)


def format_list(names: Iterable[str]) -> str:
    """The text of a list, with no more quotes than needed. Raises ListFormError."""
    listed = list(names)
    text = ",".join(_quote(name) for name in listed)
    _checked(listed, text)
    return text


def _plain(rest: str, text: str) -> tuple[str, str, bool]:
    name, comma, after = rest.partition(",")
    if '"' in name:
        raise ListFormError(text, "a quote inside a name that is not quoted")
    if " " in name:
        raise ListFormError(text, "a blank outside quotes")
    return name, after, bool(comma)


def _quoted(rest: str, text: str) -> tuple[str, str, bool]:
    parts: list[str] = []
    rest = rest[1:]
    while True:
        part, quote, rest = rest.partition('"')
        parts.append(part)
        if not quote:
            raise ListFormError(text, "a quote that is not closed")
        if not rest.startswith('"'):
            break
        parts.append('"')
        rest = rest[1:]
    if rest and not rest.startswith(","):
        raise ListFormError(text, "text after a closing quote")
    return "".join(parts), rest[1:], bool(rest)


def _checked(names: list[str], text: str) -> tuple[str, ...]:
    if not all(names):
        raise ListFormError(text, "an empty name")
    if len(set(names)) != len(names):
        raise ListFormError(text, "a repeated name")
    if not names:
        raise ListFormError(text, "an empty list")
    return tuple(names)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in '," ') else name
