"""Messages beside the protocol are written into the outbox here, in the transaction of their cause."""

from datetime import datetime
from typing import Any

from connector.errors import AuthenticationError
from connector.exchange.node import Node
from connector.exchange.process import to_bytes
from connector.store import outbox
from connector.store.database import Tx


def say(
    tx: Tx,
    node: Node,
    *,
    kind: str,
    subject: str,
    trigger: str,
    to: str,
    path: str,
    body: dict[str, Any] | bytes,
    now: datetime,
    method: str = "POST",
) -> bool:
    """Queue a message below the DSP base of a member; False when the member list does not name it any more.

    Messages with one `subject` to one member leave in the order in which they were written.
    """
    try:
        base = node.members.current().member(to).dsp
    except AuthenticationError:
        return False
    outbox.add(
        tx,
        outbox.Outgoing(
            message=node.new_id(),
            kind=kind,
            process=thread(subject, to),
            trigger=trigger,
            destination=to,
            method=method,
            url=f"{base}/{path}",
            body=body if isinstance(body, bytes) else to_bytes(body),
            expects="",
            becomes="",
        ),
        now,
    )
    return True


def unsay(tx: Tx, subject: str, to: str) -> None:
    """What was still to be said to a member about this subject is not said: something newer takes its place."""
    outbox.remove_process(tx, thread(subject, to))


def thread(subject: str, to: str) -> str:
    """What stands for a process in the outbox: one message of it is under way at a time."""
    return f"{subject} {to}"
