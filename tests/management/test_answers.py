"""Answers: every refusal names the member or the rule in both languages, whatever was sent."""

import asyncio
import io

import pytest

from connector.management import asked
from policies.sentences import has_sentence
from tests.offers import DATASET, publish


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "where"),
    [
        ("POST", "/v1/keys", b"{", 400, "request-not-json", None),
        ("POST", "/v1/keys", b'{"label":"a","label":"b"}', 400, "request-not-json", None),
        ("POST", "/v1/keys", b"[" * 100 + b"]" * 100, 400, "request-not-json", None),
        ("POST", "/v1/keys", b'{"label":""}', 400, "request-invalid", "label"),
        ("POST", "/v1/keys", b'{"lable":"a"}', 400, "request-invalid", "label"),
        ("POST", "/v1/negotiations", b'{"dataset":"x"}', 400, "request-invalid", "-"),
        ("POST", "/v1/negotiations", b'{"dataset":"x","consumer":"did:web:x"}', 400, "request-invalid", "-"),
        ("POST", "/v1/negotiations", b'{"dataset":"x","provider":"did:web:x","seen":{}}', 400, "request-invalid", "-"),
        (
            "POST",
            "/v1/negotiations",
            b'{"dataset":"x","provider":"did:web:x","offer":"urn:a","seen":{"@id":"urn:b"}}',
            400,
            "request-invalid",
            "-",
        ),
        (
            "POST",
            "/v1/negotiations",
            b'{"dataset":"x","consumer":"did:web:x","offer":"urn:a","seen":{"@id":"urn:a"}}',
            400,
            "request-invalid",
            "-",
        ),
        ("POST", "/v1/negotiations/urn:x/terminate", b'{"reason":""}', 400, "request-invalid", "reason"),
        ("POST", "/v1/negotiations/urn:x/terminate", b'{"reason":"why"}', 404, "process-unknown", None),
        ("POST", "/v1/negotiations", b'{"dataset":"x","provider":"did:web:nobody"}', 400, "not-a-member", None),
        ("POST", "/v1/transfers", b'{"agreement":"sha-256:0"}', 400, "agreement-unknown", None),
        ("POST", "/v1/transfers/urn:x/suspend", b'{"reason":"why"}', 404, "process-unknown", None),
        ("POST", "/v1/deliveries", b'{"purpose":"x"}', 400, "request-invalid", "-"),
        (
            "POST",
            "/v1/datasets",
            b'{"path":"coil.csv","id":"c","title":{"en":"t"},"offers":[{}]}',
            400,
            "request-invalid",
            "path",
        ),
        ("POST", "/v1/datasets", b'{"id":"c"}', 400, "publication-invalid", "path"),
        ("POST", "/v1/policy/test", b'{"policy":{},"agreement":"x"}', 400, "request-invalid", "-"),
        ("POST", "/v1/policy/test", b'{"policy":{},"at":"2026-11-10T00:00:00"}', 400, "request-invalid", "at"),
        ("POST", "/v1/policy/explain", b'{"policy":{"@type":"Nonsense"}}', 400, "policy-invalid", None),
        ("POST", "/v1/refresh", b'{"participant":"did:web:nobody"}', 400, "not-a-member", None),
        ("GET", "/v1/negotiations?limit=0", None, 400, "request-invalid", "limit"),
        ("GET", "/v1/negotiations?limit=201", None, 400, "request-invalid", "limit"),
        ("GET", "/v1/negotiations?after=nonsense", None, 400, "cursor-invalid", None),
        ("GET", "/v1/negotiations?state=DONE", None, 400, "request-invalid", "state"),
        ("GET", "/v1/transfers?role=owner", None, 400, "request-invalid", "role"),
        ("GET", "/v1/negotiations/urn:x", None, 404, "process-unknown", None),
        ("GET", "/v1/agreements/sha-256:0", None, 400, "agreement-unknown", None),
        ("GET", "/v1/deliveries/urn:x", None, 404, "delivery-unknown", None),
        ("GET", "/v1/deliveries/urn:x/content", None, 404, "delivery-unknown", None),
        ("GET", "/v1/audit/99999", None, 404, "record-unknown", None),
        ("GET", "/v1/audit/-1", None, 404, "record-unknown", None),
        ("GET", "/v1/audit?since=yesterday", None, 400, "request-invalid", "since"),
        ("GET", "/v1/offers?dataset=x", None, 400, "request-invalid", "provider"),
        ("GET", "/v1/catalogs/did:web:nobody", None, 400, "not-a-member", None),
        ("GET", "/v1/events?watch=disc:1", None, 400, "watch-unknown", None),
        ("GET", "/v1/events?watch=transfer:1", None, 404, "process-unknown", None),
        ("GET", "/v1/nothing", None, 404, "no-such-address", None),
        ("DELETE", "/v1/status", None, 405, "method-not-allowed", None),
        ("DELETE", "/v1/datasets/coil", None, 400, "request-invalid", "reason"),
        ("DELETE", "/v1/datasets/coil?reason=old", None, 404, "dataset-unknown", None),
    ],
)
async def test_what_is_wrong_is_named(caller, method, path, body, status, code, where):
    found, answer = await caller.ask(method, path, data=body)
    assert (found, answer["code"]) == (status, code), answer
    if where is not None:
        assert answer["facts"]["path"] == where
    assert has_sentence(f"error.{code}")
    assert set(answer["message"]) == {"en", "zh"}
    assert "{" not in answer["message"]["en"] + answer["message"]["zh"]
    assert answer["id"]


async def test_every_wrong_member_is_listed(caller):
    _, answer = await caller.ask("POST", "/v1/transfers", json={"agreement": "", "purpse": 1})
    assert [each["path"] for each in answer["facts"]["problems"]] == ["agreement", "purpse"]


async def test_too_much_is_not_read(caller):
    status, answer = await caller.ask("POST", "/v1/keys", data=io.BytesIO(b" " * (asked.BODY_LIMIT_BYTES + 1)))
    assert (status, answer["code"]) == (413, "request-too-large")


async def test_the_unexpected_leaves_a_number_and_no_trace(caller, monkeypatch):
    def broken(_tx):
        raise ZeroDivisionError

    monkeypatch.setattr("connector.management.native.daemon._figures", broken)
    async with caller.open("GET", "/v1/status") as answer:
        text = await answer.text()
        assert answer.status == 500
    assert '"unexpected"' in text
    assert "ZeroDivision" not in text
    assert "Traceback" not in text


async def test_a_repeated_request_gets_the_answer_of_the_first(caller):
    body, key = {"policy": {"@id": "urn:a", "@type": "Offer", "permission": [{"action": "odrl:use"}]}}, "k-1"
    _, first = await caller.ask("DELETE", "/v1/datasets/coil?reason=old", headers={"Idempotency-Key": key})
    assert first["code"] == "dataset-unknown"
    # What was refused left nothing behind: the key is still free.
    status, _ = await caller.ask("POST", "/v1/policy/explain", json=body, headers={"Idempotency-Key": key})
    assert status == 200


async def test_a_key_stands_for_one_request(pair):
    steel, zhengshu = pair
    await publish(steel.daemon)
    body = {"provider": steel.daemon.node.participant, "dataset": DATASET}
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(
        *(zhengshu.ask("POST", "/v1/negotiations", json=body, headers=headers) for _ in range(8))
    )
    assert {status for status, _ in answers} == {201}
    assert len({answer["id"] for _, answer in answers}) == 1
    status, other = await zhengshu.ask("POST", "/v1/negotiations", json={**body, "offer": "urn:x"}, headers=headers)
    assert (status, other["code"]) == (409, "idempotency-key-reused")
    _, listed = await zhengshu.ask("GET", "/v1/negotiations")
    assert len(listed["items"]) == 1


async def test_pages_follow_each_other_without_gap_or_repeat(pair):
    steel, zhengshu = pair
    await publish(steel.daemon)
    body = {"provider": steel.daemon.node.participant, "dataset": DATASET}
    made = [(await zhengshu.ask("POST", "/v1/negotiations", json=body))[1]["id"] for _ in range(5)]
    for identifier in made:
        async with zhengshu.open("GET", f"/v1/events?watch=negotiation:{identifier}") as answer:
            async for line in answer.content:
                if b'"FINALIZED"' in line:
                    break
    seen, after = [], ""
    while after is not None:
        _, page = await zhengshu.ask("GET", f"/v1/negotiations?limit=2{after and '&after=' + after}")
        assert len(page["items"]) <= 2
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
    assert sorted(seen) == sorted(made)
    _, agreements = await zhengshu.ask("GET", "/v1/agreements?usable=true&role=consumer")
    assert len(agreements["items"]) == 5
    assert (await zhengshu.ask("GET", "/v1/agreements?role=provider"))[1]["items"] == []
