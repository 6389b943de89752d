"""Answers of the management side: JSON, and errors as `{code, facts, message: {en, zh}, id}` by the one table of errors.

A traceback never leaves the daemon; an unexpected error leaves its number, under which the log has it.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from catalog.errors import CatalogFault
from connector.errors import (
    TABLE,
    AuthenticationError,
    RefusedError,
    UnreachableError,
    VerificationError,
    WeftError,
)
from contracts.errors import ContractError, IllegalTransitionError
from policies.errors import PolicyError
from policies.sentences import has_sentence, sentence

_log = structlog.get_logger("weft.management")

KEY_CODES = frozenset({"management-key-missing", "management-key-wrong"})
UNEXPECTED, UNPROCESSABLE = 500, 422
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        content_type="application/json",
        headers={**_HEADERS, **(headers or {})},
    )


def refusal(status: int, code: str, facts: Mapping[str, Any], identifier: str = "") -> web.Response:
    """An error as an answer."""
    identifier = identifier or secrets.token_hex(6)
    values = {**facts, "id": facts.get("id", identifier)}
    known = f"error.{code}" if has_sentence(f"error.{code}") else "error.unexplained"
    if known == "error.unexplained":
        values = {"code": code, "facts": ", ".join(f"{name}={value}" for name, value in facts.items())}
    body = {
        "code": code,
        "facts": {name: value if isinstance(value, int | list) else str(value) for name, value in facts.items()},
        "message": {lang: sentence(known, lang, **values) for lang in ("en", "zh")},
        "id": identifier,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == web.HTTPUnauthorized.status_code else {}
    return reply(body, status, headers)


def status_of(error: Exception) -> int:
    """The status for a caller of ours. What a peer may not do, we may not ask for: that is no failure of *this* caller's key."""
    code = str(getattr(error, "code", ""))
    match error:
        case AuthenticationError():
            return 401 if code in KEY_CODES else 400
        case UnreachableError():
            return 504
        case VerificationError():
            return 422
        case RefusedError():
            row = TABLE.get(code)
            # 422 is kept for what does not hold what it claims; a file or document that cannot be read is a bad request.
            return 400 if row is None or row.status == UNPROCESSABLE else row.status
        case IllegalTransitionError():
            return 409
        case WeftError():
            row = TABLE.get(code)
            return row.status if row is not None else UNEXPECTED
        case _:
            return 400


@web.middleware
async def errors_told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes an answer with its sentence; the unexpected ones are logged with their number."""
    try:
        return await handler(request)
    except (WeftError, PolicyError, ContractError, CatalogFault) as error:
        status, number = status_of(error), secrets.token_hex(6)
        level = "error" if status == UNEXPECTED else "info"
        getattr(_log, level)("management.refused", path=request.path, status=status, code=error.code, id=number)
        return refusal(status, error.code, error.facts, number)
    except web.HTTPRequestEntityTooLarge as error:
        return refusal(413, "request-too-large", {"limit": error.text or "-"})
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return refusal(405, "method-not-allowed", {"path": request.path, "method": request.method, "allowed": allowed})
    except web.HTTPNotFound:
        return refusal(404, "no-such-address", {"path": request.path})
    except web.HTTPException:
        raise
    except Exception:  # noqa: BLE001  the last line of defence: a caller sees a sentence, the log sees the rest
        number = secrets.token_hex(6)
        _log.exception("management.failed", path=request.path, method=request.method, id=number)
        return refusal(UNEXPECTED, "unexpected", {}, number)
