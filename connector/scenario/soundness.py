"""What is wrong with a package, all of it: names, files, and whether its documents belong together. Nothing is started.

The player itself reads only what it needs; this is what an author of a package asks before the first run.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from connector.scenario.errors import PackageError
from connector.scenario.package import Package
from contracts.errors import ContractError
from contracts.settlement.metering import read_ledger
from contracts.settlement.terms import Bundle, parse_terms
from policies.canonical import digest, digest_of
from policies.errors import PolicyError
from policies.facts import terms_digests
from policies.parse import parse_policy
from policies.publishable import check_publishable


def problems(folder: Path) -> list[PackageError]:
    """Everything that is wrong with the package of a folder; empty when it can be played."""
    try:
        package = Package.read(folder)
    except PackageError as error:
        return [error]
    return [*_terms(package), *_offers(package), *_bundles(package), *_outcomes(package)]


def _terms(package: Package) -> Iterator[PackageError]:
    """Every terms document can be settled."""
    for name in dict.fromkeys(each for dataset in package.datasets.values() for each in dataset.terms):
        path = package.contract("terms", name)
        try:
            parse_terms(path.read_bytes())
        except (ContractError, PolicyError) as error:
            yield PackageError("unreadable", path=path, problem=error)


def _offers(package: Package) -> Iterator[PackageError]:
    """Every offer can be published and is of its dataset, which has the documents that the offer cites."""
    for dataset in package.datasets.values():
        terms = {digest(package.contract("terms", each).read_bytes()) for each in dataset.terms}
        transforms = {digest(package.contract("transforms", each).read_bytes()) for each in dataset.transforms}
        for name in dataset.offers:
            path = package.contract("offers", name)
            try:
                document = package.offer(name)
                policy = parse_policy(document)
                for problem in check_publishable(document):
                    yield PackageError("unreadable", path=path, problem=problem.sentence("en"))
            except PackageError as error:
                yield error
                continue
            except PolicyError as error:
                yield PackageError("unreadable", path=path, problem=error)
                continue
            cited = {*terms_digests(policy), *_digests(document)}
            for missing in sorted(cited - terms - transforms):
                yield PackageError("cited-missing", path=path, digest=missing)
    for name, agreement in package.agreements.items():
        if name not in package.datasets[agreement.dataset].offers:
            yield PackageError("offer-elsewhere", path=package.contract("offers", name), dataset=agreement.dataset)


def _digests(value: object) -> Iterator[str]:
    """Every digest that a document names, wherever it stands."""
    inner: Sequence[Any] = ()
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list):
        inner = value
    elif isinstance(value, str) and value.startswith("sha-256:"):
        yield value
    for each in inner:
        yield from _digests(each)


def _bundles(package: Package) -> Iterator[PackageError]:
    """A period is settled under a bundle whose signatories take part, from a ledger that can be read."""
    ids = {each.id for each in package.participants.values()}
    for settlement in package.settlements.values():
        path = package.contract("terms", settlement.bundle)
        terms = parse_terms(path.read_bytes())
        if not isinstance(terms, Bundle):
            yield PackageError("no-bundle", path=path)
            continue
        for missing in sorted(set(terms.signatories) - ids):
            yield PackageError("signatory-unknown", path=path, signatory=missing)
        ledger = package.folder / settlement.ledger
        try:
            read_ledger(ledger.read_bytes(), names=package.short_names())
        except ContractError as error:
            yield PackageError("unreadable", path=ledger, problem=error)


def _outcomes(package: Package) -> Iterator[PackageError]:
    """An outcome is one that can come: documents have the digests that are expected of them, positions sum to nothing."""
    for name, settlement in package.settlements.items():
        path = package.folder / settlement.expected
        try:
            outcome = package.outcome(name)
        except PackageError as error:
            yield error
            continue
        for ref, document in outcome.documents.items():
            if outcome.digests.get(ref) != digest_of(document):
                yield PackageError("digest-differs", path=path, ref=ref, digest=digest_of(document))
        if sum(outcome.positions.values()):
            yield PackageError("sum-differs", path=path, amount=sum(outcome.positions.values()))
