"""`kill -9` at any line: after the restart both sides converge, nothing acknowledged is lost, the logs verify and agree."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from connector.client import Client
from connector.client.errors import ClientError
from connector.identity.keys import verify_ed25519
from contracts.evidence.findings import compare
from contracts.evidence.pack import verify_export
from tests.offers import OFFER, free_offer
from tests.pair import did, found_space
from tests.processes import Process

pytestmark = pytest.mark.slow
STEEL, DATASET = did("p-steel"), "coil-quality"


@contextlib.asynccontextmanager
async def two(root: Path):
    found_space(root, ["p-steel", "s-zhengshu"])
    daemons = [Process(root / name) for name in ("p-steel", "s-zhengshu")]
    try:
        for daemon in daemons:
            await daemon.start()
        yield daemons
    finally:
        for daemon in daemons:
            daemon.end()


async def published(client: Client, root: Path) -> None:
    source = root / "coil.csv"
    source.write_text("coil,torque\n" + "".join(f"C{number:04d},{number}\n" for number in range(500)), encoding="utf-8")
    await client.publish(
        source, id=DATASET, title={"en": "Coil quality", "zh": "钢卷质量"}, offers=[free_offer(OFFER)], visible_to="all"
    )


async def exported(client: Client, path: Path):
    with path.open("wb") as file:
        async for piece in client.audit_export():
            file.write(piece)
    with path.open("rb") as file:
        return verify_export(file, verify=verify_ed25519)


async def patient(call, *, timeout_s: float = 60):
    """Repeat a call that the other side's death may break."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return await call()
            except ClientError:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("victim", [0, 1], ids=["provider", "consumer"])
async def test_negotiations_survive_sigkill_on_either_side(tmp_path, victim):
    """Thirty negotiations, one side killed five times in between: all end finalized, with one agreement on both sides."""
    luck = random.Random(victim)
    async with two(tmp_path) as daemons:
        steel, zhengshu = daemons
        async with Client(steel.url, key_file=steel.key_file) as provider:
            await published(provider, tmp_path)

        async def ask(number: int) -> str:
            async def call() -> str:
                async with Client(zhengshu.url, key_file=zhengshu.key_file) as consumer:
                    negotiation = await consumer.negotiate(
                        OFFER, provider=STEEL, dataset=DATASET, idempotency_key=f"n{number}"
                    )
                    return negotiation.id

            return await patient(call)

        async def killing() -> None:
            for _ in range(5):
                await asyncio.sleep(luck.random() * 0.4)
                daemons[victim].kill()
                await daemons[victim].start()

        killer = asyncio.create_task(killing())
        pids = await asyncio.gather(*(ask(number) for number in range(30)))
        await killer
        assert len(set(pids)) == 30
        async with (
            Client(steel.url, key_file=steel.key_file) as provider,
            Client(zhengshu.url, key_file=zhengshu.key_file) as consumer,
        ):
            for pid in pids:
                negotiation = await consumer.negotiation(pid)
                await negotiation.wait("FINALIZED", timeout_s=60)
            ours = {(await consumer.negotiation(pid)).agreement for pid in pids}
            theirs = {found.agreement for found in await provider.negotiations(state="FINALIZED").all(limit=100)}
            assert len(ours) == 30
            assert ours == theirs
            reports = [
                await exported(provider, tmp_path / "steel.jsonl"),
                await exported(consumer, tmp_path / "zhengshu.jsonl"),
            ]
        assert all(report.ok for report in reports)
        assert compare(reports) == ()


async def test_sigterm_stops_within_ten_seconds(tmp_path):
    """A daemon that is told to stop does so in time, with exit code 0, and starts again on the same ports."""
    async with two(tmp_path) as (steel, _):
        assert steel.stop(10) == 0
        await steel.start()
        assert steel.stop(10) == 0
