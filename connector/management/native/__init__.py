"""The native API: JSON over HTTP under `/v1`, one module per noun. Every list is paged by keyset, every error has a sentence."""

from aiohttp import web

from connector.management.desk import Desk
from connector.management.native.control import Control
from connector.management.native.daemon import Itself
from connector.management.native.datasets import Datasets
from connector.management.native.deliveries import Deliveries
from connector.management.native.discovery import Discovery
from connector.management.native.doctor import DoctorOf
from connector.management.native.documents import Documents
from connector.management.native.ledgers import Ledgers
from connector.management.native.lineage import LineageOf
from connector.management.native.negotiations import Negotiations
from connector.management.native.policy import Policies
from connector.management.native.records import Records
from connector.management.native.settlement import Bundles, Settlement
from connector.management.native.story import StoryOf
from connector.management.native.transfers import Agreements, Transfers
from connector.management.repeats import Repeats


def routes(desk: Desk) -> list[web.RouteDef]:
    """Every route of the native API."""
    repeats = Repeats(desk.node)
    return [
        *Itself(desk).routes(),
        *Datasets(desk, repeats).routes(),
        *Discovery(desk).routes(),
        *LineageOf(desk).routes(),
        *Documents(desk, repeats).routes(),
        *Negotiations(desk, repeats).routes(),
        *Agreements(desk).routes(),
        *Transfers(desk, repeats).routes(),
        *Deliveries(desk, repeats).routes(),
        *Bundles(desk, repeats).routes(),
        *Settlement(desk, repeats).routes(),
        *Ledgers(desk, repeats).routes(),
        *Control(desk, repeats).routes(),
        *Policies(desk).routes(),
        *StoryOf(desk).routes(),
        *DoctorOf(desk).routes(),
        *Records(desk).routes(),
    ]
