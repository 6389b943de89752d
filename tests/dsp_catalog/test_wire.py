"""The catalog over HTTP as its readers get it: pages, filters, compression, tags; every answer by the official schemas."""

import gzip
import json
from urllib.parse import quote

import pytest

from connector.dsp.encoding import accepts_gzip
from tests.dsp_catalog.asking import ask, publish_many, request
from tests.dspschema import validate
from tests.pair import community, did
from tests.shared import shared
from tests.speaker import Speaker, message

STEEL, ZHENGSHU, OEM = did("p-steel"), did("s-zhengshu"), did("p-oem")
LOTS = [f"lot-{number:03}" for number in range(12)]


@pytest.fixture
async def space(tmp_path):
    """p-steel shows twelve datasets on pages of five; s-zhengshu reads by hand."""
    async with community(tmp_path, "p-steel", "s-zhengshu", catalog_page_size=5) as (steel, zhengshu):
        await publish_many(steel, LOTS[:6], keywords=("coil",), grade="1")
        await publish_many(steel, LOTS[6:], keywords=("die", "钢卷"), grade="2", title={"en": "Die", "zh": "模具"})
        async with Speaker(zhengshu, steel) as speaker:
            yield steel, speaker


def checked(said):
    """An answer that is a catalog by the official schema."""
    assert said.status == 200, said.body
    validate(said.body, "catalog/catalog-schema.json")
    return said


def refused(said, status, code):
    """An answer that is an error by the official schema; returns its reason."""
    assert (said.status, said.body["code"]) == (status, code)
    validate(said.body, "catalog/catalog-error-schema.json")
    return said.body["reason"][0]


# -- pages -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["the same message", "a bare message", "GET"])
async def test_links_lead_through_all_pages_and_back(space, way):
    """By POST with the same message, by POST as EDC's clients do it, and by GET; each relation in a header of its own."""
    _, speaker = space
    asked = request(filter=[{"grade": ["1", "2"]}])

    async def follow(link):
        if way == "GET":
            return checked(await ask(speaker, link, method="GET"))
        return checked(await ask(speaker, link, asked if way == "the same message" else request()))

    pages = [checked(await ask(speaker, "/catalog/request", asked))]
    while "next" in pages[-1].links:
        pages.append(await follow(pages[-1].links["next"]))
    assert [page.ids for page in pages] == [LOTS[:5], LOTS[5:10], LOTS[10:]]
    assert [set(page.links) for page in pages] == [
        {"next"},
        {"next", "previous", "prev"},
        {"previous", "prev"},
    ]
    back = pages[-1]
    seen = [back.ids]
    while "previous" in back.links:
        assert back.links["previous"] == back.links["prev"]
        back = await follow(back.links["prev"])
        seen.insert(0, back.ids)
    assert seen == [page.ids for page in pages]


async def test_a_link_lies_below_our_base(space):
    """Where a reader may call us at all."""
    steel, speaker = space
    link = (await ask(speaker, "/catalog/request", request())).links["next"]
    assert link.startswith(f"{steel.node.base}/catalog/request?continuationToken=")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("continuationToken=x", "continuationToken"),
        ("continuationToken=", "continuationToken"),
        ("continuationToken=%00%ff", "continuationToken"),
        ("continuationToken={token}x", "continuationToken"),
        ("continuationToken={token}&continuationToken={token}", "continuationToken"),
        ("after=lot-005", "after"),
        ("page=2", "page"),
    ],
)
async def test_a_wrong_place_is_refused_by_the_parameters_name(space, query, parameter):
    """By POST and by GET: no page of another place is shown."""
    _, speaker = space
    token = (await ask(speaker, "/catalog/request", request())).links["next"].partition("=")[2]
    path = f"/catalog/request?{query.format(token=token)}"
    for said in (await ask(speaker, path, request()), await ask(speaker, path, method="GET")):
        assert parameter in refused(said, 400, "page-invalid")


async def test_a_message_may_not_ask_for_something_else_than_its_link(space):
    """One of the two would be ignored."""
    _, speaker = space
    link = (await ask(speaker, "/catalog/request", request(filter=[{"grade": ["1", "2"]}]))).links["next"]
    assert "link" in refused(await ask(speaker, link, request(filter=[{"grade": "1"}])), 400, "filter-unsupported")


async def test_pages_without_a_page(space):
    """Withdrawn behind a link: an empty page is a catalog without `dataset`, and leads back."""
    steel, speaker = space
    await publish_many(steel, [])
    said = checked(await ask(speaker, "/catalog/request", request(filter=[{"offset": 500, "limit": 50}])))
    assert "dataset" not in said.body
    assert set(said.links) == {"previous", "prev"}
    assert checked(await ask(speaker, said.links["prev"], method="GET")).ids == LOTS


# -- filters ---------------------------------------------------------------------------------------------------------------


def edc(*criteria, **members):
    """A filter as EDC's Management API sends it."""
    found = {"@type": "QuerySpec", "limit": 50, "offset": 0, "sortOrder": "ASC", **members}
    names = ("operandLeft", "operator", "operandRight")
    return [found | {"filterExpression": [dict(zip(names, each, strict=True)) for each in criteria]}]


FILTERS = {
    "everything by EDC": (edc(), LOTS),
    "one id": ([{"id": "lot-003"}], ["lot-003"]),
    "an EDC asset id": (edc(("https://w3id.org/edc/v0.0.1/ns/id", "=", "lot-003")), ["lot-003"]),
    "some ids": (edc(("id", "in", ["lot-011", "lot-003", "none"])), ["lot-003", "lot-011"]),
    "beginning of an id": (edc(("id", "like", "lot-00%"), limit=3), ["lot-000", "lot-001", "lot-002"]),
    "a keyword": ([{"keyword": "钢卷"}], LOTS[6:]),
    "a title in one language": ([{"title": "模具"}], LOTS[6:]),
    "two conditions": (edc(("edc:name", "like", "%ie"), ("id", "like", "%1")), ["lot-011"]),
    "a page": (edc(offset=3, limit=2), ["lot-003", "lot-004"]),
    "nothing": ([{"keyword": "none"}], []),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filters_over_the_wire(space, name):
    """Each form finds what the records say, on as many pages as it takes."""
    _, speaker = space
    asked, wanted = FILTERS[name]
    said = checked(await ask(speaker, "/catalog/request", request(filter=asked)))
    found = said.ids
    while "next" in said.links and name not in ("a page", "beginning of an id"):
        said = checked(await ask(speaker, said.links["next"], request(filter=asked)))
        found += said.ids
    assert found == wanted
    assert ("dataset" in said.body) == bool(wanted)


@pytest.mark.parametrize(
    ("asked", "member"),
    [
        ([{"x": 1}], "filter.0.x"),
        (edc(("price", "=", "1")), "filter.0.filterExpression.0.operandLeft"),
        (edc(("id", "<", "1")), "filter.0.filterExpression.0.operator"),
        (edc(limit=0), "filter.0.limit"),
        ("lot-003", "filter.0"),
    ],
)
async def test_a_filter_that_is_not_understood_is_refused_by_name(space, asked, member):
    """400 and a CatalogError (DSP 2025-1: an unsupported filter)."""
    _, speaker = space
    assert member in refused(await ask(speaker, "/catalog/request", request(filter=asked)), 400, "filter-unsupported")


async def test_a_dataset_with_any_id_can_be_asked_for(space):
    """Ids that need escaping in an address."""
    steel, speaker = space
    for name in ("钢卷 1", "a/b", "a%2Fb", "691320281MA1DEM000K320200000001*", "urn:x:1?y#z"):
        await publish_many(steel, [name])
        said = await ask(speaker, f"/catalog/datasets/{quote(name, safe='')}", method="GET")
        assert (said.status, said.body["@id"]) == (200, name)
        validate(said.body, "catalog/dataset-schema.json")


# -- compression -----------------------------------------------------------------------------------------------------------


async def test_an_answer_is_compressed_for_whoever_accepts_it(space):
    """The same catalog either way; who did not say so gets it plain."""
    _, speaker = space
    plain = checked(await ask(speaker, "/catalog/request", request()))
    small = checked(await ask(speaker, "/catalog/request", request(), headers={"Accept-Encoding": "gzip"}))
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.body == plain.body
    assert len(small.wire) < len(plain.wire) / 2
    assert small.links == plain.links
    for said in (plain, small):
        assert said.headers["Vary"] == "Authorization, Accept-Encoding"
        assert said.headers["Content-Type"].startswith("application/json")


async def test_a_tiny_answer_stays_as_it_is(space):
    """Below a kilobyte compressing costs more than it saves; a large one is compressed beside the event loop."""
    steel, speaker = space
    accepts = {"Accept-Encoding": "gzip"}
    tiny = checked(await ask(speaker, "/catalog/request", request(filter=[{"id": "none"}]), headers=accepts))
    assert (len(tiny.wire) < 1024, "Content-Encoding" in tiny.headers) == (True, False)
    error = await ask(speaker, "/catalog/datasets/none", method="GET", headers=accepts)
    assert "Content-Encoding" not in error.headers
    await publish_many(steel, [f"big-{number}" for number in range(100)])
    large = checked(
        await ask(speaker, "/catalog/request", request(filter=[{"limit": 200, "offset": 0}]), headers=accepts)
    )
    assert len(large.plain) > 32 * 1024
    assert large.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5, br", True),
        ("*", True),
        ("br;q=1, *;q=0.1", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=x", False),
        ("identity", False),
        ("br", False),
        ("", False),
    ],
)
def test_who_accepts_gzip(header, accepted):
    """Weights count (RFC 9110, 12.5.3); whoever says nothing accepts nothing."""
    assert accepts_gzip(header) is accepted


async def test_a_tag_spares_the_body(space):
    """GET: 304 as long as nothing changed for this reader, in either encoding; a changed catalog is sent."""
    steel, speaker = space
    first = checked(await ask(speaker, "/catalog/request", method="GET"))
    tag = first.headers["ETag"]
    for headers in ({}, {"Accept-Encoding": "gzip"}):
        again = await ask(
            speaker, "/catalog/request", method="GET", headers={"If-None-Match": f'"x", {tag}', **headers}
        )
        assert (again.status, again.wire, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Vary"] == "Authorization, Accept-Encoding"
    one = await ask(speaker, "/catalog/datasets/lot-001", method="GET")
    same = await ask(speaker, "/catalog/datasets/lot-001", method="GET", headers={"If-None-Match": one.headers["ETag"]})
    assert same.status == 304
    await publish_many(steel, ["aaa"])
    changed = await ask(speaker, "/catalog/request", method="GET", headers={"If-None-Match": tag})
    assert (changed.status, changed.ids[0]) == (200, "aaa")


async def test_a_compressed_request_is_read(space):
    """A message that comes as gzip is the same message, also in several members."""
    _, speaker = space
    plain = json.dumps(request(filter=[{"id": "lot-003"}])).encode()
    for encoding, data in (
        ("gzip", gzip.compress(plain)),
        ("x-gzip", gzip.compress(plain[:20]) + gzip.compress(plain[20:])),
        ("identity", plain),
    ):
        said = await ask(speaker, "/catalog/request", data=data, headers={"Content-Encoding": encoding})
        assert checked(said).ids == ["lot-003"]


async def test_a_bomb_is_refused_by_its_plain_size(space):
    """What unpacks to more than a message may have is refused, however small it came; the next message is read."""
    steel, speaker = space
    limit = steel.settings.message_limit_bytes
    for members in (1, 2):
        bomb = gzip.compress(b'{"a":"' + b"x" * (20 * limit // members)) * members
        assert len(bomb) < limit
        for path in ("/catalog/request", "/negotiations/request"):
            said = await ask(speaker, path, data=bomb, headers={"Content-Encoding": "gzip"})
            assert said.status == 413
            assert said.body["code"] == "message-too-large"
    assert checked(await ask(speaker, "/catalog/request", request())).ids == LOTS[:5]


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-9]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more"),
        ("gzip", gzip.compress(b"", mtime=0) * 65),
        ("br", b"\x0b\x02\x80{}\x03"),
        ("deflate", b"{}"),
        ("gzip, gzip", b"{}"),
    ],
)
async def test_an_encoding_that_cannot_be_read_is_refused(space, encoding, data):
    """Broken, cut short, with something behind it, too many members, or one we do not speak: never a fault of ours."""
    _, speaker = space
    said = await ask(speaker, "/catalog/request", data=data, headers={"Content-Encoding": encoding})
    assert encoding in refused(said, 415, "message-encoding")


# -- what an asker may not see ---------------------------------------------------------------------------------------------


async def test_what_an_asker_may_not_see_does_not_exist(tmp_path):
    """By page, filter, offset, link, id and offer: the same answers as for what was never published, byte for byte."""
    async with community(tmp_path, "p-steel", "s-zhengshu", "p-oem", catalog_page_size=2) as (steel, zhengshu, oem):
        await publish_many(steel, ["b-1", "d-1"], keywords=("coil",))
        await publish_many(steel, ["a-2", "c-2", "e-2", "f-2"], keywords=("coil", "secret"), audience=(OEM,))
        async with Speaker(zhengshu, steel) as reader, Speaker(oem, steel) as owner:
            catalog = await ask(reader, "/catalog/request", request())
            assert (catalog.ids, catalog.links) == (["b-1", "d-1"], {})
            assert b"-2" not in catalog.wire
            foreign = await ask(owner, "/catalog/request", request())
            assert foreign.ids == ["a-2", "b-1"]
            # A link that somebody who sees more was given shows no more.
            assert checked(await ask(reader, foreign.links["next"], method="GET")).ids == ["d-1"]
            for asked in (
                [{"id": ["a-2", "c-2"]}],
                [{"keyword": "secret"}],
                edc(("id", "like", "%-2")),
                edc(("id", "like", "c%")),
                edc(("title", "=", "c-2")),
                edc(offset=2),
            ):
                assert checked(await ask(owner, "/catalog/request", request(filter=asked))).ids
                hidden = checked(await ask(reader, "/catalog/request", request(filter=asked)))
                assert hidden.ids == []
                # Behind an offset stands what the reader sees itself; elsewhere nothing follows and nothing stands before.
                assert set(hidden.links) == ({"previous", "prev"} if asked == edc(offset=2) else set())
                nothing = checked(await ask(reader, "/catalog/request", request(filter=[{"id": "never"}])))
                assert hidden.body == nothing.body
            for name in ("c-2", "never"):
                reason = refused(await ask(reader, f"/catalog/datasets/{name}", method="GET"), 404, "dataset-unknown")
                assert reason.replace(name, "?") == "There is no dataset ? that you may see. Read the catalog again."
            answers = []
            for name in ("c-2", "never"):
                offer = {"@id": f"{name}/o", "@type": "Offer", "permission": [{"action": "odrl:use"}]}
                offer |= {"target": name, "assigner": STEEL}
                pid = "urn:uuid:00000000-0000-4000-8000-00000000000" + str(len(answers))
                body = message(
                    "ContractRequestMessage", consumerPid=pid, callbackAddress=zhengshu.node.base, offer=offer
                )
                said = await ask(reader, "/negotiations/request", body)
                answers.append((said.status, said.plain.replace(name.encode(), b"?").replace(pid.encode(), b"pid")))
            assert answers[0] == answers[1]


# -- discovery -------------------------------------------------------------------------------------------------------------


async def test_the_version_document_says_who_and_how(space):
    """`serviceId` is the DataService of the catalog, `identifierType` the DID method, `auth` how callers prove who they are."""
    steel, speaker = space
    root = steel.node.base.removesuffix("/dsp/2025-1")
    catalog = await ask(speaker, "/catalog/request", request())
    for place in (root, f"{root}/dsp"):
        said = await ask(speaker, f"{place}/.well-known/dspace-version", method="GET", headers={"Authorization": ""})
        validate(said.body, "common/protocol-version-schema.json")
        (entry,) = said.body["protocolVersions"]
        assert place + entry["path"] == steel.node.base
        assert entry["serviceId"] == catalog.body["service"][0]["@id"]
        assert entry["identifierType"] == "did:web"
        assert entry["auth"]["protocol"] == "Weft member list"
        assert "@context" not in said.body


# -- recorded with EDC -----------------------------------------------------------------------------------------------------


def recorded_requests():
    """Every distinct catalog request that an EDC consumer or user sent, of all recordings."""
    found = {}
    for path in sorted(shared("data/edc-wire").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            exchange = json.loads(line)
            if exchange["path"].endswith("/catalog/request") and exchange["from"] in ("edc", "consumer"):
                found[json.dumps(exchange["request"], sort_keys=True)] = exchange["request"]
    return list(found.values())


async def test_requests_recorded_with_edc_are_answered(space):
    """Word for word as an EDC sends them: its query, its second context."""
    _, speaker = space
    sent = recorded_requests()
    assert any("filter" in body for body in sent)
    for body in sent:
        said = checked(await ask(speaker, "/catalog/request", body))
        assert said.ids == LOTS
        assert said.links == {}
