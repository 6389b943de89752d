"""`/v1/documents`: terms that we bring along ourselves, and any document by its digest."""

from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from connector.errors import RefusedError
from connector.exchange import documents
from connector.management import asked
from connector.management.access import LABEL
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native.views import LANGUAGES, Json, named
from connector.management.repeats import Repeats
from connector.store import catalog
from connector.store.catalog import DocumentKind
from contracts.errors import TermsError
from contracts.settlement.explain import explain
from contracts.settlement.terms import parse_terms
from policies.canonical import is_digest, parse_json


class Brought(Body):
    """A document of ours that no dataset of ours carries: terms that we ask for, or a bundle that we sign."""

    kind: Literal["terms"] = "terms"
    document: dict[str, Any] = Field(min_length=1)


class Documents:
    """The routes about terms and transforms."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def keep(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Brought)
        digest = await documents.keep_terms(self._node, given.document, by=request[LABEL])
        return reply(await self._document(digest), 201)

    async def one(self, request: web.Request) -> web.Response:
        digest, source = request.match_info["digest"], request.query.get("from", "")
        kind: DocumentKind = (
            "transform" if asked.one_of(request, "kind", ("terms", "transform")) == "transform" else "terms"
        )
        if not is_digest(digest):
            raise RefusedError("document-unknown", digest=digest[:100])
        if source:
            await documents.hold(self._node, source, kind, digest)
        return reply(await self._document(digest))

    async def _document(self, digest: str) -> Json:
        found = await self._node.db.read(lambda tx: catalog.document(tx, digest))
        if found is None:
            raise RefusedError("document-unknown", digest=digest)
        shown: Json = {"digest": found.digest, "kind": found.kind, "document": parse_json(found.body)}
        return shown | (self._words(found.body) if found.kind == "terms" else {})

    def _words(self, body: bytes) -> Json:
        """Terms in sentences; nothing for those that we hold and could not settle by."""
        try:
            terms = parse_terms(body)
        except TermsError:
            return {}
        return {"sentences": {lang: explain(terms, lang, named(self._desk, lang)) for lang in LANGUAGES}}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/documents", self._repeats.once(self.keep)),
            web.get("/v1/documents/{digest}", self.one),
        ]
