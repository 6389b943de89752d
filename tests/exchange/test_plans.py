"""Compiled policies are shared by those whom they are for, and by nobody else."""

from connector.exchange.node import Plans
from policies.compare import policy_digest
from policies.evaluate import evaluate
from policies.world import Request, State
from tests.clocks import START

TERMS = {"@type": "Agreement", "permission": [{"action": "odrl:use"}]}


def agreement(consumer):
    return {**TERMS, "assigner": "did:web:mill.example", "assignee": f"did:web:{consumer}.example"}


def test_two_consumers_under_the_same_terms_are_both_permitted():
    plans = Plans()
    for consumer in ("carrier", "seats"):
        document = agreement(consumer)
        plan = plans.get(policy_digest(document), document)
        decision = evaluate(plan, Request("odrl:use", document["assignee"]), State(START, None))
        assert decision.allowed, consumer


def test_a_policy_is_compiled_once_for_a_party():
    plans, document = Plans(), agreement("carrier")
    assert plans.get(policy_digest(document), document) is plans.get(policy_digest(document), dict(document))
