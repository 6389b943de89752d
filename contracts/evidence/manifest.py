"""The transfer manifest `tm/1`: what a provider signs about one delivery, before its first byte (signed-data.md 2.3).

The bytes are cut into chunks of `chunk` bytes, the last may be short; the leaves are the chunks' hashes in the tree of
`merkle`. With the leaf list, 32 bytes per chunk, each chunk is verified by itself: in any order, from any source, after any
interruption. The signed document is the JSON that arrived; the model is a view of it that keeps unknown members.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError

from contracts.errors import ManifestError, UnjudgedError
from contracts.evidence.merkle import HASH_BYTES, leaf_hash, root
from policies.canonical import MAX_SAFE_INTEGER, JsonValue, digest_of

CHUNK_MIN = 4 * 1024
CHUNK_MAX = 16 * 1024 * 1024

Digest = Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]


class Manifest(BaseModel):
    """A manifest as it is signed. `size` and `chunk` are bytes, `iat` POSIX seconds, `rows` data rows without a header line."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    typ: Literal["tm/1"]
    agreement: Digest
    transfer: Name
    dataset: Name
    version: Digest
    consumer: Name
    policy: Digest
    transform: Digest | None = None
    decision: Name
    purpose: str | None = None
    columns: Annotated[tuple[str, ...], Strict(False)] | None = None
    rows: Count | None = None
    size: Count
    chunk: Annotated[int, Field(ge=CHUNK_MIN, le=CHUNK_MAX)]
    leaf: str
    root: Digest
    croot: Digest | None = None
    epoch: Count
    prev: Digest | None
    enc: dict[str, Any] | None = None
    iat: Count

    @property
    def chunks(self) -> int:
        return chunk_count(self.size, self.chunk)

    def document(self) -> dict[str, JsonValue]:
        """The JSON to sign: members that do not apply are absent."""
        return self.model_dump(mode="json", exclude_unset=True)

    def digest(self) -> str:
        """What logs, receipts of settlement and `prev` call this manifest by."""
        return digest_of(self.document())


def build_manifest(
    *,
    agreement: str,
    transfer: str,
    dataset: str,
    version: str,
    consumer: str,
    policy: str,
    decision: str,
    size: int,
    chunk: int,
    leaves: Sequence[bytes],
    iat: int,
    transform: str | None = None,
    purpose: str | None = None,
    columns: Sequence[str] | None = None,
    rows: int | None = None,
    previous: Manifest | None = None,
) -> Manifest:
    """The manifest of `size` bytes whose chunks have these leaf hashes; raises ManifestError when they cannot be theirs.

    `decision` is the id of the audit record that allowed the delivery; `previous` the epoch before, in a stream.
    """
    document: dict[str, Any] = {
        "typ": "tm/1",
        "agreement": agreement,
        "transfer": transfer,
        "dataset": dataset,
        "version": version,
        "consumer": consumer,
        "policy": policy,
        "decision": decision,
        "size": size,
        "chunk": chunk,
        "leaf": "sha-256",
        "root": as_digest(root(leaves)),
        "epoch": 0 if previous is None else previous.epoch + 1,
        "prev": None if previous is None else previous.digest(),
        "iat": iat,
    }
    optional = {
        "transform": transform,
        "purpose": purpose,
        "columns": None if columns is None else list(columns),
        "rows": rows,
    }
    manifest = parse_manifest(document | {name: value for name, value in optional.items() if value is not None})
    _equal("leaves", manifest.chunks, len(leaves))
    return manifest


def parse_manifest(document: Mapping[str, Any]) -> Manifest:
    """The view of a document whose signature was verified; raises ManifestError with the member that has no valid value."""
    try:
        return Manifest.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        member = ".".join(str(part) for part in first["loc"])
        raise ManifestError(member, expected=first["msg"], found=str(first["input"])[:200]) from error


def check_manifest(
    manifest: Manifest,
    *,
    agreement: str,
    transfer: str,
    dataset: str,
    consumer: str,
    policy: str,
    transform: str | None,
    columns: Sequence[str] | None,
    purpose: str | None,
) -> None:
    """Whether this is the manifest of what was agreed and asked for; raises ManifestError with the member that differs.

    `columns` are compared, in order, when some were asked for; without a request the manifest may list those of the whole
    dataset. Raises UnjudgedError for encrypted deliveries and for leaf hashes other than SHA-256.
    """
    _equal("agreement", agreement, manifest.agreement)
    _equal("transfer", transfer, manifest.transfer)
    _equal("dataset", dataset, manifest.dataset)
    _equal("consumer", consumer, manifest.consumer)
    _equal("policy", policy, manifest.policy)
    _equal("transform", transform, manifest.transform)
    _equal("purpose", purpose, manifest.purpose)
    if columns is not None:
        _equal("columns", tuple(columns), manifest.columns)
    check_known(manifest)


def check_known(manifest: Manifest) -> None:
    """Raises UnjudgedError when the manifest uses what this program does not know."""
    if manifest.leaf != "sha-256":
        raise UnjudgedError("leaf", manifest.leaf)
    for member in ("enc", "croot"):
        if getattr(manifest, member) is not None:
            raise UnjudgedError(member, getattr(manifest, member))


def check_follows(manifest: Manifest, previous: Manifest | None) -> None:
    """Whether this is the first epoch of a stream, or the one after `previous`; raises ManifestError."""
    _equal("epoch", 0 if previous is None else previous.epoch + 1, manifest.epoch)
    _equal("prev", None if previous is None else previous.digest(), manifest.prev)
    if previous is not None:
        for member in ("agreement", "transfer", "dataset", "consumer"):
            _equal(member, getattr(previous, member), getattr(manifest, member))


def check_leaves(manifest: Manifest, leaves: Sequence[bytes]) -> None:
    """Whether this is the leaf list the manifest signs; raises ManifestError. Once it is, chunks need no signature."""
    check_known(manifest)
    _equal("leaves", manifest.chunks, len(leaves))
    if any(len(leaf) != HASH_BYTES for leaf in leaves):
        raise ManifestError("leaves", expected=f"{HASH_BYTES} bytes each", found="another length")
    _equal("root", manifest.root, as_digest(root(leaves)))


def check_chunk(manifest: Manifest, leaves: Sequence[bytes], index: int, data: bytes | memoryview) -> None:
    """Whether these bytes are chunk `index`, against a leaf list that was checked; raises ManifestError naming the chunk."""
    start, end = chunk_bounds(index, manifest.size, manifest.chunk)
    _equal(f"chunk {index}: length", end - start, len(data))
    if leaf_hash(data) != leaves[index]:
        raise ManifestError(f"chunk {index}", expected=leaves[index].hex(), found=leaf_hash(data).hex())


# -- arithmetic of chunks ----------------------------------------------------------------------------------------------


def chunk_count(size: int, chunk: int) -> int:
    return -(-size // chunk)


def chunk_bounds(index: int, size: int, chunk: int) -> tuple[int, int]:
    """First byte of a chunk and the byte after its last; raises ManifestError when there is no such chunk."""
    if not 0 <= index < chunk_count(size, chunk):
        raise ManifestError(f"chunk {index}", expected=f"0 to {chunk_count(size, chunk) - 1}", found=index)
    return index * chunk, min((index + 1) * chunk, size)


def chunks_within(start: int, end: int, size: int, chunk: int) -> range:
    """The chunks that lie whole within bytes [start, end): those a received range lets somebody verify."""
    last = chunk_count(size, chunk) if end >= size else end // chunk
    return range(-(-start // chunk), max(last, -(-start // chunk)))


def pack_leaves(leaves: Sequence[bytes]) -> bytes:
    """The sidecar `/chunks`: the leaf hashes one after another."""
    return b"".join(leaves)


def unpack_leaves(data: bytes) -> list[bytes]:
    """The leaf hashes of a sidecar; raises ManifestError when its length is no multiple of 32."""
    if len(data) % HASH_BYTES:
        raise ManifestError("leaves", expected=f"a multiple of {HASH_BYTES} bytes", found=len(data))
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def as_digest(hashed: bytes) -> str:
    """A raw SHA-256 in the form of our documents."""
    return f"sha-256:{hashed.hex()}"


def _equal(member: str, expected: object, found: object) -> None:
    if expected != found:
        raise ManifestError(member, expected=expected, found=found)
