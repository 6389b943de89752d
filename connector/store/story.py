"""The story of a process as the store has it: who is meant by an identifier, its audit records, what is still to be sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.store.audit import KeptRecord, kept
from connector.store.database import Row, Tx

# A transfer of years has thousands of deliveries: its beginning and its end say what there is to say.
FIRST, LAST = 50, 150
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The shortest beginning of an identifier that is looked up.
SHORTEST = 6
_AFTER = "\x7f"
_PREFIXES = ("urn:uuid:", "")
_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that has not left, or whose answer has not come. `next` is when it is tried (again)."""

    message: str
    process: str
    trigger: str
    destination: str
    url: str
    attempts: int
    since: datetime
    next: datetime
    problem: str


@dataclass(frozen=True, slots=True)
class Records:
    """Audit records of one process in order; `omitted` counts those left out between the first and the last ones."""

    records: tuple[KeptRecord, ...]
    omitted: int


def find(tx: Tx, typed: str) -> list[tuple[str, str]]:
    """The processes that an identifier stands for, as (`negotiation` or `transfer`, our pid); at most two of a kind.

    It may be our pid, the counterparty's, or a beginning of either, without `urn:uuid:`, or of an agreement's digest, which
    stands for its negotiation. What is written in full is sought first, so that it never means another that begins so.
    """
    if not typed or len(typed) > _LENGTH:
        return []
    whole = [(kind, row["pid"]) for kind in ("negotiation", "transfer") for row in tx.all(f"story.{kind}", pid=typed)]
    if whole or len(typed.removeprefix("urn:uuid:").removeprefix("sha-256:")) < SHORTEST:
        return whole
    found: dict[tuple[str, str], None] = {}
    for kind in ("negotiation", "transfer"):
        for prefix in _PREFIXES:
            for by in ("begins", "begins_peer"):
                first = prefix + typed
                for row in tx.all(f"story.{by}_{kind}", first=first, last=first + _AFTER):
                    found[kind, row["pid"]] = None
    digest = "sha-256:" + typed.removeprefix("sha-256:")
    for row in tx.all("story.begins_agreement", first=digest, last=digest + _AFTER):
        found["negotiation", row["pid"]] = None
    return list(found)


def records(tx: Tx, process: str, peer: str = "") -> Records:
    """The audit records about a process with this counterparty, found by an index, however long ago it ended."""
    first = [kept(row) for row in tx.all("story.first", process=process, peer=peer, limit=FIRST)]
    if len(first) < FIRST:
        return Records(tuple(first), 0)
    rows = tx.all("story.last", process=process, peer=peer, after=first[-1].seq, limit=LAST)
    last = [kept(row) for row in reversed(rows)]
    counted = tx.one("story.count", process=process)
    total = counted["n"] if counted else 0
    return Records((*first, *last), max(0, total - len(first) - len(last)))


def pending(tx: Tx, process: str) -> list[Pending]:
    """What this process still has to send, in order."""
    return [_pending(row, process) for row in tx.all("story.outgoing", process=process)]


def pending_to(tx: Tx, participant: str, limit: int) -> list[Pending]:
    """What waits for one partner, oldest first."""
    rows = tx.all("story.outgoing_to", destination=participant, limit=limit)
    return [_pending(row, row["process"]) for row in rows]


def unanswered(tx: Tx, participant: str, limit: int) -> list[tuple[str, str]]:
    """Requests of ours that a partner took and never came back to: our pid, and since when."""
    return [(row["pid"], row["updated"]) for row in tx.all("story.unanswered", counterparty=participant, limit=limit)]


def _pending(row: Row, process: str) -> Pending:
    return Pending(
        message=row["message"],
        process=process,
        trigger=row["trigger_name"],
        destination=row["destination"],
        url=row["url"],
        attempts=row["attempts"],
        since=_EPOCH + timedelta(microseconds=row["created_us"]),
        next=_EPOCH + timedelta(microseconds=row["next_us"]),
        problem=row["problem"],
    )
