"""Lineage as rows: what each published version of a product of ours was made of, under which licences, and who gets it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from connector.store import agreement as agreements
from connector.store import catalog
from connector.store import delivery as deliveries
from connector.store.agreement import Agreement
from connector.store.database import Row, Tx
from connector.store.delivery import Delivery

# More agreements about one dataset are not looked at.
LIMIT = 200


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a product: the dataset `input` of `owner`, and what of it was used.

    `agreement` is the digest of its licence, `""` for a dataset of our own. `delivery`, `manifest` (digest) and `received` tell
    of the last verified delivery under it, `""` where there was none; `version` is `sha-256:<hex>` of the owner's file. `missing`
    says that the day's delivery did not come.
    """

    input: str
    owner: str
    agreement: str = ""
    delivery: str = ""
    version: str = ""
    manifest: str = ""
    received: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Sale:
    """An agreement under which others get a dataset of ours, with its whole deliveries so far and their data rows."""

    agreement: Agreement
    deliveries: int
    rows: int
    last: str


def add(tx: Tx, product: str, change: int, inputs: Sequence[Input]) -> None:
    """Keep what a version was made of; `change` is the change of the catalog that published it."""
    tx.many(
        "lineage.add",
        [asdict(each) | {"product": product, "change": change, "missing": int(each.missing)} for each in inputs],
    )


def of_product(tx: Tx, product: str) -> list[Input]:
    """The inputs of the version that was published last, by dataset; empty for what is no product (any more)."""
    listed = catalog.dataset(tx, product)
    if listed is None or not listed.dataset.derivations:
        return []
    return [_input(row) for row in tx.all("lineage.of_product", product=product)]


def licences(tx: Tx, dataset: str) -> list[Agreement]:
    """Agreements in force about a dataset under which we receive, the newest first."""
    found = (agreements.get(tx, row["digest"]) for row in tx.all("lineage.licences", dataset=dataset, limit=LIMIT))
    return [each for each in found if each is not None]


def last_delivery(tx: Tx, agreement: str) -> Delivery | None:
    """The newest delivery to us under an agreement that is whole and verified."""
    row = tx.one("lineage.last_delivery", agreement=agreement)
    return deliveries.get(tx, row["id"]) if row is not None else None


def sales(tx: Tx, dataset: str) -> list[Sale]:
    """Agreements in force under which others get a dataset of ours, the newest first."""
    found = []
    for row in tx.all("lineage.sales", dataset=dataset, limit=LIMIT):
        agreement = agreements.get(tx, row["digest"])
        if agreement is not None:
            found.append(Sale(agreement, row["deliveries"], row["row_count"], row["last"]))
    return found


def _input(row: Row) -> Input:
    names = (name for name in Input.__dataclass_fields__ if name != "missing")
    return Input(**{name: row[name] for name in names}, missing=bool(row["missing"]))
