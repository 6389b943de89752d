"""Discovery over HTTP: where a member's version document lies, what it offers, and that its base is used."""

import json

import pytest
from aiohttp import web

from connector.dispatch.versions import Bases, discover
from connector.errors import AuthenticationError, RefusedError, UnreachableError
from tests.federation.stub import OURS, STUB, beside_a_stub
from tests.federation.test_fetch import catalog
from tests.pair import community, did

DOCUMENT = "/.well-known/dspace-version"


def offering(documents, **catalogs):
    """A server of version documents by root, and of catalogs by base."""

    def answer(request):
        path = request.path
        if path.endswith(DOCUMENT) and path.removesuffix(DOCUMENT) in documents:
            entries = documents[path.removesuffix(DOCUMENT)]
            if not isinstance(entries, list):
                return web.Response(body=entries)
            return web.json_response({"protocolVersions": [{"binding": "HTTPS", **entry} for entry in entries]})
        if path in catalogs.values():
            return web.json_response(catalog("a"))
        return web.Response(status=404)

    return answer


def entry(version, path, **members):
    return {"version": version, "path": path, **members}


async def test_two_of_ours_find_each_other(tmp_path):
    """A Weft peer: its document lies below /dsp, without a token, and leads to the listed base."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, zhengshu):
        found = await discover(zhengshu.node, did("p-steel"))
        assert (found.base, found.agrees) == (steel.node.base, True)
        assert found.url == steel.node.base.removesuffix("/2025-1") + DOCUMENT
        assert (found.chosen.version, found.chosen.identifier_type) == ("2025-1", "did:web")
        assert found.unreadable == ()


@pytest.mark.parametrize(
    ("base", "documents", "path"),
    [
        ("/dsp/2025-1", {"/dsp": [entry("2025-1", "/2025-1")]}, "/dsp/2025-1"),
        ("/api/dsp", {"/api/dsp": [entry("2024-1", "/2024-1"), entry("2025-1", "/2025-1/")]}, "/api/dsp/2025-1"),
        ("", {"": [entry("2025-1", "//dsp/2025-1")]}, "/dsp/2025-1"),
        ("/api/dsp/2025-1", {"": [entry("2025-1", "/api/dsp/2025-1")]}, "/api/dsp/2025-1"),
        ("/dsp/2025-1", {"/dsp": [entry("2025-1", "/dsp/2025-1")]}, "/dsp/2025-1"),
        ("/dsp", {"/dsp": [entry("2025-1", "/a"), entry("2025-1", "/b")]}, "/dsp/a"),
        # An older version below, ours at the host; a page that is no document; EDC's extra member.
        ("/x/dsp", {"/x/dsp": [entry("0.8", "")], "": [entry("2025-1", "/y", profile="p")]}, "/y"),
        ("/dsp", {"/dsp": b"<html>", "": [entry("2025-1", "/dsp/2025-1")]}, "/dsp/2025-1"),
    ],
)
async def test_the_base_is_found(tmp_path, base, documents, path):
    """With and without a version path, from the nearest document that offers ours; slashes are normalised."""
    async with beside_a_stub(tmp_path, base=base, answer=offering(documents)) as (daemon, stub):
        found = await discover(daemon.node, STUB)
        assert found.base == stub.root + path
        documents_asked = [seen for (_, place), seen in zip(stub.asked, stub.seen, strict=True) if DOCUMENT in place]
        assert documents_asked
        assert all("authorization" not in seen for seen in documents_asked)


async def test_no_matching_version_says_what_is_offered(tmp_path):
    """The communication ends, and a person can tell the peer's operator why."""
    offered = {"/dsp": [entry("2024-1", "/2024-1"), entry("0.8", "/")]}
    async with beside_a_stub(tmp_path, base="/dsp/2025-1", answer=offering(offered)) as (daemon, _):
        with pytest.raises(RefusedError) as caught:
            await discover(daemon.node, STUB)
        assert caught.value.code == "version-unsupported"
        assert "2024-1 (/2024-1), 0.8 (/)" in caught.value.facts["offered"]


async def test_a_document_nobody_can_use_says_which_member(tmp_path):
    """Another binding only, or no JSON."""
    for body, problem in (
        (json.dumps({"protocolVersions": [{"version": "2025-1", "path": "/", "binding": "http"}]}), "binding"),
        ("<html>", "dspace-version"),
    ):
        answer = offering({"/dsp": body.encode()})
        folder = tmp_path / problem
        folder.mkdir()
        async with beside_a_stub(folder, answer=answer) as (daemon, _):
            with pytest.raises(RefusedError, match="versions-unreadable") as caught:
                await discover(daemon.node, STUB)
            assert problem in caught.value.facts["problem"]


async def test_no_document_says_where_it_was_looked_for(tmp_path):
    """Every place, and a closed port at once; a stranger is no member."""
    async with beside_a_stub(tmp_path, base="/dsp/2025-1") as (daemon, stub):
        with pytest.raises(UnreachableError) as caught:
            await discover(daemon.node, STUB)
        assert caught.value.code == "versions-missing"
        for root in ("/dsp", "/dsp/2025-1", ""):
            assert f"{stub.root}{root}{DOCUMENT}" in caught.value.facts["tried"]
        with pytest.raises(AuthenticationError, match="not-a-member"):
            await discover(daemon.node, did("stranger"))
    async with community(tmp_path / "dead", "p-steel", "s-zhengshu") as (steel, zhengshu):
        await steel.close()
        with pytest.raises(UnreachableError, match="unreachable"):
            await discover(zhengshu.node, did("p-steel"))


async def test_a_member_listed_without_a_version_is_crawled_at_its_base(tmp_path):
    """The document is asked for once; a base with a version is used as it is listed."""
    answer = offering({"/api": [entry("2025-1", "/v/2025-1")]}, there="/api/v/2025-1/catalog/request")
    async with beside_a_stub(tmp_path, base="/api", answer=answer) as (daemon, stub):
        for _ in range(2):
            (outcome,) = await daemon.crawler.refresh(STUB)
            assert (outcome.result, outcome.datasets) == ("ok", 1)
        assert [path for _, path in stub.asked].count(f"/api{DOCUMENT}") == 1
        bases = Bases(daemon.node)
        assert await bases.of(STUB) == f"{stub.root}/api/v/2025-1"
        assert await bases.of(OURS) == daemon.node.base
