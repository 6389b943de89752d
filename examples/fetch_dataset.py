"""Finds a dataset of the space, negotiates its terms, fetches the verified file and reads it.

    python examples/fetch_dataset.py http://127.0.0.1:8293 south/management.key "coil quality" quality-control

The terms it agrees to stand below: whatever an offer asks beyond them is refused before anything is sent.
"""

import asyncio
import csv
import sys
from pathlib import Path

from connector.client import Client, accept


async def main(url: str, key_file: str, words: str, purpose: str) -> None:
    """`url` is the management side of our own connector, `words` are those to search for."""
    terms = accept.if_(
        purpose=purpose,
        region={"CN-31", "CN-32", "CN-33"},
        allow_duties={"reportUsage", "delete", "desensitize"},
        no_onward_transfer=True,
    )
    async with Client(url, key_file=Path(key_file)) as weft:
        found = await weft.find(words).all(limit=1)
        if not found:
            sys.exit(f"nothing in the space is found by: {words}")
        delivery = await weft.fetch(found[0], purpose=purpose, accept=terms, save="received.csv")
        rows = list(csv.DictReader((await delivery.text()).splitlines()))
    print(f"{found[0].id} of {found[0].provider}: {len(rows)} rows, verified: {delivery.verified}")
    print(rows[0])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
