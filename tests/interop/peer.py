"""An Eclipse EDC as its user drives it: through its Management API (v3), and nothing else."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from tests.interop.edc.edc_peer import PROTOCOL, VOCAB, call

ODRL = {"@context": "http://www.w3.org/ns/odrl.jsonld"}
LIMIT_S = 40
ENDED = frozenset({"TERMINATED", "FINALIZED", "COMPLETED", "DEPROVISIONED"})


class Edc:
    """One running EDC, as `edc_peer.launch` describes it."""

    def __init__(self, peer: Mapping[str, Any]) -> None:
        self.peer = peer
        self.participant: str = peer["participantId"]
        self.dsp: str = peer["dsp"]
        self._api = f"{peer['management']}/v3"

    async def call(self, method: str, path: str, body: Any = None, *, known: bool = False) -> Any:
        """A call of its API; raises RuntimeError with what it answered (`known`: unless it has that already)."""
        try:
            return await asyncio.to_thread(call, method, self._api + path, body)
        except HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            if known and error.code == HTTPStatus.CONFLICT:
                return None
            raise RuntimeError(f"{method} {path}: {error.code} {said}") from None

    # -- as provider ---------------------------------------------------------------------------------------------------

    async def offer(
        self,
        *,
        policy: Mapping[str, Any] | None = None,
        source: str = "http://localhost:9/none",
        asset: str = "",
        definition: str = "",
    ) -> str:
        """Offer a dataset of that source under a policy (free use if none is given); returns its id, a fresh one if none is given."""
        asset = asset or f"asset-{uuid.uuid4()}"
        definition = definition or asset
        address = {"type": "HttpData", "baseUrl": source}
        made = {"@context": VOCAB, "@id": asset, "properties": {}, "dataAddress": address}
        await self.call("POST", "/assets", made, known=True)
        document = ODRL | {"@type": "Set", **(policy or {"permission": [{"action": "use"}]})}
        await self.call("POST", "/policydefinitions", {"@context": VOCAB, "@id": definition, "policy": document})
        rule = {"operandLeft": VOCAB["@vocab"] + "id", "operator": "=", "operandRight": asset}
        bound = {"accessPolicyId": definition, "contractPolicyId": definition, "assetsSelector": [rule]}
        await self.call("POST", "/contractdefinitions", {"@context": VOCAB, "@id": definition} | bound)
        return asset

    # -- as consumer ---------------------------------------------------------------------------------------------------

    async def catalog(self, provider: str, dsp: str, *, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The provider's catalog as this EDC hands it to its user."""
        body = {"@context": VOCAB, **({"querySpec": query} if query else {})} | self._party(provider, dsp)
        found: dict[str, Any] = await self.call("POST", "/catalog/request", body)
        return found

    async def negotiate(self, provider: str, dsp: str, dataset: str, offer: Mapping[str, Any]) -> str:
        """Ask for a contract; returns its own id of the negotiation."""
        policy = {**offer, **ODRL, "assigner": provider, "target": dataset}
        made = await self.call(
            "POST", "/contractnegotiations", {"@context": VOCAB, "policy": policy} | self._party(provider, dsp)
        )
        return str(made["@id"])

    async def transfer(
        self,
        provider: str,
        dsp: str,
        agreement: str,
        *,
        kind: str = "HttpData-PULL",
        destination: Mapping[str, Any] | None = None,
        tell: str = "",
    ) -> str:
        """Ask for a transfer; `tell` is told of its start with the data address (an event callback)."""
        body: dict[str, Any] = {"@context": VOCAB, "contractId": agreement, "transferType": kind}
        if destination is not None:
            body["dataDestination"] = destination
        if tell:
            body["callbackAddresses"] = [{"uri": tell, "events": ["transfer.process.started"], "transactional": False}]
        made = await self.call("POST", "/transferprocesses", body | self._party(provider, dsp))
        return str(made["@id"])

    # -- both ----------------------------------------------------------------------------------------------------------

    async def negotiation(self, pid: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/contractnegotiations/{pid}")
        return found

    async def negotiations_of(self, counterparty: str) -> list[dict[str, Any]]:
        """Its negotiations with one counterparty, newest first."""
        rule = {"operandLeft": "counterPartyId", "operator": "=", "operandRight": counterparty}
        query = {"@context": VOCAB, "@type": "QuerySpec", "filterExpression": [rule], "limit": 1000}
        query |= {"sortField": "createdAt", "sortOrder": "DESC"}
        found: list[dict[str, Any]] = await self.call("POST", "/contractnegotiations/request", query)
        return found

    async def until(self, kind: str, pid: str, *wanted: str) -> dict[str, Any]:
        """Its process (`contractnegotiations` or `transferprocesses`) once it is in one of these states."""
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(LIMIT_S):
                while found.get("state") not in wanted:
                    found = await self.call("GET", f"/{kind}/{pid}")
                    if found["state"] in ENDED and found["state"] not in wanted:
                        break
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        assert found.get("state") in wanted, f"{found.get('state')} instead of {wanted}: {found.get('errorDetail')}"
        return found

    async def finalized(self, pid: str) -> str:
        """The agreement's id once the negotiation is finalized here."""
        return str((await self.until("contractnegotiations", pid, "FINALIZED"))["contractAgreementId"])

    async def end(self, kind: str, pid: str, reason: str = "the user ends it") -> None:
        """Terminate a process of either kind."""
        body = {"@context": VOCAB, "@type": "TerminateNegotiation", "@id": pid, "reason": reason}
        await self.call("POST", f"/{kind}/{pid}/terminate", body)

    async def suspend(self, pid: str) -> None:
        body = {"@context": VOCAB, "@type": "SuspendTransfer", "reason": "the user pauses it"}
        await self.call("POST", f"/transferprocesses/{pid}/suspend", body)

    async def resume(self, pid: str) -> None:
        await self.call("POST", f"/transferprocesses/{pid}/resume")

    def _party(self, provider: str, dsp: str) -> dict[str, str]:
        return {"counterPartyAddress": dsp, "counterPartyId": provider, "protocol": PROTOCOL}


def offers_of(dataset: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The offers of a dataset in a catalog."""
    found = dataset["hasPolicy"]
    return found if isinstance(found, list) else [found]
