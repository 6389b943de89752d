"""Links between pages as they stand in HTTP headers (RFC 8288), read without a pattern that could be made to backtrack."""

from collections.abc import Iterator
from urllib.parse import urljoin

_BLANK = " \t"


def next_link(header: str, asked: str) -> str | None:
    """The address of `rel="next"` in a Link header (or several, joined with commas); None on the last page.

    `asked` is the address that was answered: relative links start there, and one that leads back to it is none.
    Raises ValueError for an address that cannot be read.
    """
    for target, parameters in _links(header):
        if "next" in parameters.get("rel", "").lower().split() and "anchor" not in parameters:
            address = urljoin(asked, target).partition("#")[0]
            return None if address == asked else address
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Targets with their parameters; of a parameter that stands twice, the first counts."""
    place = 0
    while (start := header.find("<", place)) >= 0 and (end := header.find(">", start)) >= 0:
        parameters: dict[str, str] = {}
        place = _skip(header, end + 1)
        while header[place : place + 1] == ";":
            name, place = _word(header, _skip(header, place + 1))
            value, place = "", _skip(header, place)
            if header[place : place + 1] == "=":
                value, place = _value(header, _skip(header, place + 1))
                place = _skip(header, place)
            parameters.setdefault(name.lower(), value)
        yield header[start + 1 : end].strip(), parameters


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place


def _word(text: str, place: int) -> tuple[str, int]:
    start = place
    while place < len(text) and text[place] not in ';,="' + _BLANK:
        place += 1
    return text[start:place], place


def _value(text: str, place: int) -> tuple[str, int]:
    if text[place : place + 1] != '"':
        return _word(text, place)
    found: list[str] = []
    place += 1
    while place < len(text) and text[place] != '"':
        place += text[place] == "\\"
        found.append(text[place : place + 1])
        place += 1
    return "".join(found), place + 1
