"""How many connections we hold, in all and from one address, from the system's accept on.

A stranger costs a socket before it has said a word, so nothing of it is built before there is room. When the house is full, those
that have never proven who they are make room, the oldest first: a crowd that only sits there does not keep members out.
"""

import contextlib
import ipaddress
import socket
from collections import Counter
from functools import lru_cache
from typing import Any, TypeAlias

Place: TypeAlias = tuple[Any, ...]  # as `accept` and `getpeername` return it

_SIDES_REMEMBERED = 4096
_HOST_BITS = 64


@lru_cache(_SIDES_REMEMBERED)
def side_of(host: str) -> str:
    """One name for whoever speaks from an address: IPv6 gives each customer 2^64 of them, and that is one side."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:255]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{ipaddress.IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)}/64"
    return host


class Connection(socket.socket):
    """An accepted connection that says when it is closed."""

    def __init__(self, accepted: socket.socket, place: Place, side: str, connections: "Connections") -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.place = place
        self.side = side
        self._connections = connections

    def close(self) -> None:
        """See `socket.socket`."""
        super().close()
        self._connections.closed(self)


class Connections:
    """Those of one listener. At most `most`, of them `per_address` from one side; None where all come from a proxy."""

    def __init__(self, most: int, per_address: int | None) -> None:
        self._most = most
        self._per_address = per_address
        self._open: dict[Place, Connection] = {}
        self._sides: Counter[str] = Counter()
        self._unproven: dict[Place, Connection] = {}  # in the order in which they came
        self.refused = 0

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, accepted: socket.socket, place: Place) -> Connection:
        """The connection as one of ours; raises ConnectionAbortedError, which asyncio passes over, when there is no room."""
        side = side_of(str(place[0])) if place else ""
        crowded = self._per_address is not None and self._sides.get(side, 0) >= self._per_address
        if crowded or not self._has_room():
            self.refused += 1
            accepted.close()
            raise ConnectionAbortedError("too many connections")
        connection = Connection(accepted, place, side, self)
        self._open[place] = connection
        self._sides[side] += 1
        self._unproven[place] = connection
        return connection

    def proven(self, place: Place | None) -> None:
        """A member has spoken over this connection: it does not make room for others."""
        if place is not None:
            self._unproven.pop(place, None)

    def closed(self, connection: Connection) -> None:
        """The connection is no more; told twice, it counts once."""
        if self._open.get(connection.place) is not connection:
            return
        del self._open[connection.place]
        self._unproven.pop(connection.place, None)
        self._sides[connection.side] -= 1
        if not self._sides[connection.side]:
            del self._sides[connection.side]

    def _has_room(self) -> bool:
        if len(self._open) < self._most:
            return True
        if not self._unproven:
            return False
        oldest = next(iter(self._unproven.values()))
        with contextlib.suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)  # its transport reads the end of the stream, and closes
        self.closed(oldest)
        return True
