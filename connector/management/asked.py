"""What a request asks: its body as a frozen model, its page, its filters. Each complaint names the member."""

import base64
import binascii
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from connector.errors import RefusedError
from policies.canonical import parse_json
from policies.errors import JsonError

BODY_LIMIT_BYTES = 8 * 1024 * 1024
PAGE, PAGE_MAX = 50, 200
DEPTH = 64


class Body(BaseModel):
    """A request: unknown members are refused, because a misspelt one would be silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")


B = TypeVar("B", bound=Body)


async def body(request: web.Request, kind: type[B]) -> B:
    """The body as its model; raises RefusedError request-not-json, request-invalid with every wrong member."""
    data = await request.read()
    try:
        document = parse_json(data or b"{}", max_depth=DEPTH)
    except JsonError as error:
        raise RefusedError("request-not-json", problem=error.problem, where=error.where) from error
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> RefusedError:
    """The complaint about every wrong member; the first one is the sentence's."""
    problems = [
        {"path": _path(each["loc"]), "problem": each["msg"].removeprefix("Value error, ")}
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return RefusedError("request-invalid", **problems[0], problems=problems)


def limit(request: web.Request) -> int:
    """How many items are wanted, 1 to 200."""
    return number(request, "limit", PAGE, most=PAGE_MAX)


def number(request: web.Request, name: str, default: int, *, least: int = 1, most: int = 2**53) -> int:
    """An integer of the query; raises RefusedError request-invalid."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
        raise RefusedError("request-invalid", path=name, problem=f"is no number from {least} to {most}")
    return int(text)


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("true", "1", "yes")


def one_of(request: web.Request, name: str, allowed: tuple[str, ...]) -> str:
    """A filter that takes these words, `*` when it is not given; raises RefusedError request-invalid."""
    text = request.query.get(name, "*")
    if text != "*" and text not in allowed:
        raise RefusedError("request-invalid", path=name, problem=f"is none of {', '.join(allowed)}")
    return text


def after(request: web.Request, parts: int = 2) -> tuple[str, ...]:
    """Where the page before ended, `~` (behind everything) at first; raises RefusedError cursor-invalid."""
    text = request.query.get("after")
    if text is None:
        return ("~",) * parts
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise RefusedError("cursor-invalid", found=text[:80]) from error
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(each, str) for each in found):
        raise RefusedError("cursor-invalid", found=text[:80])
    return tuple(found)


def page(items: list[Any], keys: list[tuple[str, ...]], wanted: int) -> dict[str, Any]:
    """One page from one item more than were wanted: whether there is more is then known. `keys` are their places in order."""
    shown = items[:wanted]
    following = cursor(keys[wanted - 1]) if len(items) > wanted else None
    return {"items": shown, "next": following}


def cursor(place: tuple[str, ...]) -> str:
    """A place in a list, as callers hand it back."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _path(place: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".") or "-"
