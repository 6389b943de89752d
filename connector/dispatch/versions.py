"""Which versions a member speaks, and where: its version document, read without a token (DSP 2025-1, common functionalities).

A member is listed with its base, with or without the path of a version. The document is looked for where the base says, then
upwards to the host; all of these lie at the listed origin, so that the guard lets them pass. `discover` asks; what is read in
the answer is `catalog/discovery.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from pydantic import JsonValue

from catalog.discovery import (
    VERSION,
    WELL_KNOWN,
    Version,
    VersionDocument,
    choose,
    ends_with_version,
    read_versions,
    roots,
)
from catalog.errors import UnreadableVersionsError
from connector.errors import RefusedError, UnreachableError
from policies.canonical import parse_json
from policies.errors import JsonError

if TYPE_CHECKING:
    from connector.exchange.node import Node

LIMIT_BYTES: Final = 64 * 1024
CANDIDATES_MAX: Final = 8
FRESH: Final = timedelta(hours=24)
DOCUMENT_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Versions:
    """What a member offers. `url` is where its document lies, `chosen` the entry we use, `base` the address it gives.

    `listed` is the base in the member list; `unreadable` says which entries of the document could not be read.
    """

    participant: str
    listed: str
    url: str
    base: str
    chosen: Version
    offered: tuple[Version, ...]
    unreadable: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the document leads to the base that the member list names, or the list names no version at all."""
        return self.base == self.listed.rstrip("/") or not ends_with_version(self.listed)


async def discover(node: "Node", participant: str) -> Versions:
    """Ask a member for its version document and choose our version in it.

    Raises UnreachableError: `unreachable`, or `versions-missing` when there is no document anywhere;
    RefusedError: `versions-unreadable`, or `version-unsupported`, which lists what the peer offers; AuthenticationError
    `not-a-member`.
    """
    listed = node.members.current().member(participant).dsp
    offered: list[str] = []
    problems: list[str] = []
    tried: list[str] = []
    for root in roots(listed)[:CANDIDATES_MAX]:
        url = root + WELL_KNOWN
        tried.append(url)
        answer = await node.transport.request(
            "GET",
            url,
            participant=participant,
            headers={"Accept": "application/json"},
            limit_bytes=LIMIT_BYTES,
            timeout_s=node.settings.send_timeout_s,
        )
        if answer.status != HTTPStatus.OK:
            continue
        try:
            document = _read(answer.body)
        except (UnreadableVersionsError, JsonError) as error:
            problems.append(f"{url}: {error.problem}")
            continue
        found = choose(document, root, listed)
        if found is not None:
            return Versions(participant, listed, url, found[1], found[0], document.versions, document.unreadable)
        offered.append(f"{document.offered()} ({url})")
    if offered:
        # DSP 2025-1: a client that finds no matching version ends the communication.
        raise RefusedError("version-unsupported", participant=participant, version=VERSION, offered="; ".join(offered))
    if problems:
        raise RefusedError("versions-unreadable", participant=participant, problem="; ".join(problems)[:1000])
    raise UnreachableError("versions-missing", participant=participant, tried=", ".join(tried))


def _read(body: bytes) -> VersionDocument:
    return read_versions(cast("JsonValue", parse_json(body, max_depth=DOCUMENT_DEPTH)))


class Bases:
    """The protocol base of each member: as listed where the list names a version, else as its version document says."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._known: dict[str, tuple[str, str, datetime]] = {}

    async def of(self, participant: str) -> str:
        """The base to append paths to; raises like `discover`. An answer is remembered for a day or until the list changes."""
        listed = self._node.members.current().member(participant).dsp
        if ends_with_version(listed):
            return listed
        now = self._node.clock.now()
        kept = self._known.get(participant)
        if kept is None or kept[0] != listed or now - kept[2] >= FRESH:
            kept = (listed, (await discover(self._node, participant)).base, now)
            self._known[participant] = kept
        return kept[1]
