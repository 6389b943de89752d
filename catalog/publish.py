"""The publish gate: what must hold before a dataset is shown to anybody (catalog.md 11), and what showing it reveals."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from pydantic import JsonValue

from catalog.errors import NotPublishableError
from catalog.messages import Service, dataset_body
from catalog.model import Dataset, Offer

# Says what is wrong with an offer's policy: an unknown or refused term, a contradiction. Empty when it may be published.
PolicyCheck = Callable[[Mapping[str, JsonValue]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: `code` names it, `offer` the offer it is about ('' for the dataset), `facts` what was found."""

    code: str
    offer: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        found = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        subject = f"offer {self.offer}: " if self.offer else ""
        return f"{subject}{self.code}" + (f" ({found})" if found else "")


def problems(dataset: Dataset, *, documents: Container[str], check_policy: PolicyCheck | None = None) -> list[Problem]:
    """Every reason why the dataset may not be published; empty when it may.

    `documents` holds the digests of the terms and transforms that are stored or come along with the dataset;
    `check_policy` is asked once per offer.
    """
    return list(_problems(dataset, documents, check_policy))


def check(dataset: Dataset, *, documents: Container[str], check_policy: PolicyCheck | None = None) -> None:
    """Raise NotPublishableError with all problems, if there is one."""
    found = problems(dataset, documents=documents, check_policy=check_policy)
    if found:
        raise NotPublishableError(dataset.id, found)


def preview(dataset: Dataset, service: Service, viewer: str) -> dict[str, JsonValue] | None:
    """The DSP body that this participant would get for the dataset, or nothing if it would see none."""
    shown = dataset.for_viewer(viewer)
    if not shown.offers:
        return None
    body: dict[str, JsonValue] = orjson.loads(dataset_body(shown, service))
    return body


def _problems(dataset: Dataset, documents: Container[str], check_policy: PolicyCheck | None) -> Iterator[Problem]:
    if not dataset.offers:
        yield Problem("no-offer")
    for offer in dataset.offers:
        yield from _offer_problems(offer, documents)
        if check_policy is not None:
            yield from (
                Problem("policy-not-publishable", offer.id, {"problem": problem})
                for problem in check_policy(offer.document)
            )
    for name in dataset.missing_inputs:
        if name not in dataset.inputs:
            yield Problem("missing-input-unknown", facts={"input": name})


def _offer_problems(offer: Offer, documents: Container[str]) -> Iterator[Problem]:
    if offer.audience != "all" and not offer.audience:
        yield Problem("no-audience", offer.id)
    # DSP 2025-1, contract-schema, Offer: a permission or a prohibition is required.
    if not offer.document.get("permission") and not offer.document.get("prohibition"):
        yield Problem("offer-without-rule", offer.id)
    for kind, digests in (("terms", offer.terms), ("transform", offer.transforms)):
        for digest in digests:
            if digest not in documents:
                yield Problem("document-missing", offer.id, {"kind": kind, "digest": digest})
