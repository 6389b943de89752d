"""A page of 50 datasets in the middle of a catalog, asked over one connection; small and large catalogs take turns.

Each request carries a fresh token, made beforehand. The floor answers with a body of the same size that never changes, and
checks no token: what the check costs is on our side of the ratio.
"""

import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.pair import CONSUMER, PROVIDER, Side, floors, found, serving
from benchmarks.report import Row
from benchmarks.sizes import Sizes
from benchmarks.stock import dataset_id, datasets
from catalog.cursor import PARAMETER, Cursor
from connector.identity.keys import KeyRing
from connector.identity.tokens import make_token
from connector.settings import Settings

TOKEN_LIFETIME_S = 600
MESSAGE = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}


@dataclass(slots=True)
class _Catalog:
    """One provider, and what its pages took."""

    side: Side
    ring: KeyRing
    size: int
    times: list[float] = field(default_factory=list)

    def tokens(self, count: int) -> list[str]:
        now = datetime.now(UTC)
        return [make_token(self.ring, PROVIDER, now, secrets.token_hex(16), TOKEN_LIFETIME_S) for _ in range(count)]

    async def page(self, http: aiohttp.ClientSession, token: str) -> bytes:
        url = f"{self.side.settings.dsp}/catalog/request"
        asked = {PARAMETER: Cursor(key=dataset_id(self.size // 2 - 1)).token()}
        # Uncompressed, as the floor's answer is: what gzip costs is the reader's choice.
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        async with http.post(url, params=asked, json=MESSAGE, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.read()


async def measure(root: Path, sizes: Sizes) -> list[Row]:
    async with AsyncExitStack() as stack:
        bare, _, http = await stack.enter_async_context(floors(root))
        few, many = [
            await _catalog(stack, root / str(size), size) for size in (sizes.few_datasets, sizes.many_datasets)
        ]
        body = await few.page(http, few.tokens(1)[0])
        await http.put(f"{bare.url}/static", data=body)
        static: list[float] = []
        for _ in range(sizes.rounds):
            for each in (few, many):
                for token in each.tokens(sizes.pages):
                    began = time.perf_counter()
                    await each.page(http, token)
                    each.times.append(time.perf_counter() - began)
            for _ in range(sizes.pages):
                began = time.perf_counter()
                async with http.post(f"{bare.url}/static", json=MESSAGE) as answer:
                    await answer.read()
                static.append(time.perf_counter() - began)
    small, large, floor = median(few.times), median(many.times), median(static)
    return [
        Row(
            "catalog page of 50, p50",
            f"{small * 1000:.2f} ms",
            f"{floor * 1000:.2f} ms",
            small / floor,
            4,
            at_most=True,
            beside=(f"{len(body)} bytes a page; Weft checks a token for each, the floor does not",),
        ),
        Row(
            f"the same among {sizes.many_datasets:,} datasets",
            f"{large * 1000:.2f} ms",
            f"{small * 1000:.2f} ms",
            large / small,
            1.2,
            at_most=True,
            beside=(f"compared with the page among {sizes.few_datasets:,}",),
        ),
    ]


async def _catalog(stack: AsyncExitStack, root: Path, size: int) -> _Catalog:
    """A provider with so many datasets; its consumer exists by its keys only."""
    root.mkdir()
    folders = found(root)
    settings = Settings.load(folders[PROVIDER])
    await datasets(size)(settings)
    side = await stack.enter_async_context(serving(PROVIDER, folders[PROVIDER]))
    return _Catalog(side, KeyRing.load(Settings.load(folders[CONSUMER]).keys_dir, CONSUMER), size)
