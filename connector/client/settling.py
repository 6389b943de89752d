"""The client's calls about money: bundles, ledgers, what is stated, and the statements of a period."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from connector.client.caller import Caller, segment
from connector.client.listing import Listing
from connector.client.models import Bundle, Model, Settlement


class Settling(Caller):
    """Settlement: what is owed, computed by each party alone and signed when the digests are equal."""

    async def sign_bundle(
        self,
        document: Mapping[str, Any] | None = None,
        *,
        terms: str | None = None,
        from_: str | None = None,
        idempotency_key: str | None = None,
    ) -> Bundle:
        """Sign a contract of many parties: its terms document, or the digest of one that we hold or that `from_` serves."""
        body = {"document": dict(document) if document is not None else None, "terms": terms or "", "from": from_ or ""}
        return Bundle.read(await self.session.send("POST", "/v1/bundles", body, idempotency_key=idempotency_key))

    def bundles(self) -> Listing[Bundle]:
        """The contracts of many parties that we are a signatory of."""
        return self._listing("bundles", "/v1/bundles", Bundle.read)

    async def bundle(self, name: str) -> Bundle:
        """One of them, by its id or the digest of its terms."""
        return Bundle.read(await self.session.get(f"/v1/bundles/{segment(name)}"))

    async def settlement(self, period: str) -> Settlement:
        """The statements of a period such as `2026-10`; before closing a preview from our own books."""
        return Settlement.read(await self.session.get(f"/v1/settlement/{segment(period)}"))

    async def close_period(
        self, period: str, *, only: Collection[str] = (), idempotency_key: str | None = None
    ) -> Settlement:
        """Consent to the statements of a period, or `only` to those of these refs: computed, proposed and signed by themselves.

        Repeated, it says again what was not agreed yet.
        """
        path = f"/v1/settlement/{segment(period)}/close"
        raw = await self.session.send("POST", path, {"only": list(only)}, idempotency_key=idempotency_key)
        return Settlement.read(raw)

    async def import_ledger(
        self,
        path: str | Path,
        *,
        period: str,
        names: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Mapping[str, Any]:
        """Book the usage records of a CSV file, an absolute path on the daemon's machine; returns digest, rows, added, known.

        `names` says what its short names of parties and products stand for. The same file again changes nothing.
        """
        body = {"path": str(path), "period": period, "names": dict(names or {})}
        answer: Mapping[str, Any] = await self.session.send(
            "POST", "/v1/ledgers", body, idempotency_key=idempotency_key
        )
        return answer

    def ledgers(self, period: str | None = None) -> Listing[Model]:
        """The ledgers that were imported, and who else holds each."""
        return self._listing("ledgers", "/v1/ledgers", Model.read, {"period": period})

    async def state(
        self,
        period: str,
        *,
        quality: Mapping[str, str] | None = None,
        outage: Mapping[str, Sequence[str]] | None = None,
        income: int | None = None,
        bundle: str = "",
    ) -> Sequence[Mapping[str, Any]]:
        """State grades and full days without service by ref, or a bundle's net income in minor units; returns all that is stated.

        No outage is stated as an empty list: nothing is inferred from silence.
        """
        days = {ref: list(each) for ref, each in (outage or {}).items()}
        body = {"bundle": bundle, "quality": dict(quality or {}), "outage": days, "income": income}
        answer = await self.session.send("PUT", f"/v1/settlement/{segment(period)}/stated", body)
        found: Sequence[Mapping[str, Any]] = answer["items"]
        return found

    async def stated(self, period: str) -> Sequence[Mapping[str, Any]]:
        """What we have stated for a period."""
        found: Sequence[Mapping[str, Any]] = (await self.session.get(f"/v1/settlement/{segment(period)}/stated"))[
            "items"
        ]
        return found
