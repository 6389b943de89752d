"""Thousands of random messages leave a daemon as large as it was."""

import asyncio
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from connector.clock import Clock
from connector.dsp.routes import MESSAGES
from tests.cases.stub import Stub
from tests.offers import DATASET, free_offer
from tests.pair import did, found_space
from tests.processes import Process
from tests.random_messages.arena import encoded
from tests.random_messages.test_random_messages import ANSWERS, made
from tests.speaker import Speaker, message, pid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
GROWTH_BYTES = 32 * 1024 * 1024
WARMING, MEASURED, AT_ONCE = 1500, 4000, 8
STEEL = did("p-steel")


def resident(process):
    """Bytes of memory a child holds."""
    lines = Path(f"/proc/{process.child.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


async def published(process, source):
    """One dataset over the native API of a daemon in its own process."""
    key = process.key_file.read_text().strip()
    body = {"path": str(source), "id": DATASET, "title": {"en": "Rows", "zh": "行"}, "offers": [free_offer()]}
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.post(f"{process.url}/v1/datasets", json=body) as answer,
    ):
        assert answer.status in (200, 201), await answer.text()


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
async def test_a_daemon_does_not_grow_with_the_messages_it_gets(tmp_path):
    """Between message 1,500 and 5,500 resident memory grows by less than 32 MiB, whatever the messages are."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    process = Process(
        tmp_path / "p-steel", WEFT_PEER_REQUESTS_PER_S="100000", WEFT_RETRY_FIRST_S="30", WEFT_RETRY_LIMIT_S="60"
    )
    try:
        async with Stub(tmp_path / "s-zhengshu") as stub:
            await process.start()
            await published(process, source)
            other = SimpleNamespace(node=SimpleNamespace(base=process.settings.dsp, participant=STEEL), clock=Clock())
            async with Speaker(stub.speaks_as, other) as speaker:
                asked = {"consumerPid": pid(), "callbackAddress": stub.base}
                offer = {**free_offer(), "target": DATASET}
                status, opened = await speaker.send(
                    "/negotiations/request", message("ContractRequestMessage", **asked, offer=offer)
                )
                assert status == 201, opened
                await stub.until("ContractAgreementMessage")
                counted = await _sent(speaker, stub, opened, range(WARMING))
                before = resident(process)
                counted |= await _sent(speaker, stub, opened, range(WARMING, WARMING + MEASURED))
                after = resident(process)
                assert (await speaker.send("/catalog/request", method="GET"))[0] == 200
        assert {201, 400} <= counted <= ANSWERS
        assert after - before < GROWTH_BYTES
    finally:
        process.end()
    assert "Traceback" not in (tmp_path / "p-steel" / "serve.log").read_text()


async def _sent(speaker, stub, opened, numbers):
    """Send the messages of these numbers, some at once; returns the statuses."""
    waiting, found = iter(numbers), set()

    async def some():
        for number in waiting:
            luck = random.Random(number)
            path = luck.choice(list(MESSAGES))
            known = {
                "providerPid": (opened["providerPid"],),
                "consumerPid": (opened["consumerPid"], f"urn:uuid:{number}"),
                "callbackAddress": (stub.base,),
                "@id": (free_offer()["@id"], f"urn:uuid:{number}"),
                "target": (DATASET,),
                "action": ("odrl:use",),
                "assigner": (STEEL,),
            }
            offer = {**free_offer(), "target": DATASET}
            right = message("ContractRequestMessage", consumerPid=pid(), callbackAddress=stub.base, offer=offer)
            body = made(path, luck, known, right)
            named = path.replace("{pid}", opened["providerPid"])
            status, _ = await speaker.send(named, body if isinstance(body, bytes) else encoded(body))
            found.add(status)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return found
