"""What we intend to send. A row is written with its cause and leaves when its answer is settled."""

from dataclasses import dataclass
from datetime import datetime

from connector.clock import micros
from connector.store.database import Row, Tx

TOPIC = "outbox"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it will be sent: exactly these bytes on every attempt.

    `expects` is the state of the process in which it may leave, `becomes` the state once it is acknowledged (`""` = start).
    """

    message: str
    kind: str
    process: str
    trigger: str
    destination: str
    method: str
    url: str
    body: bytes
    expects: str
    becomes: str
    attempts: int = 0
    created_us: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that is due, as much of it as decides whose turn it is."""

    message: str
    process: str
    destination: str


def _outgoing(row: Row) -> Outgoing:
    return Outgoing(
        message=row["message"],
        kind=row["kind"],
        process=row["process"],
        trigger=row["trigger_name"],
        destination=row["destination"],
        method=row["method"],
        url=row["url"],
        body=row["body"],
        expects=row["expects"],
        becomes=row["becomes"],
        attempts=row["attempts"],
        created_us=row["created_us"],
        problem=row["problem"],
    )


def add(tx: Tx, outgoing: Outgoing, now: datetime, pause_s: float = 0) -> None:
    """Write a message to be sent, `pause_s` from now at the earliest; the dispatcher wakes when this is committed."""
    tx.run(
        "outbox.add",
        message=outgoing.message,
        kind=outgoing.kind,
        process=outgoing.process,
        trigger_name=outgoing.trigger,
        destination=outgoing.destination,
        method=outgoing.method,
        url=outgoing.url,
        body=outgoing.body,
        expects=outgoing.expects,
        becomes=outgoing.becomes,
        created_us=micros(now),
        next_us=micros(now) + int(pause_s * 1e6),
    )
    tx.wake(TOPIC)


def due(tx: Tx, now: datetime, each: int) -> list[Waiting]:
    """What is due, oldest first, at most `each` for a destination."""
    rows = tx.all("outbox.due", now_us=micros(now), each=each)
    return [Waiting(row["message"], row["process"], row["destination"]) for row in rows]


def next_time(tx: Tx, now: datetime) -> int | None:
    """When the next postponed message is due, in microseconds since 1970; None if nothing waits."""
    row = tx.one("outbox.next_time", now_us=micros(now))
    return row["next_us"] if row else None


def get(tx: Tx, message: str) -> Outgoing | None:
    row = tx.one("outbox.get", message=message)
    return _outgoing(row) if row else None


def first_of_process(tx: Tx, process: str) -> Outgoing | None:
    row = tx.one("outbox.first_of_process", process=process)
    return _outgoing(row) if row else None


def ends(tx: Tx, process: str) -> bool:
    """Whether our termination of a process is waiting: it is the last thing that we say."""
    row = tx.one("outbox.first_of_process", process=process)
    return row is not None and row["trigger_name"] == "termination"


def remove(tx: Tx, message: str) -> None:
    tx.run("outbox.remove", message=message)


def remove_process(tx: Tx, process: str) -> None:
    tx.run("outbox.remove_process", process=process)


def remove_overtaken(tx: Tx, process: str, state: str) -> None:
    """Take back what may not leave in this state; a termination may leave in any."""
    tx.run("outbox.remove_overtaken", process=process, state=state)


def postpone(tx: Tx, message: str, until_us: int, problem: str) -> None:
    tx.run("outbox.postpone", message=message, next_us=until_us, problem=problem)


def hasten(tx: Tx, destination: str, now: datetime) -> None:
    """A message came from there, so it is reachable: what waits for it may leave now."""
    if tx.run("outbox.hasten", destination=destination, now_us=micros(now)):
        tx.wake(TOPIC)
