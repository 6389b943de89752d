"""`/v1/stops`, `/v1/holds`, `/v1/breaches`, `/v1/duties`: what is stopped, held and owed, over HTTP."""

import pytest

from tests.deliveries import agree, fetched, offer_file, rows_of, start
from tests.exchange.test_control import GUARDED
from tests.management.conftest import Caller
from tests.pair import community, did, until
from tests.pair import types as types_of

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")


@pytest.fixture
async def delivered(tmp_path, http):
    """Callers of provider and consumer, and the agreement under which one file was delivered."""
    path = tmp_path / "rows.csv"
    path.write_text(rows_of(5), encoding="utf-8")
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        await offer_file(steel, path, GUARDED)
        agreement = await agree(steel, zhengshu)
        ours, _ = await start(steel, zhengshu, agreement)
        await fetched(zhengshu, ours.pid)
        await until(steel, "audit", lambda tx: "usage.recorded" in types_of(steel)(tx))
        yield Caller(steel, http), Caller(zhengshu, http), agreement


async def test_duties_say_debtor_creditor_and_days_left_page_by_page(delivered):
    steel, zhengshu, agreement = delivered
    for caller in (steel, zhengshu):
        status, first = await caller.ask("GET", "/v1/duties?limit=1")
        assert (status, len(first["items"])) == (200, 1)
        _, second = await caller.ask("GET", f"/v1/duties?limit=1&after={first['next']}")
        assert second["next"] is None
        (delete, report) = (*first["items"], *second["items"])
        for duty in (delete, report):
            assert (duty["debtor"], duty["creditor"], duty["agreement"]) == (ZHENGSHU, STEEL, agreement)
        assert (delete["action"], delete["state"], delete["days_left"]) == ("odrl:delete", "open", 89)
        assert (report["state"], report["days_left"], report["deadline"]) == ("fulfilled", None, None)
        assert report["evidence"].startswith("sha-256:")
    _, chosen = await steel.ask("GET", f"/v1/duties?state=open&partner={ZHENGSHU}")
    assert [each["action"] for each in chosen["items"]] == ["odrl:delete"]
    assert (await steel.ask("GET", f"/v1/duties?partner={STEEL}"))[1]["items"] == []
    assert (await steel.ask("GET", "/v1/duties?state=overdue"))[1]["items"] == []
    assert (await steel.ask("GET", "/v1/duties?state=late"))[0] == 400


async def test_stops_are_listed_with_reason_and_lifted_by_name(delivered):
    steel, _, _ = delivered
    status, done = await steel.ask("POST", "/v1/stops", json={"participant": "*", "reason": "maintenance"})
    assert (status, done["participant"]) == (201, "*")
    # Stopped again: the first reason stands.
    await steel.ask("POST", "/v1/stops", json={"participant": "*", "reason": "another"})
    await steel.ask("POST", "/v1/stops", json={"participant": ZHENGSHU, "reason": "a leak"})
    _, listed = await steel.ask("GET", "/v1/stops")
    assert [(each["participant"], each["reason"], each["everybody"]) for each in listed["items"]] == [
        ("*", "maintenance", True),
        (ZHENGSHU, "a leak", False),
    ]
    _, status_now = await steel.ask("GET", "/v1/status")
    assert [each["reason"] for each in status_now["stops"]] == ["maintenance", "a leak"]
    assert await steel.ask("POST", "/v1/stops/lift", json={"participant": ZHENGSHU}) == (
        200,
        {"participant": ZHENGSHU, "still": ["*"]},
    )
    assert (await steel.ask("POST", "/v1/stops/lift", json={"participant": "*"}))[1]["still"] == []
    code, refused = await steel.ask("POST", "/v1/stops/lift", json={"participant": "*"})
    assert (code, refused["code"]) == (409, "not-stopped")
    assert (await steel.ask("POST", "/v1/stops", json={"participant": "*", "reason": ""}))[0] == 400
    assert (await steel.ask("POST", "/v1/stops", json={"participant": "did:web:nobody.example", "reason": "-"}))[
        0
    ] != 201


async def test_a_hold_is_shown_with_what_was_done_and_released_with_a_reason(delivered):
    steel, zhengshu, agreement = delivered
    told = {"agreement": agreement, "action": "odrl:distribute", "reason": "seen in a shop"}
    status, done = await steel.ask("POST", "/v1/breaches", json=told)
    assert (status, [each.rpartition("#")[2] for each in done["remedies"]]) == (201, ["alert", "suspend"])
    _, holds = await steel.ask("GET", "/v1/holds")
    assert [(each["agreement"], each["action"]) for each in holds["items"]] == [(agreement, "odrl:distribute")]
    assert (await steel.ask("GET", "/v1/status"))[1]["holds"] == holds["items"]
    code, refused = await zhengshu.ask("POST", "/v1/breaches", json=told)
    assert (code, refused["code"]) == (409, "not-prohibited")
    address = f"/v1/holds/{agreement}/release"
    assert (await steel.ask("POST", address, json={}))[0] == 400
    assert (await steel.ask("POST", address, json={"reason": "settled"}))[0] == 200
    assert (await steel.ask("POST", address, json={"reason": "again"}))[1]["code"] == "not-held"
    assert (await steel.ask("GET", "/v1/holds"))[1]["items"] == []
