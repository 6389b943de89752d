"""What connectors of other makes do differently: one table, one row for each make, and which make a member runs.

The protocol leaves room, and peers fill it in their own ways; whatever is peculiar to a peer stands here and nowhere in an `if`. A
member is known by what it sends: an Eclipse EDC adds a second context to every message. The setting `peers` names
those that do not show it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from connector.store.database import Tx

EDC_CONTEXT = "https://w3id.org/edc/dspace/v0.0.1"
# 1.27 s in all: an EDC under load stores its state some milliseconds after it was answered.
_SOON = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)


@dataclass(frozen=True, slots=True)
class Peer:
    """How to speak with one make of connector. Times are in seconds."""

    name: str
    # How long we wait before each message of ours: it moves its own state only after it has read our answer.
    pause_s: float = 0.0
    # Refusals that may be a race: pauses before the next attempts, by status; 0 stands for no connection.
    again: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    # A contract request whose answer was lost is repeated after this: each one opens a negotiation of its own there.
    doubt_s: float = 0.0
    # Statuses of our refusals that pass, in its own: an EDC ends its process at any 4xx.
    passing: Mapping[int, int] = field(default_factory=dict)
    # Whether it takes an offer that it has not asked for.
    takes_offers: bool = True
    # Whether it refuses an agreement for a `profile` that its own user left out of the request.
    compares_profile: bool = False
    # Whether it may say again, under another id, what has been done: a second agreement may stand in place of the first.
    repeats: bool = False
    # Whether a consumer of this make that wants to go on waits for a start of ours, with a new data address.
    restarts: bool = False
    # How it expects the token of a pull in `Authorization`.
    bearer: bool = True

    def told(self, status: int) -> int:
        """The status by which this peer understands what we mean by `status`."""
        return self.passing.get(status, status)


PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "plain": Peer("plain"),
        "edc": Peer(
            "edc",
            pause_s=0.02,
            again=MappingProxyType({409: _SOON}),
            doubt_s=10.0,
            passing=MappingProxyType({408: 503, 425: 503, 429: 503}),
            takes_offers=False,
            compares_profile=True,
            repeats=True,
            restarts=True,
            bearer=False,
        ),
    }
)


def make_of(context: object) -> str:
    """The make that a message's `@context` shows, `""` if it shows none."""
    listed: Iterable[object] = context if isinstance(context, list | tuple) else (context,)
    return "edc" if EDC_CONTEXT in listed else ""


class Peers:
    """Which make each member runs: as set, else as it has shown itself, else plain."""

    def __init__(self, named: Mapping[str, str] | None = None, table: Mapping[str, Peer] = PEERS) -> None:
        self._table = table
        self._set = dict(named or {})
        self._shown: dict[str, str] = {}

    def of(self, participant: str) -> Peer:
        """The row for a member."""
        return self._table[self._set.get(participant) or self._shown.get(participant, "plain")]

    def load(self, tx: Tx) -> None:
        """Take up what members have shown before."""
        self._shown = {row["participant"]: row["make"] for row in tx.all("fact.makes")}

    def news(self, participant: str, context: object) -> bool:
        """Whether this context shows something that is not known yet."""
        make = make_of(context)
        return bool(make) and self._shown.get(participant) != make

    def note(self, tx: Tx, participant: str, context: object) -> None:
        """Remember what a message has shown; nothing is written when it is known."""
        if self.news(participant, context):
            make = make_of(context)
            tx.run("fact.set_make", participant=participant, make=make)
            self._shown[participant] = make
