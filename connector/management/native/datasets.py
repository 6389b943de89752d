"""`/v1/datasets` and the whole of our catalog: publish, withdraw, preview, check, export as RDF."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import orjson
from aiohttp import web

from catalog.model import Dataset
from catalog.publish import Problem
from connector.dataplane import publish as publishing
from connector.dataplane.publication import Publication, read_publication
from connector.dispatch.peers import root_of
from connector.errors import RefusedError
from connector.management import asked
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import views
from connector.management.repeats import Repeats
from connector.rdf import Publisher
from connector.store import catalog
from connector.store.catalog import Listed, SourceFile
from connector.store.database import Tx
from policies.canonical import parse_json
from policies.errors import JsonError
from policies.sentences import has_sentence, sentence

# One RDF text is made in memory by a process of its own: more datasets are a job for paging.
EXPORT_MAX = 10_000
Form = Literal["turtle", "json-ld"]
_MEDIA: Mapping[Form, str] = {"turtle": "text/turtle", "json-ld": "application/ld+json"}


class Nothing(Body):
    """No members."""


class Datasets:
    """The routes about what we offer."""

    def __init__(self, desk: Desk, repeats: Repeats) -> None:
        self._desk = desk
        self._node = desk.node
        self._repeats = repeats

    async def _publication(self, request: web.Request) -> Publication:
        data = await request.read()
        try:
            document = parse_json(data or b"{}", max_depth=asked.DEPTH)
        except JsonError as error:
            raise RefusedError("request-not-json", problem=error.problem, where=error.where) from error
        if not isinstance(document, dict):
            raise RefusedError("request-invalid", path="-", problem="is no object")
        found = read_publication(document)
        if not found.path.is_absolute():
            # The daemon's working directory is nobody's business: a relative path would mean another file tomorrow.
            raise RefusedError("request-invalid", path="path", problem="is not absolute")
        return found

    async def preview(self, request: web.Request) -> web.Response:
        found = await publishing.preview(self._node, await self._publication(request), rdf=self._desk.rdf)
        return reply(
            {
                "dataset": _shown(found.dataset, "published"),
                "body": orjson.loads(found.body),
                "viewers": found.viewers if found.viewers == "all" else list(found.viewers),
                "problems": [_problem(problem) for problem in found.problems],
                "publishable": found.publishable,
            }
        )

    async def publish(self, request: web.Request) -> web.Response:
        asked_for = await self._publication(request)
        done = await publishing.publish(self._node, asked_for, rdf=self._desk.rdf)
        shown = _shown(done.dataset, "published", done.source)
        return reply({**shown, "unchanged": not done.changed}, 201 if done.changed else 200)

    async def withdraw(self, request: web.Request) -> web.Response:
        dataset = request.match_info["id"]
        reason = request.query.get("reason", "").strip()
        if not reason:
            raise RefusedError("request-invalid", path="reason", problem="is missing")
        changed = await publishing.withdraw(self._node, dataset, reason)
        return reply({"id": dataset, "unchanged": not changed})

    async def page(self, request: web.Request) -> web.Response:
        wanted, place = asked.limit(request), asked.after(request, 1)[0]
        after = "" if place == "~" else place

        def work(tx: Tx) -> list[tuple[Listed, SourceFile | None]]:
            return [
                (found, catalog.source(tx, found.dataset.id))
                for found in catalog.listing(tx, after=after, limit=wanted + 1)
            ]

        found = await self._node.db.read(work)
        items = [
            {**_shown(each.dataset, _state(each, source), source), "reason": each.reason} for each, source in found
        ]
        return reply(asked.page(items, [(each.dataset.id,) for each, _ in found], wanted))

    async def check(self, request: web.Request) -> web.Response:
        await asked.body(request, Nothing)
        findings = await self._desk.rdf.check(await self._published(), self._publisher())
        problems = [
            {
                "dataset": finding.dataset,
                "property": finding.property,
                "severity": finding.severity,
                "message": finding.message,
            }
            for finding in findings
        ]
        valid = all(finding.severity != "violation" for finding in findings)
        return reply({"valid": valid, "problems": problems})

    async def export(self, request: web.Request) -> web.Response:
        form = asked.one_of(request, "format", tuple(_MEDIA))
        chosen: Form = "turtle" if form == "*" else cast("Form", form)
        text = await self._desk.rdf.export(await self._published(), self._publisher(), form=chosen)
        return web.Response(
            text=text, content_type=_MEDIA[chosen], headers={"Cache-Control": "no-store"}, charset="utf-8"
        )

    async def _published(self) -> list[Dataset]:
        def work(tx: Tx) -> list[Dataset]:
            found: list[Dataset] = []
            after = ""
            while len(found) < EXPORT_MAX:
                rows = catalog.listing(tx, after=after, limit=catalog.PAGE_MAX)
                found += [row.dataset for row in rows if row.state == "published"]
                if len(rows) < catalog.PAGE_MAX:
                    break
                after = rows[-1].dataset.id
            return found

        return await self._node.db.read(work)

    def _publisher(self) -> Publisher:
        return Publisher(
            self._node.participant,
            dict(self._desk.name_of(self._node.participant)),
            root_of(self._node.base),
            self._node.base,
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/datasets", self.page),
            web.post("/v1/datasets", self._repeats.once(self.publish)),
            web.post("/v1/datasets/preview", self.preview),
            web.delete("/v1/datasets/{id}", self._repeats.once(self.withdraw)),
            web.post("/v1/catalog/check", self.check),
            web.get("/v1/catalog/export", self.export),
        ]


def _shown(dataset: Dataset, state: str, source: SourceFile | None = None) -> dict[str, Any]:
    record: dict[str, Any] = dict(dataset.to_dict())
    offers = [
        {
            "id": offer.id,
            "policy": offer.document,
            "digest": views.digest_of_terms(offer.document),
            "dataset": dataset.id,
            "provider": dataset.owner,
            "price": offer.price.model_dump(mode="json") if offer.price else None,
            "visible_to": offer.audience if offer.audience == "all" else list(offer.audience),
            "decide": offer.decision,
            "terms": list(offer.terms),
            "transforms": list(offer.transforms),
        }
        for offer in dataset.offers
    ]
    audiences = [offer.audience for offer in dataset.offers]
    everybody = "all" in audiences
    return {
        **{name: value for name, value in record.items() if name not in ("offers", "owner")},
        "provider": dataset.owner,
        "offers": offers,
        "prices": [offer["price"] for offer in offers if offer["price"]],
        "visible_to": "all" if everybody else sorted({name for audience in audiences for name in audience}),
        "state": state,
        "path": source.path if source is not None else "",
    }


def _state(found: Listed, source: SourceFile | None) -> str:
    """Whether the file is still what the catalog says: looked at, not hashed; the gate hashes before it delivers."""
    if found.state != "published" or source is None:
        return found.state
    try:
        seen = Path(source.path).stat()
    except OSError:
        return "changed"
    same = (seen.st_size, seen.st_mtime_ns, seen.st_ino) == (source.size, source.mtime_ns, source.inode)
    return "published" if same else "changed"


def _problem(problem: Problem) -> dict[str, Any]:
    """A broken rule of publishing with its sentence."""
    facts = dict(problem.facts)
    known = next((name for name in (f"publish.{problem.code}", f"error.{problem.code}") if has_sentence(name)), None)
    message = {
        lang: sentence(known, lang, offer=problem.offer, **facts) if known else str(problem) for lang in views.LANGUAGES
    }
    return {"code": problem.code, "offer": problem.offer, "facts": facts, "message": message}
