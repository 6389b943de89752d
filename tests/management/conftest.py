"""One daemon, and a caller of its management side with its key."""

from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.pair import community


class Caller:
    """Requests to one daemon's management side; `key` may be changed."""

    def __init__(self, daemon, http):
        self.daemon = daemon
        self.http = http
        self.base = f"http://127.0.0.1:{daemon.management_port}"
        self.key = daemon.settings.management_key.read_text(encoding="utf-8").strip()

    @asynccontextmanager
    async def open(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        async with self.http.request(method, self.base + path, headers=headers, **options) as answer:
            yield answer

    async def ask(self, method, path, **options):
        """Status and JSON of one request."""
        async with self.open(method, path, **options) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def caller(tmp_path, http):
    async with community(tmp_path, "p-steel") as (daemon,):
        yield Caller(daemon, http)


@pytest.fixture
async def pair(tmp_path, http):
    """Callers of a provider and of a consumer."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield tuple(Caller(daemon, http) for daemon in daemons)
