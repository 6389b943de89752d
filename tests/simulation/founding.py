"""What all runs have in common and nobody changes: two members with fixed keys, their settings, their catalogs, an empty store."""

import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256, sha512
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey

from catalog.model import Dataset, Offer
from connector.exchange.node import Plans
from connector.identity.keys import USES, KeyRing
from connector.identity.members import MemberList
from connector.settings import Settings
from connector.store import catalog, queries
from connector.store.catalog import SourceFile
from connector.store.database import Tx
from connector.store.migrate import migrate
from tests.clocks import START
from tests.space import Space

NAMES = ("a", "b")
DIDS = {name: f"did:web:{name}.example" for name in NAMES}
AUTOMATIC, PERSON, COUNTED = "automatic", "person", "counted"
COUNT = 2  # deliveries of a counted dataset under one agreement
COUNT_MOST = 3  # what people ask for instead
CONTENT = b"torque\n1\n2\n3\n"
ROWS = 3
LEAF = sha256(b"\x00" + CONTENT).digest()
# Messages are given up after half an hour here: a day would only be more of the same.
PACE = {"send_timeout_s": 20, "retry_first_s": 1, "retry_limit_s": 300, "give_up_s": 1800}


@dataclass(frozen=True)
class Founded:
    """One member: keys, settings, compiled policies, an empty store with its catalog as (table, columns, rows)."""

    did: str
    ring: KeyRing
    settings: Settings
    plans: Plans
    store: bytes
    members: MemberList


def offer_of(name: str, kind: str) -> str:
    return f"urn:offer:{name}-{kind}"


def dataset_of(name: str, kind: str) -> str:
    return f"{name}-{kind}"


def document_of(name: str, kind: str) -> dict[str, object]:
    """The offer of a dataset as its catalog shows it."""
    permission: dict[str, object] = {"action": "odrl:use"}
    if kind == COUNTED:
        permission["constraint"] = [{"leftOperand": "odrl:count", "operator": "odrl:lteq", "rightOperand": str(COUNT)}]
    return {"@id": offer_of(name, kind), "@type": "Offer", "permission": [permission]}


def sign(data: bytes) -> bytes:
    """Signature of an audit log: as long as a real one, and cheap."""
    return sha512(b"audit" + data).digest()


def verify(_public: bytes, data: bytes, signature: bytes) -> bool:
    return sign(data) == signature


@cache
def found() -> dict[str, Founded]:
    """Both members; made once for a process."""
    rings = {}
    for number, did in enumerate(DIDS.values(), 1):
        keys = {use: SigningKey(sha256(f"{did} {use}".encode()).digest()) for use in USES if use != "token"}
        rings[did] = KeyRing._of(did, ec.derive_private_key(number, ec.SECP256R1()), keys)
    space = Space(DIDS["a"])
    space.rings = rings
    entries = [space.entry(did, dsp=f"http://{name}.example/dsp/2025-1") for name, did in DIDS.items()]
    members = space.members(members=entries, expires="2036-01-01T00:00:00Z", now=START)
    folder = Path(tempfile.gettempdir()) / "weft-simulation"  # a name only: nothing is written there
    founded = {}
    for name, did in DIDS.items():
        settings = Settings.of(
            folder / name,
            {
                "participant": did,
                "space_key": space.space_key,
                "members": "members.json",
                "dsp": members.member(did).dsp,
                **PACE,
            },
        )
        founded[name] = Founded(did, rings[did], settings, Plans(), _store(name), members)
    return founded


def _store(name: str) -> bytes:
    """A migrated database in which a member has published its datasets."""
    connection = connect()
    migrate(connection, ":memory:")
    tx = Tx(connection, queries.load())
    connection.execute("BEGIN")
    for kind in (AUTOMATIC, PERSON, COUNTED):
        decision = "person" if kind == PERSON else "automatic"
        record = Dataset(
            id=dataset_of(name, kind),
            owner=DIDS[name],
            title={"en": kind, "zh": kind},
            description={"en": kind, "zh": kind},
            columns=(),
            media_type="text/csv",
            rows=ROWS,
            bytes=len(CONTENT),
            sha256=sha256(CONTENT).hexdigest(),
            modified=datetime(2026, 11, 1, tzinfo=UTC),
            offers=(Offer(id=offer_of(name, kind), document=document_of(name, kind), decision=decision),),
        )
        catalog.publish(tx, record, at=START)
        source = SourceFile("-", len(CONTENT), 0, 0, record.sha256, "utf-8", ",", ())
        catalog.put_source(tx, record.id, source)
    connection.execute("COMMIT")
    return connection.serialize()


def connect() -> sqlite3.Connection:
    """A connection as the writer of the store opens it, to a database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


class Disks:
    """Reused connections: emptied between two runs, their statements stay prepared."""

    def __init__(self) -> None:
        self._free: dict[str, list[sqlite3.Connection]] = {}
        self._tables: dict[str, list[str]] = {}
        self._kept: dict[str, list[tuple[str, str, list[tuple[object, ...]]]]] = {}

    def take(self, name: str) -> sqlite3.Connection:
        """The store of a member as it was founded."""
        if waiting := self._free.get(name):
            return waiting.pop()
        connection = connect()
        connection.deserialize(found()[name].store)
        if name not in self._tables:
            self._learn(name, connection)
        return connection

    def give(self, name: str, connection: sqlite3.Connection) -> None:
        """Empty what a run has filled."""
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        for table in self._tables[name]:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  names from the schema itself
        connection.execute("COMMIT")
        self._free.setdefault(name, []).append(connection)

    def _learn(self, name: str, connection: sqlite3.Connection) -> None:
        """Which tables runs may fill: those that were empty at the founding."""
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
        names = [row[0] for row in rows if not row[0].startswith("sqlite_")]
        self._tables[name] = [
            table
            for table in names
            if connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0  # noqa: S608  the same
        ]
