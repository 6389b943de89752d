"""While the store cannot write, everything that would have to be written is answered 503 and tried again: nothing is final.

A connector of another make ends its process at any answer between 400 and 499, so an outage of ours must never look like one.
"""

import io
import json
import uuid

import aiohttp
import pytest

from connector.exchange import command
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.deliveries import address, agree, offer_file, rows_of, start
from tests.exchange.test_inbound import request, termination
from tests.faults.outages import OUTAGES
from tests.offers import DATASET, free_offer, publish
from tests.pair import community, did, eventually, types, until
from tests.speaker import Speaker, message, pid

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
AT_ONCE = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0002"


@pytest.fixture
async def space(tmp_path):
    """p-steel provides and has the outage; s-zhengshu speaks by hand and asks."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await publish(steel, decision="person")
        async with Speaker(zhengshu, steel) as speaker:
            yield steel, zhengshu, speaker


async def said(speaker, method, path, body=None, **more):
    """Status, headers and bytes of one request."""
    data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    headers = {"Authorization": f"Bearer {more.get('token') or speaker.token()}"}
    async with speaker.session.request(method, speaker.base + path, data=data, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


def everything(speaker, open_pid):
    """One request of every kind that has to be written down, good ones and bad ones."""
    pids = {"providerPid": open_pid, "consumerPid": pid()}
    return {
        "a request": ("POST", "/negotiations/request", request(speaker)),
        "no JSON": ("POST", "/negotiations/request", b"{"),
        "another shape": ("POST", "/negotiations/request", message("CatalogRequestMessage")),
        "too large": ("POST", "/negotiations/request", b" " * (speaker.other.settings.message_limit_bytes + 1)),
        "a process nobody knows": ("POST", f"/negotiations/{pid()}/termination", termination(pids)),
        "what the state forbids": (
            "POST",
            f"/negotiations/{open_pid}/events",
            message("ContractNegotiationEventMessage", **pids, eventType="ACCEPTED"),
        ),
        "an ending": ("POST", f"/negotiations/{open_pid}/termination", termination(pids)),
        "a transfer": (
            "POST",
            "/transfers/request",
            message(
                "TransferRequestMessage",
                consumerPid=pid(),
                agreementId=f"urn:uuid:{uuid.uuid4()}",
                format="HttpData-PULL",
                callbackAddress=speaker.daemon.node.base,
            ),
        ),
    }


@pytest.mark.parametrize("outage", OUTAGES)
async def test_whatever_would_be_written_is_answered_503(space, outage):
    """Good or bad, known or not: as long as a refusal cannot be recorded, it is no refusal. The header says when to come again."""
    steel, _, speaker = space
    status, opened = await speaker.send("/negotiations/request", request(speaker))
    assert status == 201
    before = await steel.node.db.read(types(steel))
    async with OUTAGES[outage](steel):
        for name, (method, path, body) in everything(speaker, opened["providerPid"]).items():
            status, headers, answer = await said(speaker, method, path, body)
            assert (name, status) == (name, 503)
            assert int(headers["Retry-After"]) > 0
            assert answer.startswith(b"{")
            assert str(steel.settings.data_dir).encode() not in answer
    assert [kind for kind in await steel.node.db.read(types(steel)) if kind == "message.refused"] == [
        kind for kind in before if kind == "message.refused"
    ]
    status, _ = await speaker.send("/negotiations/request", request(speaker))
    assert status == 201


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_stranger_learns_nothing_of_an_outage(space, outage):
    """Who cannot prove who it is gets the same 401 as ever: that is no outage's doing, and nothing of the store shows."""
    steel, _, speaker = space
    async with OUTAGES[outage](steel):
        for token in ("nonsense", speaker.token(audience=ZHENGSHU)):
            status, _, answer = await said(speaker, "POST", "/negotiations/request", request(speaker), token=token)
            assert status == 401
            assert json.loads(answer)["code"] == "unauthorized"


@pytest.mark.parametrize("outage", OUTAGES)
async def test_reading_goes_on(space, outage):
    """The catalog, a dataset and a process are shown as they are: nothing has to be written for that."""
    steel, _, speaker = space
    status, opened = await speaker.send("/negotiations/request", request(speaker))
    assert status == 201
    async with OUTAGES[outage](steel):
        for method, path, body in (
            ("POST", "/catalog/request", message("CatalogRequestMessage")),
            ("GET", f"/catalog/datasets/{DATASET}", None),
            ("GET", f"/negotiations/{opened['providerPid']}", None),
        ):
            assert (path, (await said(speaker, method, path, body))[0]) == (path, 200)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_a_negotiation_waits_out_the_outage(space, outage):
    """Asked while the other side cannot write: nothing is lost, and it is finalized when the outage is over."""
    steel, zhengshu, _ = space
    await publish(steel, free_offer(AT_ONCE), dataset="at-once")
    async with OUTAGES[outage](steel):
        asked = await command.request(zhengshu.node, provider=STEEL, dataset="at-once", offer=AT_ONCE)

        def waits(tx):
            row = tx.one("outbox.first_of_process", process=asked)
            return row if row and row["attempts"] > 1 else None

        row = await eventually(lambda: zhengshu.node.db.read(waits))
        assert "HTTP 503" in row["problem"]
        assert (await zhengshu.node.db.read(lambda tx: negotiations.get(tx, asked))).state is None
    found = await until(
        zhengshu,
        f"negotiation:{asked}",
        lambda tx: n if (n := negotiations.get(tx, asked)).state is State.FINALIZED else None,
    )
    assert found.agreement


@pytest.mark.parametrize("outage", OUTAGES)
async def test_no_byte_leaves_that_cannot_be_counted(tmp_path, outage):
    """The gate reserves before it sends: while that cannot be kept, the answer is 503, and afterwards the delivery is whole."""
    source = tmp_path / "source.csv"
    source.write_text(rows_of(300))
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu), aiohttp.ClientSession() as http:
        await offer_file(steel, source)
        ours, _ = await start(steel, zhengshu, await agree(steel, zhengshu))
        url, headers = address(ours)
        async with OUTAGES[outage](steel):
            for path in ("", "/manifest"):
                async with http.get(url + path, headers=headers) as answer:
                    assert (path, answer.status) == (path, 503)
                    assert int(answer.headers["Retry-After"]) > 0
                    assert source.read_bytes()[:20] not in await answer.read()
        async with http.get(url, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, source.read_bytes())
