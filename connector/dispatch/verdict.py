"""What may leave, and what an answer means: the decisions of the dispatcher as plain functions.

The dispatcher moves bytes and waits; what it decides stands here, without network and event loop, so that a simulation of two
sides runs the very same rules. Every function of a `tx` runs inside one transaction.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from connector.clock import micros
from connector.dispatch.schedule import pause_s
from connector.exchange import settle
from connector.exchange.extensions import EXTENSIONS
from connector.exchange.node import Node
from connector.exchange.process import PROTOCOLS, TAKEN, object_in
from connector.store import inbox, outbox
from connector.store.database import Tx
from connector.store.outbox import Outgoing

# Passing troubles of the other side: the message is sent again, the same bytes under the same @id. 401 is one of them: a clock
# that is off or a member list on its way ends by itself; `weft status` shows what waits and why.
AGAIN = frozenset({401, 408, 425, 429, 500, 502, 503, 504})


# What ends a process, and what is said beside the protocol (seals, statements), is said for as long as anybody may still ask
# about it: replies are kept as long.
END_S = 30 * 86400
# What can be said more than once in a process: an older one that comes late would mean something else.
IN_TURNS = frozenset({"request", "offer", "start", "suspension"})
_MICROS = re.compile(r"[0-9]{1,17}")
# A clock that jumps (a machine that slept) must not end at its first failure what has hardly been tried.
ATTEMPTS_LEAST = 8
# What is owed and taken by nobody is said again after this part of its age: some fifty times in all.
PATIENCE = 8


class Verdict(StrEnum):
    """What an answer to a message of ours means."""

    ACKNOWLEDGED = "acknowledged"
    AGAIN = "again"
    REFUSED = "refused"


@dataclass(slots=True)
class Turn:
    """Whose turn it is: messages that may leave now, and those whose process has moved on.

    `held_back` is whether something is due that has to wait for a message under way.
    """

    ready: list[Outgoing] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    held_back: bool = False


def turn(tx: Tx, now: datetime, limit: int, processes: Mapping[str, str], destinations: Mapping[str, int]) -> Turn:
    """What is due and may leave beside what is under way: one message of a process, `limit` to a destination.

    `processes` names the message under way by process, `destinations` counts those under way. A process with a message under
    way is not judged before that one is settled.
    """
    found = Turn()
    under_way, busy = dict(processes), Counter(destinations)
    for waiting in outbox.due(tx, now, 2 * limit):
        if waiting.process in under_way or busy[waiting.destination] >= limit:
            found.held_back |= under_way.get(waiting.process) != waiting.message
            continue
        message = outbox.get(tx, waiting.message)
        if message is None or not settle.may_leave(tx, message):
            found.overtaken.append(waiting.message)
            continue
        found.ready.append(message)
        under_way[message.process] = message.message
        busy[message.destination] += 1
    return found


def judge(status: int, soon: Sequence[float] = ()) -> Verdict:
    """Acknowledged, a passing trouble, or a refusal that has to be looked into; `soon` as of that function."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict.ACKNOWLEDGED
    return Verdict.AGAIN if status in AGAIN or soon else Verdict.REFUSED


def soon(node: Node, message: Outgoing, status: int) -> Sequence[float]:
    """The pauses in seconds that are left of those after which this peer takes what it has just refused with `status`.

    A status of 0 stands for no answer at all.
    """
    return node.peers.of(message.destination).again.get(status, ())[message.attempts :]


def strange(message: Outgoing, body: bytes) -> str:
    """Why an answer of success to a first message acknowledges nothing, `""` when it may.

    A page of a network that wants a password, another document, another process of ours: no connector has taken the message. An
    empty answer, or one that does not name the peer's process, may: it is learnt from what the peer says next.
    """
    if message.expects or message.kind in EXTENSIONS or not body.strip():
        return ""
    said = object_in(body)
    if not said:
        return "but no document about a process"
    found, named = said.get("@type"), said.get("providerPid" if message.trigger == "offer" else "consumerPid")
    wanted = {"negotiation": "ContractNegotiation", "transfer": "TransferProcess"}[message.kind]
    if isinstance(found, str) and not found.endswith(wanted):
        return f"but a {found[:100]}"
    if isinstance(named, str) and named != message.process:
        return "but about another process"
    return ""


def taken_us(headers: Mapping[str, str]) -> int:
    """When an answer says that the message was taken, by the other side's clock; 0 where it does not say."""
    said = headers.get(TAKEN.lower(), "")
    return int(said) if _MICROS.fullmatch(said) else 0


def acknowledged(tx: Tx, node: Node, message: Outgoing, body: bytes, headers: Mapping[str, str]) -> None:
    """Settle a message whose answer is an acknowledgement; only of a first one does the content matter."""
    taken = taken_us(headers) if message.trigger in IN_TURNS else 0
    if taken:
        inbox.answered(tx, message.destination, message.process, taken, node.clock.now())
    answer = object_in(body) if not message.expects else {}
    node.peers.note(tx, message.destination, answer.get("@context"))
    settle.acknowledged(tx, node, message.message, answer, node.clock.now())


def trouble(status: int, body: bytes) -> str:
    """A refusal in words: code and reason too, where the answer has them (a clock that is off is told by how much)."""
    code, (_, text) = object_in(body).get("code"), refusal_in(status, body)
    return f"HTTP {status}" + (f" {code[:100]}" if isinstance(code, str) else "") + (f": {text[:300]}" if text else "")


def postpone(
    tx: Tx, node: Node, message: Outgoing, problem: str, luck: float, *, status: int = 0, asked_s: float = 0
) -> bool:
    """Send it later, or give it up when it has waited too long; whether it still waits.

    `luck` in [0, 1) spreads retries; `status` is what came back (0 for nothing), `asked_s` the pause that was asked for with it.
    """
    settings, now = node.settings, node.clock.now()
    age_s = (micros(now) - message.created_us) / 1e6
    tired = age_s > settings.give_up_s and message.attempts + 1 >= ATTEMPTS_LEAST
    owed = message.trigger == "termination" or message.kind in EXTENSIONS
    if tired and (not owed or age_s > END_S):
        settle.given_up(tx, node, message.message, problem, now)
        return False
    wait_s = pause_s(message.attempts, settings.retry_first_s, settings.retry_limit_s, luck)
    if pauses := soon(node, message, status):
        wait_s = pauses[0]
    elif not status and _opens_negotiation(message):
        wait_s = max(wait_s, node.peers.of(message.destination).doubt_s)  # it may have arrived
    wait_s = max(wait_s, min(asked_s, settings.retry_limit_s))
    if tired:
        wait_s = max(wait_s, age_s / PATIENCE)  # it is owed to the counterparty, but not every few minutes
    outbox.postpone(tx, message.message, micros(now) + int(wait_s * 1e6), problem[:500])
    return True


def _opens_negotiation(message: Outgoing) -> bool:
    return (message.kind, message.trigger, message.expects) == ("negotiation", "request", "")


def pause_asked_s(headers: Mapping[str, str]) -> float:
    """How many seconds an answer asks us to wait (`Retry-After` in seconds, RFC 9110 10.2.3); 0 for none."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def refusal_in(status: int, body: bytes) -> tuple[str, str]:
    """Code and text of a refusal, as far as the answer has them."""
    said = object_in(body)
    reasons = said.get("reason")
    text = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
    return str(said.get("code") or f"http-{status}")[:200], text[:1000]


def place(tx: Tx, message: Outgoing) -> str:
    """Where to look before a refusal is believed: the counterparty's side of the process.

    `""` for a message beside the protocol, and while the counterparty has not named its process.
    """
    if message.kind in EXTENSIONS:
        return ""
    protocol = PROTOCOLS[message.kind]
    process = protocol.get(tx, message.process)
    if process is None or not process.peer_pid:
        return ""
    return f"{process.address}/{protocol.folder}/{process.peer_pid}"


def state_in(message: Outgoing, body: bytes) -> str | None:
    """The state in what a look brought back; None for none that the protocol knows."""
    state = object_in(body).get("state")
    return state if isinstance(state, str) and state in set(PROTOCOLS[message.kind].states) else None
