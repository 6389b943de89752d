"""The index of all known catalogs, ours too: written by crawls in small transactions, searched in one.

A catalog has a generation number; an entry counts from the generation it was born in until the one it died in. A crawl
writes what is new or changed for the next generation and retires what is gone; nothing of it is visible until `switch` moves
the number, in one statement. What is unchanged is not touched. A crawl that ends early leaves rows for a generation that
never came: `sweep` removes them before the next one. So what is found is the old or the new catalog, never a mixture.

Each function is one transaction of at most BATCH entries: a few milliseconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from catalog.entry import Entry, entry_of
from catalog.query import Query
from catalog.reader import PeerDataset
from catalog.text import CUT_VERSION, QUERY_TERMS_MAX, cut, fold, match_expression, terms, trigram_expression
from connector.store.database import Row, Tx

# One batch holds the writer for 2 to 4 ms: so many entries, or so many characters to index, whichever comes first.
BATCH: Final = 15
BATCH_CHARACTERS: Final = 8_000
NEVER: Final = 2**63 - 1

Status = Literal["own", "new", "ok", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class MemberCatalog:
    """What we know of one participant's catalog. Times are epoch microseconds, 0 = never.

    `reason` is the code of the last failure, or of the bound at which a `partial` crawl stopped; `detail` says it in words.
    """

    participant: str
    generation: int
    digest: str
    entries: int
    status: Status
    reason: str
    detail: str
    fetched_us: int
    failing_us: int
    failures: int
    emptied: bool
    next_us: int


@dataclass(frozen=True, slots=True)
class Found:
    """One entry as it was found, with the state of the catalog it stands in; `document` is the `PeerDataset` as JSON."""

    participant: str
    owner: str
    dataset: str
    document: dict[str, Any]
    status: Status
    reason: str
    fetched_us: int
    failing_us: int


# -- one crawl ------------------------------------------------------------------------------------------------------------


def add_member(tx: Tx, participant: str) -> MemberCatalog:
    """The state of a participant's catalog, made if there is none; one that left and came back starts anew."""
    tx.run("federation.add_member", participant=participant, status="new")
    found = member(tx, participant)
    if found is None:  # the statement above has just made it
        raise LookupError(participant)
    return found


def member(tx: Tx, participant: str) -> MemberCatalog | None:
    row = tx.one("federation.member", participant=participant)
    return None if row is None else _member(row)


def members(tx: Tx) -> list[MemberCatalog]:
    return [_member(row) for row in tx.all("federation.members")]


def sweep(tx: Tx, participant: str) -> bool:
    """Remove a batch of what an unfinished crawl left and of what died; True while there may be more."""
    generation = _generation(tx, participant)
    unfinished = tx.all("federation.unfinished", participant=participant, generation=generation, limit=BATCH)
    for row in unfinished:
        if row["born"] > generation:
            _delete(tx, row["number"])
        else:
            tx.run("federation.retire", number=row["number"], died=NEVER)
    dead = tx.all("federation.dead", participant=participant, generation=generation, limit=BATCH - len(unfinished))
    for row in dead:
        _delete(tx, row["number"])
    return len(unfinished) + len(dead) == BATCH


def batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """The entries in pieces that one transaction may write."""
    start = size = 0
    for index, item in enumerate(entries):
        if index > start and (index - start == BATCH or size + len(item.text) > BATCH_CHARACTERS):
            yield entries[start:index]
            start, size = index, 0
        size += len(item.text)
    if start < len(entries):
        yield entries[start:]


def write(tx: Tx, participant: str, entries: Sequence[Entry]) -> int:
    """Write a batch for the next generation; returns how many were new or changed. Unchanged ones cost a look."""
    following = _generation(tx, participant) + 1
    changed = 0
    for entry in entries:
        place = {"participant": participant, "owner": entry.owner, "dataset": entry.dataset}
        known = tx.one("federation.newest", **place, next=following)
        if known is not None and known["digest"] == entry.digest:
            continue
        if known is not None:
            if known["born"] == following:
                _delete(tx, known["number"])
            else:
                tx.run("federation.retire", number=known["number"], died=following)
        _insert(tx, participant, entry, born=following)
        changed += 1
    return changed


def retire_unseen(
    tx: Tx, participant: str, seen: frozenset[tuple[str, str]], *, after: tuple[str, str]
) -> tuple[int, tuple[str, str] | None]:
    """Retire what the crawl has not seen, one batch of (owner, dataset) after `after`.

    Returns how many were retired and where to go on, None at the end.
    """
    generation = _generation(tx, participant)
    rows = tx.all(
        "federation.keys",
        participant=participant,
        owner=after[0],
        dataset=after[1],
        generation=generation,
        next=generation + 1,
        limit=BATCH * 4,
    )
    gone = [row["number"] for row in rows if (row["owner"], row["dataset"]) not in seen]
    tx.many("federation.retire", [{"number": number, "died": generation + 1} for number in gone])
    last = (rows[-1]["owner"], rows[-1]["dataset"]) if len(rows) == BATCH * 4 else None
    return len(gone), last


def switch(
    tx: Tx,
    participant: str,
    *,
    changed: bool,
    digest: str,
    entries: int,
    fetched_us: int,
    next_us: int,
    bound: str = "",
    detail: str = "",
) -> None:
    """Make a complete crawl the catalog that counts; without a change only the time of the crawl is new.

    `bound` is the code of the bound at which the crawl stopped, '' when it saw everything.
    """
    tx.run(
        "federation.switch",
        participant=participant,
        generation=_generation(tx, participant) + int(changed),
        digest=digest,
        entries=entries,
        status="partial" if bound else "ok",
        reason=bound,
        detail=detail,
        fetched_us=fetched_us,
        next_us=next_us,
    )
    if changed:
        tx.wake("index")


def failed(tx: Tx, participant: str, *, reason: str, detail: str, at_us: int, next_us: int) -> None:
    """A crawl that failed changes the status and nothing else."""
    tx.run("federation.failed", participant=participant, reason=reason, detail=detail, at_us=at_us, next_us=next_us)


def emptied(tx: Tx, participant: str, *, next_us: int) -> None:
    """A crawl found nothing where there was something: remembered, shown only when the next one says so too.

    An expired credential of ours looks exactly like an empty catalog.
    """
    tx.run("federation.emptied", participant=participant, next_us=next_us)


def due(tx: Tx, participant: str, *, next_us: int) -> None:
    tx.run("federation.due", participant=participant, next_us=next_us)


def hide(tx: Tx, participant: str) -> None:
    """Nothing of a participant that left is found from here on; `forget` then deletes it piece by piece."""
    tx.run("federation.hide", participant=participant)


def forget(tx: Tx, participant: str) -> bool:
    """Delete a batch of the entries of a hidden catalog, at the end the catalog; True while there is more."""
    rows = tx.all("federation.any_entry", participant=participant, limit=BATCH)
    for row in rows:
        _delete(tx, row["number"])
    if not rows:
        tx.run("federation.remove_member", participant=participant)
    return bool(rows)


# -- our own catalog ------------------------------------------------------------------------------------------------------


def put_own(tx: Tx, entry: Entry) -> None:
    """Index a dataset of ours in the transaction that publishes it: it has no generations, it counts at once."""
    tx.run("federation.add_member", participant=entry.owner, status="own")
    remove_own(tx, entry.owner, entry.dataset)
    _insert(tx, entry.owner, entry, born=0)


def remove_own(tx: Tx, participant: str, dataset: str) -> None:
    known = tx.one("federation.newest", participant=participant, owner=participant, dataset=dataset, next=0)
    if known is not None:
        _delete(tx, known["number"])


# -- search ---------------------------------------------------------------------------------------------------------------


def find(tx: Tx, query: Query) -> tuple[list[Found], bool]:
    """What the query finds, title hits first, newest first; and whether there is more than its limit."""
    words, trigrams = match_expression(query.words), trigram_expression(query.words)
    statement, match = "federation.find", {}
    if words:
        statement, match = "federation.find_words", {"match": words}
    elif trigrams:
        statement, match = "federation.find_trigrams", {"match": trigrams}
    wanted = terms(query.words)
    slots = {f"t{slot + 1}": wanted[slot] if slot < len(wanted) else "" for slot in range(QUERY_TERMS_MAX)}
    rows = tx.all(
        statement,
        **match,
        **slots,
        owner=query.owner or "",
        own=int(query.own),
        grade=query.grade or "",
        scenario=query.scenario or "",
        keyword=fold(query.keyword or ""),
        price_kind=query.price_kind or "",
        limit=query.limit + 1,
    )
    shown = (tx.one("federation.shown", number=row["number"]) for row in rows[: query.limit])
    return [_found(row) for row in shown if row is not None], len(rows) > query.limit


def entry(tx: Tx, participant: str, owner: str, dataset: str) -> Found | None:
    """One dataset as the index has it."""
    row = tx.one("federation.at", participant=participant, owner=owner, dataset=dataset)
    return None if row is None else _found(row)


def providers(tx: Tx, dataset: str, *, limit: int) -> list[str]:
    """Participants with a dataset of this id of their own, ours too."""
    return [row["participant"] for row in tx.all("federation.providers", dataset=dataset, limit=limit)]


def derived(tx: Tx, owner: str, dataset: str, *, limit: int) -> list[Found]:
    """Datasets whose catalogs, ours too, say that they were derived from this one, by participant."""
    return [_found(row) for row in tx.all("federation.derived", owner=owner, dataset=dataset, limit=limit)]


def needs_reindex(tx: Tx) -> bool:
    """Whether the text tables were filled by another version of the cutting function."""
    row = tx.one("federation.search_version")
    return row is None or row["cut"] != CUT_VERSION


def reindex(tx: Tx, *, after: int) -> int | None:
    """Cut a batch of entries anew; returns where to go on, None when all are done and the version is noted."""
    rows = tx.all("federation.for_reindex", after=after, limit=BATCH)
    for row in rows:
        cut_anew = entry_of(PeerDataset.model_validate_json(row["document_json"]))
        number = row["number"]
        tx.run("federation.delete_words", number=number)
        tx.run("federation.delete_trigrams", number=number)
        tx.run("federation.refold", number=number, text=cut_anew.text, title=cut_anew.title)
        tx.run("federation.put_words", number=number, text=cut(cut_anew.text))
        tx.run("federation.put_trigrams", number=number, text=cut_anew.text)
    if len(rows) == BATCH:
        return int(rows[-1]["number"])
    tx.run("federation.set_search_version", cut=CUT_VERSION)
    return None


def _insert(tx: Tx, participant: str, entry: Entry, *, born: int) -> None:
    row = tx.one("federation.last_number")
    number = (row["number"] if row is not None else 0) + 1
    tx.run(
        "federation.put_entry",
        number=number,
        participant=participant,
        owner=entry.owner,
        dataset=entry.dataset,
        born=born,
        digest=entry.digest,
        modified_us=entry.modified_us,
        grade=entry.grade,
        scenario=entry.scenario,
        title=entry.title,
        text=entry.text,
        document=entry.document,
    )
    tx.many("federation.put_keyword", [{"entry": number, "keyword": keyword} for keyword in entry.keywords])
    tx.many("federation.put_price", [{"entry": number, "kind": kind} for kind in entry.price_kinds])
    tx.many(
        "federation.put_derivation",
        [
            {"owner": each.owner, "dataset": each.dataset, "entry": number, "agreement": each.agreement or ""}
            for each in entry.derivations
        ],
    )
    if entry.sha256:
        tx.run("federation.put_content", sha256=entry.sha256, entry=number)
    tx.run("federation.put_words", number=number, text=cut(entry.text))
    tx.run("federation.put_trigrams", number=number, text=entry.text)


def _delete(tx: Tx, number: int) -> None:
    for of in ("entry", "keywords", "prices", "derivations", "content", "words", "trigrams"):
        tx.run(f"federation.delete_{of}", number=number)


def _generation(tx: Tx, participant: str) -> int:
    row = tx.one("federation.member", participant=participant)
    return 0 if row is None else int(row["generation"])


def _member(row: Row) -> MemberCatalog:
    facts = {name: row[name] for name in row.keys() if name != "emptied"}  # noqa: SIM118  a sqlite3.Row iterates values
    return MemberCatalog(**facts, emptied=bool(row["emptied"]))


def _found(row: Row) -> Found:
    facts = {
        name: row[name] for name in ("participant", "owner", "dataset", "status", "reason", "fetched_us", "failing_us")
    }
    return Found(**facts, document=orjson.loads(row["document_json"]))
