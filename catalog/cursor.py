"""A place in a catalog, as it stands in the links between pages: what is asked for, and from which dataset on, either way.

The key is the id of a dataset that its reader has seen, so a place stays where it is whatever is published or withdrawn. The
token carries the whole question: a link works by POST with the same message, by POST with a bare one, and by GET. It is no
secret and no permission; its checksum tells a copying mistake from a place.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

import orjson

from catalog.errors import CursorError
from catalog.filter import LARGEST_COUNT, Filter, from_list, to_list

PARAMETER: Final = "continuationToken"
TOKEN_CHARACTERS_MAX: Final = 8192
_CHECK_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after` or `before` a dataset id; no key: from the first on, or up to the last. `filter.offset` counts from the key."""

    filter: Filter = field(default_factory=Filter)
    direction: Literal["after", "before"] = "after"
    key: str = ""

    def token(self) -> str:
        """Characters that need no escape in an address."""
        content = [self.direction, self.key, self.filter.offset, self.filter.limit, to_list(self.filter.conditions)]
        payload = orjson.dumps(content)
        return base64.urlsafe_b64encode(_check(payload) + payload).decode().rstrip("=")


def read_cursor(token: str) -> Cursor:
    """The place a token names; raises CursorError."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise CursorError(PARAMETER, "it is too long")
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorError(PARAMETER, "it is not base64url") from error
    check, payload = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if check != _check(payload):
        raise CursorError(PARAMETER, "it is incomplete or changed")
    try:
        match orjson.loads(payload):
            case ["after" | "before" as direction, str(key), int(offset), None | int() as limit, conditions] if (
                0 <= offset <= LARGEST_COUNT and (limit is None or 0 < limit <= LARGEST_COUNT)
            ):
                cursor = Cursor(Filter(from_list(conditions), offset, limit), direction, key)
                if cursor.token() == token:
                    return cursor
    except ValueError as error:
        raise CursorError(PARAMETER, "it says something else") from error
    raise CursorError(PARAMETER, "it says something else")


def _check(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:_CHECK_BYTES]
