"""Who may be called: a member, at the origin (scheme, host, port) that the signed member list names, and nobody else.

The list is the permission. An address that a message brings along (callback, data address) is used only below that origin,
so no member can make us call a third machine, ours included; private and loopback addresses are as good as others if the
authority has listed them, because consortia run on private networks.
"""

import re
from collections.abc import Callable

from connector.errors import RefusedError
from connector.identity.address import Origin, origin_text, read_address, read_base
from connector.identity.members import MemberList, clip

# Segments that begin with no dot: none of them leads upwards.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9:_~-][A-Za-z0-9:._~-]*)+")


class Guard:
    """Judges addresses by the member list in force, which `members` returns at every call."""

    def __init__(self, members: Callable[[], MemberList]) -> None:
        self._members = members

    def check(self, participant: str, url: str) -> None:
        """Raise RefusedError address-malformed or address-outside-list unless the member may be called there."""
        member = self._members().members.get(participant)
        if member is not None and url.startswith(member.dsp) and _PLAIN_PATH.fullmatch(url, len(member.dsp)):
            return  # below the listed base itself, in characters that nobody reads differently: nothing is left to judge
        try:
            origin = read_address(url).origin
        except ValueError as error:
            raise RefusedError("address-malformed", url=clip(url), problem=str(error)) from error
        self._compare(participant, url, origin)

    def callback(self, participant: str, url: str) -> str:
        """A callback address as it is stored: one trailing slash less, so that paths can be appended.

        Raises RefusedError like `check`, also for a query.
        """
        try:
            base = read_base(url)
        except ValueError as error:
            raise RefusedError("address-malformed", url=clip(url), problem=str(error)) from error
        self._compare(participant, url, base.origin)
        return base.text

    def _compare(self, participant: str, url: str, origin: Origin) -> None:
        member = self._members().members.get(participant)
        if member is None or origin != member.origin:
            listed = "-" if member is None else origin_text(member.origin)
            raise RefusedError("address-outside-list", participant=participant, url=clip(url), listed=listed)


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
