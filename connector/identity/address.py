"""Addresses as members write them: strict, so that what is checked is what is called.

One reader serves the member list, the guard of outgoing calls, and callback addresses. Everything that two readers of
an address could see differently is refused: user-info, fragments, other schemes, dot segments (also encoded), encoded
slashes, backslashes, blanks, control characters, hosts outside ASCII.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

Origin: TypeAlias = tuple[str, str, int]

LIMIT_CHARACTERS = 2048

_PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII without the backslash
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NETLOC = re.compile(rf"(?:\[([0-9a-f:.]+)\]|({_LABEL}(?:\.{_LABEL})*))(?::([0-9]{{1,5}}))?")
_LAST_PORT = 65535
_LOWEST_PRINTABLE = 0x20


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address; `text` is exactly what was read."""

    text: str
    origin: Origin
    path: str
    query: str


def read_address(text: str) -> Address:
    """The parts of an http or https address; raises ValueError, which names the problem."""
    if len(text) > LIMIT_CHARACTERS:
        raise ValueError(f"is longer than {LIMIT_CHARACTERS} characters")
    if not _PLAIN.fullmatch(text):
        raise ValueError("is empty, or has a blank, a backslash or a character outside ASCII")
    if "#" in text:
        raise ValueError("has a fragment")
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise ValueError("is neither https nor http")
    if "@" in parts.netloc:
        raise ValueError("has user-info")
    origin = (scheme, *_host_and_port(parts, _PORTS[scheme]))
    _check_path(parts.path)
    return Address(text, origin, parts.path, parts.query)


def read_base(text: str) -> Address:
    """An address that others are appended to: no query, one trailing slash taken off; raises ValueError."""
    address = read_address(text)
    if "?" in text:
        raise ValueError("has a query")
    return Address(text.removesuffix("/"), address.origin, address.path.removesuffix("/"), "")


def origin_text(origin: Origin) -> str:
    """`https://host:port`, with the port always written."""
    scheme, host, port = origin
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _host_and_port(parts: SplitResult, default: int) -> tuple[str, int]:
    found = _NETLOC.fullmatch(parts.netloc.lower())
    if found is None:
        raise ValueError("has no plain host and port")
    literal, host, digits = found.groups()
    port = int(digits) if digits else default
    if not 0 < port <= _LAST_PORT:
        raise ValueError(f"has port {port}")
    return str(ipaddress.IPv6Address(literal)) if literal else host, port


def _check_path(path: str) -> None:
    if _BAD_ESCAPE.search(path):
        raise ValueError("has a broken percent escape")
    for segment in path.split("/"):
        decoded = unquote_to_bytes(segment)
        if decoded in (b".", b".."):
            raise ValueError("has a dot segment")
        if b"/" in decoded or b"\\" in decoded or any(byte < _LOWEST_PRINTABLE for byte in decoded):
            raise ValueError("has an encoded slash, backslash or control character")
