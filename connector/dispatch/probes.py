"""Looking at an address from where we stand: what its name leads to, whether something listens there, whose certificate it has.

Nothing is called here that the member list does not name, and nothing is connected to that `resolve.Networks` does not admit: these
are the addresses and the rules of every call of ours.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.dispatch.resolve import Kind, Lookup, Networks, PinningResolver, kind_of
from connector.errors import RefusedError
from connector.identity.address import Origin

CONNECT_S = 5.0
# X509_V_ERR_… of OpenSSL, as far as a person can do something about them.
_NOT_YET, _EXPIRED, _NAMES = 9, 10, frozenset({62, 63, 64})
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 24, 27})
# Addresses that mean the machine of whoever calls them, or its own cable.
_OWN = frozenset({Kind.LOOPBACK, Kind.UNSPECIFIED, Kind.LINK_LOCAL})


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen: the code of a sentence, and its values."""

    code: str
    facts: Mapping[str, Any]
    addresses: tuple[str, ...] = ()


async def look_up(origin: Origin, networks: Networks, lookup: Lookup | None = None) -> Seen:
    """What the host of an address leads to: `literal`, `found`, `unknown`, or `barred` where we must not connect to it."""
    _, host, port = origin
    with suppress(ValueError):
        text = str(ipaddress.ip_address(host))
        refusal = networks.refusal(text, listed=True)
        facts = {"host": host, "addresses": text, "kind": refusal}
        return Seen("barred", facts) if refusal else Seen("literal", facts, (text,))
    resolver = PinningResolver(networks, lookup)
    try:
        found = await resolver.resolve(host, port)
    except RefusedError as error:
        return Seen("barred", {"host": host, "addresses": error.facts["address"], "kind": error.facts["kind"]})
    except (OSError, TimeoutError) as error:
        return Seen("unknown", {"host": host, "problem": cause(error)})
    finally:
        await resolver.close()
    addresses = tuple(each["host"] for each in found)
    if not addresses:
        return Seen("unknown", {"host": host, "problem": "-"})
    return Seen("found", {"host": host, "addresses": ", ".join(addresses)}, addresses)


async def connect(origin: Origin, addresses: Sequence[str], tls: ssl.SSLContext | None, now: datetime) -> Seen:
    """Whether something listens at one of these addresses; under https also whose certificate it shows, checked as for every call.

    `plain`, `tls` with `days`; `refused`, `silent`, `failed`; `tls-expired`, `tls-not-yet`, `tls-name`, `tls-untrusted`,
    `tls-failed`. `now` is the machine's own time: certificates are judged by it.
    """
    scheme, host, port = origin
    context = (tls or ssl.create_default_context()) if scheme == "https" else None
    seen = Seen("failed", {"host": host, "port": port, "problem": "-"})
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if context is not None else None
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            seen = _failed(error, host, port, address)
            continue
        certificate = writer.get_extra_info("peercert")
        writer.close()
        with suppress(OSError, ssl.SSLError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)
        facts: dict[str, Any] = {"host": host, "port": port, "address": address}
        if context is None:
            return Seen("plain", facts, (address,))
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        return Seen("tls", {**facts, "days": (until - now).days}, (address,))
    return seen


def _failed(error: BaseException, host: str, port: int, address: str) -> Seen:
    facts: dict[str, Any] = {"host": host, "port": port, "address": address, "problem": cause(error)}
    match error:
        case ssl.SSLCertVerificationError():
            facts["problem"] = error.verify_message
            code = error.verify_code
            if code == _EXPIRED:
                return Seen("tls-expired", facts)
            if code == _NOT_YET:
                return Seen("tls-not-yet", facts)
            if code in _NAMES:
                return Seen("tls-name", facts)
            return Seen("tls-untrusted" if code in _UNTRUSTED else "tls-failed", facts)
        case ssl.SSLError():
            return Seen("tls-failed", facts)
        case TimeoutError():
            return Seen("silent", facts)
        case ConnectionRefusedError():
            return Seen("refused", facts)
        case _:
            return Seen("failed", facts)


def is_here(address: str) -> bool:
    """Whether an address is one of this machine's: only those can be bound."""
    kind = kind_of(ipaddress.ip_address(address))
    if kind in (Kind.LOOPBACK, Kind.UNSPECIFIED):
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def judge_callback(ours: Sequence[str], theirs: Sequence[str], *, here: bool) -> str:
    """What our own addresses mean for a partner: `fits`, `own-machine`, `private`.

    `ours` is what our listed name leads to, `theirs` what the partner's does (nothing where that is not known), `here` is whether
    the partner is on this machine: then whatever we are called at is as good as anything else.
    """
    if here:
        return "fits"
    kinds = [kind_of(ipaddress.ip_address(each)) for each in ours]
    if any(kind in _OWN for kind in kinds):
        return "own-machine"
    public = any(kind_of(ipaddress.ip_address(each)) is Kind.PUBLIC for each in theirs)
    return "private" if public and kinds and all(kind is Kind.PRIVATE for kind in kinds) else "fits"


def cause(error: BaseException) -> str:
    """What the machine says about an error, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
