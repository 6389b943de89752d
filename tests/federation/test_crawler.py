"""Crawling: each member on its own, within bounds, never an empty window."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from catalog.query import Query
from connector.errors import UnreachableError
from connector.federation.crawler import Crawler, Limits
from connector.federation.index import Index
from connector.store import federation
from connector.store.database import Database
from tests.clocks import SteppingClock

A, B = "did:web:a.example", "did:web:b.example"
# So long that no timer of a test ends by itself.
QUIET = Limits(interval_s=10_000, retry_s=10_000, retry_max_s=20_000, confirm_s=10_000, timeout_s=5)


@dataclass(frozen=True)
class Member:
    participant_id: str


def page(*names, **members):
    datasets = [
        {
            "@id": name,
            "@type": "Dataset",
            "title": f"title of {name}",
            "hasPolicy": [{"@id": f"{name}/o", "permission": [{"action": "use"}]}],
        }
        for name in names
    ]
    return json.dumps({"@id": "c", "@type": "Catalog", "dataset": datasets, **members}).encode()


class Peers:
    """What every member answers: bytes, a list of pages, an exception, or a function of the link."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    async def fetch(self, member, link):
        self.asked.append((member.participant_id, link))
        answer = self.answers[member.participant_id]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(link)
            return await answer if asyncio.iscoroutine(answer) else answer
        if isinstance(answer, list):
            number = int(link or 0)
            return answer[number], str(number + 1) if number + 1 < len(answer) else None
        return answer, None


@pytest.fixture
async def world(tmp_path):
    """A database, peers, and a crawler maker; everything is closed at the end."""
    db = Database(tmp_path / "weft.db", synchronous="OFF")
    await db.open()
    peers, crawlers, clock = Peers(), [], SteppingClock()

    def crawler(*members, limits=QUIET):
        listed = [Member(name) for name in members]
        crawlers.append(Crawler(db, clock, peers.fetch, lambda: listed, limits))
        crawlers[-1].listed = listed
        return crawlers[-1]

    yield db, peers, crawler, clock
    for made in crawlers:
        await made.close()
    await db.close()


async def found(db, words=""):
    hits, _ = await db.read(lambda tx: federation.find(tx, Query(words=words, limit=200)))
    return [hit.dataset for hit in sorted(hits, key=lambda hit: hit.dataset)]


async def start(crawler):
    """Start the tasks and let the first crawl of everybody end."""
    await crawler.members_changed()
    return await crawler.refresh()


async def test_pages_are_followed_and_found(world):
    """All pages of all members are in the index."""
    db, peers, make, _ = world
    peers.answers = {A: [page("a1", "a2"), page("a3")], B: page("b1")}
    outcomes = await start(make(A, B))
    assert {(outcome.participant, outcome.result, outcome.datasets) for outcome in outcomes} == {
        (A, "ok", 3),
        (B, "ok", 1),
    }
    assert await found(db) == ["a1", "a2", "a3", "b1"]
    assert await found(db, "a3") == ["a3"]


async def test_a_dead_or_slow_member_delays_nobody(world):
    """B is found while A hangs and while A fails."""
    db, peers, make, _ = world

    async def hang(_):
        await asyncio.sleep(60)

    peers.answers = {A: hang, B: page("b1")}
    crawler = make(A, B)
    await crawler.members_changed()
    async with asyncio.timeout(2):
        assert [outcome.result for outcome in await crawler.refresh(B)] == ["ok"]
    assert await found(db) == ["b1"]


async def test_a_failed_crawl_changes_only_the_status(world):
    """The old catalog stays, with the reason and the time; recovery clears both."""
    db, peers, make, clock = world
    crawler = make(A)
    index = Index(db, clock, interval_s=300)
    peers.answers = {A: page("a1")}
    await start(crawler)
    for failure, reason in (
        (UnreachableError("unreachable", participant=A), "unreachable"),
        (OSError("no route"), "unreachable"),
        (b"<html>", "json-invalid"),
        (b'{"@type":"CatalogError"}', "catalog-unreadable"),
        (KeyError("bug"), "crawl-fault"),
    ):
        peers.answers[A] = failure
        outcome = (await crawler.refresh(A))[0]
        assert (outcome.result, outcome.reason) == ("failed", reason)
        hit = (await index.find(Query())).hits[0]
        assert (hit.dataset, hit.freshness.state, hit.freshness.reason) == ("a1", "unreachable", reason)
    peers.answers[A] = page("a1")
    await crawler.refresh(A)
    assert (await index.find(Query())).hits[0].freshness.state == "fresh"


async def test_slow_bytes_end_at_the_time_limit(world):
    """The whole crawl has one limit, however the peer spends it."""
    db, peers, make, _ = world

    async def trickle(link):
        await asyncio.sleep(0.03)
        return page(f"d{link}"), str(int(link or 0) + 1)

    peers.answers = {A: trickle}
    crawler = make(A, limits=Limits(timeout_s=0.2, retry_s=10_000, interval_s=10_000))
    await crawler.members_changed()
    assert (await crawler.refresh(A))[0].reason == "timeout"
    assert await found(db) == []


@pytest.mark.parametrize(
    ("bound", "reason", "kept"),
    [
        ({"pages_max": 3}, "too-many-pages", 3),
        ({"datasets_max": 2}, "too-many-datasets", 2),
        ({"bytes_max": 300}, "too-many-bytes", 2),
    ],
)
async def test_endless_catalogs_are_kept_up_to_a_bound(world, bound, reason, kept):
    """Ever new pages with ever new links: taken up to the bound, marked, and no more the next time."""
    db, peers, make, _ = world
    numbers = iter(range(100_000))

    def endless(_):
        number = next(numbers)
        return page(f"d{number:05}"), str(number)

    peers.answers = {A: endless}
    crawler = make(A, limits=Limits(interval_s=10_000, **bound))
    await crawler.members_changed()
    for _ in range(3):
        outcome = (await crawler.refresh(A))[0]
        assert (outcome.result, outcome.reason) == ("partial", reason)
        assert len(await found(db)) == kept
    rows = await db.read(lambda tx: tx._connection.execute("SELECT count(*) AS n FROM entry").fetchone()["n"])
    assert rows == kept


async def test_a_repeated_link_ends_the_walk(world):
    """A page that links back to one that was read is the last."""
    db, peers, make, _ = world
    peers.answers = {A: lambda link: (page(f"d{link}"), "again")}
    assert (await start(make(A)))[-1].result == "ok"
    assert await found(db) == ["dNone", "dagain"]


async def test_a_sudden_fall_to_nothing_is_confirmed_first(world):
    """One empty answer changes nothing; the second is believed."""
    db, peers, make, _ = world
    crawler = make(A)
    peers.answers = {A: page("a1", "a2")}
    await start(crawler)
    peers.answers[A] = page()
    assert (await crawler.refresh(A))[0].result == "unconfirmed"
    assert await found(db) == ["a1", "a2"]
    assert (await crawler.refresh(A))[0].result == "ok"
    assert await found(db) == []


async def test_an_interrupted_fall_is_forgotten(world):
    """A catalog that is back between two empty answers needs two again."""
    db, peers, make, _ = world
    crawler = make(A)
    for answer, result in ((page("a1"), "ok"), (page(), "unconfirmed"), (page("a1"), "ok"), (page(), "unconfirmed")):
        peers.answers[A] = answer
        await crawler.members_changed()
        assert (await crawler.refresh(A))[0].result == result
    assert await found(db) == ["a1"]


async def test_unreadable_datasets_are_recorded(world):
    """The rest is found; the index knows what could not be read."""
    db, peers, make, clock = world
    body = json.loads(page("a1"))
    body["dataset"].append({"@id": "broken"})
    peers.answers = {A: json.dumps(body).encode()}
    assert (await start(make(A)))[0].unreadable == 1
    assert await found(db) == ["a1"]
    assert "broken: it has no offer" in (await Index(db, clock, interval_s=300).known())[0].detail


async def test_one_crawl_of_a_member_at_a_time(world):
    """Many who ask for a refresh share the next crawl."""
    _, peers, make, _ = world
    running = most = 0

    async def counted(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return page("a1"), None

    peers.answers = {A: counted}
    crawler = make(A)
    await crawler.members_changed()
    await asyncio.gather(*(crawler.refresh(A) for _ in range(10)))
    assert most == 1
    assert len(peers.asked) <= 3


async def test_a_member_that_speaks_is_asked_at_once(world):
    """Back-off ends when the member is heard from, but not more often than the first retry."""
    _, peers, make, clock = world
    peers.answers = {A: OSError("down")}
    crawler = make(A)
    await start(crawler)
    asked = len(peers.asked)
    crawler.heard_from(A)
    crawler.heard_from("did:web:unknown.example")
    await asyncio.sleep(0.05)
    assert len(peers.asked) == asked
    clock.advance(QUIET.retry_s)
    again = asyncio.Event()

    def answer(_):
        again.set()
        return page("a1"), None

    peers.answers[A] = answer
    crawler.heard_from(A)
    async with asyncio.timeout(2):
        await again.wait()


async def test_waiting_grows_with_failures(world):
    """Exponential, bounded; when a crawl is due is in the store and survives a restart."""
    db, peers, make, clock = world
    peers.answers = {A: OSError("down")}
    crawler = make(A, limits=Limits(retry_s=100, retry_max_s=350, jitter=0, interval_s=10_000))
    await start(crawler)
    delays = []
    for _ in range(3):
        await crawler.refresh(A)
        known = await db.read(lambda tx: federation.member(tx, A))
        delays.append(known.next_us / 1_000_000 - clock.now().timestamp())
    assert delays[-1] == 350
    assert delays == sorted(delays)
    await crawler.close()
    asked = len(peers.asked)
    again = make(A)
    await again.members_changed()
    await asyncio.sleep(0.05)
    assert len(peers.asked) == asked


async def test_the_member_list_is_followed(world):
    """A new member is crawled, one that left is not found any more, and nothing of it stays; it may come back."""
    db, peers, make, _ = world
    peers.answers = {A: page(*(f"a{number:02}" for number in range(40))), B: page("b1")}
    crawler = make(A, B)
    await start(crawler)
    crawler.listed[:] = [Member(B)]
    await crawler.members_changed()
    assert await found(db) == ["b1"]
    with pytest.raises(LookupError):
        await crawler.refresh(A)
    crawler.listed[:] = [Member(A), Member(B)]
    await crawler.members_changed()
    await crawler.refresh()
    assert len(await found(db)) == 41
    rows = await db.read(lambda tx: tx._connection.execute("SELECT count(*) AS n FROM entry").fetchone()["n"])
    assert rows == 41


async def test_a_crawl_that_is_stopped_shows_nothing(world):
    """Closed in the middle of a catalog: the old one is found, and after the next crawl the new one."""
    db, peers, make, _ = world
    crawler = make(A)
    peers.answers = {A: page("old")}
    await start(crawler)
    reached = asyncio.Event()

    async def stuck(link):
        if link is None:
            return page("new-1"), "2"
        reached.set()
        return await asyncio.sleep(60)

    peers.answers[A] = stuck
    waiting = asyncio.create_task(crawler.refresh(A))
    await reached.wait()
    await crawler.close()
    assert [(outcome.result, outcome.reason) for outcome in await waiting] == [("failed", "stopped")]
    assert await found(db) == ["old"]
    peers.answers[A] = page("new-1", "new-2")
    again = make(A)
    await again.members_changed()
    await again.refresh(A)
    assert await found(db) == ["new-1", "new-2"]


async def test_large_bodies_are_read_beside_the_loop(world):
    """A catalog of thousands of datasets in one body."""
    db, peers, make, _ = world
    peers.answers = {A: page(*(f"d{number:04}" for number in range(600)))}
    assert (await start(make(A)))[-1].datasets == 600
    known = await db.read(lambda tx: federation.member(tx, A))
    assert (known.entries, known.status) == (600, "ok")
