"""Documents bent out of shape: members dropped, retyped, doubled, blown up, nested; and bytes that are almost JSON."""

import copy
import json
import random
from typing import Any

# Texts that have broken programs: blanks, controls, right-to-left, astral, prefixes, paths, digits of other scripts, dates.
TEXTS = (
    "", " ", "\x00", "\x7f", "\u202e", "\U0001f4a9", "é", "０１", "٣", "a" * 5000, "a b", "a\nb", "../..", "a/b#c?d%e",
    "urn:uuid:1", "odrl:use", "http://www.w3.org/ns/odrl/2/use", "https://w3id.org/weft/policy/v1#columns", "@id", "@value",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-10T01:00:00Z", "P1D", "P999999D", "1e400", "-0",
    "9" * 400, "9" * 5000, "1/3", "0/0", "sha-256:" + "0" * 64, "http://127.0.0.1:1/x", "http://[", "http://[::1", "//", "https://x:99999/catalog", "https://[v1.x]/catalog", "did:web:p-steel.example",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**53 - 1, 2**63, 2**64, 10**300, -(10**300), 0.1, -0.0, 1e308, 5e-324)
NAMES = (
    "@id",
    "@type",
    "@context",
    "@value",
    "@list",
    "@set",
    "@graph",
    "@language",
    "x",
    "",
    "é",
    "odrl:x",
    "profile",
)
ANYTHING = (None, True, False, [], {}, [[]], [None], {"@id": "x"}, {"@value": 1}, {"@id": {"@id": "x"}}, [{"@id": "x"}])
DEEP = 60


def mutated(document: Any, luck: random.Random, rounds: int = 1) -> Any:
    """A copy of a JSON value with so many changes at places chosen by `luck`."""
    found = copy.deepcopy(document)
    for _ in range(rounds):
        found = _change(found, luck)
    return found


def broken(data: bytes, luck: random.Random) -> bytes:
    """Bytes with one piece cut, doubled, flipped or replaced."""
    at = luck.randrange(len(data) + 1)
    end = min(len(data), at + luck.randrange(1, 9))
    piece = luck.choice(
        [b"", data[at:end] * 2, bytes([luck.randrange(256)]), b"\xff", b"\xed\xa0\x80", b"1e999", b"[" * 500]
    )
    return data[:at] + piece + data[end:]


def encoded(value: Any) -> bytes:
    """JSON bytes, also of what orjson would not write."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name, member in value.items():
            found += _places(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            found += _places(member, (*path, index))
    return found


def _change(document: Any, luck: random.Random) -> Any:
    path = luck.choice(_places(document))
    if not path:
        return _replaced(document, luck) if luck.random() < 0.1 else _within(document, luck)
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    match luck.randrange(6):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, dict):
            parent[luck.choice(NAMES)] = parent.pop(last)
        case 1:
            parent.append(copy.deepcopy(parent[last]))
        case 2 | 3:
            parent[last] = _replaced(parent[last], luck)
        case _:
            parent[last] = _within(parent[last], luck)
    return document


def _within(value: Any, luck: random.Random) -> Any:
    """A value changed without losing its type."""
    if isinstance(value, dict):
        value[luck.choice(NAMES) if luck.random() < 0.7 else luck.choice(TEXTS)] = _any(luck)
        return value
    if isinstance(value, list):
        value.insert(luck.randrange(len(value) + 1), _any(luck))
        return value
    if isinstance(value, str):
        at = luck.randrange(len(value) + 1)
        return luck.choice([value[:at] + luck.choice(TEXTS) + value[at:], value[:at], value.upper(), value * 3])
    return _any(luck)


def _replaced(value: Any, luck: random.Random) -> Any:
    match luck.randrange(5):
        case 0:
            return [value]
        case 1:
            return {"@id": value}
        case 2:
            for _ in range(luck.randrange(1, DEEP)):
                value = [value] if luck.random() < 0.5 else {luck.choice(NAMES): value}
            return value
        case _:
            return _any(luck)


def _any(luck: random.Random) -> Any:
    return copy.deepcopy(luck.choice(luck.choice((TEXTS, NUMBERS, ANYTHING))))
