"""Logs: structured, to standard output, one canonical line per received message and per send attempt.

Pretty on a terminal, JSON lines otherwise. Tokens, keys, passwords and other secrets never appear: every line passes
`redact`, the lines of libraries too. The audit log is not a log; see `connector/store/audit.py`.
"""

import logging
import re
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from connector.clock import Clock, stamp
from connector.errors import TABLE, WeftError

MASK = "[hidden]"

# `space_key` is a public key, `kid` names one: the first is in the member list's settings, the second says who signed.
_PUBLIC = frozenset({"space_key", "kid", "token_lifetime_s", "data_token_lifetime_s"})
_SECRET_NAME = re.compile(
    r"authori[sz]ation|cookie|password|passwd|secret|token|credential|(^|[_.-])keys?$", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]+"  # an Authorization header inside a text
    r"|\beyJ[\w-]+\.[\w-]*\.[\w-]*"  # a JWT or JWS
    r"|\bweft_[\w-]{20,}"  # a management key
    r"|-----BEGIN[^-]*PRIVATE KEY-----.*?(?:-----END[^-]*-----|\Z)",
    re.DOTALL,
)


def configure(
    log_format: str = "auto", level: str = "info", *, stream: TextIO | None = None, clock: Clock | None = None
) -> None:
    """Send every log line of this process, ours and the libraries', to `stream` (standard output).

    `log_format` is `json`, `pretty`, or `auto`: pretty when the stream is a terminal.
    """
    stream = stream or sys.stdout
    clock = clock or Clock()

    def timestamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event["timestamp"] = stamp(clock.now())
        return event

    pretty = log_format == "pretty" or (log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        timestamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide what is named like a secret, at any depth, and what looks like one inside a text."""
    for name, value in event.items():
        if name not in ("_record", "_from_structlog"):
            event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any) -> Any:
    if name not in _PUBLIC and _SECRET_NAME.search(name) and not isinstance(value, bool | None):
        return MASK
    if isinstance(value, str):
        return _SECRET_TEXT.sub(lambda found: (found["scheme"] or "") + MASK, value)
    if isinstance(value, bytes):  # a payload has no place in a log
        return f"[{len(value)} bytes]"
    if isinstance(value, dict):
        return {key: _masked(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(name, member) for member in value]
    return value


@contextmanager
def canonical_line(log: structlog.stdlib.BoundLogger, event: str, **facts: Any) -> Iterator[MutableMapping[str, Any]]:
    """One log line for one unit of work, written when it ends: facts, outcome, duration.

        with canonical_line(log, "message.received", peer=peer) as line:
            line["state"] = "REQUESTED"

    An error of ours gives its code, its facts and the level of its row in the table; any other error is written with its
    traceback. Both go on.
    """
    line: dict[str, Any] = dict(facts)
    started = time.monotonic()
    level, failure = "info", False
    try:
        yield line
        line.setdefault("outcome", "ok")
    except WeftError as error:
        appearance = TABLE.get(error.code)
        level = appearance.level if appearance else "error"
        line |= {"outcome": error.code, **error.facts}
        raise
    except BaseException as error:
        level = "error" if isinstance(error, Exception) else "info"
        failure = level == "error"
        line["outcome"] = type(error).__name__
        raise
    finally:
        line["duration_ms"] = round((time.monotonic() - started) * 1000, 3)
        log.bind(**line).log(logging.getLevelNamesMapping()[level.upper()], event, exc_info=failure)
