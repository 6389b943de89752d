"""A peer that answers slowly, wrongly, endlessly or not at all.

What was said to it waits with a reason, is delivered when the peer has come to its senses, or ends with the reason. The daemon
deals with everybody else meanwhile.
"""

import contextlib
import gzip
import json

import pytest

from connector.client import Client
from connector.daemon import Daemon
from connector.exchange import command
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.faults.stub import (
    LONG,
    PIECE,
    STATUS,
    Stub,
    acknowledgement,
    bytes_then_end,
    catalog,
    endlessly,
    plainly,
    says,
    silence,
)
from tests.offers import DATASET, OFFER, publish
from tests.pair import did, eventually, found_space, settings, until

pytestmark = pytest.mark.slow
STEEL, STUB = did("p-steel"), did("p-stub")
HTML = b"<!doctype html><title>Sign in</title><p>This network wants you to sign in."
JSON_HEAD = STATUS + b"Content-Type: application/json\r\n\r\n"


def told(**changes):
    """An answer to a request that shows a process, changed."""

    async def answer(stub, heard, writer):
        shown = acknowledgement(stub, heard, **changes)
        body = json.dumps({name: value for name, value in shown.items() if value is not None}).encode()
        writer.write(plainly(201, body))
        await writer.drain()

    return answer


async def anothers(stub, heard, writer):
    """A whole document, only another one."""
    writer.write(plainly(200, json.dumps(catalog(stub)).encode()))
    await writer.drain()


# What happens on the wire, and a word of the reason that people read.
BROKEN = {
    "silent": (silence, "no answer in time"),
    "drips": (endlessly(LONG, b" ", 0.02), "no answer in time"),
    "endless-body": (endlessly(JSON_HEAD, PIECE), "answer-too-large"),
    "endless-headers": (endlessly(STATUS, b"X-More: " + PIECE[:1000] + b"\r\n"), "unreachable"),
    "one-endless-header": (endlessly(STATUS + b"X-More: ", PIECE), "unreachable"),
    "announces-too-much": (
        bytes_then_end(STATUS + b"Content-Length: 99999999999\r\n\r\n{"),
        "answer-too-large",
    ),
    "redirects": (says(307, Location="http://127.0.0.1:1/"), "redirect-refused"),
    "compressed": (says(200, gzip.compress(b"{}"), Content_Encoding="gzip"), "answer-encoded"),
    "closes-at-once": (bytes_then_end(b""), "unreachable"),
    "closes-in-the-head": (bytes_then_end(STATUS[:12]), "unreachable"),
    "closes-in-the-body": (bytes_then_end(LONG + b"{"), "unreachable"),
    "speaks-no-http": (bytes_then_end(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "unreachable"),
    "busy": (says(503, b"", Retry_After="0"), "HTTP 503"),
}
# Answers with a status of success that acknowledge nothing: not our process.
STRANGE = {
    "html": says(200, HTML, "text/html"),
    "a-list": says(200, []),
    "another-document": anothers,
    "another-process-of-ours": told(consumerPid="urn:uuid:00000000-0000-4000-8000-000000000000"),
}
FAULTS = BROKEN | {name: (answer, "HTTP 20") for name, answer in STRANGE.items()}


@contextlib.asynccontextmanager
async def trio(root, **changes):
    """A stub, a good provider, and the consumer that is looked at."""
    found_space(root, ["p-stub", "p-steel", "s-zhengshu"])
    given = {"send_timeout_s": 0.2, "retry_limit_s": 0.1, "give_up_s": 0.5, **changes}
    async with (
        Stub(root / "p-stub") as stub,
        Daemon(settings(root, "p-steel")) as steel,
        Daemon(settings(root, "s-zhengshu", **given)) as zhengshu,
    ):
        await publish(steel)
        yield stub, steel, zhengshu


async def ask(daemon, provider):
    return await command.request(daemon.node, provider=provider, dataset=DATASET, offer=OFFER)


async def reached(daemon, pid, *states):
    return await until(
        daemon,
        f"negotiation:{pid}",
        lambda tx: n if (n := negotiations.get(tx, pid)).state in states else None,
        timeout_s=20,
    )


def client(daemon):
    """A client of its management side, as a person would look at it."""
    return Client(f"http://127.0.0.1:{daemon.management_port}", key_file=daemon.settings.management_key)


async def why_it_waits(daemon):
    """What `weft status` shows of messages that wait, by destination."""
    async with client(daemon) as looking:
        status = await looking.status()
    return {each["destination"]: each["problem"] for each in status.outbox["waiting"]}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_a_bad_answer_leaves_is_a_known_state_with_a_reason(tmp_path, fault):
    """It waits and says why; healed, the very same message is taken; else it is given up, and the process ends with the reason."""
    answer, word = FAULTS[fault]
    async with trio(tmp_path, give_up_s=60) as (stub, _, zhengshu):
        stub.answers["request"] = answer
        pid = await ask(zhengshu, STUB)

        async def told_why():
            return word in (await why_it_waits(zhengshu)).get(STUB, "")

        await eventually(told_why)
        other = await ask(zhengshu, STEEL)
        await reached(zhengshu, other, State.FINALIZED)
        await stub.until("request", 2)
        del stub.answers["request"]
        found = await reached(zhengshu, pid, State.REQUESTED)
        assert found.peer_pid == stub.pid
        assert len({json.dumps(each.body) for each in stub.received("request")}) == 1
        assert STUB not in await why_it_waits(zhengshu)


@pytest.mark.parametrize("fault", ["silent", "endless-body", "redirects", "speaks-no-http", "html"])
async def test_what_never_gets_a_good_answer_is_given_up_with_the_reason(tmp_path, fault):
    """After `give_up_s` the negotiation is terminated; its code and reason are what `weft negotiation` shows."""
    answer, word = FAULTS[fault]
    async with trio(tmp_path) as (stub, _, zhengshu):
        stub.answers["request"] = answer
        pid = await ask(zhengshu, STUB)
        found = await reached(zhengshu, pid, State.TERMINATED)
        assert found.code == "unreachable"
        assert word in found.reason
        async with client(zhengshu) as looking:
            shown = await looking.negotiation(pid)
        assert (shown.state, shown.code, shown.reason) == ("TERMINATED", "unreachable", found.reason)
        assert STUB not in await why_it_waits(zhengshu)
        await reached(zhengshu, await ask(zhengshu, STEEL), State.FINALIZED)


CATALOGS = {
    **{name: answer for name, (answer, _) in BROKEN.items()},
    "html": says(200, HTML, "text/html"),
    "nothing": says(200, b""),
    "a-list": says(200, []),
}


@pytest.mark.parametrize("fault", CATALOGS)
async def test_a_catalog_that_cannot_be_read_hides_nobody_else(tmp_path, fault):
    """The crawl of the bad peer fails with a reason; those of the others go on, and its own when it is well again."""
    async with trio(tmp_path) as (stub, _, zhengshu):
        stub.answers["catalog"] = CATALOGS[fault]
        (bad,), (good,) = await zhengshu.crawler.refresh(STUB), await zhengshu.crawler.refresh(STEEL)
        assert (good.result, good.datasets) == ("ok", 1)
        assert (bad.result, bad.datasets) == ("failed", 0)
        assert bad.reason
        del stub.answers["catalog"]
        (healed,) = await zhengshu.crawler.refresh(STUB)
        assert (healed.result, healed.datasets) == ("ok", 1)
