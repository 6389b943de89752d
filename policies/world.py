"""What is asked, and what is known about the world: the two arguments of a decision besides the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from policies.model import Policy


@dataclass(frozen=True, slots=True)
class Request:
    """What one participant asks to do.

    `purpose` is the declared one; `columns` are those of `?columns=`, None when it was absent (then those of the offer).
    """

    action: str
    assignee: str
    purpose: str | None = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What the connector measured or looked up.

    now             the instant of the decision, with a zone (ValueError without)
    region          region of the assignee in the signed member list (ISO 3166-2)
    used            deliveries already counted, by the key of a `CounterWindow`
    transforms      digests of the transforms the gate can apply; for `derive`, those every input manifest cites
    next_policies   for `derive`, the offers of the new product
    """

    now: datetime
    region: str | None = None
    used: Mapping[str, int] = field(default_factory=dict)
    transforms: frozenset[str] = frozenset()
    next_policies: tuple[Policy, ...] = ()

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("the instant of a decision needs a zone")
