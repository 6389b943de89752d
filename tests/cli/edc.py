"""An Eclipse EDC as far as its refusals go: a listed member that answers in EDC's statuses and words, over real HTTP."""

import contextlib
from email.utils import format_datetime

from aiohttp import web

from connector.daemon import Daemon
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import did, found_space, settings

EDC = "p-edc"
CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld", "https://w3id.org/edc/dspace/v0.0.1"]


def error(status, *reasons):
    """The body of an EDC's refusal: the status as code, no process ids."""
    body = {"@context": CONTEXT, "@type": "ContractNegotiationError", "code": str(status), "reason": list(reasons)}
    return status, body


HTML = (500, "<html><body><h1>HTTP ERROR 500</h1></body></html>")


class Refusing:
    """The member `p-edc`: it shows one dataset, and answers every message with `refusal` (status, body)."""

    def __init__(self, refusal):
        self.refusal = refusal
        self.clock = None
        self.catalog_body = None  # a catalog in place of the refusal
        self.versions = None  # its version document

    async def date(self, _request, response):
        if self.clock is None:
            del response.headers["Date"]
        else:
            response.headers["Date"] = format_datetime(self.clock(), usegmt=True)

    async def dataset(self, _request):
        offer = {**free_offer(OFFER), "assigner": did(EDC)}
        return web.json_response({"@context": CONTEXT, "@type": "Dataset", "@id": DATASET, "hasPolicy": [offer]})

    async def catalog(self, _request):
        return self._refused() if self.catalog_body is None else web.json_response(self.catalog_body)

    async def version_document(self, _request):
        if self.versions is None:
            raise web.HTTPNotFound
        return web.json_response(self.versions)

    async def message(self, _request):
        return self._refused()

    def _refused(self):
        status, body = self.refusal
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        return web.json_response(body, status=status)

    @contextlib.asynccontextmanager
    async def listening(self, port):
        app = web.Application()
        app.on_response_prepare.append(self.date)
        app.add_routes(
            [
                web.get("/dsp/2025-1/catalog/datasets/{id}", self.dataset),
                web.post("/dsp/2025-1/catalog/request", self.catalog),
                web.post("/dsp/2025-1/{rest:.*}", self.message),
                web.get("/.well-known/dspace-version", self.version_document),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield self
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def beside_an_edc(root, refusal, name="s-zhengshu", **changes):
    """A daemon of ours, and that member."""
    found_space(root, [name, EDC])
    async with (
        Refusing(refusal).listening(settings(root, EDC).protocol_port) as edc,
        Daemon(settings(root, name, **changes)) as daemon,
    ):
        edc.clock = daemon.clock.now
        yield daemon, edc
