"""How a policy settles a permission that meets a prohibition (policies.md 2.4)."""

from policies.model import Conflict, Policy
from policies.vocabulary import DISTRIBUTE, GRANT_USE, with_broader


def strategy(policy: Policy) -> Conflict | None:
    """The strategy in force; None when the policy states one that ODRL does not know.

    A stated one wins; else Weft's profile means PROHIBIT; else ODRL's default is INVALID.
    """
    if policy.stated_conflict is not None:
        try:
            return Conflict(policy.stated_conflict)
        except ValueError:
            return None
    return Conflict.PROHIBIT if policy.under_weft else Conflict.INVALID


def reaches(prohibited: str, action: str, *, under_weft: bool) -> bool:
    """Whether prohibiting one action prohibits another: it reaches down the hierarchy.

    Under Weft's profile prohibiting `distribute` prohibits `grantUse`, too: both pass the data on (policies.md 2.6, rule 3).
    """
    chain = with_broader(action)
    return prohibited in chain or (under_weft and prohibited == DISTRIBUTE and GRANT_USE in chain)
