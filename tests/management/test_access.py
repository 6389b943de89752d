"""Who may use the management side, and what those see who may not."""

import hashlib
import json

import pytest

from connector.store import audit


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "management-key-missing"),
        ({"Authorization": "Basic abc"}, "management-key-missing"),
        ({"Authorization": "Bearer"}, "management-key-missing"),
        ({"Authorization": "Bearer weft_no"}, "management-key-wrong"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/status", "/v1/events", "/metrics", "/v1/nothing"])
async def test_without_a_known_key_nothing_is_told(caller, http, path, header, code):
    async with http.get(caller.base + path, headers=header) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, code)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_store_knows_hashes_only(caller):
    status, made = await caller.ask("POST", "/v1/keys", json={"label": "notebook"})
    assert status == 201
    key = made["key"]
    _, listed = await caller.ask("GET", "/v1/keys")
    assert [each["label"] for each in listed["items"]] == ["first", "notebook"]
    assert hashlib.sha256(key.encode()).hexdigest() in {each["hash"] for each in listed["items"]}
    for path in caller.daemon.settings.data_dir.glob("weft.db*"):
        assert key.encode() not in path.read_bytes()
    caller.key = key
    assert (await caller.ask("GET", "/v1/status"))[0] == 200


async def test_a_flood_of_guesses_is_one_record(caller, http):
    for number in range(20):
        async with http.get(f"{caller.base}/v1/status", headers={"Authorization": f"Bearer weft_{number}"}) as answer:
            assert answer.status == 401
    found = await caller.daemon.node.db.read(lambda tx: audit.search(tx, type_="authentication"))
    assert [each.record["reason"] for each in found] == ["management-key-wrong"]
    assert "weft_" not in json.dumps(found[0].details)


async def test_adding_a_key_is_audited_with_who_did_it(caller):
    await caller.ask("POST", "/v1/keys", json={"label": "notebook"})
    [found] = await caller.daemon.node.db.read(lambda tx: audit.search(tx, type_="admin.key-added"))
    assert (found.details["label"], found.details["by"]) == ("notebook", "first")
