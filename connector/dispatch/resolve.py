"""Which network addresses are connected to: names are looked up here, judged, and connected to at what was judged.

A name in the member list is its owner's to point anywhere, our own machines included, and to point elsewhere a second later. So the
transport asks this resolver and no other: it drops every address that must not be called, and the connection is made to one of
those that are left, without a second look-up. A literal address is judged by the same table, by the guard.

    Networks().refusal("10.1.2.3")                      "private"    whoever runs that name does not choose our targets
    Networks().refusal("10.1.2.3", listed=True)         ""           the authority signed this very address
    Networks.read(["10.0.0.0/8"]).refusal("10.1.2.3")   ""           the setting outgoing_networks names it
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

from connector.errors import RefusedError

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
# The addresses of a name, as text; raises OSError. The edge of the world, so that a test can give another answer each time.
Lookup: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]

LOOKUP_TIMEOUT_S = 5.0
# A name whose server does not answer holds a thread: those of other names find another one.
LOOKUPS = 32
ADDRESSES_PER_NAME = 32
LOCALHOST = "localhost"


class Kind(StrEnum):
    """What an address is, as far as it matters who may send us there."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    RESERVED = "reserved"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    METADATA = "metadata"


# Services that hand out the credentials of the machine to whoever asks from it.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",
            "169.254.0.23",  # Tencent
            "100.100.100.200",  # Alibaba
            "100.96.0.96",  # Volcano Engine
            "192.0.0.192",  # Oracle, older
            "168.63.129.16",  # Azure, a public address
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)

# IANA's special-purpose registries (RFC 6890 and its updates); the first network that holds an address decides.
_SPECIAL: tuple[tuple[IPNetwork, Kind], ...] = tuple(
    (ipaddress.ip_network(text), kind)
    for kind, networks in (
        (Kind.UNSPECIFIED, ("0.0.0.0/8", "::/128")),
        (Kind.LOOPBACK, ("127.0.0.0/8", "::1/128")),
        (Kind.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
        (Kind.MULTICAST, ("224.0.0.0/4", "ff00::/8")),
        (Kind.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")),
        (Kind.PRIVATE, ("fc00::/7", "fec0::/10")),
        (Kind.RESERVED, ("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.51.100.0/24", "203.0.113.0/24")),
        (Kind.RESERVED, ("240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20")),  # Teredo is in 2001::/23
        (Kind.PUBLIC, ("0.0.0.0/0", "2000::/3")),
        (Kind.RESERVED, ("::/0",)),
    )
    for text in networks
)
# IPv6 addresses that lead to an IPv4 address, and by how many bits the latter is shifted.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible; :: and ::1 are caught before
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
_OWN = (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1"))


def carried(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _OWN:
        for network, shift in _CARRIERS:
            if address in network:
                return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFF_FFFF)
    return address


def kind_of(address: IPAddress) -> Kind:
    """What an address is; one that leads to an IPv4 address is what that one is."""
    target = carried(address)
    if target in _METADATA or address in _METADATA:
        return Kind.METADATA
    return next(kind for network, kind in _SPECIAL if target in network)


@dataclass(frozen=True, slots=True)
class Networks:
    """What this connector may connect to beside public addresses. The default is the strictest.

    `allowed` is what its operator has named; `loopback` is whether the space lies on this machine (or is no production), so
    that members listed at 127.0.0.1, ::1 or localhost are called there.
    """

    allowed: tuple[IPNetwork, ...] = ()
    loopback: bool = False

    @classmethod
    def read(cls, allowed: Iterable[str], *, loopback: bool = False) -> Self:
        """From networks as text, `10.0.0.0/8` or one address; raises ValueError."""
        return cls(tuple(ipaddress.ip_network(text) for text in allowed), loopback)

    @classmethod
    def everything(cls) -> Self:
        """For an address that our own operator has configured: all but metadata, multicast and unspecified ones."""
        return cls.read(("0.0.0.0/0", "::/0"), loopback=True)

    def refusal(self, text: str, *, host: str = "", listed: bool = False) -> str:
        """Why this address is not connected to, as the name of its kind; `""` if it may be.

        `host` is the name it was found for; `listed` says that no name stands between: somebody we trust wrote this address.
        """
        address = ipaddress.ip_address(text.partition("%")[0])  # the interface of a link-local address is no part of it
        kind = kind_of(address)
        match kind:
            case Kind.PUBLIC:
                return ""
            case Kind.MULTICAST | Kind.UNSPECIFIED:
                return kind
            case Kind.METADATA:
                exact = (network for network in self.allowed if network.prefixlen == network.max_prefixlen)
                return "" if any(address in network or carried(address) in network for network in exact) else kind
        if any(address in network or carried(address) in network for network in self.allowed):
            return ""
        if kind is Kind.LOOPBACK:
            return "" if self.loopback and (listed or host == LOCALHOST) else kind
        return "" if kind is Kind.PRIVATE and listed else kind


STRICT = Networks()


class PinningResolver(AbstractResolver):
    """Looks names up for one transport. What it returns is what the connection is made to."""

    def __init__(self, networks: Networks, lookup: Lookup | None = None) -> None:
        self._networks = networks
        self._system = _System()
        self._lookup = lookup or self._system.lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name that may be called; raises OSError, and RefusedError address-private if there are none."""
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            found = list(await self._lookup(host))[:ADDRESSES_PER_NAME]
        refusals = [self._networks.refusal(text, host=host) for text in found]
        admitted = [text for text, refusal in zip(found, refusals, strict=True) if not refusal]
        if found and not admitted:
            raise RefusedError("address-private", host=host[:255], address=found[0], kind=refusals[0])
        results = [_result(host, text, port) for text in admitted]
        return [each for each in results if family in (socket.AF_UNSPEC, each["family"])]

    async def close(self) -> None:
        """Forget look-ups under way."""
        self._system.close()


class _System:
    """The names of the operating system, in threads of its own: the pool of the process hashes files and must not wait here."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[str, asyncio.Future[list[str]]] = {}

    async def lookup(self, host: str) -> list[str]:
        """One look-up of a name at a time, also while the one before has not come back."""
        running = self._running.get(host)
        if running is None:
            if len(self._running) >= LOOKUPS:
                raise OSError(f"{LOOKUPS} other names are being looked up")
            self._threads = self._threads or ThreadPoolExecutor(LOOKUPS, thread_name_prefix="weft-names")
            running = asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host)
            self._running[host] = running
            running.add_done_callback(lambda done: self._ended(host, done))
        return await asyncio.shield(running)

    def _ended(self, host: str, done: asyncio.Future[list[str]]) -> None:
        del self._running[host]
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any more

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))


def _result(host: str, text: str, port: int) -> ResolveResult:
    address = ipaddress.ip_address(text)
    return ResolveResult(
        hostname=host,
        host=text,
        port=port,
        family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,  # noqa: PLR2004
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
