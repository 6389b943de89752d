"""Lists what a period comes to for our company: each line, the total, and how far each statement is.

    python examples/what_is_owed.py http://127.0.0.1:8293 south/management.key 2026-10

Before the period is closed this is a preview from our own books; afterwards it is what all parties have signed.
"""

import asyncio
import sys
from pathlib import Path

from connector.client import Client
from contracts.settlement.amount import major
from contracts.settlement.positions import my_lines


async def main(url: str, key_file: str, period: str) -> None:
    """`url` is the management side of our own connector."""
    async with Client(url, key_file=Path(key_file)) as weft:
        found = await weft.settlement(period)
    for purse in found.purses:
        exponent, currency = purse["exponent"], purse["currency"]
        mine = [each for each in found.documents if (each["currency"], each["exponent"]) == (currency, exponent)]
        lines = my_lines(mine, found.participant)
        for line in lines:
            print(f"{line.ref:12} {line.kind:16} {major(line.amount, exponent, group=True):>16} {currency}")
        total = sum(line.amount for line in lines)
        print(f"{'total':29} {major(total, exponent, group=True):>16} {currency}")
    for statement in found.statements:
        waits = ", ".join(statement["missing"])
        print(f"{statement['ref']}: {statement['state']}" + (f", waits for {waits}" if waits else ""))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
