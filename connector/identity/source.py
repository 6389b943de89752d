"""Where the member list comes from: a file or an address, watched, applied without a restart.

A list that is refused changes nothing: the last good one stays in force until its own expiry, and the reason is reported.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from connector.clock import Clock, stamp
from connector.errors import UnreachableError, VerificationError, WeftError
from connector.identity.members import LIST_LIMIT_BYTES, MemberList, read_member_list

# A stat call every few seconds costs nothing and works on every file system, network drives too.
FILE_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer to a conditional GET: no `data` when the list is still the one of `tag` (an ETag)."""

    data: bytes | None
    tag: str | None


Fetch: TypeAlias = Callable[[str | None], Awaitable[Fetched]]
Accepted: TypeAlias = Callable[[MemberList, bytes], Awaitable[None]]
Refused: TypeAlias = Callable[[WeftError], Awaitable[None]]


async def _ignore(*_: object) -> None:
    return


class MemberSource:
    """The member list in force.

    `on_accepted` gets each new list and its bytes *before* it is in force, so that its number is durable first: a restart
    must not bring an older list back. `on_refused` gets each new reason why a list was not taken.
    """

    def __init__(
        self,
        where: str,
        space_key: str,
        *,
        clock: Clock,
        fetch: Fetch | None = None,
        interval_s: float = 300,
        known_seq: int = 0,
        on_accepted: Accepted = _ignore,
        on_refused: Refused = _ignore,
    ) -> None:
        """`where` is a path, or any text that names what `fetch` reads."""
        self.where = where
        self._space_key = space_key
        self._clock = clock
        self._fetch = fetch
        self._interval_s = FILE_INTERVAL_S if fetch is None else interval_s
        self._known_seq = known_seq
        self._on_accepted = on_accepted
        self._on_refused = on_refused
        self._current: MemberList | None = None
        self._tag: str | None = None
        self._reported = ""
        self._lock = asyncio.Lock()

    def current(self) -> MemberList:
        """The list in force now; raises VerificationError member-list-missing or member-list-expired."""
        if self._current is None:
            raise VerificationError("member-list-missing", where=self.where)
        if not self._current.in_force(self._clock.now()):
            raise VerificationError("member-list-expired", seq=self._current.seq, expires=stamp(self._current.expires))
        return self._current

    async def reload(self) -> bool:
        """Read it again, now; whether a new list is in force. Raises what `read_member_list` does, and UnreachableError."""
        return await self._look(None)

    async def watch(self) -> None:
        """Take up every change until cancelled. A reason for refusal is reported once, not at each look."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._look(self._tag)
                self._reported = ""
            except WeftError as error:
                if str(error) != self._reported:
                    self._reported = str(error)
                    await self._on_refused(error)

    async def _look(self, tag: str | None) -> bool:
        async with self._lock:
            if self._fetch is not None:
                found = await self._fetch(tag)
            else:
                found = await asyncio.to_thread(_read_file, Path(self.where), tag)
            if found.data is None:
                return False
            try:
                members = await asyncio.to_thread(self._judge, found.data)
            except VerificationError:
                # The same bytes would be refused again: the next look waits for others.
                self._tag = found.tag
                raise
            changed = self._current is None or members.seq != self._current.seq
            if changed:
                await self._on_accepted(members, found.data)
                self._known_seq, self._current = members.seq, members
            self._tag = found.tag
            return changed

    def _judge(self, data: bytes) -> MemberList:
        members = read_member_list(data, self._space_key, known_seq=self._known_seq, now=self._clock.now())
        current = self._current
        if current is not None and members.seq == current.seq and members.digest != current.digest:
            raise VerificationError("member-list-forked", seq=members.seq)
        return members


def _read_file(path: Path, tag: str | None) -> Fetched:
    """The file, unless its state is the one of `tag`."""
    try:
        with path.open("rb") as stream:
            state = os.fstat(stream.fileno())
            now = f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}"
            return Fetched(None if now == tag else stream.read(LIST_LIMIT_BYTES + 1), now)
    except OSError as error:
        raise UnreachableError(
            "member-list-unreadable", where=str(path), problem=error.strerror or str(error)
        ) from error
