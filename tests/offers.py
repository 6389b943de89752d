"""Datasets and offers for tests of the exchange, published straight into the store: no file behind them."""

from datetime import UTC, datetime

from catalog.model import Dataset, Offer
from connector.store import catalog

DATASET = "press-shop-2026-11"
OFFER = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0001"


def free_offer(identifier=OFFER, **members):
    """An offer that anybody may use for anything."""
    return {"@id": identifier, "@type": "Offer", "permission": [{"action": "odrl:use"}], **members}


def constrained(identifier=OFFER, **constraint):
    """An offer with one constraint on its use: leftOperand, operator, rightOperand."""
    return free_offer(identifier, permission=[{"action": "odrl:use", "constraint": [constraint]}])


def record(owner, document, *, dataset=DATASET, decision="automatic", audience="all"):
    """The record of a dataset with one offer."""
    return Dataset(
        id=dataset,
        owner=owner,
        title={"en": "Press shop", "zh": "冲压车间"},
        description={"en": "Torque per part.", "zh": "每件扭矩。"},
        columns=(),
        media_type="text/csv",
        rows=1,
        bytes=10,
        sha256="0" * 64,
        modified=datetime(2026, 11, 10, tzinfo=UTC),
        offers=(Offer(id=document["@id"], document=document, audience=audience, decision=decision),),
    )


async def publish(daemon, document=None, **changes):
    """Publish one dataset with one offer; returns the offer's id."""
    document = document or free_offer()
    listed = record(daemon.node.participant, document, **changes)
    await daemon.node.db.transact(lambda tx: catalog.publish(tx, listed, at=daemon.clock.now()))
    return document["@id"]
