"""Meaning: what a message of the transfer process must say beside its shape and its place in the order."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from contracts.errors import BrokenRuleError, InvalidMessageError
from contracts.machine import Role
from contracts.transfer.messages import HTTP_DATA, HTTP_ENDPOINT, PULL, PUSH, DataAddress
from contracts.transfer.model import Transfer
from contracts.transfer.table import State

# Types of an address that a POST over HTTP serves: EDC's word, the specification's example, and how others write it.
_HTTP_TYPES = frozenset({HTTP_DATA, HTTP_ENDPOINT, f"{HTTP_ENDPOINT}S", "HTTP", "HTTPS"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]{1,8000}")
# Headers that say how a request is framed, routed or described are ours to write.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a push goes: an address, and the header that opens it as (name, value), None for none."""

    url: str
    header: tuple[str, str] | None


def formats(*, push: bool) -> tuple[str, ...]:
    """The formats of our datasets; the catalog says the same. `push` is whether we push at all."""
    return (PULL, PUSH) if push else (PULL,)


def supported_format(format_: str, offered: Collection[str]) -> None:
    """On REQUEST: the format must be one of the dataset's distributions."""
    if format_ not in offered:
        raise BrokenRuleError("format-unsupported", found=format_, known=", ".join(offered))


def destination(format_: str, address: DataAddress | None) -> Destination | None:
    """On REQUEST: a push says where the data goes, a pull does not (DSP 2025-1, transfer request message).

    A data address of a pull that names no place is let be: it is where an EDC's user states a purpose. Raises InvalidMessageError.
    """
    if format_ != PUSH:
        if address is not None and address.url:
            raise InvalidMessageError("dataAddress", f"must name no place to send to: {format_} is no push")
        return None
    if address is None:
        raise InvalidMessageError("dataAddress", f"is missing: {PUSH} needs a place to send to")
    if address.endpoint_type not in _HTTP_TYPES:
        raise InvalidMessageError("dataAddress.endpointType", f"must be {HTTP_DATA} or {HTTP_ENDPOINT}")
    if not address.url:
        raise InvalidMessageError("dataAddress.endpoint", "is missing, and so is the property baseUrl")
    return Destination(address.url, _header(address))


def _header(address: DataAddress) -> tuple[str, str] | None:
    """What opens the address: EDC's `authKey` and `authCode` as they are, else `authorization` as a bearer token."""
    name, value = address.find("authKey"), address.find("authCode")
    if not (name and value):
        name, value = "Authorization", address.token
        if not value:
            return None
        value = value if " " in value else f"Bearer {value}"
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS or not _VALUE.fullmatch(value):
        raise InvalidMessageError("dataAddress.endpointProperties", "name a header that nobody may set")
    return name, value


def has_address(transfer: Transfer, by: Role, address: DataAddress | None) -> None:
    """On START by the provider: a pull MUST carry a data address (DSP 2025-1, transfer start message)."""
    if transfer.format == PUSH:
        return
    if by is Role.PROVIDER and (address is None or not address.url):
        raise BrokenRuleError("data-address-missing", pid=transfer.pid)


def resumable_by(transfer: Transfer, by: Role) -> None:
    """On START in SUSPENDED: who paused it decides when it goes on. Ours: the specification lets either side resume."""
    if transfer.state is State.SUSPENDED and transfer.suspended_by not in ("", by):
        raise BrokenRuleError("suspended-by-other", by=transfer.suspended_by)
