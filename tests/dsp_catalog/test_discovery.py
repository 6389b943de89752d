"""Version documents and DID services of others: read as they really come, refused with the member's name."""

import json

import pytest

from catalog.discovery import (
    WELL_KNOWN,
    base_of,
    choose,
    did_document,
    did_services,
    did_web_place,
    identifier_type,
    read_services,
    read_versions,
    roots,
)
from catalog.errors import UnreadableServiceError, UnreadableVersionsError
from tests.dspschema import validate
from tests.shared import shared

DID = "did:web:p-steel.example"


def example(name):
    return json.loads(shared(f"data/dsp/{name}").read_text(encoding="utf-8"))


def document(*entries):
    return {"protocolVersions": [{"binding": "HTTPS", **entry} for entry in entries]}


def test_the_example_of_the_specification_is_read():
    """Three entries, one version twice under different paths."""
    found = read_versions(example("common/example/protocol-version.json"))
    assert [entry.version for entry in found.versions] == ["2025-1", "2024-1", "2025-1"]
    assert found.versions[1].auth.profile == ("authorization_code", "refresh_token")
    assert found.unreadable == ()
    entry, base = choose(found, "https://h.example", "https://h.example/different/path/2025-1")
    assert (entry.service_id, base) == ("service-qwerty", "https://h.example/different/path/2025-1")


INVALID = {
    "version_empty-versions": "protocolVersions",
    "version_no-versions": "protocolVersions",
    "version_binding-not-in-enum": "binding",
    "version_no-binding": "binding",
    "version_no-path": "path",
    "version_no-version": "version",
    "version_serviceid-not-a-string": "serviceId",
    "version_auth-a-string": "auth",
    "version_auth-missing-protocol": "auth.protocol",
    "version_auth-profile-not-an-array": "auth.profile",
    "version_auth-profile-not-a-string": "auth.profile.0",
}


@pytest.mark.parametrize("name", INVALID)
def test_every_invalid_version_document_is_refused_by_the_members_name(name):
    """Each invalid sample of the specification's own schema tests."""
    with pytest.raises(UnreadableVersionsError) as caught:
        read_versions(example(f"invalid/common/{name}.json"))
    assert INVALID[name] in caught.value.problem


def test_no_invalid_version_document_is_left_out():
    """The table above is complete."""
    folder = shared("data/dsp/invalid/common")
    assert {path.stem for path in folder.glob("version_*.json")} == set(INVALID)


def test_an_entry_that_cannot_be_read_does_not_hide_its_neighbour():
    """A later release may speak a binding we do not know, and EDC adds members of its own."""
    found = read_versions(
        {
            "protocolVersions": [
                {"version": "2027-1", "path": "/x", "binding": "QUIC"},
                {"version": "2025-1", "path": "/2025-1", "binding": "HTTPS", "profile": "http-dsp-profile-2025-1"},
                {"version": "2025-1", "path": "/a/../b", "binding": "HTTPS"},
                {"version": "2025-1", "path": "https://else.example/x", "binding": "HTTPS"},
            ]
        }
    )
    assert [entry.path for entry in found.versions] == ["/2025-1"]
    assert [problem.partition(":")[0] for problem in found.unreadable] == [
        "protocolVersions.0.binding",
        "protocolVersions.2.path",
        "protocolVersions.3.path",
    ]


@pytest.mark.parametrize("value", [None, [], "x", 7, {"protocolVersions": {}}, {"protocolVersions": [None]}])
def test_what_is_no_version_document_is_refused(value):
    """Whatever JSON comes."""
    with pytest.raises(UnreadableVersionsError):
        read_versions(value)


def test_where_the_document_may_lie():
    """Beside the version path first, then every folder up to the host; a base without a version begins with itself."""
    assert roots("https://h.example/api/dsp/2025-1") == [
        "https://h.example/api/dsp",
        "https://h.example/api/dsp/2025-1",
        "https://h.example/api",
        "https://h.example",
    ]
    assert roots("https://h.example/api/dsp/") == [
        "https://h.example/api/dsp",
        "https://h.example/api",
        "https://h.example",
    ]
    assert roots("https://h.example:8443") == ["https://h.example:8443"]


@pytest.mark.parametrize(
    ("root", "path", "base"),
    [
        ("https://h/dsp", "/2025-1", "https://h/dsp/2025-1"),
        ("https://h/dsp/", "/2025-1/", "https://h/dsp/2025-1"),
        ("https://h/", "//dsp//2025-1", "https://h/dsp/2025-1"),
        ("https://h", "/", "https://h"),
        ("https://h/dsp", "", "https://h/dsp"),
    ],
)
def test_slashes_are_normalised(root, path, base):
    """One between segments, none at the end."""
    assert base_of(root, path) == base


def test_the_listed_base_wins_then_one_below_it_then_the_first():
    """A version may stand several times; some write its path from the host on."""
    two = read_versions(document({"version": "2025-1", "path": "/a"}, {"version": "2025-1", "path": "/b"}))
    assert choose(two, "https://h", "https://h/b")[1] == "https://h/b"
    assert choose(two, "https://h", "https://h/b/")[1] == "https://h/b"
    assert choose(two, "https://h/x", "https://h/b")[1] == "https://h/b"
    assert choose(two, "https://h", "https://h")[1] == "https://h/a"
    assert choose(two, "https://h", "https://h/c")[1] == "https://h/a"
    assert choose(read_versions(document({"version": "2024-1", "path": "/"})), "https://h", "https://h") is None


@pytest.mark.parametrize(
    ("participant", "kind"),
    [
        ("did:web:p-steel.example", "did:web"),
        ("did:web:host.example:a:b", "did:web"),
        ("did:key:z6Mk", "did:key"),
        ("urn:uuid:0f2c", "urn:uuid"),
        ("https://p.example/id", "https"),
        ("BPNL000000000001", "opaque"),
        ("a company: with blanks", "opaque"),
    ],
)
def test_the_kind_of_an_identifier(participant, kind):
    """The method of a DID, however long the rest is."""
    assert identifier_type(participant) == kind


# -- DID services ----------------------------------------------------------------------------------------------------------


def test_the_examples_of_the_specification_are_read():
    """Both, also the one that the published schema refuses."""
    catalog = read_services(example("common/example/catalogservice-did-service.json"))
    data = read_services(example("common/example/dataservice-did-service.json"))
    assert [(each.type, each.base) for each in catalog] == [("CatalogService", "https://bar.example.com/some/path")]
    assert [(each.type, each.base) for each in data] == [("DataService", "https://bar.example.com/some/path")]


def test_our_own_services_are_read_back():
    """What we would put into a DID document says the same to its reader; a catalog's follows the official schema."""
    services = did_services(DID, "https://h.example/dsp/2025-1", "https://h.example/dsp")
    validate(services[0], "common/did-service-schema.json")
    read = read_services(did_document(DID, services))
    assert [(each.id, each.base) for each in read] == [
        (f"{DID}#catalog", "https://h.example/dsp/2025-1"),
        (f"{DID}#dsp", "https://h.example/dsp"),
    ]
    assert read[1].endpoint == "https://h.example/dsp" + WELL_KNOWN


def test_services_of_others_are_passed_over():
    """A DID document lists many kinds; a type may stand in a list; one service may stand alone."""
    assert read_services({"id": DID}) == []
    mine = {"id": "#d", "type": ["DataService"], "serviceEndpoint": "https://h/.well-known/dspace-version"}
    assert len(read_services({"id": DID, "service": [{"type": "CredentialService"}, "x", None, mine]})) == 1
    assert len(read_services({"id": DID, "service": mine})) == 1


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"id": None}, "service.0.id"),
        ({"serviceEndpoint": None}, "service.0.serviceEndpoint"),
        ({"serviceEndpoint": {"uri": "https://h/catalog"}}, "service.0.serviceEndpoint"),
        ({"serviceEndpoint": "https://h/catalogue"}, "service.0.serviceEndpoint"),
        ({"serviceEndpoint": "ftp://h/catalog"}, "service.0.serviceEndpoint"),
        ({"serviceEndpoint": "https://h/x?/catalog"}, "service.0.serviceEndpoint"),
        ({"type": "DataService"}, "service.0.serviceEndpoint"),
        ({"@context": "https://w3id.org/dspace/2025/1/context.jsonld"}, "service.0.@context"),
        ({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}, "service.0.@context"),
        ({"@context": []}, "service.0.@context"),
    ],
)
def test_a_misspelt_service_is_refused_by_the_members_name(changes, member):
    """By hand, as the published schema cannot."""
    entry = {"id": "#c", "type": "CatalogService", "serviceEndpoint": "https://h.example/catalog", **changes}
    with pytest.raises(UnreadableServiceError) as caught:
        read_services({"service": [entry]})
    assert caught.value.problem.startswith(member + ":")


@pytest.mark.parametrize("name", ["context_empty", "context_missing-dsp-context"])
def test_a_context_of_the_schema_tests_is_refused(name):
    """The two samples of `@context` that lack the protocol's."""
    entry = example("common/example/catalogservice-did-service.json")
    with pytest.raises(UnreadableServiceError, match="@context"):
        read_services({**entry, "@context": example(f"invalid/common/{name}.json")})


@pytest.mark.parametrize(
    ("participant", "place"),
    [
        ("did:web:p-steel.example", ("p-steel.example", "/.well-known/did.json")),
        ("did:web:127.0.0.1%3A8282", ("127.0.0.1:8282", "/.well-known/did.json")),
        ("did:web:host.example:a:b", ("host.example", "/a/b/did.json")),
        ("did:web:host.example:..:b", None),
        ("did:web:host%2Fx", None),
        ("did:key:z6Mk", None),
        ("BPNL1", None),
    ],
)
def test_where_a_did_web_document_lies(participant, place):
    """Of a host, of a host and port, of a path; nowhere for other methods."""
    assert did_web_place(participant) == place
