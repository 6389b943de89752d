"""`/v1/policy`: what a policy means in words, and what it would decide."""

from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, Field, model_validator

from connector.clock import stamp
from connector.errors import RefusedError
from connector.exchange.decide import decide, region_of
from connector.management import asked
from connector.management.access import LABEL
from connector.management.answers import reply
from connector.management.asked import Body
from connector.management.desk import Desk
from connector.management.native import views
from connector.store import agreement as agreements
from connector.store.database import Tx
from policies.compare import policy_digest
from policies.compile import compile_policy
from policies.decision import Decision
from policies.evaluate import evaluate
from policies.facts import required_transforms
from policies.parse import parse_policy
from policies.world import Request, State


class Document(Body):
    """A policy document."""

    policy: dict[str, Any]


class DryRun(Body):
    """A request to try: against an agreement of ours, or a policy and the partner who would ask under it."""

    agreement: str | None = Field(default=None, min_length=1, max_length=2048)
    policy: dict[str, Any] | None = None
    partner: str | None = Field(default=None, max_length=255)
    purpose: str = Field(default="", max_length=2048)
    columns: tuple[str, ...] | None = None
    at: AwareDatetime | None = None
    action: str = Field(default="odrl:use", min_length=1, max_length=2048)

    @model_validator(mode="after")
    def _one_subject(self) -> "DryRun":
        if (self.agreement is None) == (self.policy is None):
            raise ValueError("name either an agreement or a policy")
        return self


class Policies:
    """The routes about policies."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._node = desk.node

    async def explain(self, request: web.Request) -> web.Response:
        given = await asked.body(request, Document)
        return reply({"digest": policy_digest(given.policy), **views.words(given.policy)})

    async def test(self, request: web.Request) -> web.Response:
        given = await asked.body(request, DryRun)
        at = given.at or self._node.clock.now()
        decision, digest = await self._node.db.transact(lambda tx: self._try(tx, given, request[LABEL]))
        explanation = {lang: decision.explain(lang) for lang in views.LANGUAGES}
        return reply(
            {
                **decision.to_dict(),
                "allowed": decision.allowed,
                "left_operand": decision.left_operand,
                "sentence": {lang: decision.sentence(lang) for lang in views.LANGUAGES},
                "explanation": explanation,
                "at": stamp(at),
                "agreement": given.agreement,
                "policy": digest,
            }
        )

    def _try(self, tx: Tx, given: DryRun, by: str) -> tuple[Decision, str]:
        """The decision and its record: nothing is counted, and that somebody tried is known."""
        at = given.at or self._node.clock.now()
        partner, agreement, digest = given.partner, None, ""
        if given.agreement is not None:
            agreement = agreements.get(tx, given.agreement)
            if agreement is None:
                raise RefusedError("agreement-unknown", agreement=given.agreement)
            digest, partner = agreement.policy, agreement.counterparty
            decision = decide(
                tx,
                self._node,
                agreement,
                action=given.action,
                purpose=given.purpose or None,
                columns=given.columns,
                now=at,
            )
        else:
            document = given.policy or {}
            plan = compile_policy(parse_policy(document))
            digest, assignee = policy_digest(document), partner or self._node.participant
            request = Request(given.action, assignee, given.purpose or None, given.columns)
            state = State(at, region_of(self._node, assignee), transforms=frozenset(required_transforms(plan)))
            decision = evaluate(plan, request, state)
        self._node.audit.append(
            tx,
            "policy.dry-run",
            peer=partner,
            agreement=agreement.digest if agreement is not None else None,
            policy=digest,
            decision=decision.outcome.value,
            reason=decision.reason,
            details={
                "at": stamp(at),
                "purpose": given.purpose,
                "columns": list(given.columns) if given.columns is not None else None,
                "action": given.action,
                "by": by,
            },
        )
        return decision, digest

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/policy/explain", self.explain),
            web.post("/v1/policy/test", self.test),
        ]
