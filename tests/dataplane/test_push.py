"""Data that the provider sends: Weft to Weft, to a plain receiver, from a plain sender, and all that is refused or cut."""

import asyncio
import hashlib
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from connector.dataplane.http import repr_digest
from connector.exchange import command
from connector.exchange.stop import stop
from connector.store import counter, usage
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.delivery import State
from contracts.transfer.messages import DataAddress
from contracts.transfer.table import State as TransferState
from tests.deliveries import agree, offer_file, reaches, records, rows_of, sent
from tests.dspschema import validate
from tests.listening import in_place_of, listening
from tests.offers import DATASET, free_offer
from tests.pair import community, eventually, free_ports, until
from tests.speaker import Speaker, message, pid

PUSH, EDC = "HttpData-PUSH", "https://w3id.org/edc/v0.0.1/ns/"
ONCE = ({"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "1"},)


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


@pytest.fixture
def large(tmp_path):
    """More than a connection takes in by itself."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(24 * 1024 * 1024))
    return path


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text(rows_of(4000))
    return path


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def agreed(pair, source, *constraints):
    steel, zhengshu = pair
    offer = (
        free_offer(permission=[{"action": "odrl:use", "constraint": list(constraints)}])
        if constraints
        else free_offer()
    )
    await offer_file(steel, source, offer)
    return await agree(steel, zhengshu)


async def received(daemon, transfer, *states, timeout_s=20):
    """The delivery of a transfer to us once it is in one of these states."""

    def check(tx):
        (found,) = deliveries.of_transfer(tx, transfer)
        return found if found.state in (states or (State.RECEIVED, State.FAILED)) else None

    known = (await daemon.node.db.read(lambda tx: deliveries.of_transfer(tx, transfer)))[0]
    return await until(daemon, deliveries.topic(known.id), check, timeout_s=timeout_s)


async def test_weft_pushes_to_weft_as_it_serves_a_pull(pair, source):
    """Equal bytes, a verified manifest and a receipt on both sides, one usage record each, and the provider completes."""
    steel, zhengshu = pair
    agreement = await agreed(pair, source)
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    delivery = await received(zhengshu, mine)
    assert (delivery.state, delivery.code) == (State.RECEIVED, "")
    assert Path(delivery.path).read_bytes() == source.read_bytes()
    ours = await reaches(zhengshu, mine, TransferState.COMPLETED)
    await reaches(steel, ours.peer_pid, TransferState.COMPLETED)
    (provided,) = await sent(steel, ours.peer_pid)
    assert provided.state is State.RECEIVED
    assert (provided.manifest, provided.receipt) == (delivery.manifest, delivery.receipt)
    (ours_counted,), (theirs_counted,) = [await each.node.db.read(usage.page) for each in (zhengshu, steel)]
    assert ours_counted.id == theirs_counted.id
    kept = [record["type"] for record in await records(steel) if record["type"].startswith(("policy.", "delivery."))]
    assert kept == ["policy.decision", "policy.decision", "delivery.reserved", "delivery.released", "delivery.pushed"]
    assert not await records(steel, "authentication.refused")


@pytest.mark.parametrize(("push", "formats"), [(True, ["HttpData-PULL", PUSH]), (False, ["HttpData-PULL"])])
async def test_the_catalog_offers_what_a_request_may_ask_for(tmp_path, source, push, formats):
    """Both formats of a dataset stand in the catalog and alone, valid by the schema; one setting takes the push away."""
    async with community(tmp_path, "p-steel", "s-zhengshu", push=push) as (steel, zhengshu):
        await offer_file(steel, source)
        async with Speaker(zhengshu, steel) as speaker:
            _, catalog = await speaker.send("/catalog/request", message("CatalogRequestMessage"))
            _, alone = await speaker.send(f"/catalog/datasets/{DATASET}", method="GET")
        validate(catalog, "catalog/catalog-schema.json")
        validate(alone, "catalog/dataset-schema.json")
        for dataset in (catalog["dataset"][0], alone):
            assert [each["format"] for each in dataset["distribution"]] == formats


# -- we provide: any receiver -----------------------------------------------------------------------------------------------


def wanted(url, *, properties=(), **members):
    """A data address as the recorded EDC consumer writes it."""
    named = [("baseUrl", url), *properties]
    written = [{"@type": "EndpointProperty", "name": EDC + name, "value": value} for name, value in named]
    return {"@type": "DataAddress", "endpointType": "HttpData", "endpointProperties": written} | members


@asynccontextmanager
async def asking(pair, source, *constraints):
    """A listener in the consumer's place, and how it asks the real provider for a transfer."""
    steel, zhengshu = pair
    agreement = await agreed(pair, source, *constraints)
    document = (await zhengshu.node.db.read(lambda tx: tx.one("agreement.get", digest=agreement)))["id"]
    async with in_place_of(zhengshu) as listener, Speaker(zhengshu, steel) as speaker:
        root = zhengshu.node.base.removesuffix("/dsp/2025-1")

        async def ask(address, **changes):
            given = {"agreementId": document, "format": PUSH, "callbackAddress": zhengshu.node.base}
            body = message("TransferRequestMessage", consumerPid=pid(), **given | changes)
            return await speaker.send(
                "/transfers/request", body if address is None else body | {"dataAddress": address}
            )

        yield listener, f"{root}/sink", ask, speaker, agreement


def push_headers(post):
    return {name: post.headers.get(name) for name in ("Authorization", "Content-Type", "Content-Length", "Repr-Digest")}


async def test_a_plain_receiver_gets_one_post_and_then_the_completion(pair, source):
    """The recorded request of an EDC consumer: a start without address, the bytes with their digest, a completion."""
    data = source.read_bytes()
    async with asking(pair, source) as (listener, sink, ask, _, _):
        status, answer = await ask(wanted(f"{sink}?a=b%20c", properties=[("path", "x"), ("colour", "green")]))
        assert (status, answer["state"]) == (201, "REQUESTED")
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        (start,) = listener.said("TransferStartMessage")
        assert "dataAddress" not in start
        (post,) = listener.posts
        assert (post.path, bytes(post.body)) == ("/sink?a=b%20c", data)
        assert push_headers(post) == {
            "Authorization": None,
            "Content-Type": "text/csv",
            "Content-Length": str(len(data)),
            "Repr-Digest": repr_digest(hashlib.sha256(data).hexdigest()),
        }
        transfer = await reaches(pair[0], answer["providerPid"], TransferState.COMPLETED)
        assert transfer.delivered


@pytest.mark.parametrize(
    ("properties", "members", "name", "value"),
    [
        ([("authKey", "X-Api-Key"), ("authCode", "sesame")], {}, "X-Api-Key", "sesame"),
        ([("authorization", "sesame")], {}, "Authorization", "Bearer sesame"),
        ([("authorization", "Basic c2VzYW1l")], {}, "Authorization", "Basic c2VzYW1l"),
    ],
)
async def test_the_header_that_an_address_names_opens_it(pair, source, properties, members, name, value):
    """EDC's authKey and authCode as they are, a plain authorization as a bearer token unless it names its scheme."""
    async with asking(pair, source) as (listener, sink, ask, _, _):
        await ask(wanted(sink, properties=properties, **members))
        await listener.until(lambda: listener.posts)
        assert listener.posts[0].headers[name] == value


async def test_a_failed_post_is_sent_again_and_is_one_count(pair, source):
    """Refused for the moment, or before a byte was read: the same delivery again from its beginning, counted once."""
    async with asking(pair, source, *ONCE) as (listener, sink, ask, _, agreement):
        listener.statuses = [503, 401, 404]
        _, answer = await ask(wanted(sink))
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        assert [post.whole for post in listener.posts] == [True, False, True, True]
        assert bytes(listener.posts[-1].body) == source.read_bytes()
        assert await used(pair[0], agreement) == [1]
        (delivery,) = await sent(pair[0], answer["providerPid"])
        assert delivery.state is State.RELEASED
        assert len(await records(pair[0], "delivery.reserved")) == 1


async def test_a_yes_before_everything_was_sent_is_none(pair, large):
    """A receiver that answers 2xx to the beginning of the bytes has not taken them: they are sent again."""
    async with asking(pair, large) as (listener, sink, ask, _, _):
        listener.statuses = [299]
        await ask(wanted(sink))
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        assert bytes(listener.posts[-1].body) == large.read_bytes()
        assert [post.whole for post in listener.posts] == [False, True]


async def test_what_the_policy_denies_by_then_is_never_sent(pair, source):
    """A second transfer when the count is spent ends with the reason, before any address is called."""
    async with asking(pair, source, *ONCE) as (listener, sink, ask, _, agreement):
        await ask(wanted(sink))
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        _, answer = await ask(wanted(sink))
        await listener.until(lambda: listener.said("TransferTerminationMessage"))
        assert len(listener.posts) == 1
        ended = await reaches(pair[0], answer["providerPid"], TransferState.TERMINATED)
        assert ended.code == "counter-exhausted"
        assert await used(pair[0], agreement) == [1]


@pytest.mark.parametrize(
    ("status", "give_up_s", "code"), [(403, 86400, "push-refused"), (503, 0.2, "push-undelivered")]
)
async def test_a_receiver_that_does_not_take_it_ends_the_transfer(tmp_path, source, status, give_up_s, code):
    """Its last word at once, its troubles after the time that is allowed; the reason names place and answer, and no secret."""
    async with (
        community(tmp_path, "p-steel", "s-zhengshu", give_up_s=give_up_s, retry_limit_s=0.1) as pair,
        asking(pair, source) as (listener, sink, ask, _, _),
    ):
        listener.statuses = [status] * 1000
        _, answer = await ask(wanted(f"{sink}/secret"))
        (ended,) = await listener.until(lambda: listener.said("TransferTerminationMessage"))
        assert ended["code"] == code
        assert sink.removesuffix("/sink") in ended["reason"][0]
        assert f"HTTP {status}" in ended["reason"][0]
        assert "secret" not in ended["reason"][0]
        await reaches(pair[0], answer["providerPid"], TransferState.TERMINATED)


REFUSED_ADDRESSES = {
    "no address": (None, "message-invalid", "dataAddress"),
    "no place": (
        wanted("")["endpointProperties"] and {"@type": "DataAddress", "endpointType": "HttpData"},
        "message-invalid",
        "endpoint",
    ),
    "another kind": (wanted("http://127.0.0.1:1/sink", endpointType="AmazonS3"), "message-invalid", "endpointType"),
    "a stranger's": (wanted("http://127.0.0.1:1/sink"), "address-outside-list", "127.0.0.1:1"),
    "metadata": (wanted("http://169.254.169.254/latest"), "address-outside-list", "169.254.169.254"),
    "no web address": (wanted("file:///etc/passwd"), "address-malformed", "file:///etc/passwd"),
    "framing": (
        wanted("http://127.0.0.1:1/sink", properties=[("authKey", "Content-Length"), ("authCode", "0")]),
        "message-invalid",
        "endpointProperties",
    ),
    "two headers": (
        wanted("http://127.0.0.1:1/sink", properties=[("authorization", "a\r\nX-Evil: b")]),
        "message-invalid",
        "endpointProperties",
    ),
}


async def test_an_address_that_may_not_be_called_is_refused_at_the_request(pair, source):
    """400 with the rule and the member or address; nothing is started, and a pull may not bring an address either."""
    async with asking(pair, source) as (listener, sink, ask, _, _):
        for name, (address, code, named) in REFUSED_ADDRESSES.items():
            status, answer = await ask(address)
            assert (name, status, answer["code"]) == (name, 400, code)
            assert named in answer["reason"][0]
        status, answer = await ask(wanted(sink), format="HttpData-PULL")
        assert (status, answer["code"]) == (400, "message-invalid")
        assert not listener.messages
        assert not await pair[0].node.db.read(transfers.page)


async def test_an_allowed_destination_is_a_setting(tmp_path, source):
    """An origin of `push_destinations` is called although it is no member's; without pushing, no push is taken."""
    (port,) = free_ports(1)
    allowed = f"http://127.0.0.1:{port}"
    async with (
        community(tmp_path, "p-steel", "s-zhengshu", push_destinations=[allowed]) as pair,
        listening(port) as other,
        asking(pair, source) as (listener, _, ask, _, _),
    ):
        await ask(wanted(f"{allowed}/sink"))
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        assert bytes(other.posts[0].body) == source.read_bytes()
    async with (
        community(tmp_path / "off", "p-steel", "s-zhengshu", push=False) as pair,
        asking(pair, source) as (_, sink, ask, _, _),
    ):
        status, answer = await ask(wanted(sink))
        assert (status, answer["code"]) == (400, "format-unsupported")


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_a_suspension_cuts_the_stream_and_what_resumes_begins_anew(pair, large, side):
    """No further byte is written while it is suspended by either side; afterwards everything comes again, and is one count."""
    steel = pair[0]
    async with asking(pair, large, *ONCE) as (listener, sink, ask, speaker, agreement):
        listener.gate.clear()
        _, answer = await ask(wanted(sink))
        await listener.until(lambda: listener.posts and listener.posts[0].body)
        mine = answer["providerPid"]
        pids = {"providerPid": mine, "consumerPid": answer["consumerPid"]}
        if side == "provider":
            await command.suspend(steel.node, mine, reason="maintenance")
        else:
            status, _ = await speaker.send(
                f"/transfers/{mine}/suspension", message("TransferSuspensionMessage", **pids)
            )
            assert status == 200
        (cut,) = await recorded(steel, "delivery.cut")
        assert cut["reason"] == "transfer-suspended"
        await reaches(steel, mine, TransferState.SUSPENDED)
        listener.gate.set()
        if side == "provider":
            await command.resume(steel.node, mine)
        else:
            status, _ = await speaker.send(f"/transfers/{mine}/start", message("TransferStartMessage", **pids))
            assert status == 200
        await listener.until(lambda: listener.said("TransferCompletionMessage"))
        first, *_, last = listener.posts
        assert not first.whole
        assert bytes(last.body) == large.read_bytes()
        assert await used(steel, agreement) == [1]


async def test_a_termination_by_the_consumer_cuts_the_stream(pair, large):
    """A transfer that has ended sends nothing more, and nothing is completed."""
    async with asking(pair, large) as (listener, sink, ask, speaker, _):
        listener.gate.clear()
        _, answer = await ask(wanted(sink))
        await listener.until(lambda: listener.posts and listener.posts[0].body)
        pids = {name: answer[name] for name in ("providerPid", "consumerPid")}
        await speaker.send(
            f"/transfers/{pids['providerPid']}/termination", message("TransferTerminationMessage", **pids)
        )
        (cut,) = await recorded(pair[0], "delivery.cut")
        assert cut["details"]["position"] < large.stat().st_size
        listener.gate.set()
        assert not listener.said("TransferCompletionMessage")
        assert len(listener.posts) == 1


async def test_an_empty_file_is_pushed_like_any_other(pair, tmp_path):
    """No byte at all is a delivery too: to a plain receiver and to one that verifies."""
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    steel, zhengshu = pair
    agreement = await agreed(pair, empty)
    mine = await command.start(zhengshu.node, agreement=agreement, push=True)
    delivery = await received(zhengshu, mine)
    assert (delivery.state, delivery.code, delivery.size) == (State.RECEIVED, "", 0)
    assert Path(delivery.path).read_bytes() == b""
    ours = await reaches(zhengshu, mine, TransferState.COMPLETED)
    await reaches(steel, ours.peer_pid, TransferState.COMPLETED)
    assert [each["type"] for each in await records(steel, "delivery.released", "delivery.pushed")] == [
        "delivery.released",
        "delivery.pushed",
    ]


@pytest.mark.slow
async def test_a_receiver_that_takes_no_bytes_is_given_up(tmp_path, large):
    """A connection that stays open and is not read is one failed attempt, and its memory is not ours."""
    impatient = {"data_timeout_s": 0.3, "give_up_s": 0.2}
    async with community(tmp_path, "p-steel", "s-zhengshu", **impatient) as pair, asking(pair, large) as asked:
        listener, sink, ask, _, _ = asked
        listener.gate.clear()
        await ask(wanted(sink))
        (ended,) = await listener.until(lambda: listener.said("TransferTerminationMessage"))
        assert ended["code"] == "push-undelivered"
        assert "takes no more bytes" in ended["reason"][0]


async def test_a_source_that_changed_is_never_sent(pair, source):
    """Between two attempts the file becomes another one: the transfer ends with that, not with other bytes."""
    async with asking(pair, source) as (listener, sink, ask, _, _):
        listener.gate.clear()
        listener.statuses = [503]
        await ask(wanted(sink))
        await listener.until(lambda: listener.posts)
        source.write_text(rows_of(3000))
        listener.gate.set()
        (ended,) = await listener.until(lambda: listener.said("TransferTerminationMessage"))
        assert ended["code"] == "source-changed"
        assert str(source) not in ended["reason"][0]
        assert len(listener.posts) == 1


@pytest.mark.slow
async def test_a_time_window_that_ends_stops_a_running_push(tmp_path, source):
    """The policy is asked again while bytes leave: what it stops is cut within a second, and the transfer ends with it."""
    until_then = {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2026-11-10T01:00:03Z"}
    slowly = {"test_rate_limit_bytes_s": 10_000}
    async with (
        community(tmp_path, "p-steel", "s-zhengshu", **slowly) as pair,
        asking(pair, source, until_then) as (listener, sink, ask, _, _),
    ):
        await ask(wanted(sink))
        (ended,) = await listener.until(lambda: listener.said("TransferTerminationMessage"))
        (cut,) = await records(pair[0], "delivery.cut")
        assert cut["reason"] == ended["code"] == "outside-validity"
        assert not any(post.whole for post in listener.posts)


# -- we consume: any sender -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def expecting(pair, source):
    """A listener in the provider's place that has our request for a push: (transfer, plain url, EDC's url, header, speaker)."""
    steel, zhengshu = pair
    agreement = await agreed(pair, source)
    async with in_place_of(steel) as listener, Speaker(steel, zhengshu) as speaker:
        mine = await command.start(zhengshu.node, agreement=agreement, push=True)
        (request,) = await listener.until(lambda: listener.said("TransferRequestMessage"))
        validate(request, "transfer/transfer-request-message-schema.json")
        assert request["format"] == PUSH
        address = DataAddress.model_validate(request["dataAddress"])
        base = next(each.value for each in address.properties if each.name == f"{EDC}baseUrl")
        assert address.endpoint_type == "HttpData"
        transfer = await reaches(zhengshu, mine, TransferState.REQUESTED)
        yield transfer, address.endpoint, base, {"Authorization": f"Bearer {address.token}"}, speaker


async def chunked(data, step=10_000):
    for start in range(0, len(data), step):
        yield data[start : start + step]


async def test_an_edc_that_sends_before_it_starts_is_taken_in(pair, source, http):
    """Chunked, without any header, at the baseUrl of the address, then start and completion as recorded: a plain delivery."""
    zhengshu, data = pair[1], source.read_bytes()
    async with expecting(pair, source) as (transfer, _, base, _, speaker):
        async with http.post(base, data=chunked(data), headers={"Content-Type": "application/octet-stream"}) as answer:
            assert answer.status == 200
        delivery = await received(zhengshu, transfer.pid)
        assert (delivery.state, delivery.code) == (State.RECEIVED, "unverified")
        assert Path(delivery.path).read_bytes() == data
        pids = {"providerPid": transfer.peer_pid, "consumerPid": transfer.pid}
        repeated = wanted("http://localhost:18080/sink")  # as EDC 0.17 repeats ours; it counts for nothing
        start = message("TransferStartMessage", **pids, dataAddress=repeated)
        assert (await speaker.send(f"/transfers/{transfer.pid}/start", start))[0] == 200
        done = message("TransferCompletionMessage", **pids)
        assert (await speaker.send(f"/transfers/{transfer.pid}/completion", done))[0] == 200
        kept = await zhengshu.node.db.read(lambda tx: transfers.get(tx, transfer.pid))
        assert kept.state is TransferState.COMPLETED
        assert kept.data_address == transfer.data_address
        assert (await received(zhengshu, transfer.pid)).state is State.RECEIVED
        async with http.post(base, data=data) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (403, "transfer-over")
        assert Path(delivery.path).read_bytes() == data


async def test_the_token_opens_the_inbox_and_nothing_else_does(pair, source, http):
    """As bearer token, raw, or in the path; a wrong one, none, and an unknown transfer are one answer, and leave no file."""
    zhengshu = pair[1]
    async with expecting(pair, source) as (transfer, endpoint, base, headers, _):
        unknown = endpoint.replace(transfer.pid, pid())
        refused = [
            (endpoint, {}),
            (endpoint, {"Authorization": "Bearer wrong"}),
            (f"{endpoint}/wrong", headers),
            (f"{endpoint}/%E4%B8%AD", {}),
            (unknown, headers),
        ]
        answers = []
        for url, shown in refused:
            async with http.post(url, data=b"x", headers=shown) as answer:
                answers.append((answer.status, (await answer.json())["reason"]))
        assert answers == [(401, "unauthorized")] * len(refused)
        assert not list((zhengshu.settings.data_dir / "received").rglob("*"))
        for record in await records(zhengshu, "authentication.refused"):
            assert base.rpartition("/")[2] not in json.dumps(record)
        raw = {"Authorization": headers["Authorization"].removeprefix("Bearer ")}
        for url, shown, body in ((endpoint, headers, b"one"), (endpoint, raw, b"two"), (base, {}, b"three")):
            async with http.post(url, data=body, headers=shown) as answer:
                assert answer.status == 200
            delivery = await received(zhengshu, transfer.pid)
            assert Path(delivery.path).read_bytes() == body


async def test_a_digest_proves_what_is_pushed_or_fails_it(pair, source, http):
    """`Repr-Digest` with the bytes makes them verified; a wrong one leaves no file and ends the delivery."""
    zhengshu, data = pair[1], source.read_bytes()
    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        digest = {"Repr-Digest": repr_digest(hashlib.sha256(data).hexdigest())}
        async with http.post(endpoint, data=data, headers=headers | digest) as answer:
            assert answer.status == 200
        delivery = await received(zhengshu, transfer.pid)
        assert (delivery.code, delivery.verified) == ("", len(data))
    async with (
        community(pair[0].settings.directory.parent / "again", "p-steel", "s-zhengshu") as other,
        expecting(other, source) as (transfer, endpoint, _, headers, _),
    ):
        async with http.post(endpoint, data=data + b"!", headers=headers | digest) as answer:
            assert answer.status == 422
        delivery = await received(other[1], transfer.pid)
        assert (delivery.state, delivery.code) == (State.FAILED, "digest-differs")
        assert not [each for each in (other[1].settings.data_dir / "received").rglob("*") if each.is_file()]


async def test_a_post_that_breaks_off_leaves_nothing_and_may_come_again(pair, source, http):
    """A connection that ends in the middle is no delivery, whether its length was announced or not; the next one is."""
    zhengshu, data = pair[1], source.read_bytes()

    async def broken():
        yield data[: len(data) // 2]
        raise RuntimeError("the sender dies")

    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        for length in ({}, {"Content-Length": str(len(data))}):
            with pytest.raises(aiohttp.ClientError):
                await http.post(endpoint, data=broken(), headers=headers | length)
        async with http.post(endpoint, data=data, headers=headers) as answer:
            assert answer.status == 200
        delivery = await received(zhengshu, transfer.pid)
        assert Path(delivery.path).read_bytes() == data
        folder = zhengshu.settings.data_dir / "received"
        assert [each.name for each in folder.rglob("*") if each.is_file()] == [Path(delivery.path).name]


async def test_what_is_larger_than_we_take_is_refused(tmp_path, source, http):
    """413 whether the length is announced or not, and no file."""
    async with (
        community(tmp_path, "p-steel", "s-zhengshu", push_limit_bytes=1000) as pair,
        expecting(pair, source) as (transfer, endpoint, _, headers, _),
    ):
        for data in (b"x" * 1001, chunked(b"x" * 1001, 500)):
            async with http.post(endpoint, data=data, headers=headers) as answer:
                assert answer.status == 413
        async with http.post(endpoint, data=b"x" * 1000, headers=headers) as answer:
            assert answer.status == 200
        assert (await received(pair[1], transfer.pid)).size == 1000


async def test_nothing_comes_in_while_we_have_suspended_it(pair, source, http):
    """Our own suspension cuts what is coming in and refuses what comes, from the commit of the command on."""
    zhengshu, data = pair[1], source.read_bytes()
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield data[:1000]
        started.set()
        await go_on.wait()
        yield data[1000:]

    async with expecting(pair, source) as (transfer, endpoint, _, headers, speaker):
        pids = {"providerPid": transfer.peer_pid, "consumerPid": transfer.pid}
        await speaker.send(f"/transfers/{transfer.pid}/start", message("TransferStartMessage", **pids))
        sending = asyncio.create_task(http.post(endpoint, data=slow(), headers=headers).__aenter__())
        await started.wait()
        await until_begun(zhengshu)
        await command.suspend(zhengshu.node, transfer.pid, reason="stop")
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(10):
                await sending
        async with http.post(endpoint, data=data, headers=headers) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (409, "transfer-suspended")
        assert not [each for each in (zhengshu.settings.data_dir / "received").rglob("*") if each.is_file()]


async def test_a_newer_post_takes_the_place_of_an_older_one(pair, source, http):
    """A sender that begins again has given the first one up: the first is cut, the second is the delivery."""
    zhengshu, data = pair[1], source.read_bytes()
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield b"old" * 1000
        started.set()
        await go_on.wait()
        yield b"old"

    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        older = asyncio.create_task(http.post(endpoint, data=slow(), headers=headers).__aenter__())
        await started.wait()
        await until_begun(zhengshu)
        async with http.post(endpoint, data=data, headers=headers) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(10):
                await older
        assert Path((await received(zhengshu, transfer.pid)).path).read_bytes() == data


async def test_a_sender_that_falls_silent_is_let_go(tmp_path, source, http):
    """Nothing for as long as a delivery may be silent ends the POST, not the delivery."""

    async def silent():
        yield b"x" * 1000
        await asyncio.Event().wait()

    async with (
        community(tmp_path, "p-steel", "s-zhengshu", data_timeout_s=0.2) as pair,
        expecting(pair, source) as (transfer, endpoint, _, headers, _),
    ):
        async with http.post(endpoint, data=silent(), headers=headers) as answer:
            assert answer.status == 502
        async with http.post(endpoint, data=b"all", headers=headers) as answer:
            assert answer.status == 200
        assert (await received(pair[1], transfer.pid)).size == 3


async def test_a_disk_that_takes_nothing_is_our_trouble(pair, source, http):
    """500, so that the sender tries again; once it can be written, the delivery is there."""
    zhengshu = pair[1]
    folder = zhengshu.settings.data_dir / "received"
    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        folder.write_text("in the way")
        async with http.post(endpoint, data=b"x", headers=headers) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (500, "received-unwritable")
        folder.unlink()
        async with http.post(endpoint, data=b"x", headers=headers) as answer:
            assert answer.status == 200
        assert (await received(zhengshu, transfer.pid)).state is State.RECEIVED


async def test_a_manifest_that_is_named_must_be_there(pair, source, http):
    """Who says that it speaks Weft and has no evidence to show has not delivered: nothing is kept."""
    zhengshu = pair[1]
    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        named = {"Weft-Manifest": "sha-256:" + "0" * 64}
        async with http.post(endpoint, data=source.read_bytes(), headers=headers | named) as answer:
            assert answer.status == 422
        delivery = await received(zhengshu, transfer.pid)
        assert (delivery.state, delivery.code) == (State.FAILED, "manifest-invalid")


async def test_nothing_comes_in_from_a_partner_that_is_stopped(pair, source, http):
    """The kill switch closes the inbox as it closes everything else."""
    zhengshu = pair[1]
    async with expecting(pair, source) as (transfer, endpoint, _, headers, _):
        await stop(zhengshu.node, pair[0].node.participant, "audit")
        async with http.post(endpoint, data=b"x", headers=headers) as answer:
            assert answer.status == 403
        assert (await received(zhengshu, transfer.pid)).state is State.FAILED


async def test_a_completion_without_bytes_fails_the_delivery(pair, source):
    """Who says that it is done and has sent nothing whole has not delivered."""
    zhengshu = pair[1]
    async with expecting(pair, source) as (transfer, _, _, _, speaker):
        pids = {"providerPid": transfer.peer_pid, "consumerPid": transfer.pid}
        for kind, place in (("TransferStartMessage", "start"), ("TransferCompletionMessage", "completion")):
            assert (await speaker.send(f"/transfers/{transfer.pid}/{place}", message(kind, **pids)))[0] == 200
        delivery = await received(zhengshu, transfer.pid)
        assert (delivery.state, delivery.code) == (State.FAILED, "push-missing")


# -- helpers ----------------------------------------------------------------------------------------------------------------


async def used(daemon, agreement):
    return [count for _, _, count in await daemon.node.db.read(lambda tx: counter.of_agreement(tx, agreement))]


async def recorded(daemon, type_):
    """The audit records of a type once there is one."""
    return await eventually(lambda: records(daemon, type_))


async def until_begun(daemon):
    """Wait until a part of a delivery is there."""

    async def begun():
        return list((daemon.settings.data_dir / "received").rglob("*.part"))

    await eventually(begun)
