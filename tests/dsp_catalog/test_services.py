"""Where a connector says that it can be found: its DID document, where that is its to serve, and the Weft document."""

from datetime import UTC, datetime

import aiohttp
import pytest

from catalog.discovery import read_services, read_versions
from connector.authority import space
from connector.daemon import Daemon
from connector.identity.setup import initialise
from tests.dspschema import validate
from tests.pair import free_ports, settings

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


async def started(root, participant, ports, **changes):
    """One daemon of a space of its own, under any participant identifier."""
    root.mkdir(parents=True, exist_ok=True)
    key = space.create_space(root / "space", "test-space")
    member = initialise(
        root / "one",
        participant=participant,
        names={"zh": "一", "en": "one"},
        region="CN-32",
        dsp=f"http://127.0.0.1:{ports[0]}/dsp/2025-1",
        space_key=key,
        members=str(root / "space" / "members.json"),
        now=SINCE,
        protocol_port=ports[0],
        management_port=ports[1],
    )
    space.add_member(root / "space", member.read_bytes(), SINCE)
    space.sign(root / "space", "P3650D", SINCE)
    return Daemon(settings(root, "one", **changes))


async def get(address):
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.json() if answer.status == 200 else None


@pytest.mark.parametrize(
    ("participant", "place"),
    [
        ("did:web:127.0.0.1%3A{port}", "/.well-known/did.json"),
        ("did:web:127.0.0.1%3A{port}:plants:steel", "/plants/steel/did.json"),
    ],
)
async def test_the_did_document_of_this_host_is_served(tmp_path, participant, place):
    """Where did:web looks for it; its services lead to the catalog and to the version document."""
    ports = free_ports(2)
    name = participant.format(port=ports[0])
    async with await started(tmp_path, name, ports) as daemon:
        root = f"http://127.0.0.1:{ports[0]}"
        status, document = await get(root + place)
        assert (status, document["id"]) == (200, name)
        catalog, versions = read_services(document)
        validate(document["service"][0], "common/did-service-schema.json")
        assert (catalog.type, catalog.base) == ("CatalogService", daemon.node.base)
        assert versions.type == "DataService"
        status, found = await get(versions.endpoint)
        (entry,) = read_versions(found).versions
        assert versions.base + entry.path == daemon.node.base
        assert (entry.service_id, entry.identifier_type) == (versions.id, "did:web")


@pytest.mark.parametrize("participant", ["did:web:p-steel.example", "did:key:z6MkSteel", "BPNL000000000001"])
async def test_the_did_document_of_another_host_is_not_ours_to_serve(tmp_path, participant):
    """Its services stand in the Weft document, for whoever keeps the DID document to copy them from."""
    ports = free_ports(2)
    async with await started(tmp_path, participant, ports) as daemon:
        root = f"http://127.0.0.1:{ports[0]}"
        assert (await get(f"{root}/.well-known/did.json"))[0] == 404
        _, weft = await get(f"{root}/.well-known/weft")
        assert [service.base for service in read_services({"service": weft["service"]})] == [
            daemon.node.base,
            f"{root}/dsp",
        ]


async def test_a_test_identity_names_no_authentication(tmp_path):
    """Where nobody proves anything, the version document does not say how callers do."""
    ports = free_ports(2)
    async with await started(tmp_path, "did:web:p-steel.example", ports, test_mock_identity=True):
        _, document = await get(f"http://127.0.0.1:{ports[0]}/.well-known/dspace-version")
        validate(document, "common/protocol-version-schema.json")
        assert "auth" not in document["protocolVersions"][0]
