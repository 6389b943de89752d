"""One delivery to us, from the first request to the acknowledged final receipt.

    wait for the transfer -> manifest -> leaves -> bytes, verified chunk by chunk -> file -> final receipt -> completion

What breaks off is taken up from the last verified chunk, after a bounded, jittered pause, until nothing has moved for as long
as the settings allow. What the provider refuses, and what does not hold, ends the delivery; then no file is left.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import structlog

from connector.dataplane.acknowledge import OFF, OLD, Acknowledger
from connector.dataplane.files import settled, write_whole
from connector.dataplane.naming import place_of
from connector.dataplane.partfile import PartFile, part_of
from connector.dataplane.plain import PlainFile, fetch_plain
from connector.dataplane.remote import SMALL_BYTES, Remote, RemoteRefusal, Small
from connector.dataplane.sealed import fetch_bytes, read_leaves, read_manifest
from connector.dataplane.watch import watch
from connector.dispatch.schedule import pause_s
from connector.errors import RefusedError, StoreError, UnreachableError, VerificationError, WeftError
from connector.exchange import command
from connector.exchange.node import Node
from connector.exchange.process import object_in
from connector.store import agreement as agreements
from connector.store import delivery as deliveries
from connector.store import transfer as transfers
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from contracts.errors import ContractError
from contracts.evidence.manifest import Manifest, parse_manifest
from contracts.evidence.merkle import HASH_BYTES
from contracts.transfer import table
from contracts.transfer.model import Transfer
from policies.canonical import JsonValue
from policies.sentences import has_sentence, sentence

_log = structlog.get_logger("weft.data")

# Hears the id of the delivery, the bytes verified so far and those in all.
Tell = Callable[[str, int, int], None]

# A provider that was restarted is asked again soon; only the whole silence may be long (`give_up_s`).
PAUSE_MOST_S = 15.0
# A leaf list of more than this is no delivery but an attack: 8 million chunks.
LEAVES_MOST_BYTES = 256 * 1024 * 1024


class _PausedError(Exception):
    """The transfer was paused or ended while we fetched: look at it again."""


class Fetch:
    """The task of one delivery. `slots` bounds how many fetch at a time; one that waits holds none."""

    def __init__(self, node: Node, delivery: Delivery, slots: asyncio.Semaphore, tell: Tell) -> None:
        self._node = node
        self._delivery = delivery
        self._slots = slots
        self._tell = tell
        self._acknowledger = Acknowledger(node, delivery)
        self._file: PartFile | PlainFile | None = None
        self._failures = 0
        self._moved_at = node.clock.monotonic()

    async def run(self) -> None:
        """Until the delivery is received or has failed; both are in the store then.

        Raises StoreError while the store cannot take what has become of it: begun anew, it goes on from what is kept.
        """
        try:
            while self._delivery.state not in (State.VERIFIED, State.RECEIVED):
                transfer, agreement = await self._moving()
                try:
                    await self._attempt(transfer, agreement)
                except _PausedError:
                    continue
                except UnreachableError as error:
                    await self._pause(error)
            if self._delivery.state is State.VERIFIED:
                await self._hand_over()
        except StoreError:
            raise
        except (WeftError, ContractError, OSError) as error:
            await self._fail(error)
        else:
            await self._complete()
        finally:
            if self._file is not None:
                self._file.close()

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _moving(self) -> tuple[Transfer, Agreement]:
        """The transfer once data may move under it; raises RefusedError when it has ended."""
        with watch(self._node.db, f"transfer:{self._delivery.transfer}") as changed:
            while True:
                changed.clear()
                transfer, agreement = await self._node.db.read(self._look)
                if transfer.state in table.MACHINE.terminal or transfer.code:
                    raise RefusedError(transfer.code or "transfer-over", text=transfer.reason)
                if _moves(transfer) or (transfer.state is table.State.SUSPENDED and self._untouched(transfer)):
                    await self._keep(State.FETCHING)
                    return transfer, agreement
                await self._keep(State.WAITING)
                await changed.wait()

    def _untouched(self, transfer: Transfer) -> bool:
        """Whether nothing was fetched yet: then we ask all the same, and the provider says why not, in both logs."""
        return transfer.data_address is not None and not self._delivery.manifest

    def _look(self, tx: Tx) -> tuple[Transfer, Agreement]:
        transfer = transfers.get(tx, self._delivery.transfer)
        agreement = agreements.get(tx, transfer.agreement) if transfer is not None else None
        if transfer is None or agreement is None:
            raise RefusedError("process-unknown", pid=self._delivery.transfer)
        return transfer, agreement

    async def _keep(self, state: State) -> None:
        if self._delivery.state is not state:
            await self._save(state=state)

    async def _pause(self, error: UnreachableError) -> None:
        """Wait before the next attempt; raises the error when nothing has moved for too long."""
        settings, clock = self._node.settings, self._node.clock
        if clock.monotonic() - self._moved_at > settings.give_up_s:
            raise error
        _log.info("delivery.interrupted", delivery=self._delivery.id, cause=str(error.facts.get("cause", error.code)))
        luck = secrets.randbelow(1000) / 1000
        longest = min(settings.retry_limit_s, PAUSE_MOST_S)
        await asyncio.sleep(pause_s(self._failures, settings.retry_first_s, longest, luck))
        self._failures += 1

    # -- fetching ----------------------------------------------------------------------------------------------------

    async def _attempt(self, transfer: Transfer, agreement: Agreement) -> None:
        """Fetch until the end, or until the transfer is paused or ended (_PausedError)."""
        async with self._slots:
            work = asyncio.create_task(self._fetch(transfer, agreement))
            try:
                with watch(self._node.db, f"transfer:{transfer.pid}") as changed:
                    while not work.done():
                        waiting = asyncio.ensure_future(changed.wait())
                        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
                        waiting.cancel()
                        changed.clear()
                        if not work.done() and not _moves((await self._node.db.read(self._look))[0]):
                            raise _PausedError
            finally:
                work.cancel()
                await asyncio.wait([work])
            work.result()

    async def _fetch(self, transfer: Transfer, agreement: Agreement) -> None:
        remote = self._remote(transfer)
        answer = await remote.small("/manifest")
        if answer.status == HTTPStatus.NOT_FOUND:
            await self._fetch_plain(remote)
            return
        manifest, signed = read_manifest(self._node, transfer, agreement, self._delivery.columns, answer.body)
        await self._accept(manifest, signed)
        part = await self._opened(remote, manifest)
        self._heard(part.verified)
        if not part.complete:
            receipting = asyncio.create_task(self._acknowledger.run(remote, part))
            try:
                await fetch_bytes(remote, part, self._heard)
            finally:
                receipting.cancel()
                await asyncio.wait([receipting])
        await self._whole(part, signed)

    async def _whole(self, part: PartFile, signed: dict[str, JsonValue]) -> None:
        """Every chunk holds: the file gets its name, its evidence is put beside it, the final receipt is on record."""
        await settled(part.finish)
        await asyncio.to_thread(write_whole, _beside(part.path, "manifest"), orjson.dumps(signed))
        self._delivery = await self._acknowledger.final(part)
        await asyncio.to_thread(write_whole, _beside(part.path, "receipt"), self._delivery.receipt)

    def _remote(self, transfer: Transfer) -> Remote:
        """The provider's data addresses; raises RefusedError when there are none that we can use."""
        return Remote(self._node, transfer, self._delivery.columns)

    async def _accept(self, manifest: Manifest, signed: dict[str, JsonValue]) -> None:
        """Keep the manifest; raises VerificationError when it is not the one that we have, or stands for two deliveries."""
        digest = manifest.digest()
        if self._delivery.manifest:
            if manifest_of(self._delivery).digest() != digest:
                raise VerificationError("manifest-invalid", problem="it is another one than before")
            return
        path = place_of(self._node.settings.data_dir, self._delivery, ".csv" if manifest.rows is not None else ".bin")

        def work(tx: Tx) -> Delivery:
            for other in deliveries.of_transfer(tx, self._delivery.transfer):
                same_epoch = bool(other.manifest) and other.epoch == manifest.epoch
                if same_epoch and manifest_of(other).digest() != digest:
                    raise VerificationError("manifest-invalid", problem=f"epoch {manifest.epoch} had another manifest")
            self._node.audit.append(
                tx,
                "manifest.received",
                actor=self._delivery.counterparty,
                peer=self._delivery.counterparty,
                agreement=self._delivery.agreement,
                refs=[f"manifest:{digest}"],
                details={"delivery": self._delivery.id, "transfer": self._delivery.transfer, "size": manifest.size},
            )
            return deliveries.save(
                tx,
                self._delivery,
                self._node.clock.now(),
                epoch=manifest.epoch,
                version=manifest.version,
                transform=manifest.transform or "",
                size=manifest.size,
                chunk=manifest.chunk,
                root=manifest.root,
                rows=manifest.rows,
                manifest=orjson.dumps(signed),
                path=str(path),
            )

        self._delivery = await self._node.db.transact(work)

    async def _opened(self, remote: Remote, manifest: Manifest) -> PartFile:
        """The file, taken up where it was left; what was hashed in this run is not hashed again."""
        if isinstance(self._file, PartFile):
            return self._file
        length = manifest.chunks * HASH_BYTES
        if length > LEAVES_MOST_BYTES:
            raise VerificationError("manifest-invalid", problem=f"{manifest.chunks} chunks are too many")
        answer = await remote.small("/chunks", limit_bytes=max(length, SMALL_BYTES))
        leaves = await asyncio.to_thread(read_leaves, manifest, answer.body)
        part = PartFile(Path(self._delivery.path), manifest, leaves)
        await settled(part.open)
        self._file = part
        return part

    def _heard(self, verified: int) -> None:
        """More bytes hold: whoever watches is told, the silence is over."""
        fresh = verified - self._delivery.verified
        if fresh > 0:
            self._node.counters.add("weft_data_bytes_received_total", fresh)
        self._delivery = replace(self._delivery, verified=verified)
        self._failures, self._moved_at = 0, self._node.clock.monotonic()
        self._acknowledger.moved()
        self._tell(self._delivery.id, verified, self._delivery.size)

    async def _fetch_plain(self, remote: Remote) -> None:
        """A peer without the extension: no manifest, no receipt, no usage record."""
        file = self._file if isinstance(self._file, PlainFile) else None
        if file is None:
            file = PlainFile(place_of(self._node.settings.data_dir, self._delivery, ".data"))
            await settled(file.open)
            self._file = file
        proven = await fetch_plain(remote, file, self._heard_plain)
        await self._whole_plain(file, proven=proven)

    async def _whole_plain(self, file: PlainFile, *, proven: bool) -> None:
        """Everything is here: the file gets its name; what no digest has proven says so."""
        await settled(file.finish)
        found: dict[str, JsonValue] = {
            "delivery": self._delivery.id,
            "sha256": file.sha256,
            "size": file.size,
            "proven": proven,
        }

        def work(tx: Tx) -> Delivery:
            self._node.audit.append(
                tx,
                "delivery.received",
                peer=self._delivery.counterparty,
                agreement=self._delivery.agreement,
                reason=None if proven else "unverified",
                details=found,
            )
            return deliveries.save(
                tx,
                self._delivery,
                self._node.clock.now(),
                state=State.RECEIVED,
                version=f"sha-256:{file.sha256}",
                size=file.size,
                verified=file.size if proven else 0,
                path=str(file.path),
                code="" if proven else "unverified",
            )

        self._delivery = await self._node.db.transact(work)

    def _heard_plain(self, received: int, total: int) -> None:
        self._failures, self._moved_at = 0, self._node.clock.monotonic()
        self._tell(self._delivery.id, received, total)

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _hand_over(self) -> None:
        """Send the final receipt until it is acknowledged; what stands against that is kept beside the verified file."""
        self._moved_at = self._node.clock.monotonic()
        try:
            while (answer := await self._handed_over()) is None:
                pass
        except RemoteRefusal as error:
            await self._save(state=State.RECEIVED, code="receipt-refused", reason=error.facts["text"])
        except (UnreachableError, RefusedError) as error:
            await self._save(state=State.RECEIVED, code="receipt-undelivered", reason=_why(error)[1])
        else:
            sent = self._delivery.receipt
            held = object_in(answer.body).get("receipt")
            self._delivery = await self._acknowledger.acknowledged(manifest_of(self._delivery), held)
            if self._delivery.receipt != sent:
                await self._put_beside()

    async def _handed_over(self) -> Small | None:
        """The provider's answer to the final receipt; None when it has to be sent again."""
        transfer, _ = await self._node.db.read(self._look)
        try:
            return await self._remote(transfer).receipt(self._delivery.receipt)
        except UnreachableError as error:
            await self._pause(error)
        except RemoteRefusal as error:
            seq = error.facts.get("seq")
            if error.code == OLD and isinstance(seq, int):
                beyond = seq
            elif error.code == OFF and self._acknowledger.stale(self._delivery):
                beyond = 0
            else:
                raise
            self._delivery = await self._acknowledger.again(manifest_of(self._delivery), self._delivery, beyond=beyond)
            await self._put_beside()
        return None

    async def _put_beside(self) -> None:
        """The receipt that counts lies beside the file."""
        await asyncio.to_thread(write_whole, _beside(Path(self._delivery.path), "receipt"), self._delivery.receipt)

    async def _complete(self) -> None:
        """The transfer has served its purpose (signed-data.md 2.3); one that has ended meanwhile stays as it is."""
        self._node.counters.add("weft_deliveries_total", role="consumer", result="received")
        if self._delivery.code in ("receipt-refused", "receipt-undelivered"):
            return
        with contextlib.suppress(RefusedError, ContractError):
            await command.complete(self._node, self._delivery.transfer)

    async def _fail(self, error: WeftError | ContractError | OSError) -> None:
        """Record why there will be no file; what arrived of it is removed."""
        if self._file is not None:
            await asyncio.to_thread(self._file.discard)
        elif self._delivery.path:
            part_of(Path(self._delivery.path)).unlink(missing_ok=True)
        code, reason, facts = _why(error)
        remote = isinstance(error, RemoteRefusal)
        denied = remote and facts.get("status") == str(int(HTTPStatus.FORBIDDEN))
        _log.warning("delivery.failed", delivery=self._delivery.id, code=code)
        self._node.counters.add("weft_deliveries_total", role="consumer", result="failed")

        def work(tx: Tx) -> Delivery:
            current = deliveries.get(tx, self._delivery.id) or self._delivery
            if current.state is State.RECEIVED:
                return current  # it came to its end meanwhile
            self._node.audit.append(
                tx,
                "delivery.failed",
                actor=self._delivery.counterparty if remote else None,
                peer=self._delivery.counterparty,
                agreement=self._delivery.agreement,
                decision="deny" if denied else None,
                reason=code,
                details={
                    "delivery": self._delivery.id,
                    "transfer": self._delivery.transfer,
                    "columns": self._delivery.columns,
                    "text": reason,
                    "facts": dict(facts),
                },
            )
            return deliveries.save(tx, current, self._node.clock.now(), state=State.FAILED, code=code, reason=reason)

        self._delivery = await self._node.db.transact(work)

    async def _save(self, **changes: Any) -> None:
        def work(tx: Tx) -> Delivery:
            current = deliveries.get(tx, self._delivery.id) or self._delivery
            verified = max(current.verified, self._delivery.verified)
            return deliveries.save(tx, current, self._node.clock.now(), verified=verified, **changes)

        self._delivery = await self._node.db.transact(work)


def manifest_of(delivery: Delivery) -> Manifest:
    """The manifest that a delivery keeps."""
    signed = delivery.signed_manifest
    if signed is None:
        raise ValueError(f"{delivery.id} has no manifest")
    return parse_manifest(signed["document"])


def _moves(transfer: Transfer) -> bool:
    """Whether data may move under a transfer, as far as we know; what we said ourselves counts at once."""
    started = transfer.state is table.State.STARTED and transfer.data_address is not None
    return started and not transfer.suspended_by and not transfer.code


def _why(error: WeftError | ContractError | OSError) -> tuple[str, str, dict[str, str]]:
    """Code, sentence and facts of an error, for the record and for people."""
    if isinstance(error, OSError):
        error = StoreError("received-unwritable", problem=error.strerror or str(error))
    facts = {name: str(value)[:500] for name, value in error.facts.items() if value is not None}
    name = f"error.{error.code}"
    text = facts.get("text") or (sentence(name, "en", **facts) if has_sentence(name) else error.code)
    return error.code, text, facts


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}.json")
