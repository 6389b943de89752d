"""The bytes of a delivery as an open file: the source itself, or its transformed copy in the spool.

Nothing here decides who may have them. What is opened is what the catalog describes: a source that changed behind the
catalog is refused, and so is a table whose header is not the one its transform was written for.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from connector.dataplane.leaves import LeafCache, hash_leaves
from connector.dataplane.profile import Fingerprint, hash_open
from connector.dataplane.spool import Build, Spool
from connector.dataplane.table import Encoding, TableError
from connector.dataplane.transforms.apply import Written, apply_transform, first_difference
from connector.dataplane.transforms.model import Transform
from connector.errors import RefusedError
from connector.exchange.node import Node
from connector.store import catalog
from connector.store import delivery as deliveries
from connector.store.agreement import Agreement
from connector.store.catalog import SourceFile
from connector.store.database import Tx

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a delivery consists of: a version of a source, the transform it undergoes, the columns that leave.

    `rows` are the data rows of the source, None for what is no table. `columns` None: all that leave the transform.
    """

    source: SourceFile
    media_type: str
    rows: int | None
    transform: Transform | None
    columns: tuple[str, ...] | None
    agreement: Agreement
    chunk: int

    @property
    def version(self) -> str:
        return f"sha-256:{self.source.sha256}"

    @property
    def leaving(self) -> tuple[str, ...]:
        """Columns of the delivery, in order; () for what is no table."""
        leaving = self.transform.output if self.transform is not None else self.source.columns
        return leaving if self.columns is None else tuple(name for name in leaving if name in set(self.columns))

    @property
    def as_is(self) -> bool:
        """Whether the bytes of the source leave unchanged."""
        return self.columns is None and (self.transform is None or not self.transform.steps)

    @property
    def key(self) -> str:
        """Names this content for ever: version and chunk size, and for a copy what was done to it and under which key."""
        if self.as_is:
            return source_key(self.source.sha256, self.chunk)
        digest = self.transform.digest if self.transform is not None else ""
        return _key("copy", self.source.sha256, str(self.chunk), digest, self.agreement.digest, *self.leaving)


def source_key(sha256_hex: str, chunk: int) -> str:
    """The key of a source that leaves as it is."""
    return _key("source", sha256_hex, str(chunk))


@dataclass(frozen=True, slots=True)
class Content:
    """An open delivery: `sha256` of all its bytes as 64 hex digits, `rows` of a table, the file to read from."""

    wanted: Wanted
    file: BinaryIO
    size: int
    sha256: str
    rows: int | None

    @property
    def columns(self) -> tuple[str, ...] | None:
        return self.wanted.leaving or None


class Contents:
    """Opens deliveries for one node: its spool and its leaf cache."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.spool = Spool(node.settings.data_dir / "spool", node.settings.spool_max_bytes)
        self.kept_leaves = leaf_cache(node)

    async def close(self) -> None:
        await self.kept_leaves.close()
        await self.spool.close()

    @asynccontextmanager
    async def open(self, wanted: Wanted) -> AsyncIterator[Content]:
        """The content while the block runs; transformed first where it must be.

        Raises RefusedError `source-changed`, `source-missing`, `source-broken`, StoreError `spool-full`.
        """
        _check_header(wanted)
        source = await asyncio.to_thread(_open, wanted.source.path)
        try:
            found = Fingerprint.of(os.fstat(source.fileno()))
            if found != _fingerprint(wanted.source):
                await self._still(wanted, source)
            if wanted.as_is:
                yield Content(wanted, source, wanted.source.size, wanted.source.sha256, wanted.rows)
                return
            build = await self._builder(wanted, found)
            async with self.spool.lease(
                wanted.key, wanted.chunk, build, lambda leaves: self.kept_leaves.keep(wanted.key, leaves)
            ) as spooled:
                copy = await asyncio.to_thread(_open, str(self.spool.path(wanted.key)))
                try:
                    yield Content(wanted, copy, spooled.size, spooled.sha256, spooled.rows)
                finally:
                    copy.close()
        finally:
            source.close()

    async def leaves(self, content: Content) -> bytes:
        """The leaf hashes of a content, one after another; unchanged content is hashed once."""
        return await self.kept_leaves.get(
            content.wanted.key, lambda: hash_leaves(content.file.fileno(), content.size, content.wanted.chunk)
        )

    async def _builder(self, wanted: Wanted, found: Fingerprint) -> Build:
        """What writes the copy, in a thread. It opens the source itself: whoever asked first may go away meanwhile."""
        key = await self._pseudonym_key(wanted)

        def build(out: BinaryIO) -> Written:
            with _open(wanted.source.path) as source:
                try:
                    written = apply_transform(
                        source,
                        wanted.transform,
                        wanted.columns,
                        key,
                        out,
                        encoding=cast("Encoding", wanted.source.encoding),
                        delimiter=wanted.source.delimiter,
                    )
                except TableError as error:
                    raise _broken(wanted, error) from error
                if Fingerprint.of(os.fstat(source.fileno())) != found:
                    raise RefusedError("source-changed", dataset=wanted.agreement.dataset)
                return written

        return build

    async def _still(self, wanted: Wanted, source: BinaryIO) -> None:
        """The file system says another file: the same bytes are remembered as such, other bytes are another version."""
        digest, found = await asyncio.to_thread(hash_open, source)
        if digest != wanted.source.sha256:
            raise RefusedError("source-changed", dataset=wanted.agreement.dataset)

        def remember(tx: Tx) -> None:
            if catalog.source(tx, wanted.agreement.dataset) == wanted.source:
                same = replace(wanted.source, size=found.size, mtime_ns=found.mtime_ns, inode=found.inode)
                catalog.put_source(tx, wanted.agreement.dataset, same)

        await self._node.db.transact(remember)

    async def _pseudonym_key(self, wanted: Wanted) -> bytes:
        if wanted.transform is None or not wanted.transform.needs_key:
            return b""
        agreement, fixed = wanted.agreement, self._node.settings.test_pseudonym_keys
        for name in (agreement.offer, agreement.dataset):
            if name in fixed:
                return fixed[name].get_secret_value().encode()
        kept = await self._node.db.read(lambda tx: deliveries.pseudonym_key(tx, agreement.digest))
        if kept is not None:
            return kept
        fresh = secrets.token_bytes(KEY_BYTES)
        return await self._node.db.transact(lambda tx: deliveries.add_pseudonym_key(tx, agreement.digest, fresh))


def _key(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def leaf_cache(node: Node) -> LeafCache:
    """Where a node keeps its leaf lists."""
    return LeafCache(node.settings.data_dir / "leaves")


def _open(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb", buffering=0)
    except OSError as error:
        raise RefusedError("source-missing", path=path, problem=error.strerror or str(error)) from error


def _fingerprint(source: SourceFile) -> Fingerprint:
    return Fingerprint(source.size, source.mtime_ns, source.inode)


def _check_header(wanted: Wanted) -> None:
    """A transform is for one header: with another one nothing leaves."""
    transform = wanted.transform
    if transform is not None and wanted.source.columns != transform.input:
        raise RefusedError(
            "source-broken",
            dataset=wanted.agreement.dataset,
            problem="table-header-differs",
            line=1,
            column=first_difference(wanted.source.columns, transform.input),
        )


def _broken(wanted: Wanted, error: TableError) -> RefusedError:
    return RefusedError(
        "source-broken",
        dataset=wanted.agreement.dataset,
        problem=error.code,
        line=error.facts["line"],
        column=error.facts["column"],
    )
