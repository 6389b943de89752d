"""Lists and figures for the management side: pages of processes by several filters, how many there are of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from connector.store import agreement as agreements
from connector.store import delivery as deliveries
from connector.store import negotiation as negotiations
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery
from contracts.negotiation.model import Negotiation

Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many processes of one role are in one state; a state is `""` before the first acknowledgement."""

    role: str
    state: str
    number: int


def negotiation_page(
    tx: Tx,
    *,
    before: Place,
    limit: int,
    state: str = "*",
    role: str = "*",
    counterparty: str = "*",
    dataset: str = "*",
) -> list[Negotiation]:
    """Last changed first; `before` is `(updated, pid)` of the last one seen."""
    rows = tx.all(
        "management.negotiations",
        updated=before[0],
        pid=before[1],
        state=state,
        role=role,
        counterparty=counterparty,
        dataset=dataset,
        limit=limit,
    )
    return [found for row in rows if (found := negotiations.get(tx, row["pid"])) is not None]


def agreement_page(
    tx: Tx,
    *,
    before: Place,
    limit: int,
    role: str = "*",
    counterparty: str = "*",
    dataset: str = "*",
    in_force: bool = False,
) -> list[Agreement]:
    """Newest first; `before` is `(created, digest)` of the last one seen."""
    rows = tx.all(
        "management.agreements",
        created=before[0],
        digest=before[1],
        role=role,
        counterparty=counterparty,
        dataset=dataset,
        in_force=int(in_force),
        limit=limit,
    )
    return [found for row in rows if (found := agreements.get(tx, row["digest"])) is not None]


def delivery_page(
    tx: Tx,
    *,
    before: Place,
    limit: int,
    role: str = "*",
    agreement: str = "*",
    unfinished: bool = False,
) -> list[Delivery]:
    """Last changed first; `before` is `(updated, id)` of the last one seen."""
    rows = tx.all(
        "management.deliveries",
        updated=before[0],
        id=before[1],
        role=role,
        agreement=agreement,
        unfinished=int(unfinished),
        limit=limit,
    )
    return [found for row in rows if (found := deliveries.get(tx, row["id"])) is not None]


def counts(tx: Tx) -> Mapping[str, list[Count]]:
    """How many negotiations, transfers and deliveries there are, by role and state."""
    return {
        name: [Count(row["role"], row["state"], int(row["n"])) for row in tx.all(f"management.{statement}")]
        for name, statement in (
            ("negotiations", "negotiation_counts"),
            ("transfers", "transfer_counts"),
            ("deliveries", "delivery_counts"),
        )
    }


def agreement_counts(tx: Tx) -> Mapping[str, int]:
    """Agreements in force, by our role."""
    return {row["role"]: int(row["n"]) for row in tx.all("management.agreement_counts")}


def dataset_counts(tx: Tx) -> Mapping[str, int]:
    """Datasets of ours, by state."""
    return {row["state"]: int(row["n"]) for row in tx.all("management.dataset_counts")}


def outbox_depth(tx: Tx) -> int:
    """Messages that wait to be sent."""
    row = tx.one("outbox.depth")
    return int(row["n"]) if row is not None else 0
