"""The kill switch: nothing moves with a partner from this commit on, until a person lets it.

Running transfers end with the code `stopped-by-provider` (or `stopped-by-consumer`, where we receive), which is delivered until
it is acknowledged; streams are cut because their transfer is over. What is asked for meanwhile is denied with the same reason.
"""

from connector.errors import RefusedError
from connector.exchange import settle
from connector.exchange.node import Node
from connector.store import control
from connector.store import transfer as transfers
from connector.store.control import EVERYBODY
from connector.store.database import Tx
from contracts.machine import Role

BY_PROVIDER, BY_CONSUMER, BY_REMEDY = "stopped-by-provider", "stopped-by-consumer", "suspended-by-remedy"


def barrier(tx: Tx, counterparty: str, agreement: str, role: Role) -> tuple[str, str]:
    """Why nothing may move under an agreement: a code and what a person said; two empty texts where it may. `role` is ours."""
    stopped = control.stopped(tx, counterparty)
    if stopped is not None:
        return (BY_PROVIDER if role is Role.PROVIDER else BY_CONSUMER), stopped.reason
    held = control.held(tx, agreement)
    return (BY_REMEDY, held.reason) if held is not None else ("", "")


async def stop(node: Node, participant: str, reason: str) -> int:
    """Stop everything with a partner, `*` for everybody; returns how many transfers that ended. Durable when this returns.

    Raises AuthenticationError for who is no member.
    """
    if participant != EVERYBODY:
        node.members.current().member(participant)

    def work(tx: Tx) -> int:
        now = node.clock.now()
        control.stop(tx, participant, reason, now)
        ended = 0
        for pid in control.running(tx, counterparty=participant):
            transfer = transfers.get(tx, pid)
            if transfer is not None and not transfer.code:
                code = BY_PROVIDER if transfer.role is Role.PROVIDER else BY_CONSUMER
                settle.end(tx, node, transfer, code, reason, now)
                ended += 1
        peer = participant if participant != EVERYBODY else None
        node.audit.append(tx, "control.stopped", peer=peer, details={"text": reason, "transfers": ended})
        return ended

    return await node.db.transact(work)


async def resume(node: Node, participant: str) -> tuple[str, ...]:
    """Take back a stop of the same name, `*` for everybody: new transfers may be asked for.

    A partner that was stopped by name for its own reason stays so when everybody is let go, and the other way round; returns
    the stops that are still in the way. Raises RefusedError `not-stopped`.
    """

    def work(tx: Tx) -> tuple[str, ...]:
        if not control.lift(tx, participant):
            raise RefusedError("not-stopped", participant=participant)
        peer = participant if participant != EVERYBODY else None
        node.audit.append(tx, "control.resumed", peer=peer)
        left = (each.participant for each in control.stops(tx))
        return tuple(each for each in left if EVERYBODY in (participant, each))

    return await node.db.transact(work)
