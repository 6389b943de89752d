"""The log of the HTTP server: what it could not read is counted, not told at length.

A request that is no HTTP is a stranger's doing as a rule, and a traceback with its bytes for each would let anybody fill the log.
Errors of ours are written as ever.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

from connector.health import Counters

UNREADABLE = "http-unreadable"


class HttpLog(logging.LoggerAdapter):  # type: ignore[type-arg]  # generic for the type checker only
    """Stands in for the logger of aiohttp's server."""

    def __init__(self, counters: Counters) -> None:
        super().__init__(logging.getLogger("aiohttp.server"), {})
        self._counters = counters

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        """See `logging.Logger`."""
        if isinstance(exc_info, HttpProcessingError):
            self._counters.add("weft_requests_refused_total", reason=UNREADABLE)
            self.debug("unreadable request: %s", type(exc_info).__name__)
            return
        super().exception(msg, *args, exc_info=exc_info, **more)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """See `logging.LoggerAdapter`."""
        return msg, kwargs
