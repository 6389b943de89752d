"""What the data addresses speak: ranges and preconditions of RFC 9110, digests of RFC 9530, refusals of RFC 9457."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from connector.errors import RETRY_S, TABLE, AuthenticationError, WeftError, is_outage
from connector.identity.tokens import CLOCK_CODES
from policies.errors import PolicyError
from policies.sentences import LANGUAGES, has_sentence, sentence

PROBLEM = "application/problem+json"
PROBLEM_TYPE = "https://w3id.org/weft/problem#"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


@dataclass(frozen=True, slots=True)
class Part:
    """What a request asks of `size` bytes: the status that answers it, and the bytes [start, end)."""

    status: HTTPStatus
    start: int
    end: int
    size: int

    @property
    def headers(self) -> dict[str, str]:
        if self.status is HTTPStatus.PARTIAL_CONTENT:
            return {"Content-Range": f"bytes {self.start}-{self.end - 1}/{self.size}"}
        if self.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return {"Content-Range": f"bytes */{self.size}"}
        return {}

    @property
    def sends(self) -> bool:
        """Whether bytes of the content answer it."""
        return self.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)


def part(headers: Mapping[str, str], etag: str, size: int) -> Part:
    """RFC 9110, 13.2.2: If-Match, then If-None-Match, then Range with If-Range. `etag` is strong and quoted.

    One range is served; several, or a text that is none, are answered with everything, as 14.2 allows.
    """
    if (match := headers.get("If-Match")) is not None and not _names(match, etag):
        return Part(HTTPStatus.PRECONDITION_FAILED, 0, 0, size)
    if (none_match := headers.get("If-None-Match")) is not None and _names(none_match, etag, weak=True):
        return Part(HTTPStatus.NOT_MODIFIED, 0, 0, size)
    whole = Part(HTTPStatus.OK, 0, size, size)
    found = _RANGE.fullmatch(headers.get("Range", "").strip())
    # A date in If-Range never matches: a version here is its bytes, not its time.
    if found is None or headers.get("If-Range", etag).strip() != etag:
        return whole
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return whole
    elif last:
        start, end = max(size - int(last), 0), size
    else:
        return whole
    if start >= end:
        return Part(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0, size)
    return Part(HTTPStatus.PARTIAL_CONTENT, start, end, size)


def repr_digest(sha256: str) -> str:
    """The value of `Repr-Digest` for a SHA-256 of 64 hex digits (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def read_repr_digest(value: str) -> str | None:
    """The SHA-256 as 64 hex digits in a `Repr-Digest`, None when it names none."""
    found = re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):", value)
    return base64.b64decode(found[1]).hex() if found else None


def problem(error: WeftError | PolicyError, status: int | None = None) -> web.Response:
    """An error as the peer may know it: status, code, what the policy compared, a sentence in both languages.

    `status` is that of a refusal whose codes are not in the table of errors: the reasons of a policy.
    """
    code, facts = error.code, dict(error.facts)
    if is_outage(error):
        code, facts = "unavailable", {}
    elif isinstance(error, AuthenticationError) and code not in CLOCK_CODES:
        # Which check failed is for our log; the peer learns only what it can do about it.
        code, facts = "unauthorized", {}
    if status is None:
        status = HTTPStatus.BAD_REQUEST if isinstance(error, PolicyError) else TABLE[code].status
    said = {lang: _said(code, lang, facts) for lang in LANGUAGES}
    body: dict[str, Any] = {
        "type": PROBLEM_TYPE + code,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "reason": code,
        "detail": said["en"],
        "sentences": said,
    }
    for member, fact in (("leftOperand", "left_operand"), ("rule", "rule"), ("seq", "seq"), ("upto", "upto")):
        if facts.get(fact):
            body[member] = facts[fact]
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_S)
    return web.Response(status=status, body=orjson.dumps(body), content_type=PROBLEM, headers=headers)


def _said(code: str, lang: str, facts: Mapping[str, Any]) -> str:
    """The sentence of a refusal by policy comes with it; the others stand in the table. No path of ours leaves."""
    if lang in facts:
        return str(facts[lang])
    name = f"error.{code}"
    return sentence(name, lang, **{**facts, "path": "-"}) if has_sentence(name) else code


def _names(value: str, etag: str, *, weak: bool = False) -> bool:
    """Whether a list of entity tags names this one; the strong comparison does not take a weak tag for it."""
    tags = [tag.strip() for tag in value.split(",")]
    return "*" in tags or etag in tags or (weak and f"W/{etag}" in tags)
