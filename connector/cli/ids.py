"""Identifiers as people use them: short when shown, completed when typed."""

from collections.abc import AsyncIterable, Callable, Collection
from typing import TypeVar

from connector.cli.exits import UsageError
from connector.cli.words import say

T = TypeVar("T")
SHORTEST = 8
_PREFIXES = ("urn:uuid:", "sha-256:")
_WHOLE = {"urn:uuid:": 36, "sha-256:": 64}


def bare(identifier: str) -> str:
    """An identifier without the prefix that all of its kind share."""
    for prefix in _PREFIXES:
        identifier = identifier.removeprefix(prefix)
    return identifier


def shortener(identifiers: Collection[str]) -> Callable[[str], str]:
    """How to show each of these: as few characters as tell them apart, eight at least."""
    length = SHORTEST
    bares = {bare(each) for each in identifiers}
    while len({each[:length] for each in bares}) < len(bares):
        length += 1
    return lambda identifier: bare(identifier)[:length] if identifier.startswith(_PREFIXES) else identifier


def whole(typed: str) -> bool:
    """Whether an identifier was typed in full."""
    return any(typed.startswith(prefix) and len(typed) == len(prefix) + _WHOLE[prefix] for prefix in _PREFIXES)


async def complete(typed: str, among: AsyncIterable[T], key: Callable[[T], str], lang: str) -> str:
    """The identifier that a beginning stands for; raises UsageError when none or several begin so."""
    if whole(typed):
        return typed
    wanted = bare(typed)
    found: list[str] = []
    async for item in among:
        identifier = key(item)
        if identifier == typed or bare(identifier) == wanted:
            return identifier
        if bare(identifier).startswith(wanted):
            found.append(identifier)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(say("id-unknown", lang, typed=typed))
    raise UsageError(say("id-ambiguous", lang, typed=typed, candidates=", ".join(sorted(found)[:5])))
