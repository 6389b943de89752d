"""The client's calls about control: stops, breaches, held agreements, and what is owed after a delivery."""

from collections.abc import Sequence

from connector.client.caller import Caller, segment
from connector.client.listing import Listing
from connector.client.models import Model


class Controlling(Caller):
    """Control: nothing moves with a partner any more, remedies, duties."""

    async def stop(self, partner: str, *, reason: str, idempotency_key: str | None = None) -> int:
        """The kill switch: from now on nothing moves with a partner, `*` for everybody; returns how many transfers ended."""
        body = {"participant": partner, "reason": reason}
        answer = await self.session.send("POST", "/v1/stops", body, idempotency_key=idempotency_key)
        return int(answer["transfers"])

    async def resume(self, partner: str, *, idempotency_key: str | None = None) -> Sequence[str]:
        """Take back the stop of a partner, `*` for that of everybody; what was ended is asked for anew.

        Returns the stops that are still in the way.
        """
        body = {"participant": partner}
        answer = await self.session.send("POST", "/v1/stops/lift", body, idempotency_key=idempotency_key)
        return [str(each) for each in answer["still"]]

    def stops(self) -> Listing[Model]:
        """Partners with whom nothing moves."""
        return self._listing("stops", "/v1/stops", Model.read)

    async def report_breach(self, agreement: str, *, action: str, reason: str) -> Sequence[str]:
        """Say that a partner did what our agreement prohibits; returns the remedies that were carried out."""
        body = {"agreement": agreement, "action": action, "reason": reason}
        answer = await self.session.send("POST", "/v1/breaches", body)
        return [str(each) for each in answer["remedies"]]

    def holds(self) -> Listing[Model]:
        """Agreements under which nothing moves because of a breach."""
        return self._listing("holds", "/v1/holds", Model.read)

    async def release(self, agreement: str, *, reason: str) -> None:
        """Let transfers under a held agreement begin again."""
        await self.session.send("POST", f"/v1/holds/{segment(agreement)}/release", {"reason": reason})

    def duties(self, *, state: str | None = None, partner: str | None = None) -> Listing[Model]:
        """What is owed after deliveries, by us and to us: the nearest deadline first, then what is fulfilled."""
        return self._listing("duties", "/v1/duties", Model.read, {"state": state, "partner": partner})
