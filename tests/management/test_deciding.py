"""Over the management side: terms are brought, compared, approved and rejected."""

import pytest

from policies.canonical import canonical, digest
from tests.offers import DATASET, OFFER, free_offer, publish
from tests.pair import did, eventually
from tests.terms import cited, subscription

STEEL, ZHENGSHU = did("p-steel"), did("s-zhengshu")
OFFERED, ASKED = subscription(), subscription(free=1_500)


@pytest.fixture
async def countering(pair):
    """A request for other terms that waits for the provider's person: both callers, the consumer's and the provider's pid."""
    steel, zhengshu = pair
    await publish(steel.daemon, free_offer(obligation=cited(OFFERED)))
    assert (await steel.ask("POST", "/v1/documents", json={"document": OFFERED}))[0] == 201
    assert (await zhengshu.ask("POST", "/v1/documents", json={"kind": "terms", "document": ASKED}))[0] == 201
    body = {"provider": STEEL, "dataset": DATASET, "document": free_offer(obligation=cited(ASKED))}
    status, opened = await zhengshu.ask("POST", "/v1/negotiations", json=body)
    assert status == 201, opened
    waiting = await eventually(lambda: approvals(steel))
    return steel, zhengshu, opened["id"], waiting[0]


async def approvals(caller):
    return (await caller.ask("GET", "/v1/approvals"))[1]["items"]


async def test_terms_are_brought_once_and_read_back_with_their_sentences(caller):
    status, kept = await caller.ask("POST", "/v1/documents", json={"document": ASKED})
    assert (status, kept["digest"], kept["kind"]) == (201, digest(canonical(ASKED)), "terms")
    assert "parts: 0.025 EUR per part beyond the first 1,500 of each month." in kept["sentences"]["en"]
    assert len(kept["sentences"]["zh"]) == len(kept["sentences"]["en"])
    status, again = await caller.ask("GET", f"/v1/documents/{kept['digest']}")
    assert (status, again) == (200, kept)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({**ASKED, "model": "Auction"}, "terms-invalid"),
        ({**ASKED, "tolerance": 0.5}, "not-canonical"),
        ({}, "request-invalid"),
    ],
)
async def test_what_are_no_terms_is_refused_with_the_member(caller, document, code):
    status, refused = await caller.ask("POST", "/v1/documents", json={"document": document})
    assert (status, refused["code"]) == (400, code)


@pytest.mark.parametrize("name", ["sha-256:" + "0" * 64, "A5"])
async def test_a_document_that_is_not_here_is_not_found(caller, name):
    status, refused = await caller.ask("GET", f"/v1/documents/{name}")
    assert (status, refused["code"]) == (404, "document-unknown")


async def test_a_partner_is_asked_for_terms_that_we_do_not_hold(countering):
    steel, *_ = countering
    name = digest(canonical(ASKED))
    assert (await steel.ask("GET", f"/v1/documents/{name}"))[0] == 404
    status, found = await steel.ask("GET", f"/v1/documents/{name}", params={"from": ZHENGSHU})
    assert (status, found["document"]) == (200, ASKED)


async def test_what_waits_says_what_it_is_and_what_separates_the_sides(countering):
    steel, _, _, waiting = countering
    assert (waiting["subject"], waiting["counterparty"], waiting["waiting_for"]) == ("counter-request", ZHENGSHU, "us")
    status, found = await steel.ask("GET", f"/v1/negotiations/{waiting['id']}/difference")
    assert status == 200
    assert found["differs"] is True
    assert found["problems"] == []
    assert len(found["sentences"]["en"]) == len(found["sentences"]["zh"]) == 1
    rows = {row["volume"]: row for row in found["money"]}
    assert rows[1_875] == {
        "terms": "press",
        "volume": 1_875,
        "unit": "part",
        "days": 0,
        "ours": 32_188,
        "theirs": 30_938,
        "difference": -1_250,
        "currency": "EUR",
        "exponent": 2,
    }
    assert found["offers"]["on_table"] == "theirs"
    assert found["offers"]["ours"]["@id"] == found["offers"]["theirs"]["@id"] == OFFER


async def test_the_other_side_sees_the_same_with_the_signs_turned(countering):
    _, zhengshu, pid, _ = countering
    _, found = await zhengshu.ask("GET", f"/v1/negotiations/{pid}/difference")
    row = next(row for row in found["money"] if row["volume"] == 1_875)
    assert (row["ours"], row["theirs"], row["difference"]) == (30_938, 32_188, 1_250)
    assert found["offers"]["on_table"] == "ours"


async def test_an_approval_keeps_its_reason_with_us(countering):
    steel, zhengshu, pid, waiting = countering
    status, done = await steel.ask(
        "POST", f"/v1/negotiations/{waiting['id']}/approve", json={"reason": "good customer"}
    )
    assert (status, done["approval"]) == (200, "good customer")
    assert await approvals(steel) == []

    async def finalized():
        return (await zhengshu.ask("GET", f"/v1/negotiations/{pid}"))[1]["state"] == "FINALIZED"

    await eventually(finalized)
    assert (await zhengshu.ask("GET", f"/v1/negotiations/{pid}"))[1]["approval"] == ""
    status, refused = await steel.ask("POST", f"/v1/negotiations/{waiting['id']}/approve", json={})
    assert (status, refused["code"]) == (409, "nothing-to-decide")


async def test_a_rejection_needs_a_reason_and_tells_it(countering):
    steel, zhengshu, pid, waiting = countering
    address = f"/v1/negotiations/{waiting['id']}/reject"
    assert (await steel.ask("POST", address, json={}))[0] == 400
    assert (await steel.ask("POST", address, json={"reason": "too cheap"}))[0] == 200

    async def ended():
        found = (await zhengshu.ask("GET", f"/v1/negotiations/{pid}"))[1]
        return (found["code"], found["reason"]) if found["state"] == "TERMINATED" else None

    assert await eventually(ended) == ("rejected", "too cheap")


async def test_what_waits_comes_in_pages_longest_first(pair):
    steel, zhengshu = pair
    await publish(steel.daemon, decision="person")
    for _ in range(3):
        await zhengshu.ask("POST", "/v1/negotiations", json={"provider": STEEL, "dataset": DATASET, "offer": OFFER})

    async def all_three():
        return len(await approvals(steel)) == 3

    await eventually(all_three)
    seen, after = [], None
    for _ in range(3):
        _, page = await steel.ask("GET", "/v1/approvals", params={"limit": "1"} | ({"after": after} if after else {}))
        seen += [each["updated"] for each in page["items"]]
        after = page["next"]
    assert (len(seen), after) == (3, None)
    assert seen == sorted(seen)
