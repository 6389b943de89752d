"""Who may be called: a member, at the origin (scheme, host, port) that the signed member list names, and nobody else.

The list is the permission. An address that a message brings along (callback, data address) is used only below that origin,
so no member can make us call a third machine, ours included. Where data is pushed to is the one exception, and the setting
`push_destinations` names what is allowed there.

Consortia run on private networks, so a private address is as good as another if the authority has signed it as such
(`http://10.1.2.3:8282`). A name is not an address: whoever serves it chooses where it leads, so what it resolves to is judged
by `resolve.Networks`, at each connection. Loopback is for a space on one machine, link-local and metadata addresses for nobody.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import urlsplit

from connector.dispatch.resolve import LOCALHOST, STRICT, IPNetwork, Networks
from connector.errors import RefusedError, SettingsError
from connector.identity.address import Origin, origin_text, read_address, read_base
from connector.identity.members import MemberList, clip
from connector.settings import Settings, is_loopback

# Segments that begin with no dot: none of them leads upwards.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9:_~-][A-Za-z0-9:._~-]*)+")
# A last label of digits makes the whole host an IPv4 address to some readers: 127.1, 2130706433, 0x7f.1, 0177.0.0.1.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_HOSTS_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where data may be pushed beside the consumer's listed origin: origins, and networks of literal addresses."""

    origins: frozenset[Origin] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Self:
        """From the setting `push_destinations`; raises SettingsError setting-invalid."""
        origins, networks = set[Origin](), []
        for entry in entries:
            try:
                if "://" in entry:
                    origins.add(_bare_origin(entry))
                else:
                    networks.append(ipaddress.ip_network(entry))
            except ValueError as error:
                raise SettingsError(
                    "setting-invalid", name="push_destinations", source="settings", problem=f"{entry}: {error}"
                ) from error
        return cls(frozenset(origins), tuple(networks))


NOWHERE = Destinations()


def networks_of(settings: Settings) -> Networks:
    """What may be connected to. Loopback counts if our own listed address is there, or in no production."""
    own = urlsplit(settings.dsp).hostname or ""
    return Networks.read(settings.outgoing_networks, loopback=not settings.production or is_loopback(own))


class Guard:
    """Judges addresses by the member list in force, which `members` returns at every call."""

    def __init__(
        self, members: Callable[[], MemberList], *, networks: Networks = STRICT, push: Destinations = NOWHERE
    ) -> None:
        self.networks = networks
        self._members = members
        self._push = push
        self._literal = lru_cache(_HOSTS_REMEMBERED)(self._judge_literal)

    def check(self, participant: str, url: str) -> None:
        """Raise RefusedError address-malformed, address-outside-list or address-private unless it may be called there."""
        member = self._members().members.get(participant)
        if member is not None and url.startswith(member.dsp) and _PLAIN_PATH.fullmatch(url, len(member.dsp)):
            self._listed(member.origin)
            return  # below the listed base itself, in characters that nobody reads differently: nothing is left to judge
        self._compare(participant, url, _origin(url))

    def callback(self, participant: str, url: str) -> str:
        """A callback address as it is stored: one trailing slash less, so that paths can be appended.

        Raises RefusedError like `check`, also for a query.
        """
        try:
            base = read_base(url)
            _unambiguous(base.origin)
        except ValueError as error:
            raise RefusedError("address-malformed", url=clip(url), problem=str(error)) from error
        self._compare(participant, url, base.origin)
        return base.text

    def destination(self, participant: str, url: str) -> None:
        """Raise RefusedError like `check` unless data may be pushed there: to the listed origin, or as the operator allows.

        An allowed network admits literal addresses in it. It admits no names: they would be looked up because a stranger
        asks for it, and lead wherever their owner likes; a name is allowed as an origin, and then judged when it is resolved.
        """
        origin = _origin(url)
        if origin in self._push.origins:
            self._listed(origin)
            return
        member = self._members().members.get(participant)
        if (member is None or origin != member.origin) and _is_literal(origin[1]) and self._pushable(origin[1]):
            return
        self._compare(participant, url, origin)

    def _pushable(self, host: str) -> bool:
        """Whether a literal address lies in a network for pushes; raises address-private for what no network opens."""
        address = ipaddress.ip_address(host)
        if not any(address in network for network in self._push.networks):
            return False
        _refuse(host, Networks(self._push.networks).refusal(host))
        return True

    def _compare(self, participant: str, url: str, origin: Origin) -> None:
        member = self._members().members.get(participant)
        if member is None or origin != member.origin:
            listed = "-" if member is None else origin_text(member.origin)
            raise RefusedError("address-outside-list", participant=participant, url=clip(url), listed=listed)
        self._listed(origin)

    def _listed(self, origin: Origin) -> None:
        """Refuse an allowed origin whose host is written as an address that is not called."""
        _refuse(origin[1], self._literal(origin[1]))

    def _judge_literal(self, host: str) -> str:
        if host == LOCALHOST:
            return "" if self.networks.loopback else self.networks.refusal("127.0.0.1")
        return self.networks.refusal(host, listed=True) if _is_literal(host) else ""


class OneAddress:
    """The guard of a client that asks for one configured address only, such as the member list's."""

    def __init__(self, url: str) -> None:
        """Raise RefusedError address-malformed for an address nobody should call."""
        try:
            self.url = read_address(url).text
        except ValueError as error:
            raise RefusedError("address-malformed", url=clip(url), problem=str(error)) from error

    def check(self, participant: str, url: str) -> None:
        """Raise RefusedError address-outside-list for any other address."""
        if url != self.url:
            raise RefusedError("address-outside-list", participant=participant, url=clip(url), listed=self.url)


def _origin(url: str) -> Origin:
    try:
        return _unambiguous(read_address(url).origin)
    except ValueError as error:
        raise RefusedError("address-malformed", url=clip(url), problem=str(error)) from error


def _bare_origin(text: str) -> Origin:
    """Scheme, host and port; raises ValueError."""
    address = read_base(text)
    if address.path:
        raise ValueError("has a path; an origin is scheme, host and port")
    return _unambiguous(address.origin)


def _unambiguous(origin: Origin) -> Origin:
    if _NUMERIC.fullmatch(origin[1]) and not _is_literal(origin[1]):
        raise ValueError("has a host that some read as an IPv4 address in another spelling")
    return origin


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse(host: str, kind: str) -> None:
    if kind:
        raise RefusedError("address-private", host=host, address=host, kind=kind)
