"""Catalogs of others over HTTP: links in every form, by POST and GET, compressed, within the guard and with an end."""

import gzip
import json

import pytest
from aiohttp import web

from connector.errors import RefusedError, UnreachableError
from connector.federation import fetch as fetching
from connector.federation.fetch import fetcher
from connector.federation.links import next_link
from connector.store import federation
from tests.dspschema import validate
from tests.federation.stub import STUB, beside_a_stub
from tests.shared import shared

ASKED = "https://h.example/dsp/2025-1/catalog/request?page=2"


# -- links -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ('<https://h.example/a?x=1>; rel="next"', "https://h.example/a?x=1"),
        ("<https://h.example/a>;rel=next", "https://h.example/a"),
        ('<?page=3>; rel="next"', "https://h.example/dsp/2025-1/catalog/request?page=3"),
        ('</c?p=1>; rel="next"', "https://h.example/c?p=1"),
        ('<request?page=3>; rel="next"', "https://h.example/dsp/2025-1/catalog/request?page=3"),
        ('<//h.example/c>; rel="next"', "https://h.example/c"),
        ('<https://h.example/a,b;c>; rel="next"', "https://h.example/a,b;c"),
        ('<https://h.example/p>; rel="prev", <https://h.example/n>; rel="next"', "https://h.example/n"),
        ('<https://h.example/n>; rel="next", <https://h.example/p>; rel="previous"', "https://h.example/n"),
        ('<https://h.example/n>; title="a, <b>; rel=\\"x\\""; rel="last next"', "https://h.example/n"),
        ('<https://h.example/n>; REL="NEXT"', "https://h.example/n"),
        ('<https://h.example/n> ; rel = "next" ; type="application/json"', "https://h.example/n"),
        ('<https://h.example/n#part>; rel="next"', "https://h.example/n"),
        ('<https://h.example/p>; rel="prev"', None),
        ('<https://h.example/n>; rel="nextpage"', None),
        ('<https://h.example/n>; rel="prev"; rel="next"', None),
        ('<https://h.example/n>; rel="next"; anchor="#x"', None),
        (f'<{ASKED}>; rel="next"', None),
        ('<>; rel="next"', None),
        ("", None),
        ("rel=next", None),
        ("<https://h.example/n", None),
        ('<https://h.example/n>; rel="nex', None),
        ('<https://h.example/n>; rel="next\\', "https://h.example/n"),
        ("<" * 1000, None),
        ("<a>" + "; " * 3000, None),
    ],
)
def test_the_next_page_in_a_header(header, address):
    """Absolute and relative, alone and among others, quoted or not; a link back to the page itself is none (RFC 8288)."""
    assert next_link(header, ASKED) == address


def test_links_recorded_with_edc_are_read():
    """The headers of a real EDC, with its token."""
    found = []
    for line in shared("data/edc-wire/probe.jsonl").read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        header = (exchange.get("response_headers") or {}).get("Link", "")
        if header:
            asked = "http://localhost:19194" + exchange["path"]
            found.append((header.rpartition("rel=")[2], next_link(header, asked)))
    assert [relation for relation, _ in found] == ['"next"', '"prev"']
    assert found[0][1].startswith("http://localhost:19194/protocol/2025-1/catalog/request?continuationToken=")
    assert found[1][1] is None


# -- fetching --------------------------------------------------------------------------------------------------------------


def dataset(name):
    return {
        "@id": name,
        "@type": "Dataset",
        "hasPolicy": [{"@id": f"{name}/o", "@type": "Offer", "permission": [{"action": "use"}]}],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "s"}],
    }


def catalog(*names, **members):
    found = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@id": "c", "@type": "Catalog"}
    return {**found, "dataset": [dataset(name) for name in names], **members}


def paged(pages, *, links, by=("POST",)):
    """A server of pages `p=0`, `p=1`, …; `links(number)` are the headers that lead on."""

    def answer(request):
        if "p" in request.query and request.method not in by:
            return web.Response(status=405)
        number = int(request.query.get("p", "0"))
        response = web.json_response(pages[number])
        for header in links(number):
            response.headers.add("Link", header)
        return response

    return answer


async def crawled(daemon):
    (outcome,) = await daemon.crawler.refresh(STUB)
    return outcome


def last_of(pages):
    return len(pages) - 1


PAGES = [catalog("a"), catalog("b", "c"), catalog("d")]
FORMS = {
    "absolute": lambda stub, number: [f'<{stub.root}/dsp/2025-1/catalog/request?p={number + 1}>; rel="next"'],
    "relative": lambda _, number: [f'<?p={number + 1}>; rel="next"'],
    "several headers": lambda _, number: [f'<?p={number - 1}>; rel="prev"', f'<?p={number + 1}>; rel="next"'],
    "one header": lambda _, number: [f'<?p={number - 1}>; rel="previous", <?p={number + 1}>; rel="next"'],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", ["POST", "GET"])
async def test_all_pages_are_read(tmp_path, form, by):
    """By POST with the message, and by GET where that answers 405; every dataset is found."""
    async with beside_a_stub(tmp_path) as (daemon, stub):
        stub.answer = paged(
            PAGES, links=lambda number: FORMS[form](stub, number) if number < last_of(PAGES) else [], by=(by,)
        )
        outcome = await crawled(daemon)
        assert (outcome.result, outcome.datasets) == ("ok", 4)
        followed = [method for method, path in stub.asked if "p=" in path]
        assert followed[-2:] == (["POST", "POST"] if by == "POST" else ["POST", "GET"])
        for method, body in zip((method for method, _ in stub.asked), stub.bodies, strict=True):
            if method == "POST":
                validate(json.loads(body), "catalog/catalog-request-message-schema.json")
                assert "filter" not in json.loads(body)
        assert all(seen["accept-encoding"] == "gzip" for seen in stub.seen)
        assert len({seen["authorization"] for seen in stub.seen}) == len(stub.seen)


@pytest.mark.parametrize("back_to", ["?p=1", "?p=2", "", "/dsp/2025-1/catalog/request"])
async def test_a_circle_of_links_ends(tmp_path, back_to):
    """A link to a page that was read already, however it is written; what was read counts once."""
    async with beside_a_stub(tmp_path) as (daemon, stub):
        targets = ["?p=1", "?p=2", back_to]
        stub.answer = paged(PAGES, links=lambda number: [f'<{targets[number]}>; rel="next"'])
        outcome = await crawled(daemon)
        assert (outcome.result, outcome.datasets) == ("ok", 4)
        assert len(stub.asked) <= 12


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/x", "https://else.example/x", "ftp://x/", "http://[::1", "/a/%2e%2e/b", "http://u@h/x"]
)
async def test_a_link_that_leaves_the_member_is_not_followed(tmp_path, link):
    """Another host, port or scheme, or what nobody can read: the crawl fails by name and the old catalog stays."""
    async with beside_a_stub(tmp_path) as (daemon, stub):
        stub.answer = paged(PAGES[:1], links=lambda _: [])
        assert (await crawled(daemon)).result == "ok"
        stub.answer = paged([catalog("x")], links=lambda _: [f'<{link}>; rel="next"'])
        outcome = await crawled(daemon)
        assert (outcome.result, outcome.reason in ("address-outside-list", "address-malformed")) == ("failed", True)
        known = await daemon.node.db.read(lambda tx: federation.member(tx, STUB))
        assert (known.entries, known.reason) == (1, outcome.reason)


def zipped(body, **headers):
    return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip", **headers})


async def test_a_compressed_catalog_is_read(tmp_path):
    """As one gzip, or as several in a row."""
    plain = json.dumps(catalog("a", "b")).encode()
    async with beside_a_stub(tmp_path) as (daemon, stub):
        for body in (gzip.compress(plain), gzip.compress(plain[:50]) + gzip.compress(plain[50:])):
            stub.answer = lambda _, body=body: zipped(body)
            body_read, following = await fetcher(daemon.node)(daemon.node.members.current().member(STUB), None)
            assert (body_read, following) == (plain, None)


async def test_a_bomb_is_given_up_by_its_plain_size(tmp_path, monkeypatch):
    """A small answer that wants to become a large one; exactly the limit passes."""
    monkeypatch.setattr(fetching, "PAGE_LIMIT_BYTES", 1_000_000)
    async with beside_a_stub(tmp_path) as (daemon, stub):
        member = daemon.node.members.current().member(STUB)
        for bomb in (
            gzip.compress(b" " * 1_000_001),
            gzip.compress(b" " * 600_000) * 2,
            gzip.compress(b" " * 50_000_000),
        ):
            stub.answer = lambda _, bomb=bomb: zipped(bomb)
            with pytest.raises(RefusedError, match="answer-too-large"):
                await fetcher(daemon.node)(member, None)
        stub.answer = lambda _: zipped(gzip.compress(b" " * 1_000_000))
        assert len((await fetcher(daemon.node)(member, None))[0]) == 1_000_000


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("gzip", b"not gzip", "unreachable"),
        ("gzip", gzip.compress(b"{}" * 9000, mtime=0)[:-9], "unreachable"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", "unreachable"),
        ("br", b"{}", "answer-encoded"),
        ("deflate", b"{}", "answer-encoded"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "answer-encoded"),
    ],
)
async def test_an_encoding_that_was_not_asked_for_is_refused(tmp_path, encoding, body, code):
    """And what says it is gzip must be one, whole."""
    async with beside_a_stub(tmp_path) as (daemon, stub):
        stub.answer = lambda _: web.Response(body=body, headers={"Content-Encoding": encoding})
        with pytest.raises((RefusedError, UnreachableError), match=code):
            await fetcher(daemon.node)(daemon.node.members.current().member(STUB), None)


async def test_a_catalog_that_is_refused_says_with_which_status(tmp_path):
    """401, 404, 500: the crawl fails with the reason; the first request is not repeated by GET."""
    async with beside_a_stub(tmp_path) as (daemon, stub):
        await crawled(daemon)
        for status in (401, 404, 405, 500):
            stub.answer = lambda _, status=status: web.Response(status=status)
            stub.asked.clear()
            with pytest.raises(UnreachableError, match=f"catalog-refused.*{status}"):
                await fetcher(daemon.node)(daemon.node.members.current().member(STUB), None)
            assert [method for method, _ in stub.asked] == ["POST"]
