"""Messages that were accepted, and the reply each of them got (architecture, rules of exchange, rule 1)."""

from datetime import datetime

from connector.clock import micros
from connector.store.database import Tx


def recorded_reply(tx: Tx, sender: str, message: str, process: str) -> tuple[int, bytes, int] | None:
    """The answer that a repeated message gets again, and when it was given (microseconds since 1970); None for a new message.

    A message without `@id` is known by its digest (`message` starts with `sha-256:`), and only while it is the latest of
    its process: the same bytes may be meant again later.
    """
    row = tx.one("inbox.reply", sender=sender, message=message)
    if row is None:
        return None
    if message.startswith("sha-256:"):
        latest = tx.one("inbox.latest", sender=sender, process=process)
        if latest is None or latest["message"] != message:
            return None
    return row["status"], row["reply"], row["at_us"]


def record(
    tx: Tx,
    sender: str,
    message: str,
    process: str,
    status: int,
    reply: bytes,
    now: datetime,
    issued: datetime | None = None,
) -> None:
    tx.run(
        "inbox.record",
        sender=sender,
        message=message,
        process=process,
        status=status,
        reply=reply,
        at_us=micros(now),
        issued_us=micros(issued) if issued else 0,
    )


def overtaken(tx: Tx, sender: str, process: str, issued: datetime | None, within_s: int) -> bool:
    """Whether its sender has been heard later in this process, by message or answer: this one was on its way for too long.

    A difference of more than `within_s`, which no token outlives, is a clock that was set back.
    """
    if issued is None:
        return False
    row = tx.one("inbox.last_issued", sender=sender, process=process)
    late_us = (row["issued_us"] or 0) - micros(issued) if row else 0
    return 0 < late_us < within_s * 1_000_000


def answered(tx: Tx, sender: str, process: str, answered_us: int, now: datetime) -> None:
    """Note when a counterparty took a message of ours about a process, by its own clock."""
    tx.run("inbox.answered", sender=sender, process=process, answered_us=answered_us, at_us=micros(now))


def use_token(tx: Tx, issuer: str, jti: str, expires: datetime) -> bool:
    """Whether this token is used for the first time; a replay is refused also after a crash.

    An empty `jti` is none: an identity whose headers may come again (test runs only) gives no other.
    """
    return not jti or tx.run("inbox.use_token", issuer=issuer, jti=jti, expires_us=micros(expires)) == 1


def prune(tx: Tx, now: datetime, keep_s: int) -> None:
    """Forget replies that nobody repeats any more and tokens that have expired."""
    tx.run("inbox.prune", before_us=micros(now) - keep_s * 1_000_000)
    tx.run("inbox.prune_answered", before_us=micros(now) - keep_s * 1_000_000)
    tx.run("inbox.prune_tokens", before_us=micros(now))
