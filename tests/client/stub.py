"""A management side that says what a test wants: for the client alone, without a daemon."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web

from connector.client import Client


class Stub:
    """Answers by path; every request is kept. A handler may be a value, or a function of the request."""

    def __init__(self):
        self.answers = {}
        self.requests = []

    async def handle(self, request):
        self.requests.append((request.method, request.path_qs, await request.read(), dict(request.headers)))
        answer = self.answers.get((request.method, request.path))
        if answer is None:
            return web.json_response({"code": "no-such-address", "facts": {"path": request.path}}, status=404)
        if not callable(answer):
            return web.json_response(answer)
        answer = answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def stubbed(**options):
    """A stub and a client of it."""
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with Client(f"http://127.0.0.1:{runner.addresses[0][1]}", key="weft_test", **options) as client:
            yield stub, client
    finally:
        await runner.cleanup()
