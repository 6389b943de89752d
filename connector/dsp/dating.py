"""The Date of our answers (RFC 9110, 6.6.1) is that of our one clock.

The HTTP library asks the machine, which is the same unless a test has moved our clock: then peers must see the moved one, because
it is the one by which tokens are judged.
"""

from collections.abc import Awaitable, Callable
from email.utils import format_datetime

from aiohttp import web

from connector.clock import Clock


def dated(clock: Clock) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A listener for `on_response_prepare`."""

    async def date(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = format_datetime(clock.now(), usegmt=True)

    return date
