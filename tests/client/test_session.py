"""The way to the daemon: the key, errors as exceptions, repeats, streams that are taken up again."""

import asyncio
import subprocess
import sys

import pytest
from aiohttp import web

from connector.client import Client, errors
from tests.client.stub import stubbed

STATUS = {
    "version": "0.1.0",
    "participant": "did:web:a",
    "now": "2026-11-10T01:00:00Z",
    "started": "2026-11-10T00:00:00Z",
    "news": {"a": 1},
}
NEGOTIATION = {
    "id": "urn:n",
    "role": "consumer",
    "counterparty": "did:web:b",
    "state": "REQUESTED",
    "dataset": "d",
    "created": "2026-11-10T01:00:00Z",
    "updated": "2026-11-10T01:00:00Z",
}


def refusing(status, code, **facts):
    body = {"code": code, "facts": facts, "message": {"en": "No.", "zh": "不行。"}, "id": "e1"}
    return lambda _: web.json_response(body, status=status)


async def test_the_key_goes_along_and_unknown_members_are_kept():
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/status"] = STATUS
        found = await client.status()
        assert stub.requests[0][3]["Authorization"] == "Bearer weft_test"
    assert found.extra["news"] == {"a": 1}
    assert found.to_dict() == STATUS
    assert found.now.tzinfo is not None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "request-invalid", errors.InvalidRequestError),
        (401, "management-key-wrong", errors.NotAuthorizedError),
        (403, "counter-exhausted", errors.QuotaExceededError),
        (403, "no-permission", errors.PolicyDeniedError),
        (403, "distribution-prohibited", errors.RefusedByPeerError),
        (404, "process-unknown", errors.NotFoundError),
        (409, "process-ended", errors.ConflictError),
        (413, "request-too-large", errors.InvalidRequestError),
        (422, "digest-differs", errors.VerificationError),
        (500, "unexpected", errors.ClientError),
        (502, "redirect-refused", errors.RefusedByPeerError),
        (503, "store-failed", errors.NotReachableError),
        (504, "unreachable", errors.NotReachableError),
    ],
)
async def test_each_answer_is_its_exception(status, code, kind):
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/status"] = refusing(status, code, path="x", problem="y")
        with pytest.raises(kind) as caught:
            await client.status()
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.error_id) == (code, "e1")
    assert (caught.value.sentence("zh"), str(caught.value)) == ("不行。", "No.")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"version":1}'])
async def test_an_answer_that_makes_no_sense_is_said_to(body):
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/status"] = lambda _: web.Response(body=body)
        with pytest.raises(errors.ProtocolError):
            await client.status()
        stub.answers["GET", "/v1/status"] = lambda _: web.Response(body=body, status=400)
        with pytest.raises(errors.ProtocolError):
            await client.status()


async def test_nobody_there_is_said_with_the_address_and_the_way_out():
    async with Client("http://127.0.0.1:9", key="k") as client:
        with pytest.raises(errors.NotReachableError, match=r"http://127\.0\.0\.1:9.*weft serve"):
            await client.status()


async def test_silence_is_not_waited_out():
    async with stubbed(timeout_s=0.1) as (stub, client):

        async def sleep(_request):
            await asyncio.sleep(5)

        stub.answers["GET", "/v1/status"] = sleep
        with pytest.raises(errors.NotReachableError, match="in time"):
            await client.status()


async def test_a_changing_request_is_repeated_once_with_the_same_key_when_the_connection_breaks():
    async with stubbed() as (stub, client):

        def broken_first(request):
            if len(stub.requests) == 1:
                request.transport.abort()
            return web.json_response({"key": "weft_x", "label": "l"})

        stub.answers["POST", "/v1/keys"] = broken_first
        assert await client.add_key("l") == "weft_x"
        keys = [headers["Idempotency-Key"] for _, _, _, headers in stub.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_a_redirect_is_not_followed():
    async with stubbed() as (stub, client):
        stub.answers["GET", "/v1/status"] = lambda _: web.Response(
            status=302, headers={"Location": "http://example.org/"}
        )
        with pytest.raises(errors.ProtocolError):
            await client.status()
        assert len(stub.requests) == 1


async def test_a_broken_stream_goes_on_behind_the_last_event():
    async with stubbed() as (stub, client):

        async def stream(request):
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await answer.prepare(request)
            last = int(request.headers.get("Last-Event-ID", "0"))
            await answer.write(b": hello\n\n")
            await answer.write(
                f'event: a.b\ndata: {{"type": "a.b",\ndata: "n": {last + 1}}}\nid: {last + 1}\n\n'.encode()
            )
            await answer.write(b"event: passing\ndata: {}\n\n")
            request.transport.abort()
            return answer

        stub.answers["GET", "/v1/events"] = stream
        seen = []
        async for event in client.events(since=6, types=["a", "c"]):
            seen.append((event.type, event.extra.get("n")))
            if len(seen) == 5:
                break
        assert "types=a%2Cc" in stub.requests[0][1] or "types=a,c" in stub.requests[0][1]
        assert [headers.get("Last-Event-ID") for _, _, _, headers in stub.requests] == ["6", "7", "8"]
    assert seen == [("a.b", 7), ("passing", None), ("a.b", 8), ("passing", None), ("a.b", 9)]


async def test_lists_are_read_page_by_page():
    async with stubbed() as (stub, client):

        def page(request):
            start = int(request.query.get("after", "0"))
            size = int(request.query["limit"])
            items = [{**NEGOTIATION, "id": f"urn:{n}"} for n in range(start, min(start + size, 120))]
            following = str(start + size) if start + size < 120 else None
            return web.json_response({"items": items, "next": following})

        stub.answers["GET", "/v1/negotiations"] = page
        listed = client.negotiations(state="REQUESTED")
        assert (await listed.first()).id == "urn:0"
        assert len(await listed.all()) == 120
        assert [each.id for each in await listed.all(limit=2)] == ["urn:0", "urn:1"]
        second = await listed.page(size=10, after="110")
        assert (len(second.items), second.next) == (10, None)
        stub.answers["GET", "/v1/negotiations"] = {"items": [], "next": None}
        with pytest.raises(errors.NotFoundError):
            await listed.first()


def test_a_key_comes_from_the_argument_the_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("WEFT_KEY", raising=False)
    with pytest.raises(errors.NotAuthorizedError, match="WEFT_KEY"):
        Client("http://x")
    with pytest.raises(errors.NotAuthorizedError, match="nowhere"):
        Client("http://x", key_file=tmp_path / "nowhere")
    (tmp_path / "key").write_text("weft_secret\n", encoding="utf-8")
    assert "secret" not in repr(Client("http://x:1/", key_file=tmp_path / "key"))
    monkeypatch.setenv("WEFT_KEY", "weft_secret")
    assert repr(Client("http://x:1/")) == "Client(x:1)"


def test_importing_the_client_imports_no_server_code_and_no_network():
    code = (
        "import sys, connector.client;"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('aiohttp', 'rdflib', 'pyshacl', 'pydantic_settings', 'typer', 'rich', 'sqlite3', 'catalog', 'nacl', 'jwt')"
        " or name.startswith('connector.') and not name.startswith(('connector.client', 'connector.errors'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


async def test_an_id_alone_was_not_seen():
    """Only an offer with its terms can be handed over in place of asking the provider."""
    async with Client("http://127.0.0.1:9", key="x") as client:
        with pytest.raises(ValueError, match="seen"):
            await client.negotiate("urn:x", provider="did:web:b", dataset="d", seen=True)
