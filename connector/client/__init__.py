"""The Python client of a daemon: typed, asynchronous, one call from a dataset to a verified file.

It needs the daemon's address and a management key, and of this distribution only `policies`, `contracts` and the errors.
"""

from connector.client import accept
from connector.client.client import Client
from connector.client.consent import Money, Rejection
from connector.client.delivery import Delivery
from connector.client.fetch import Progress
from connector.client.looking import Cause, Check, Story
from connector.client.models import (
    AuditRecord,
    Bundle,
    Dataset,
    DryRun,
    Event,
    Lineage,
    Member,
    Offer,
    Price,
    Published,
    Settlement,
    Status,
)
from connector.client.processes import Agreement, Negotiation, Transfer

__all__ = [
    "Agreement",
    "AuditRecord",
    "Bundle",
    "Cause",
    "Check",
    "Client",
    "Dataset",
    "Delivery",
    "DryRun",
    "Event",
    "Lineage",
    "Member",
    "Money",
    "Negotiation",
    "Offer",
    "Price",
    "Progress",
    "Published",
    "Rejection",
    "Settlement",
    "Status",
    "Story",
    "Transfer",
    "accept",
]
