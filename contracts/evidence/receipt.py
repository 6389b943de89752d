"""The receipt `rc/1`: what a consumer signs about the chunks it verified, cumulative (signed-data.md 2.4).

A receipt covers the first `upto` chunks, so each one makes those before it superfluous, and its `root_so_far` is the RFC 6962
root over as many leaves: a later receipt proves consistency with an earlier one. The receipt over all chunks is the final
one; of tabular data it carries the rows and the purpose that settlement counts.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from contracts.errors import ReceiptError
from contracts.evidence.manifest import Count, Digest, Manifest, Name, as_digest, check_known
from contracts.evidence.merkle import Frontier
from policies.canonical import JsonValue, digest_of


class Receipt(BaseModel):
    """A receipt as it is signed. `bytes` are those of the first `upto` chunks, `ts` POSIX seconds, `seq` starts at 1.

    `rejected` names the chunks that arrived wrong since the receipt before.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    typ: Literal["rc/1"]
    transfer: Name
    epoch: Count
    seq: Annotated[Count, Field(ge=1)]
    upto: Count
    bytes: Count
    root_so_far: Digest
    rejected: Annotated[tuple[Count, ...], Strict(False)]
    ts: Count
    rows: Count | None = None
    purpose: str | None = None

    def document(self) -> dict[str, JsonValue]:
        """The JSON to sign: members that do not apply are absent."""
        return self.model_dump(mode="json", exclude_unset=True)

    def digest(self) -> str:
        """What logs and usage records call this receipt by."""
        return digest_of(self.document())

    def final(self, manifest: Manifest) -> bool:
        return self.upto == manifest.chunks


def build_receipt(
    manifest: Manifest,
    *,
    seq: int,
    verified: Frontier,
    ts: int,
    rejected: Sequence[int] = (),
    rows: int | None = None,
) -> Receipt:
    """The receipt for the chunks in `verified`, the tree over the first leaves that were verified without a gap.

    Over all chunks it is the final one and takes `rows`, as counted by the consumer, and the manifest's purpose.
    """
    document: dict[str, Any] = {
        "typ": "rc/1",
        "transfer": manifest.transfer,
        "epoch": manifest.epoch,
        "seq": seq,
        "upto": verified.size,
        "bytes": min(verified.size * manifest.chunk, manifest.size),
        "root_so_far": as_digest(verified.root()),
        "rejected": sorted(set(rejected)),
        "ts": ts,
    }
    if verified.size == manifest.chunks:
        closing = {"rows": rows, "purpose": manifest.purpose}
        document |= {name: value for name, value in closing.items() if value is not None}
    return parse_receipt(document)


def parse_receipt(document: Mapping[str, Any]) -> Receipt:
    """The view of a document whose signature was verified; raises ReceiptError with the member that has no valid value."""
    try:
        return Receipt.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        member = ".".join(str(part) for part in first["loc"])
        raise ReceiptError(member, expected=first["msg"], found=str(first["input"])[:200]) from error


def check_receipt(
    receipt: Receipt,
    manifest: Manifest,
    leaves: Sequence[bytes],
    previous: Receipt | None = None,
    *,
    known: Frontier | None = None,
) -> Frontier:
    """Whether the receipt answers this manifest and continues `previous`; raises ReceiptError with the member that differs.

    Returns the tree over the first `upto` leaves. Handed back as `known` with the next receipt, it saves hashing them again.
    """
    check_known(manifest)
    _equal("transfer", manifest.transfer, receipt.transfer)
    _equal("epoch", manifest.epoch, receipt.epoch)
    before_seq, before_upto = (0, 0) if previous is None else (previous.seq, previous.upto)
    if receipt.seq <= before_seq:
        raise ReceiptError("seq", expected=f"more than {before_seq}", found=receipt.seq)
    if not before_upto <= receipt.upto <= len(leaves):
        raise ReceiptError("upto", expected=f"{before_upto} to {len(leaves)}", found=receipt.upto)
    _equal("bytes", min(receipt.upto * manifest.chunk, manifest.size), receipt.bytes)
    start = known if known is not None and known.size <= receipt.upto else Frontier()
    tree = start.extend(leaves[start.size : receipt.upto])
    _equal("root_so_far", as_digest(tree.root()), receipt.root_so_far)
    if any(index >= manifest.chunks for index in receipt.rejected):
        raise ReceiptError("rejected", expected=f"chunks below {manifest.chunks}", found=list(receipt.rejected))
    if receipt.final(manifest):
        _equal("rows", manifest.rows, receipt.rows)
        _equal("purpose", manifest.purpose, receipt.purpose)
    return tree


def _equal(member: str, expected: object, found: object) -> None:
    if expected != found:
        raise ReceiptError(member, expected=expected, found=found)
