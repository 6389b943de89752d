"""Where a dataset came from and what came of it, as far as we know: our own books for what is ours, catalogs for the rest.

Of a product of ours we know which delivery of each input was used; of others' products what their catalogs say. A sale of ours
is an agreement about the product; where it cites a bundle, each input of the product that has a slot there gets its share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.model import Dataset
from catalog.reader import PeerDataset
from connector.errors import RefusedError
from connector.exchange.accounts import held_bundle
from connector.exchange.decide import plan_of
from connector.exchange.node import Node
from connector.store import catalog, federation, lineage
from connector.store.agreement import Agreement
from connector.store.database import Tx
from connector.store.lineage import Input, Sale
from policies.facts import terms_digests

# A person can look at so many datasets; a circle of catalogs that name each other must end.
NODES_MAX: Final = 200
DEPTH_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Described:
    """A dataset as its owner's catalog has it; `version` is `sha-256:<hex>`, `""` where nothing is said."""

    dataset: str
    owner: str
    title: Mapping[str, str]
    version: str
    partial: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A dataset that another one was made from. `used` is what we have of it, for a product of ours."""

    described: Described
    agreement: str
    used: Input | None
    inputs: tuple["Upstream", ...]


@dataclass(frozen=True, slots=True)
class Downstream:
    """A dataset that its catalog says was made from another one, under `agreement` (`""` where it names none)."""

    described: Described
    agreement: str
    derived: tuple["Downstream", ...]


@dataclass(frozen=True, slots=True)
class Share:
    """An input that has a part in what a sale brings in: its slot in the bundle that the sale cites."""

    bundle: str
    ref: str
    provider: str
    dataset: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Both directions from one dataset; `sales` are ours, with the shares that each brings."""

    described: Described
    ours: bool
    inputs: tuple[Upstream, ...]
    derived: tuple[Downstream, ...]
    sales: tuple[tuple[Sale, tuple[Share, ...]], ...]


def trace(tx: Tx, node: Node, dataset: str, provider: str | None = None) -> Lineage:
    """The lineage of a dataset of `provider`; without one ours, else the only one in the index.

    Raises RefusedError `dataset-unknown`, `dataset-ambiguous`.
    """
    owner = provider or _owner(tx, node, dataset)
    walk = _Walk(tx, node)
    described, derivations = walk.look(owner, dataset)
    if described is None:
        raise RefusedError("dataset-unknown", dataset=dataset, participant=owner)
    ours = owner == node.participant
    path = frozenset({(owner, dataset)})
    return Lineage(
        described,
        ours,
        walk.upstream(described, derivations, path),
        walk.downstream(owner, dataset, path),
        _sales(tx, node, dataset) if ours else (),
    )


# What a catalog says of one input: dataset, owner, agreement ("" = none).
_Named = tuple[str, str, str]


class _Walk:
    """One walk through what we know, in bounds."""

    def __init__(self, tx: Tx, node: Node) -> None:
        self._tx = tx
        self._node = node
        self._left = NODES_MAX

    def look(self, owner: str, dataset: str) -> tuple[Described | None, Sequence[_Named]]:
        """A dataset and its inputs: ours from the store, withdrawn ones too, others' from the index."""
        found: Dataset | PeerDataset | None
        if owner == self._node.participant:
            listed = catalog.dataset(self._tx, dataset)
            found = listed.dataset if listed is not None else None
        else:
            entry = federation.entry(self._tx, owner, owner, dataset)
            found = PeerDataset.model_validate(entry.document) if entry is not None else None
        if found is None:
            return None, ()
        version = f"sha-256:{found.sha256}" if found.sha256 else ""
        named = [(each.dataset, each.owner, each.agreement or "") for each in found.derivations]
        return Described(dataset, owner, found.title, version, found.partial, found.missing_inputs), named

    def upstream(
        self, product: Described, named: Sequence[_Named], path: frozenset[tuple[str, str]]
    ) -> tuple[Upstream, ...]:
        """The inputs of a product, each with its own; `path` is how we got here."""
        used: dict[tuple[str, str], Input] = {}
        if product.owner == self._node.participant:
            used = {(each.owner, each.input): each for each in lineage.of_product(self._tx, product.dataset)}
        found: list[Upstream] = []
        for dataset, owner, agreement in named:
            if not self._may_go_on():
                break
            described, further = self.look(owner, dataset)
            described = described or Described(dataset, owner, {}, "", partial=False, missing=())
            step = (owner, dataset)
            inputs = self.upstream(described, further, path | {step}) if _is_new(step, path) else ()
            found.append(Upstream(described, agreement, used.get(step), inputs))
        return tuple(found)

    def downstream(self, owner: str, dataset: str, path: frozenset[tuple[str, str]]) -> tuple[Downstream, ...]:
        """What says that it was made from a dataset, each with what was made from that."""
        found: list[Downstream] = []
        for each in federation.derived(self._tx, owner, dataset, limit=NODES_MAX):
            if not self._may_go_on():
                break
            made = PeerDataset.model_validate(each.document)
            under = next((it.agreement for it in made.derivations if (it.owner, it.dataset) == (owner, dataset)), None)
            version = f"sha-256:{made.sha256}" if made.sha256 else ""
            described = Described(made.id, made.owner, made.title, version, made.partial, made.missing_inputs)
            step = (made.owner, made.id)
            derived = self.downstream(*step, path | {step}) if _is_new(step, path) else ()
            found.append(Downstream(described, under or "", derived))
        return tuple(found)

    def _may_go_on(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _is_new(step: tuple[str, str], path: frozenset[tuple[str, str]]) -> bool:
    return step not in path and len(path) < DEPTH_MAX


def _owner(tx: Tx, node: Node, dataset: str) -> str:
    if catalog.dataset(tx, dataset) is not None:
        return node.participant
    found = federation.providers(tx, dataset, limit=NODES_MAX)
    if not found:
        raise RefusedError("dataset-unknown", dataset=dataset)
    if len(found) > 1:
        raise RefusedError("dataset-ambiguous", id=dataset, providers=", ".join(found))
    return found[0]


def _sales(tx: Tx, node: Node, dataset: str) -> tuple[tuple[Sale, tuple[Share, ...]], ...]:
    inputs = {(each.owner, each.input) for each in lineage.of_product(tx, dataset)}
    return tuple((sale, _shares(tx, node, sale.agreement, inputs)) for sale in lineage.sales(tx, dataset))


def _shares(tx: Tx, node: Node, agreed: Agreement, inputs: set[tuple[str, str]]) -> tuple[Share, ...]:
    """The inputs that the bundles cited by a sale pay, in the order of their refs."""
    cited = (held_bundle(tx, digest) for digest in terms_digests(plan_of(node, agreed).policy))
    return tuple(
        Share(bundle.id, slot.ref, slot.provider, slot.product)
        for bundle in cited
        if bundle is not None
        for slot in sorted(bundle.agreements, key=lambda each: each.ref)
        if slot.role == "input" and slot.consumer == node.participant and (slot.provider, slot.product) in inputs
    )
