"""One delivery that is pushed to us: what a POST brings in, and the task that waits for it.

A provider that speaks Weft names its signed manifest in a header. Then we fetch manifest and leaves from it by the routes of a
pull, verify chunk by chunk as the bytes come, and sign the final receipt before the POST is answered: only the bytes come another
way. From anybody else it is a plain delivery: `Repr-Digest` proves it if it is there, else the delivery says `unverified`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from connector.dataplane.fetch import Fetch
from connector.dataplane.files import settled
from connector.dataplane.http import read_repr_digest
from connector.dataplane.naming import place_of
from connector.dataplane.plain import WRITE_BYTES, PlainFile
from connector.dataplane.push import MANIFEST_HEADER
from connector.dataplane.remote import Remote
from connector.dataplane.sealed import read_manifest, take_bytes
from connector.dataplane.standing import ENDED, SUSPENDED
from connector.dataplane.watch import watch
from connector.dispatch.peers import root_of
from connector.errors import RefusedError, StoreError, UnreachableError, VerificationError, WeftError
from connector.exchange.stop import barrier
from connector.store import delivery as deliveries
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.delivery import Delivery, State
from contracts.errors import ContractError
from contracts.transfer.messages import data_address
from contracts.transfer.model import Transfer
from contracts.transfer.table import MACHINE

TOO_LARGE = "push-too-large"
_HERE = (State.VERIFIED, State.RECEIVED)


@dataclass(frozen=True, slots=True)
class Posted:
    """One POST: its headers by lower-case name, its bytes as they come, how many it announces (None: it does not say)."""

    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]
    length: int | None


class Arrival(Fetch):
    """`run` is the task of the delivery; `take` is one POST, in an object of its own. What they share is the store."""

    async def run(self) -> None:
        """Wait until the bytes are here, then see to the final receipt; without them it fails when the transfer ends."""
        try:
            if not await self._here():
                return
            if self._delivery.state is State.VERIFIED:
                await self._hand_over()
            self._node.counters.add("weft_deliveries_total", role="consumer", result="received")
        except StoreError:
            raise
        except (WeftError, ContractError, OSError) as error:
            await self._fail(error)

    async def take(self, posted: Posted) -> None:
        """Take in what is posted; it is durable when this returns.

        Raises RefusedError when nothing may come in (any more), UnreachableError when it may be sent again, VerificationError
        and ContractError for what does not hold: then the delivery has failed.
        """
        work = asyncio.create_task(self._receive(posted))
        try:
            with watch(self._node.db, f"transfer:{self._delivery.transfer}") as changed:
                while not work.done():
                    waiting = asyncio.ensure_future(changed.wait())
                    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    changed.clear()
                    if not work.done():
                        await self._node.db.read(self._open)
            work.result()
        except (VerificationError, ContractError) as error:
            await self._fail(error)
            raise
        finally:
            work.cancel()
            await asyncio.wait([work])
            # A part that was verified is taken up by the next POST; a plain one begins anew. At once: that POST may wait for it.
            if isinstance(self._file, PlainFile):
                self._file.discard()
            elif self._file is not None:
                self._file.close()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _open(self, tx: Tx) -> tuple[Transfer, Agreement, Delivery]:
        """Transfer, agreement and delivery, while bytes may come in: from the request on, because a start may be on its way."""
        transfer, agreement = self._look(tx)
        delivery = deliveries.get(tx, self._delivery.id)
        if delivery is None or transfer.state in MACHINE.terminal or transfer.code or delivery.state is State.FAILED:
            raise RefusedError(ENDED)
        code, _ = barrier(tx, transfer.counterparty, agreement.digest, transfer.role)
        if code:
            raise RefusedError(code)
        if transfer.halted == SUSPENDED:
            raise RefusedError(SUSPENDED)
        return transfer, agreement, delivery

    async def _receive(self, posted: Posted) -> None:
        transfer, agreement, self._delivery = await self._node.db.read(self._open)
        limit = self._node.settings.push_limit_bytes
        if posted.length is not None and posted.length > limit:
            raise RefusedError(TOO_LARGE, limit=limit)
        named = posted.headers.get(MANIFEST_HEADER.lower(), "")
        if self._delivery.state in _HERE and self._delivery.manifest:
            async for _ in posted.pieces:  # we have it, verified: our answer was lost
                pass
        elif named:
            await self._receive_sealed(transfer, agreement, named, posted)
        else:
            await self._receive_plain(posted, limit)

    async def _receive_sealed(self, transfer: Transfer, agreement: Agreement, named: str, posted: Posted) -> None:
        remote = self._remote(transfer)
        await remote.fresh_token()
        answer = await remote.small("/manifest")
        if answer.status != HTTPStatus.OK:
            raise VerificationError("manifest-invalid", problem=f"{MANIFEST_HEADER} names one, but there is none")
        manifest, signed = read_manifest(self._node, transfer, agreement, "", answer.body)
        if manifest.digest() != named:
            raise VerificationError("manifest-invalid", problem=f"{MANIFEST_HEADER} names another one")
        if manifest.size > self._node.settings.push_limit_bytes:
            raise RefusedError(TOO_LARGE, limit=self._node.settings.push_limit_bytes)
        await self._accept(manifest, signed)
        part = await self._opened(remote, manifest)
        self._heard(part.verified)
        await take_bytes(posted.pieces, part, self._heard, skip=part.verified)
        await self._whole(part, signed)

    async def _receive_plain(self, posted: Posted, limit: int) -> None:
        file = PlainFile(place_of(self._node.settings.data_dir, self._delivery, ".data"))
        self._file = file
        await settled(file.open)
        digest = read_repr_digest(posted.headers.get("repr-digest", ""))
        total, buffer = posted.length or 0, bytearray()
        async for piece in posted.pieces:
            buffer += piece
            if file.size + len(buffer) > limit:
                raise RefusedError(TOO_LARGE, limit=limit)
            if len(buffer) >= WRITE_BYTES:
                await settled(file.append, bytes(buffer))
                buffer.clear()
                self._heard_plain(file.size, total)
        await settled(file.append, bytes(buffer))
        self._heard_plain(file.size, file.size)
        if posted.length is not None and file.size != posted.length:
            raise UnreachableError("unreachable", url="-", cause=f"{file.size} of {posted.length} bytes came")
        if digest is not None and digest != file.sha256:
            raise VerificationError("digest-differs", expected=digest, found=file.sha256)
        self._node.counters.add("weft_data_bytes_received_total", file.size)
        await self._whole_plain(file, proven=digest is not None)

    def _remote(self, transfer: Transfer) -> Remote:
        """Where the provider serves the evidence of a push: as that of a pull, below the root of its listed base."""
        endpoint = f"{root_of(transfer.address)}/data/{transfer.peer_pid}"
        return Remote(self._node, replace(transfer, data_address=data_address(endpoint, "")), self._delivery.columns)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _here(self) -> bool:
        """Wait until everything is here, False when it did not hold; raises RefusedError when the transfer has ended before."""
        node = self._node
        with (
            watch(node.db, f"transfer:{self._delivery.transfer}") as moved,
            watch(node.db, deliveries.topic(self._delivery.id)) as kept,
        ):
            while True:
                moved.clear()
                kept.clear()
                transfer, self._delivery = await node.db.read(self._state)
                if self._delivery.state in _HERE:
                    return True
                if self._delivery.state is State.FAILED:
                    return False
                if transfer.state in MACHINE.terminal or transfer.code:
                    raise RefusedError(transfer.code or "push-missing", text=transfer.reason)
                waiting = [asyncio.ensure_future(event.wait()) for event in (moved, kept)]
                try:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waiting:
                        each.cancel()

    def _state(self, tx: Tx) -> tuple[Transfer, Delivery]:
        transfer, _ = self._look(tx)
        return transfer, deliveries.get(tx, self._delivery.id) or self._delivery
