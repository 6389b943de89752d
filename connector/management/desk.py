"""What the management side is given: the running parts of one daemon."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connector.dataplane.receive import Receiver
from connector.errors import WeftError
from connector.exchange.node import Node
from connector.federation.crawler import Crawler
from connector.federation.index import Index
from connector.identity.members import Member
from connector.rdf import RdfWorker


class Running(Protocol):
    """A daemon as the management side sees it."""

    @property
    def node(self) -> Node: ...
    @property
    def receiver(self) -> Receiver: ...
    @property
    def crawler(self) -> Crawler: ...
    @property
    def started(self) -> str: ...
    @property
    def protocol_port(self) -> int: ...
    @property
    def management_port(self) -> int: ...


@dataclass(slots=True)
class Desk:
    """The parts, and the streams that are open: each is woken when the daemon stops."""

    daemon: Running
    index: Index
    rdf: RdfWorker
    streams: set[asyncio.Event] = field(default_factory=set)
    closing: bool = False

    @classmethod
    def of(cls, daemon: Running) -> "Desk":
        node = daemon.node
        return cls(daemon, Index(node.db, node.clock, interval_s=node.settings.crawl_interval_s), RdfWorker())

    @property
    def node(self) -> Node:
        return self.daemon.node

    def close_streams(self) -> None:
        """End every event stream, so that the listener need not wait for its readers."""
        self.closing = True
        for stream in self.streams:
            stream.set()

    def name_of(self, participant: str) -> Mapping[str, str]:
        """What a participant is called, by language; nothing for a stranger or without a member list."""
        member = self.member_list.get(participant)
        return {str(lang): name for lang, name in member.name.items()} if member is not None else {}

    @property
    def member_list(self) -> Mapping[str, Member]:
        try:
            return self.node.members.current().members
        except WeftError:
            return {}
