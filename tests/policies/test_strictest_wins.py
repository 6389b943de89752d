"""M-12, the algebra of inheritance: an offer of a product is allowed by all its inputs only if it is within every one of them.

An independent reading of a policy as sets (who may do what where, until when, what is forbidden, what is owed) is the judge.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.compile import compile_policy
from policies.evaluate import evaluate
from policies.parse import parse_policy
from policies.world import Request, State

PROFILE = "https://w3id.org/weft/policy/v1"
US = "did:web:s-zhengshu.example"
NOW = datetime(2026, 11, 10, tzinfo=UTC)
INHERITED = ("odrl:purpose", "odrl:spatial", "odrl:dateTime", "odrl:distribute", "odrl:delete")

PURPOSES = ("quality-control", "supply-chain-control")
REGIONS = ("CN-31", "CN-32", "CN-33", "DE-BY")
PASSING_ON = ("odrl:distribute", "odrl:derive", "odrl:sell")


@dataclass(frozen=True)
class Rules:
    """A policy as sets: None is no limit. `days` is the end, `keep` how many days data may be kept."""

    purpose: str | None
    regions: frozenset[str] | None
    days: int | None
    forbidden: frozenset[str]
    keep: int | None

    def within(self, other):
        """Whether whatever these rules let through, the others do, and whatever the others ask for, these do."""
        return (
            other.purpose in (None, self.purpose)
            and (other.regions is None or (self.regions is not None and self.regions <= other.regions))
            and (other.days is None or (self.days is not None and self.days <= other.days))
            and other.forbidden <= self.forbidden
            and (other.keep is None or (self.keep is not None and self.keep <= other.keep))
        )

    def constraints(self):
        found = []
        if self.purpose is not None:
            found.append(constraint("odrl:purpose", "eq", self.purpose))
        if self.regions is not None:
            places = [constraint("odrl:spatial", "eq", region) for region in sorted(self.regions)]
            found.append({"or": places} if len(places) > 1 else places[0])
        if self.days is not None:
            found.append(constraint("odrl:dateTime", "lteq", (NOW + timedelta(days=self.days)).isoformat()))
        return found

    def duties(self):
        if self.keep is None:
            return []
        return [{"action": "odrl:delete", "constraint": [constraint("odrl:elapsedTime", "lteq", f"P{self.keep}D")]}]

    def policy(self, *permissions):
        """An offer with these rules: usable, and with what else is permitted."""
        return {
            "@id": "urn:uuid:1",
            "@type": "Offer",
            "profile": [PROFILE],
            "permission": [{"action": "odrl:use", "constraint": self.constraints()}, *permissions],
            "prohibition": [{"action": action} for action in sorted(self.forbidden)],
            "obligation": self.duties(),
        }

    def names(self):
        """What of these rules a product must repeat: those that are there."""
        there = (self.purpose, self.regions, self.days, "odrl:distribute" in self.forbidden or None, self.keep)
        return [name for name, rule in zip(INHERITED, there, strict=True) if rule is not None]

    def allows(self, *children):
        """Whether our connector lets a product with these offers be made under these rules."""
        # Deriving itself must not be forbidden here, whatever the product forbids.
        parent = Rules(self.purpose, self.regions, self.days, self.forbidden - {"odrl:derive"}, self.keep)
        duty = {
            "action": "odrl:nextPolicy",
            "constraint": [constraint(f"{PROFILE}#inherits", "isAllOf", ",".join(parent.names()))],
        }
        derive = {"action": "odrl:derive", "constraint": parent.constraints(), "duty": [duty] if parent.names() else []}
        plan = compile_policy(parse_policy(parent.policy(derive)))
        offers = tuple(parse_policy(child.policy()) for child in children)
        world = State(now=NOW, region=min(self.regions or {"CN-32"}), next_policies=offers)
        asked = Request(action="odrl:derive", assignee=US, purpose=self.purpose or PURPOSES[0])
        return evaluate(plan, asked, world).allowed


def constraint(left, operator, right):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def handed_down(parent):
    """The part of a parent that `odrl:nextPolicy` names here: of what is forbidden, passing on."""
    return Rules(parent.purpose, parent.regions, parent.days, parent.forbidden & {"odrl:distribute"}, parent.keep)


def strictest(parents):
    """The loosest rules that are within all of them; None where two exclude each other."""
    purposes = {each.purpose for each in parents} - {None}
    limited = [each.regions for each in parents if each.regions is not None]
    regions = frozenset.intersection(*limited) if limited else None
    if len(purposes) > 1 or regions == frozenset():
        return None
    return Rules(
        next(iter(purposes), None),
        regions,
        min((each.days for each in parents if each.days is not None), default=None),
        frozenset().union(*(each.forbidden for each in parents)),
        min((each.keep for each in parents if each.keep is not None), default=None),
    )


rules = st.builds(
    Rules,
    purpose=st.none() | st.sampled_from(PURPOSES),
    regions=st.none() | st.frozensets(st.sampled_from(REGIONS), min_size=1),
    days=st.none() | st.integers(1, 4),
    forbidden=st.frozensets(st.sampled_from(PASSING_ON)),
    keep=st.none() | st.integers(1, 4),
)
inputs = st.lists(rules, min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(parents=inputs, child=rules)
def test_a_product_is_allowed_only_within_every_input(parents, child):
    """Allowed by all exactly when the offer is within what each hands down: no input is outvoted by the others."""
    for parent in parents:
        assert parent.allows(child) == child.within(handed_down(parent))


@settings(max_examples=400, deadline=None)
@given(parents=inputs, child=rules)
def test_the_strictest_wins(parents, child):
    """The intersection of all inputs is allowed by each; whatever all allow is within it; exclusive inputs allow nothing."""
    least = strictest([handed_down(each) for each in parents])
    allowed = all(parent.allows(child) for parent in parents)
    if least is None:
        assert not allowed
    else:
        assert all(parent.allows(least) for parent in parents)
        assert allowed == child.within(least)


@settings(max_examples=200, deadline=None)
@given(parents=inputs, children=st.lists(rules, min_size=1, max_size=3))
def test_one_loose_offer_of_several_is_enough_to_refuse(parents, children):
    """A product may have many offers, and each of them must hand down."""
    for parent in parents:
        assert parent.allows(*children) == all(parent.allows(child) for child in children)


@settings(max_examples=200, deadline=None)
@given(parent=rules, middle=rules, child=rules)
def test_what_is_handed_down_twice_is_not_lost(parent, middle, child):
    """A product of a product is within the first input whenever both steps were allowed."""
    if parent.allows(middle) and middle.allows(child):
        assert parent.allows(child)


def test_something_is_allowed_and_something_refused():
    """The judge above is no constant."""
    free = Rules(None, None, None, frozenset(), None)
    strict = Rules("quality-control", frozenset({"CN-32"}), 1, frozenset({"odrl:distribute"}), 1)
    assert strict.allows(strict)
    assert free.allows(strict)
    assert not strict.allows(free)
