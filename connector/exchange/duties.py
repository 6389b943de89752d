"""What is owed after a delivery, written down with its final receipt on both sides (policies.md 2.6).

The signed receipt itself fulfils `rs:reportUsage`. `odrl:delete` has its deadline from the manifest's `iat`; whether it was done is
not collected yet, so it stays open and then overdue.
"""

from datetime import UTC, datetime

from connector.clock import stamp
from connector.exchange.decide import plan_of
from connector.exchange.node import Node
from connector.store import agreement as agreements
from connector.store import control
from connector.store.control import Owed
from connector.store.database import Tx
from connector.store.delivery import Delivery
from policies.model import conditions_within
from policies.values import read_duration
from policies.vocabulary import DELETE, ELAPSED_TIME, REPORT_USAGE


def owe(tx: Tx, node: Node, delivery: Delivery, *, issued: int, receipt: str) -> None:
    """Write down the duties of a delivery; `issued` is the manifest's `iat` in POSIX seconds, `receipt` its digest."""
    agreed = agreements.get(tx, delivery.agreement)
    if agreed is None:
        return
    since = datetime.fromtimestamp(issued, UTC)
    for duty in plan_of(node, agreed).policy.obligations:
        if duty.action not in (DELETE, REPORT_USAGE):
            continue  # settling has its own book: the statements of each period
        times = [
            span
            for each in conditions_within(duty.constraints)
            if each.left == ELAPSED_TIME and (span := read_duration(each.right)) is not None
        ]
        control.owe(
            tx,
            Owed(
                delivery=delivery.id,
                action=duty.action,
                agreement=agreed.digest,
                counterparty=agreed.counterparty,
                dataset=delivery.dataset,
                role=delivery.role,
                since=stamp(since),
                deadline=stamp(since + min(times)) if times else control.NEVER,
                evidence=receipt if duty.action == REPORT_USAGE else "",
            ),
        )
