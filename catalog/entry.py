"""A dataset as the index keeps it: what is searched, what is compared, what is shown. Ours and others' alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from catalog.messages import Service, dataset_body
from catalog.model import Dataset, Derivation
from catalog.reader import PeerDataset, fingerprint, read_dataset
from catalog.text import fold

# More text of one dataset is not indexed: a peer cannot make the index large with a long description.
TEXT_CHARACTERS_MAX: Final = 4_000
KEYWORDS_MAX: Final = 100
DERIVATIONS_MAX: Final = 100
SHA256_DIGITS: Final = 64

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset in the index. `digest` is equal as long as nothing changed for a reader; times are microseconds.

    `sha256` is that of its file as 64 hex digits, "" where the catalog does not say it.
    """

    owner: str
    dataset: str
    digest: str
    modified_us: int
    grade: str
    scenario: str
    title: str
    text: str
    keywords: tuple[str, ...]
    price_kinds: tuple[str, ...]
    derivations: tuple[Derivation, ...]
    sha256: str
    document: str


def entry_of(dataset: PeerDataset) -> Entry:
    """The entry of a dataset of any participant. `title`, `text` and `keywords` are folded."""
    titles = " ".join(dataset.title.values())
    parts = (
        dataset.id,
        titles,
        *dataset.description.values(),
        *(keyword.text for keyword in dataset.keywords),
        *(column.name for column in dataset.columns),
    )
    keywords = dict.fromkeys(fold(keyword.text) for keyword in dataset.keywords)
    return Entry(
        owner=dataset.owner,
        dataset=dataset.id,
        digest=fingerprint(dataset),
        modified_us=0 if dataset.modified is None else round((dataset.modified - _EPOCH).total_seconds() * 1_000_000),
        grade=dataset.grade or "",
        scenario=dataset.scenario or "",
        title=fold(titles),
        text=fold("\n".join(parts)[:TEXT_CHARACTERS_MAX]),
        keywords=tuple(keywords)[:KEYWORDS_MAX],
        price_kinds=tuple(sorted({price.kind for price in dataset.prices.values()})),
        derivations=dataset.derivations[:DERIVATIONS_MAX],
        sha256=dataset.sha256.lower() if dataset.sha256 and len(dataset.sha256) == SHA256_DIGITS else "",
        document=dataset.model_dump_json(),
    )


def own_entry(dataset: Dataset) -> Entry:
    """The entry of a dataset of ours, as we would read it in our own catalog if we saw every offer."""
    body = dataset_body(dataset, Service.of(dataset.owner, ""))
    return entry_of(read_dataset(orjson.loads(body), participant_id=dataset.owner))
