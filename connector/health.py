"""What a daemon counts about itself, for `/metrics`, `weft status` and `/health`.

One table names every figure with its help text; OPERATIONS.md lists the same names.
"""

from collections import Counter
from collections.abc import Iterator

HELP = {
    "weft_messages_received_total": "Protocol messages that arrived, by kind, trigger and status of our answer.",
    "weft_messages_sent_total": "Attempts to send a protocol message, by kind, trigger and status (0 = no answer).",
    "weft_requests_refused_total": "Requests refused before they were read, by reason.",
    "weft_decisions_total": "Policy decisions at the gate, by outcome.",
    "weft_data_bytes_sent_total": "Bytes of data that left through the gate.",
    "weft_data_bytes_received_total": "Bytes of data that were received and verified.",
    "weft_deliveries_total": "Deliveries that ended, by role and result.",
}


class Counters:
    """Totals since the start, by name and labels. Used from the event loop and from the writer's thread alike."""

    def __init__(self) -> None:
        self._totals: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count; raises KeyError for a name that the table does not hold."""
        HELP[name]
        self._totals[name, tuple(sorted(labels.items()))] += amount

    def received(self, kind: str, trigger: str, status: int) -> None:
        self.add("weft_messages_received_total", kind=kind, trigger=trigger, status=str(status))

    def sent(self, kind: str, trigger: str, status: int) -> None:
        self.add("weft_messages_sent_total", kind=kind, trigger=trigger, status=str(status))

    def __iter__(self) -> Iterator[tuple[str, dict[str, str], int]]:
        for (name, labels), total in sorted(self._totals.items()):
            yield name, dict(labels), total
