"""The management side as one aiohttp application: key first, then routes, every error a sentence."""

from aiohttp import web

from connector.management import events, metrics
from connector.management.access import Access
from connector.management.answers import errors_told
from connector.management.asked import BODY_LIMIT_BYTES
from connector.management.desk import Desk, Running
from connector.management.native import routes


def application(daemon: Running) -> web.Application:
    """The application for a daemon whose parts are running; its event streams end when it is shut down."""
    desk = Desk.of(daemon)
    app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[errors_told, Access(desk.node).middleware()])
    app.add_routes([*routes(desk), *events.routes(desk), *metrics.routes(desk)])

    async def close_streams(_: web.Application) -> None:
        desk.close_streams()

    app.on_shutdown.append(close_streams)
    return app
