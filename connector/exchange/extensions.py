"""What is said beside the protocol, to peers that speak Weft: one row for each kind of message (revenue-share.md 7.2).

Such a message belongs to no process of the protocol: it may leave at any time, its refusal is believed at once, and a peer that
lists no extensions never gets it. Whoever said it hears the answer, or why there is none, in the transaction that takes the
message out of the outbox.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from connector.exchange import bilateral, bundles, metering, pool, seals, settlement
from connector.exchange.node import Node
from connector.store.database import Tx
from connector.store.outbox import Outgoing

Answered: TypeAlias = Callable[[Tx, Node, Outgoing, Mapping[str, Any], datetime], None]
Refused: TypeAlias = Callable[[Tx, Node, Outgoing, tuple[str, str], datetime], None]

# The code of a refusal by nobody: the peer lists no extensions, so nothing was sent.
UNSPOKEN = "peer-without-weft"


def _answer_unused(tx: Tx, node: Node, sent: Outgoing, answer: Mapping[str, Any], now: datetime) -> None:
    """An acknowledgement says enough."""


def _refusal_unused(tx: Tx, node: Node, sent: Outgoing, refusal: tuple[str, str], now: datetime) -> None:
    """Nothing follows from a refusal."""


@dataclass(frozen=True, slots=True)
class Extension:
    """Who hears what became of a message: its answer, or code and text of its refusal."""

    answered: Answered = _answer_unused
    refused: Refused = _refusal_unused


EXTENSIONS: dict[str, Extension] = {
    "seal": Extension(seals.answered),
    bundles.KIND: Extension(refused=bundles.refused),
    bilateral.KIND: Extension(settlement.answered, settlement.refused),
    metering.KIND: Extension(metering.answered),
    pool.KIND: Extension(settlement.answered, settlement.refused),
}
