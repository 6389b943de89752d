"""Canonical JSON, digests, and the strict reading of JSON that came from outside.

Signed documents use RFC 8785 restricted to strings, integers within 2^53 - 1, booleans, null, arrays and objects with ASCII
member names (revenue-share.md 3.2). With these restrictions JSON with sorted keys and without blanks *is* RFC 8785,
byte for byte: no float has to be printed, and code point order of ASCII names equals the UTF-16 order the RFC asks for.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from policies.errors import CanonicalError, JsonError

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

MAX_SAFE_INTEGER = 2**53 - 1
# Twice what parse_json lets in: a document that was read still fits after being wrapped for signing.
MAX_CANONICAL_DEPTH = 128

_DIGEST = re.compile(r"sha-256:[0-9a-f]{64}")


def canonical(value: JsonValue) -> bytes:
    """The canonical UTF-8 bytes of a value made of dict, list, tuple, str, int, bool and None.

    Raises CanonicalError, with the path of the offending member, for anything else.
    """
    _check(value, "", 0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:  # a lone surrogate has no UTF-8 form
        raise CanonicalError("", str(error)) from error


def dump(value: object) -> bytes:
    """JSON without blanks, members in the order given: how documents are kept and sent."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits in a counterparty's words
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def digest(data: bytes) -> str:
    """`sha-256:` and 64 lower-case hex digits of the SHA-256 of the bytes."""
    return "sha-256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: JsonValue) -> str:
    """The digest of the canonical bytes of a value."""
    return digest(canonical(value))


def is_digest(text: object) -> bool:
    """Whether a value is written as a digest, `sha-256:` and 64 lower-case hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def parse_json(data: bytes, *, max_depth: int = 64) -> JsonValue:
    """Read one JSON text as I-JSON (RFC 7493): UTF-8, distinct member names, finite numbers, bounded depth.

    Raises JsonError with the problem and where it is.
    """
    try:
        # orjson judges the text (UTF-8, grammar, no NaN, no lone surrogate, no number beyond a double), but keeps the last of
        # two equal members and reads an integer of more than 64 bits as a float; the standard library shows both as they are.
        orjson.loads(data)
        value = json.loads(data, object_pairs_hook=_distinct, parse_float=_finite)
    except orjson.JSONDecodeError as error:
        raise JsonError(error.msg, f"line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise JsonError("nested too deeply", f"more than {max_depth} levels") from error
    if not _shallow(value, max_depth):
        raise JsonError("nested too deeply", f"more than {max_depth} levels")
    parsed: JsonValue = value
    return parsed


def _check(value: object, path: str, depth: int) -> None:
    if depth > MAX_CANONICAL_DEPTH:
        raise CanonicalError(path, "nested too deeply")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise CanonicalError(path, f"member name {name!r} is not ASCII")
            if type(member) is not str:
                _check(member, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value):
            _check(element, f"{path}[{index}]", depth + 1)
    elif isinstance(value, int):
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise CanonicalError(path, f"integer {value} is beyond 2^53 - 1")
    else:
        raise CanonicalError(path, f"{type(value).__name__} has no canonical form")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise JsonError("duplicate member", name)
            seen.add(name)
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonError("number too large", text)
    return number


def _shallow(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(each, levels - 1) for each in inner if isinstance(each, dict | list))
