"""Whatever arrives, in whatever state: a clear answer, no fault of ours, and after a refusal nothing has changed."""

import asyncio
import json
import logging
import random

import pytest
from structlog.testing import capture_logs

from connector.daemon import Daemon
from connector.dsp.routes import MESSAGES
from connector.exchange.process import PROTOCOLS
from contracts.machine import Role
from contracts.negotiation.table import Trigger
from contracts.signing import sign_document
from policies.errors import CanonicalError
from tests.cases.stub import Stub
from tests.dspschema import validate
from tests.fuzz.mutations import broken, mutated
from tests.management.conftest import Caller, http  # noqa: F401  the fixture
from tests.offers import DATASET, OFFER
from tests.pair import found_space, settings
from tests.random_messages.arena import BY_PERSON, PLACES, STEEL, ZHENGSHU, Arena, Place, encoded
from tests.random_messages.schema import Maker
from tests.random_messages.test_schema import SCHEMAS
from tests.speaker import Speaker

ANSWERS = {200, 201, 400, 401, 404, 413, 429, 503}
ERRORS = {
    "negotiations": "negotiation/contract-negotiation-error-schema.json",
    "transfers": "transfer/transfer-error-schema.json",
}
CATALOG_ERROR = "catalog/catalog-error-schema.json"
SCHEMA_OF = {schema.rpartition("/")[2].removesuffix("-schema.json").replace("-", ""): schema for schema in SCHEMAS}
TRIGGERS = {
    path: {Trigger.ACCEPTED, Trigger.FINALIZED} if path.endswith("/events") else {route.trigger(None)}
    for path, route in MESSAGES.items()
}
CONSTRAINED = (
    "odrl:use",
    "use",
    "odrl:dateTime",
    "odrl:count",
    "https://w3id.org/weft/policy/v1#columns",
    "odrl:recipient",
)


def paths(place):
    """Every address a message can be sent to: those that the state allows first, then those of this kind of process."""
    machine = PROTOCOLS[place.kind].machine
    state, by = PROTOCOLS[place.kind].states(place.state), Role(place.role).other
    said = {trigger for trigger in PROTOCOLS[place.kind].triggers if machine.allows(state, trigger, by)}
    fit = [path for path, triggers in TRIGGERS.items() if path.startswith(f"/{place.folder}/{{") and triggers & said]
    near = [path for path in MESSAGES if path.startswith(f"/{place.folder}/")]
    return [*fit * (2 * len(near)), *near * 2, *MESSAGES]


def hints(process, agreement, base):
    """Members that lead into the daemon instead of being refused at its door."""
    return {
        "@id": (OFFER, BY_PERSON, "urn:uuid:theirs", agreement or "urn:uuid:none"),
        "consumerPid": (process.consumer_pid, process.consumer_pid, process.consumer_pid, "urn:uuid:other", "a/b"),
        "providerPid": (process.provider_pid, process.provider_pid, process.provider_pid, "urn:uuid:other", ""),
        "callbackAddress": (base, base, f"{base}/deep", "http://localhost:1/x", "ftp://x", f"{base}?x"),
        "agreementId": (agreement or "urn:uuid:none",),
        "target": (process.dataset, DATASET, "by-person"),
        "assigner": (STEEL, ZHENGSHU),
        "assignee": (ZHENGSHU, STEEL),
        "format": ("HttpData-PULL", "HttpData-PULL", "HttpData-PUSH", "AmazonS3-PUSH"),
        "action": CONSTRAINED,
        "leftOperand": CONSTRAINED,
        "endpoint": (f"{base}/data/1", "http://127.0.0.1:1/"),
    }  # fmt: skip


def made(path, luck, known, right):
    """Bytes for an address: a right message or a valid one, mostly bent, now and then blown up or no JSON at all."""
    schema = SCHEMA_OF[MESSAGES[path].model.__name__.lower()]
    document = Maker(luck, known, keen=0.95).document(schema if luck.random() < 0.95 else luck.choice(SCHEMAS))
    if luck.random() < 0.6:
        document = right
    match luck.randrange(12):
        case 0 | 1 | 2:
            pass
        case 3:
            document = {**document, "x": "y" * luck.choice((10_000, 300_000, 1_100_000))}
        case 4:
            return broken(encoded(document), luck)
        case _:
            document = mutated(document, luck, luck.choice((1, 1, 1, 2, 4)))
    return encoded(document)


@pytest.fixture
async def arena(tmp_path):
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with (
        Stub(tmp_path / "s-zhengshu") as stub,
        Daemon(settings(tmp_path, "p-steel", retry_first_s=30, retry_limit_s=60)) as steel,
        Speaker(stub.speaks_as, steel) as speaker,
    ):
        arena = Arena(steel, stub, speaker)
        await arena.open()
        yield arena


async def attack(arena, number, place):
    """Send one message made from `number` to a process in a state, and check what must hold; returns the status."""
    luck = random.Random(f"{number} {place}")
    process = await arena.process(place)
    known = hints(process, await arena.agreement_of(process), arena.stub.base)
    path = luck.choice(paths(place))
    body = made(path, luck, known, await arena.right(path, process, luck))
    named = path.replace(
        "{pid}", luck.choice((process.pid,) * 8 + (process.peer_pid, "urn:uuid:none", "%00", "a" * 600))
    )
    before = await arena.dump()
    status, answer = await arena.speaker.send(named, body)
    told = (number, place, path, status, answer, body[:2000])
    assert status in ANSWERS, told
    if status >= 400:
        validate(answer, ERRORS[path.split("/")[1]])
        assert answer["code"], told
        assert answer["reason"], told
        after = await arena.dump()
        assert {name for name in before if before[name] != after[name]} == set(), told
    await arena.quiet()
    return status


def nothing_went_wrong(lines, caplog):
    """No traceback and no fault of ours in either log."""
    wrong = [
        line
        for line in lines
        if line["log_level"] in ("error", "critical") or "exc_info" in line or "exception" in line
    ]
    assert wrong == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []


async def looked_at(arena, http):  # noqa: F811
    """What a person sees of all of it is still shown: lists, single processes, differences."""
    caller = Caller(arena.steel, http)
    for path in (
        "/v1/negotiations?limit=200",
        "/v1/transfers?limit=200",
        "/v1/agreements?limit=200",
        "/v1/approvals?limit=200",
    ):
        status, shown = await caller.ask("GET", path)
        assert status == 200, (path, shown)
        for item in shown["items"][:60] if "negotiations" in path else ():
            assert (await caller.ask("GET", f"/v1/negotiations/{item['id']}"))[0] == 200
            status, shown = await caller.ask("GET", f"/v1/negotiations/{item['id']}/difference")
            assert status in (200, 400, 409, 502), shown
    assert (await caller.ask("GET", "/v1/status"))[0] == 200


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_state_of_both_roles_takes_whatever_comes(arena, http, caplog):  # noqa: F811
    """Twenty-four kinds of process, each hit by random messages at every address."""
    seen = {}
    with capture_logs() as lines:
        for number in range(12):
            for place in PLACES:
                status = await attack(arena, number, place)
                seen[status] = seen.get(status, 0) + 1
        await looked_at(arena, http)
    nothing_went_wrong(lines, caplog)
    # Some are let in and some are not: else the messages would say nothing about the daemon.
    assert seen[400] > 50
    assert seen[200] + seen.get(201, 0) > 20
    assert seen[404] > 3


BESIDE = (
    ("PUT", "/agreements/{digest}/seals"),
    ("GET", "/agreements/{digest}/seals"),
    ("POST", "/bundles/{digest}/seals"),
    ("GET", "/bundles/{digest}/seals"),
    ("POST", "/agreements/{digest}/statements/{label}"),
    ("POST", "/agreements/{digest}/statements/{label}/seals"),
    ("POST", "/bundles/{digest}/periods/{label}"),
    ("GET", "/bundles/{digest}/periods/{label}"),
    ("POST", "/bundles/{digest}/periods/{label}/seals"),
    ("PUT", "/ledgers/{label}"),
    ("GET", "/terms/{digest}"),
    ("GET", "/transforms/{digest}"),
    ("POST", "/catalog/request"),
    ("GET", "/catalog/request?continuationToken={label}"),
    ("GET", "/catalog/datasets/{label}"),
    ("GET", "/negotiations/{label}"),
    ("GET", "/transfers/{label}"),
)
LABELS = ("2026-11", "2026-13", "0000-00", "a%2Fb", "%00", "%ff", "..", "é", "x" * 3000, "urn:uuid:none", "9" * 400)


def signed_by(arena, document):
    """A document signed with the member's key for evidence, where it has a canonical form."""
    ring = arena.stub.ring
    try:
        return sign_document(document, kid=ring.kid("evidence"), sign=lambda data: ring.sign("evidence", data))
    except (CanonicalError, TypeError, ValueError):  # it may be no object any more
        return {"document": document, "jws": "x..y"}


async def raw_answer(speaker, method, path, content):
    """Status and bytes of an answer that need not be JSON."""
    headers = {"Authorization": f"Bearer {speaker.token()}"}
    async with speaker.session.request(method, speaker.base + path, data=content, headers=headers) as answer:
        return answer.status, await answer.read()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_addresses_beside_the_protocol_take_whatever_comes(arena, http, caplog):  # noqa: F811
    """Seals, statements, periods, ledgers, catalog pages: signed well, bent inside or outside, about agreements that exist."""
    agreed = await arena.process(Place("negotiation", "provider", "FINALIZED"))
    statuses = set()
    with capture_logs() as lines:
        for number in range(400):
            luck = random.Random(number)
            method, path = luck.choice((*BESIDE, *(BESIDE[0],) * 8))
            digest = luck.choice((agreed.agreement,) * 8 + ("sha-256:" + "0" * 64, "sha-256:x", "x"))
            seal = {
                "typ": luck.choice((*("agreement-seal/1",) * 4, "bundle-seal/1", "statement-seal/1")),
                "agreement": digest,
                "terms": digest,
                "signatory": ZHENGSHU,
                "signedAt": "2026-11-10T01:00:00.000000Z",
                "digest": "sha-256:" + "0" * 64,
                "enforcement": [],
            }
            body = signed_by(arena, mutated(seal, luck, luck.choice((0, 0, 0, 0, 1, 2))))
            body = (
                mutated(body, luck, luck.choice((0, 0, 1, 3)))
                if luck.random() < 0.8
                else {"filter": mutated([{"keyword": ["x"]}], luck)}
            )
            if luck.random() < 0.1:
                body = luck.choice((None, [], "x", {"document": {}, "jws": None}))
            named = path.replace("{digest}", digest).replace("{label}", luck.choice(LABELS))
            content = encoded(body) if method != "GET" else None
            status, answer = await raw_answer(arena.speaker, method, named, content)
            statuses.add(status)
            # 502: terms that the member cites and does not give us.
            assert status < 500 or status in (502, 503), (number, method, named, status, answer, body)
            # What leads nowhere is answered by the server itself, in plain words.
            assert status < 400 or answer.startswith((b"404: ", b"405: ")) or json.loads(answer)["code"], answer
        await looked_at(arena, http)
    nothing_went_wrong(lines, caplog)
    assert {200, 400, 404} <= statuses


RAW = (
    b"GET /dsp/2025-1/negotiations/\xff\xfe HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
    b"GET /dsp/2025-1/negotiations/%%ff%%00 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
    b"POST /dsp/2025-1/negotiations/request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\xff\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /dsp/2025-1/negotiations/request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /dsp/2025-1/negotiations/request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /dsp/2025-1/transfers/request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /dsp/2025-1/transfers/request HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: \xe9; charset=\xff\r\nContent-Length: 2\r\n\r\n{}",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /dsp/2025-1/catalog/datasets/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
)


@pytest.mark.slow
async def test_bytes_that_are_hardly_http_get_an_answer_or_a_closed_connection(arena, caplog):
    """Never 5xx but for a version of HTTP that nobody speaks, never a traceback, and the daemon answers afterwards."""
    host, port = arena.steel.node.base.split("/")[2].split(":")
    with capture_logs() as lines:
        for raw in RAW:
            token = arena.speaker.token().encode()
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw.replace(b"%s", token).replace(b"%%", b"%"))
            async with asyncio.timeout(5):
                first = await reader.readline()
            writer.close()
            await writer.wait_closed()
            assert not first or first.split(b" ")[1] in (
                b"400",
                b"401",
                b"404",
                b"413",
                b"414",
                b"415",
                b"431",
                b"505",
            ), (raw, first)
        assert (await arena.speaker.send("/catalog/request", method="GET"))[0] == 200
    nothing_went_wrong(lines, caplog)


@pytest.mark.parametrize("extra", [{"x": 1.5}, {"名": "x"}, {"x": 2**60}, {"x": {"y": None}}], ids=str)
async def test_what_stands_beside_a_signed_document_is_nobodys_word(arena, caplog, extra):
    """A seal with members that its signature does not cover is refused and not kept; the same without them is taken."""
    agreed = await arena.process(Place("negotiation", "provider", "FINALIZED"))
    seal = {
        "typ": "agreement-seal/1",
        "agreement": agreed.agreement,
        "signatory": ZHENGSHU,
        "signedAt": "x",
        "enforcement": [],
    }
    path = f"/agreements/{agreed.agreement}/seals"
    with capture_logs() as lines:
        signed = signed_by(arena, seal)
        status, answer = await raw_answer(arena.speaker, "PUT", path, encoded({**signed, **extra}))
        assert (status, json.loads(answer)["code"]) == (400, "seal-invalid")
        _, kept = await arena.speaker.send(path, method="GET")
        assert ZHENGSHU not in [each["document"]["signatory"] for each in kept["seals"]]
        assert (await raw_answer(arena.speaker, "PUT", path, encoded(signed)))[0] == 200
    nothing_went_wrong(lines, caplog)
