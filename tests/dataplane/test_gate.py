"""The gate as a peer meets it over HTTP: the order of its checks, what counts, what is free, what is refused and recorded."""

import asyncio
import hashlib
import sqlite3
from http import HTTPStatus

import aiohttp
import pytest

from connector.exchange import command
from connector.store import counter
from connector.store import delivery as deliveries
from contracts.evidence.manifest import unpack_leaves
from contracts.evidence.merkle import leaf_hash, root
from contracts.transfer.table import State
from tests.deliveries import address, agree, fetched, offer_file, reaches, records, rows_of, sent, start
from tests.offers import OFFER, free_offer
from tests.pair import community

COLUMNS = "https://w3id.org/weft/policy/v1#columns"
ZONE = "https://w3id.org/weft/policy/v1#timeZone"


def a_day(limit):
    """An `and` that allows so many deliveries a day in Shanghai."""
    parts = (("odrl:count", "lteq", str(limit)), ("odrl:timeInterval", "eq", "P1D"), (ZONE, "eq", "Asia/Shanghai"))
    return {"and": [{"leftOperand": left, "operator": op, "rightOperand": right} for left, op, right in parts]}


def granted(columns):
    return {"leftOperand": COLUMNS, "operator": "isPartOf", "rightOperand": columns}


def offer(*constraints):
    return free_offer(
        profile=["https://w3id.org/weft/policy/v1"],
        permission=[{"action": "odrl:use", "constraint": list(constraints)}],
    )


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def pair(tmp_path):
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text(rows_of(400))
    return path


async def opened(pair, source, *constraints):
    """A started transfer under an offer with these constraints; endpoint, headers and the provider's pid."""
    steel, zhengshu = pair
    await offer_file(steel, source, offer(*constraints) if constraints else free_offer())
    agreement = await agree(steel, zhengshu, offer=OFFER)
    ours, theirs = await start(steel, zhengshu, agreement)
    return *address(ours), theirs.pid, agreement


async def used(daemon, agreement):
    return [count for _, _, count in await daemon.node.db.read(lambda tx: counter.of_agreement(tx, agreement))]


async def test_manifest_leaves_and_bytes_agree(pair, source, http):
    """The signed root is the root over the leaves of the bytes; ETag and Repr-Digest say the same of the same bytes."""
    url, headers, _, _ = await opened(pair, source)
    async with http.get(f"{url}/manifest", headers=headers) as answer:
        manifest = (await answer.json())["document"]
    async with http.get(f"{url}/chunks", headers=headers) as answer:
        leaves = unpack_leaves(await answer.read())
    async with http.get(url, headers=headers) as answer:
        data = await answer.read()
        assert answer.headers["ETag"] == f'"{manifest["root"]}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.content_type == "text/csv"
    assert data == source.read_bytes()
    assert leaves == [leaf_hash(data)]
    assert manifest["root"] == f"sha-256:{root(leaves).hex()}"
    assert manifest["version"] == f"sha-256:{hashlib.sha256(data).hexdigest()}"
    assert (manifest["size"], manifest["rows"], manifest["columns"]) == (len(data), 400, ["number", "text"])


async def test_ranges_and_preconditions_over_http(pair, source, http):
    """206, 416, 412, 304 and HEAD as RFC 9110 has them; reassembled ranges are the bytes."""
    url, headers, _, _ = await opened(pair, source)
    data = source.read_bytes()
    async with http.get(url, headers=headers) as answer:
        etag = answer.headers["ETag"]
        await answer.read()
    got = b""
    for begin in range(0, len(data), 1000):
        wanted = {"Range": f"bytes={begin}-{begin + 999}", "If-Range": etag}
        async with http.get(url, headers=headers | wanted) as answer:
            assert answer.status == HTTPStatus.PARTIAL_CONTENT
            got += await answer.read()
    assert got == data
    cases = [
        ({"Range": f"bytes={len(data)}-"}, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
        ({"If-Match": '"other"'}, HTTPStatus.PRECONDITION_FAILED),
        ({"If-None-Match": etag}, HTTPStatus.NOT_MODIFIED),
    ]
    for wanted, status in cases:
        async with http.get(url, headers=headers | wanted) as answer:
            assert (answer.status, await answer.read()) == (status, b"")
    async with http.head(url, headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (HTTPStatus.OK, str(len(data)))


async def test_the_first_request_counts_and_all_that_follow_are_free(pair, source, http):
    """HEAD and leaves ask for nothing before a reservation; then manifest, data and ranges of the delivery cost one count."""
    url, headers, _, agreement = await opened(pair, source, a_day(2))
    for method, suffix in (("HEAD", ""), ("GET", "/chunks")):
        async with http.request(method, url + suffix, headers=headers) as answer:
            assert answer.status == HTTPStatus.CONFLICT
    async with http.get(url, headers=headers | {"If-Match": '"other"'}) as answer:
        assert answer.status == HTTPStatus.PRECONDITION_FAILED
    assert await used(pair[0], agreement) == []
    for method, suffix, more in (
        ("GET", "", {"Range": "bytes=0-9"}),
        ("GET", "/manifest", {}),
        ("GET", "", {}),
        ("HEAD", "", {}),
        ("GET", "/chunks", {}),
    ):
        async with http.request(method, url + suffix, headers=headers | more) as answer:
            assert answer.status < HTTPStatus.BAD_REQUEST
            await answer.read()
    assert await used(pair[0], agreement) == [1]


async def test_the_last_count_stays_usable_and_the_next_transfer_is_denied(pair, source, http):
    """With one of one used, its own delivery goes on; another transfer gets 403 with reason, operand, rule and sentences."""
    steel, zhengshu = pair
    url, headers, _, agreement = await opened(pair, source, a_day(1))
    second, _ = await start(steel, zhengshu, agreement)
    for _ in range(2):
        async with http.get(url, headers=headers) as answer:
            assert await answer.read() == source.read_bytes()
    other, shown = address(second)
    async with http.get(f"{other}/manifest", headers=shown) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert answer.status == problem["status"] == HTTPStatus.FORBIDDEN
    assert (problem["reason"], problem["leftOperand"]) == ("counter-exhausted", "odrl:count")
    assert problem["rule"].startswith("sha-256:")
    assert problem["detail"] == problem["sentences"]["en"] != problem["sentences"]["zh"]
    assert await used(steel, agreement) == [1]
    denied = [each for each in await records(steel, "policy.decision") if each["decision"] == "deny"]
    assert [each["reason"] for each in denied] == ["counter-exhausted"]
    delivery = await fetched(zhengshu, second.pid)
    assert (delivery.state, delivery.code) == (deliveries.State.FAILED, "counter-exhausted")
    (failed,) = await records(zhengshu, "delivery.failed")
    assert (failed["reason"], failed["decision"]) == ("counter-exhausted", "deny")


async def test_other_columns_or_another_version_need_a_new_transfer_under_a_count(pair, source, http):
    """409 on the same transfer, nothing counted; the first delivery goes on."""
    url, headers, _, agreement = await opened(pair, source, a_day(3))
    async with http.get(url, headers=headers, params={"columns": "number"}) as answer:
        assert (await answer.read()).startswith(b"number\n0\n1\n")
    async with http.get(url, headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["reason"]) == (HTTPStatus.CONFLICT, "delivery-differs")
    assert await used(pair[0], agreement) == [1]


async def test_without_a_count_a_transfer_has_as_many_deliveries_as_it_asks_for(pair, source, http):
    """Epochs follow each other, chained by the digest of the manifest before."""
    url, headers, pid, _ = await opened(pair, source)
    manifests = []
    for query in ({}, {"columns": "text"}, {}, {"columns": "number,text"}):
        async with http.get(f"{url}/manifest", headers=headers, params=query) as answer:
            manifests.append((await answer.json())["document"])
    assert [each["epoch"] for each in manifests] == [0, 1, 0, 0]
    assert manifests[1]["prev"] is not None
    assert [each.columns for each in await sent(pair[0], pid)] == ["", "text"]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("number,text", HTTPStatus.FORBIDDEN, "constraint-not-satisfied"),
        ("nobody", HTTPStatus.FORBIDDEN, "constraint-not-satisfied"),
        ("number,,", HTTPStatus.BAD_REQUEST, "list-invalid"),
        ("number,number", HTTPStatus.BAD_REQUEST, "list-invalid"),
        ("", HTTPStatus.BAD_REQUEST, "list-invalid"),
    ],
)
async def test_columns_that_are_not_granted(pair, source, http, query, status, reason):
    """A column outside the list is denied, an unknown one just so; an empty or repeated name is a bad request."""
    url, headers, _, agreement = await opened(pair, source, granted("number"), a_day(1))
    async with http.get(url, headers=headers, params={"columns": query}) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["reason"]) == (status, reason)
        if status is HTTPStatus.FORBIDDEN:
            assert problem["leftOperand"] == COLUMNS
    assert await used(pair[0], agreement) == []


async def test_without_a_choice_the_granted_columns_leave(pair, source, http):
    """An offer of one column delivers that column, asked for or not; a column that nobody granted never leaves."""
    url, headers, _, _ = await opened(pair, source, granted("number"))
    async with http.get(url, headers=headers) as answer:
        assert await answer.read() == b"number\n" + b"".join(b"%d\n" % n for n in range(400))


async def test_an_unknown_column_is_denied_without_a_list_too(pair, source, http):
    """The policy says nothing about columns: a name the dataset does not have is denied like one not granted."""
    url, headers, _, _ = await opened(pair, source)
    async with http.get(url, headers=headers, params={"columns": "secret"}) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["leftOperand"]) == (HTTPStatus.FORBIDDEN, COLUMNS)


async def test_a_token_opens_its_transfer_and_no_other(pair, source, http):
    """No token, nonsense, another transfer's token: 401 and one and the same answer; the raw form of EDC is taken."""
    steel, zhengshu = pair
    url, headers, _, agreement = await opened(pair, source)
    other, _ = await start(steel, zhengshu, agreement)
    raw = headers["Authorization"].removeprefix("Bearer ")
    async with http.get(url, headers={"Authorization": raw}) as answer:
        assert answer.status == HTTPStatus.OK
    bodies = set()
    for shown in ({}, {"Authorization": "Bearer nonsense"}, address(other)[1]):
        async with http.get(url, headers=shown) as answer:
            assert answer.status == HTTPStatus.UNAUTHORIZED
            bodies.add(await answer.text())
    assert len(bodies) == 1
    assert len(await records(steel, "authentication.refused")) == 3


@pytest.mark.slow
async def test_a_suspension_denies_and_a_resumption_brings_a_new_token(pair, source, http):
    """A-R6: 403 transfer-suspended with the old token, recorded; after the resumption it is dead and the new one works."""
    steel, zhengshu = pair
    url, headers, pid, _ = await opened(pair, source)
    await command.suspend(steel.node, pid, reason="inventory")
    async with http.get(url, headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["reason"]) == (HTTPStatus.FORBIDDEN, "transfer-suspended")
    await reaches(steel, pid, State.SUSPENDED)
    consumer_pid = (await steel.node.db.read(lambda tx: tx.one("transfer.get", pid=pid)))["peer_pid"]
    delivery = await fetched(zhengshu, consumer_pid)
    assert (delivery.state, delivery.code) == (deliveries.State.FAILED, "transfer-suspended")
    assert [each["reason"] for each in await records(zhengshu, "delivery.failed")] == ["transfer-suspended"]
    await command.resume(steel.node, pid)
    ours = await reaches(zhengshu, consumer_pid, State.STARTED)
    fresh = address(ours)[1]
    async with http.get(url, headers=fresh) as answer:
        assert await answer.read() == source.read_bytes()
    async with http.get(url, headers=headers) as answer:
        assert answer.status == HTTPStatus.UNAUTHORIZED
    assert (await fetched(zhengshu, consumer_pid)).state is deliveries.State.RECEIVED


async def test_the_next_token_comes_with_a_token_of_the_protocol(pair, source, http):
    """POST /token while STARTED; a member that is not the consumer finds no such transfer, a replay is refused."""
    steel, zhengshu = pair
    url, _, pid, _ = await opened(pair, source)
    spoken = {"Authorization": await zhengshu.node.identity.authorisation(steel.node.participant)}
    async with http.post(f"{url}/token", headers=spoken) as answer:
        token = (await answer.json())["access_token"]
    async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert await answer.read() == source.read_bytes()
    async with http.post(f"{url}/token", headers=spoken) as answer:
        assert answer.status == HTTPStatus.UNAUTHORIZED
    await command.suspend(steel.node, pid, reason="inventory")
    spoken = {"Authorization": await zhengshu.node.identity.authorisation(steel.node.participant)}
    async with http.post(f"{url}/token", headers=spoken) as answer:
        assert answer.status == HTTPStatus.FORBIDDEN


async def test_no_byte_leaves_before_the_reservation_is_durable(pair, source, http, monkeypatch):
    """The commit that reserves fails: 503, no byte of data, nothing counted; the next request is served and counts one."""
    steel, _ = pair
    url, headers, _, agreement = await opened(pair, source, a_day(1))
    seal, failing = steel.node.db._seal, True

    def broken(tx):
        if failing and tx.one(
            "delivery.page", updated="~", id="~", role="*", state="*", transfer="*", agreement="*", most=1
        ):
            raise sqlite3.OperationalError("disk I/O error")
        seal(tx)

    monkeypatch.setattr(steel.node.db, "_seal", broken)
    for suffix in ("", "/manifest"):
        async with http.get(url + suffix, headers=headers) as answer:
            assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert b"number" not in await answer.read()
    assert await used(steel, agreement) == []
    failing = False
    async with http.get(url, headers=headers) as answer:
        assert await answer.read() == source.read_bytes()
    assert await used(steel, agreement) == [1]


async def test_a_source_that_changed_behind_the_catalog_is_refused(pair, source, http):
    """Other bytes: 409 source-changed, recorded, nothing counted. The same bytes with another time are the same version."""
    steel, _ = pair
    url, headers, _, agreement = await opened(pair, source, a_day(1))
    text = source.read_text()
    source.write_text(text.replace("1", "2"))
    async with http.get(url, headers=headers) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["reason"]) == (HTTPStatus.CONFLICT, "source-changed")
        assert str(source) not in str(problem)
    assert await used(steel, agreement) == []
    assert "source-changed" in [each.get("reason") for each in await records(steel, "policy.decision")]
    source.write_text(text)
    async with http.get(url, headers=headers) as answer:
        assert await answer.text() == text


async def test_many_first_requests_at_once_are_one_delivery(pair, source, http):
    """Ten requests that race for the same delivery reserve one count and get the same manifest."""
    url, headers, pid, agreement = await opened(pair, source, a_day(3))

    async def manifest():
        async with http.get(f"{url}/manifest", headers=headers) as answer:
            return await answer.read()

    assert len(set(await asyncio.gather(*(manifest() for _ in range(10))))) == 1
    assert await used(pair[0], agreement) == [1]
    assert len(await sent(pair[0], pid)) == 1


async def test_a_limit_of_ten_grants_ten_of_thirty_transfers(pair, source, http):
    """Thirty transfers ask at once under a limit of ten: exactly ten are served."""
    steel, zhengshu = pair
    await offer_file(steel, source, offer(a_day(10)))
    agreement = await agree(steel, zhengshu, offer=OFFER)
    started = await asyncio.gather(*(start(steel, zhengshu, agreement) for _ in range(30)))

    async def ask(ours):
        url, headers = address(ours)
        async with http.get(url, headers=headers) as answer:
            await answer.read()
            return answer.status

    statuses = await asyncio.gather(*(ask(ours) for ours, _ in started))
    assert sorted(statuses) == [HTTPStatus.OK] * 10 + [HTTPStatus.FORBIDDEN] * 20
    assert await used(steel, agreement) == [10]
