"""How the kit calls a connector: one fixed Authorization value, hardly any patience, no interest in error bodies.

A message that should succeed is tried three times, at 0, 200 and 400 ms, if the answer is a 4xx other than 404; 404, 3xx and 5xx
fail at once. A message that should be refused is sent once and wants a 4xx other than 404.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

import aiohttp

AGAIN_AFTER_S = (0.2, 0.4)
ANSWER_S = 10


class FailedError(Exception):
    """The test failed; the message says why."""


class Caller:
    """The kit's HTTP client."""

    def __init__(self, authorization: str) -> None:
        self._headers = {"Authorization": authorization}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, connect=ANSWER_S, sock_read=ANSWER_S)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def accepted(self, url: str, body: Mapping[str, Any]) -> bytes:
        """Send what must be accepted; returns the answer's body. Raises FailedError."""
        for pause in (*AGAIN_AFTER_S, None):
            status, answer = await self._call("POST", url, body)
            if 200 <= status < 300:
                return answer
            if not _is_refusal(status) or pause is None:
                raise FailedError(f"POST {url} was answered with {status}: {_shown(answer)}")
            await asyncio.sleep(pause)
        raise AssertionError

    async def refused(self, url: str, body: Mapping[str, Any]) -> None:
        """Send what must be refused. Raises FailedError."""
        status, answer = await self._call("POST", url, body)
        if not _is_refusal(status):
            wanted = "a 4xx other than 404"
            raise FailedError(f"POST {url} was answered with {status} instead of {wanted}: {_shown(answer)}")

    async def got(self, url: str) -> bytes:
        """GET what must be there. Raises FailedError."""
        status, answer = await self._call("GET", url)
        if not 200 <= status < 300:
            raise FailedError(f"GET {url} was answered with {status}: {_shown(answer)}")
        return answer

    async def looked(self, url: str) -> bytes:
        """GET whatever the status."""
        return (await self._call("GET", url))[1]

    async def _call(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        data, headers = None, {}
        if body is not None:
            data, headers = json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"}
        try:
            async with self._session.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FailedError(f"{method} {url} got no answer: {error!r}") from error


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status != 404


def _shown(answer: bytes) -> str:
    return " ".join(answer[:300].decode("utf-8", "replace").split())
