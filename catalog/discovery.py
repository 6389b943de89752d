"""How connectors find each other: version documents and DID services (DSP 2025-1, Common Functionalities; both pure).

A version document says under which paths a connector speaks which version of the protocol: `<root>/.well-known/dspace-version`,
and the base of a version is root + path. A DID document may carry services that point to that document or to a catalog. Of
the official schemas the one for DID services is defective (its `/catalog` pattern hits DataService too, issue #251 of the
specification), so services are checked by hand.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from catalog.errors import UnreadableServiceError, UnreadableVersionsError
from catalog.namespaces import DSP_CONTEXT

VERSION: Final = "2025-1"
BINDING: Final = "HTTPS"
WELL_KNOWN: Final = "/.well-known/dspace-version"
DID_CONTEXT: Final = "https://www.w3.org/ns/did/v1"
# A path segment that names a version of the protocol, as peers write it at the end of their address.
_VERSION_SEGMENT: Final = re.compile(r"(?:v?0\.8|20\d\d-\d{1,2}|http-dsp-profile-20\d\d-\d{1,2})")
# No '?', '#', blank or backslash; dots only inside a segment.
_PATH: Final = re.compile(r"(?:/+(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
# Origin and path of a web address without query or fragment.
_ADDRESS: Final = re.compile(r"(https?://[^/?#\\\s@]+)((?:/[^?#\\\s]*)?)", re.IGNORECASE)
VERSIONS_MAX: Final = 100

ServiceType = Literal["CatalogService", "DataService"]


class Auth(BaseModel):
    """How callers of an entry prove who they are; the profiles are free words of that protocol."""

    model_config = ConfigDict(frozen=True, strict=True)

    protocol: str
    version: str
    profile: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Version(BaseModel):
    """One entry of a version document. Members we do not know (EDC's `profile`) are left aside."""

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    version: str
    path: str
    binding: Literal["HTTPS"]
    service_id: str = Field(default="", alias="serviceId")
    identifier_type: str = Field(default="", alias="identifierType")
    auth: Auth | None = None


@dataclass(frozen=True, slots=True)
class VersionDocument:
    """The entries of a version document that can be read, and why others cannot."""

    versions: tuple[Version, ...]
    unreadable: tuple[str, ...] = ()

    def offered(self) -> str:
        """What it offers, as a person reads it: `2024-1 (/dsp/2024-1), 2025-1 (/dsp/2025-1)`."""
        return ", ".join(f"{item.version} ({item.path})" for item in self.versions) or "-"


@dataclass(frozen=True, slots=True)
class DidService:
    """A service of a DID document that concerns the protocol; `endpoint` is a base without the part its type adds."""

    id: str
    type: ServiceType
    endpoint: str

    @property
    def base(self) -> str:
        """CatalogService: the protocol's base (`…/catalog` taken off). DataService: the root of the version document."""
        return self.endpoint.removesuffix("/catalog" if self.type == "CatalogService" else WELL_KNOWN)


# -- version documents -----------------------------------------------------------------------------------------------------


def read_versions(document: JsonValue) -> VersionDocument:
    """Read a version document; raises UnreadableVersionsError naming the member when nothing in it can be used.

    An entry that cannot be read does not hide its neighbours: a later release may have bindings we do not know.
    """
    if not isinstance(document, dict):
        raise UnreadableVersionsError("$: it is not a JSON object")
    entries = document.get("protocolVersions")
    if not isinstance(entries, list):
        raise UnreadableVersionsError("protocolVersions: it is missing or no list")
    if not entries:
        raise UnreadableVersionsError("protocolVersions: it is empty")
    found: list[Version] = []
    unreadable: list[str] = []
    for position, entry in enumerate(entries[:VERSIONS_MAX]):
        try:
            version = Version.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(str(part) for part in ("protocolVersions", position, *first["loc"]))
            unreadable.append(f"{path}: {first['msg']}")
            continue
        if not _PATH.fullmatch(version.path):
            unreadable.append(f"protocolVersions.{position}.path: it is no absolute path")
            continue
        found.append(version)
    if not found:
        raise UnreadableVersionsError("; ".join(unreadable[:5]))
    return VersionDocument(tuple(found), tuple(unreadable))


def roots(base: str) -> list[str]:
    """Where the version document of a base may lie, most likely first; without trailing slashes.

    `https://h/api/dsp/2025-1` gives `https://h/api/dsp`, the base itself, `https://h/api`, `https://h`; a base without a
    version path begins with itself.
    """
    origin, segments = _split(base)
    full = [origin + "".join(f"/{segment}" for segment in segments[:count]) for count in range(len(segments), -1, -1)]
    if segments and _VERSION_SEGMENT.fullmatch(segments[-1]):
        return [full[1], full[0], *full[2:]]
    return full


def ends_with_version(base: str) -> bool:
    """Whether an address already names a version of the protocol by its last segment."""
    _, segments = _split(base)
    return bool(segments) and _VERSION_SEGMENT.fullmatch(segments[-1]) is not None


def base_of(root: str, path: str) -> str:
    """Root and path of a version as one address: exactly one slash between segments, none at the end."""
    origin, segments = _split(root)
    return origin + "".join(f"/{segment}" for segment in (*segments, *(part for part in path.split("/") if part)))


def choose(document: VersionDocument, root: str, listed: str) -> tuple[Version, str] | None:
    """The entry for our version and its base; None when there is none.

    Of several the one that is the `listed` base wins, then the one below it, then the first. Some connectors write the path
    from the host on, although the root has a path of its own: where that gives the listed base, it is meant so.
    """
    origin, _ = _split(root)
    wanted = base_of(listed, "")
    found = [(entry, base_of(root, entry.path)) for entry in document.versions if entry.version == VERSION]
    for entry, base in found:
        if base == wanted:
            return entry, base
    for entry, _ in found:
        if base_of(origin, entry.path) == wanted:
            return entry, wanted
    below = [pair for pair in found if pair[1].startswith(wanted + "/")]
    return next(iter(below or found), None)


def identifier_type(participant: str) -> str:
    """The kind of a participant identifier: `did:web`, `did:key`, `urn:uuid`, the scheme of another URI, else `opaque`."""
    scheme, colon, rest = participant.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "opaque"
    method, second, _ = rest.partition(":")
    if scheme in ("did", "urn") and second and re.fullmatch(r"[A-Za-z0-9-]+", method):
        return f"{scheme}:{method}"
    return scheme


def _split(address: str) -> tuple[str, list[str]]:
    """Origin and path segments; an address that is none has no segments."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return address, []
    return found[1], [segment for segment in found[2].split("/") if segment]


# -- DID services ----------------------------------------------------------------------------------------------------------


def did_services(participant: str, base: str, root: str) -> list[dict[str, JsonValue]]:
    """The `service` entries of a participant whose protocol base is `base` and whose version document lies under `root`."""
    return [
        {"id": f"{participant}#catalog", "type": "CatalogService", "serviceEndpoint": f"{base}/catalog"},
        {"id": f"{participant}#dsp", "type": "DataService", "serviceEndpoint": f"{root}{WELL_KNOWN}"},
    ]


def did_document(participant: str, services: Sequence[dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """A DID document with nothing but services."""
    return {"@context": [DID_CONTEXT, DSP_CONTEXT], "id": participant, "service": list(services)}


def did_web_place(participant: str) -> tuple[str, str] | None:
    """Host (with port, as in an address) and path of a did:web identifier's document; None for other identifiers."""
    method = "did:web:"
    if not participant.startswith(method):
        return None
    host, *segments = participant.removeprefix(method).split(":")
    place = host.replace("%3A", ":").replace("%3a", ":").lower()
    if not re.fullmatch(r"[a-z0-9.-]+(?::\d{1,5})?", place) or not all(
        re.fullmatch(r"[A-Za-z0-9._~-]+", segment) and segment not in (".", "..") for segment in segments
    ):
        return None
    path = "".join(f"/{segment}" for segment in segments) if segments else "/.well-known"
    return place, f"{path}/did.json"


def read_services(document: JsonValue) -> list[DidService]:
    """The services of a DID document that concern the protocol, or one service entry on its own; others are passed over.

    Raises UnreadableServiceError naming the member: an entry that says it is one of ours and is misspelt is no service.
    """
    if not isinstance(document, dict):
        raise UnreadableServiceError("$: it is not a JSON object")
    if "service" not in document and document.get("type") in ("CatalogService", "DataService"):
        return [_service(document, "$")]
    given = document.get("service", [])
    entries = given if isinstance(given, list) else [given]
    found: list[DidService] = []
    for position, entry in enumerate(entries):
        types = entry.get("type") if isinstance(entry, dict) else None
        kinds = types if isinstance(types, list) else [types]
        mine = [kind for kind in kinds if kind in ("CatalogService", "DataService")]
        if isinstance(entry, dict) and mine:
            found.append(_service({**entry, "type": mine[0]}, f"service.{position}"))
    return found


def _service(entry: dict[str, Any], where: str) -> DidService:
    for member in ("id", "serviceEndpoint"):
        if not isinstance(entry.get(member), str) or not entry[member]:
            raise UnreadableServiceError(f"{where}.{member}: it is missing or no text")
    if "@context" in entry:
        context = entry["@context"]
        missing = [each for each in (DSP_CONTEXT, DID_CONTEXT) if not isinstance(context, list) or each not in context]
        if missing:
            raise UnreadableServiceError(f"{where}.@context: it is no list with {missing[0]}")
    endpoint, kind = entry["serviceEndpoint"], entry["type"]
    ending = "/catalog" if kind == "CatalogService" else WELL_KNOWN
    if not _ADDRESS.fullmatch(endpoint):
        raise UnreadableServiceError(f"{where}.serviceEndpoint: it is no plain web address")
    if not endpoint.endswith(ending):
        raise UnreadableServiceError(f"{where}.serviceEndpoint: of a {kind} it must end with {ending}")
    return DidService(entry["id"], kind, endpoint)
