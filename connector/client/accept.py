"""How a program consents to terms: `fetch(…, accept=…)`.

    accept.file("terms/weld.json")                     exactly these terms, by meaning
    accept.digest("sha-256:…")                         what a person approved elsewhere
    accept.if_(purpose="quality", allow_duties={"delete"}, max_price=Money.of("20", "EUR"))
    accept.anything(i_understand="no terms are checked")
    lambda offer: offer.price is None or "too expensive"

A policy document, a predicate, or a list of any of these stands for itself. Without `accept` only an offer without
constraints, duties, prohibitions and price is accepted.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from connector.client.consent import (
    NOTHING_ASKED,
    AnyOf,
    Anything,
    Conditions,
    Consent,
    Digest,
    Exactly,
    Judged,
    Money,
    names,
)
from connector.client.errors import InvalidRequestError
from connector.client.models import Offer
from policies.canonical import is_digest, parse_json
from policies.errors import PolicyError

Accept: TypeAlias = "Consent | Mapping[str, Any] | Callable[[Offer], bool | str] | Sequence[Accept] | None"

UNDERSTOOD = "no terms are checked"


def consent(accept: Accept) -> Consent:
    """The consent that a caller's `accept=` stands for."""
    if accept is None:
        return NOTHING_ASKED
    if hasattr(accept, "judge"):
        return accept
    if isinstance(accept, Mapping):
        return Exactly(accept)
    if callable(accept):
        return Judged(accept)
    if isinstance(accept, str):  # a sequence too, but surely a path or digest that was meant for `file` or `digest`
        raise InvalidRequestError("accept-unusable", found=accept)
    return AnyOf(tuple(consent(each) for each in accept))


def document(policy: Mapping[str, Any]) -> Consent:
    """Exactly these terms, by meaning."""
    return Exactly(policy)


def file(path: str | Path) -> Consent:
    """Exactly the terms in this file: one policy document, or a list of them."""
    try:
        content = parse_json(Path(path).read_bytes())
    except OSError as error:
        raise InvalidRequestError("file-unreadable", path=str(path), cause=error.strerror or str(error)) from error
    except PolicyError as error:
        raise InvalidRequestError("file-not-json", path=str(path), cause=str(error)) from error
    documents = content if isinstance(content, list) else [content]
    policies = [each for each in documents if isinstance(each, dict)]
    if len(policies) != len(documents) or not policies:
        raise InvalidRequestError("file-not-json", path=str(path), cause="-")
    return AnyOf(tuple(Exactly(each) for each in policies))


def digest(policy_digest: str) -> Consent:
    """The policy with this digest, written `sha-256:` and 64 hex digits."""
    if not is_digest(policy_digest):
        raise InvalidRequestError("digest-invalid", found=policy_digest)
    return Digest(policy_digest)


def if_(
    *,
    purpose: Collection[str] | str | None = None,
    region: Collection[str] | str | None = None,
    columns: Collection[str] | str | None = None,
    count: int | None = None,
    until: datetime | None = None,
    max_price: Money | None = None,
    allow_duties: Collection[str] | str | None = None,
    allow_prohibitions: Collection[str] | str | None = None,
    no_onward_transfer: bool = False,
) -> Consent:
    """Terms within limits; what is not mentioned is not consented to. `no_onward_transfer` accepts that we must not pass it on."""
    return Conditions(
        purpose=names(purpose),
        region=names(region),
        columns=names(columns),
        count=count,
        until=until,
        max_price=max_price,
        allow_duties=names(allow_duties),
        allow_prohibitions=names(allow_prohibitions) | ({"distribute"} if no_onward_transfer else frozenset()),
    )


def anything(*, i_understand: str) -> Consent:
    """Whatever is offered. For tests: say `i_understand="no terms are checked"`. It is logged."""
    if i_understand != UNDERSTOOD:
        raise InvalidRequestError("not-understood", wanted=UNDERSTOOD)
    logging.getLogger("weft.client").info("client.accepts_anything")
    return Anything()
