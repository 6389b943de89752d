"""A member that reads a catalog by hand: whole answers with all their headers, bodies as they came over the wire."""

import gzip
import json
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDictProxy

from catalog.model import Offer
from connector.store import catalog
from tests.catalog.samples import document, simple
from tests.speaker import Speaker, message


@dataclass(frozen=True)
class Said:
    """One answer; `wire` are the bytes as they came."""

    status: int
    headers: CIMultiDictProxy[str]
    wire: bytes

    @property
    def plain(self):
        return gzip.decompress(self.wire) if self.headers.get("Content-Encoding") == "gzip" else self.wire

    @property
    def body(self):
        return json.loads(self.plain) if self.wire else None

    @property
    def ids(self):
        return [dataset["@id"] for dataset in self.body.get("dataset", [])]

    @property
    def links(self):
        """Relation to address, as an EDC reads them: one link in each header."""
        found = {}
        for header in self.headers.getall("Link", []):
            address, relation = header.split("; ")
            found[relation.removeprefix('rel="').removesuffix('"')] = address.strip("<>")
        return found


async def ask(speaker: Speaker, path, body=None, *, method="POST", headers=None, data=None):
    """Send a document (or raw `data`) with a fresh token; an address may stand instead of a path."""
    url = path if path.startswith("http") else speaker.base + path
    sent = {"Authorization": f"Bearer {speaker.token()}", "Content-Type": "application/json", **(headers or {})}
    content = data if data is not None else json.dumps(body).encode() if body is not None else None
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding",)) as session,
        session.request(method, url, data=content, headers=sent) as response,
    ):
        return Said(response.status, response.headers, await response.read())


def request(**members):
    return message("CatalogRequestMessage", **members)


async def publish_many(daemon, names, *, audience="all", **members):
    """Datasets with one offer each, in one transaction."""

    def work(tx):
        for name in names:
            offer = Offer(id=f"{name}/o", document=document(f"{name}/o"), audience=audience)
            record = simple(name, owner=daemon.node.participant, **members).model_copy(update={"offers": (offer,)})
            catalog.publish(tx, record, at=daemon.clock.now())

    await daemon.node.db.transact(work)
