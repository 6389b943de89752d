"""Terms at offer time: what nothing can be settled by is refused before anybody sees the offer, with every reason."""

from functools import partial

import pytest

from catalog.errors import NotPublishableError
from connector.dataplane.publication import Publication
from connector.dataplane.publish import publish
from connector.store import catalog
from policies.canonical import canonical
from tests.deliveries import NoShapes
from tests.offers import DATASET, OFFER, free_offer
from tests.pair import community, did
from tests.terms import bundle, cited, free, subscription

SHAPES = NoShapes()
PROFILE = "https://w3id.org/weft/revshare/v1"
SLOT = {"ref": "I3", "role": "input", "provider": did("p-steel"), "consumer": did("s-zhengshu"), "product": DATASET}


@pytest.fixture
async def steel(tmp_path):
    async with community(tmp_path, "p-steel") as (daemon,):
        yield daemon


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("coil_no,qty\nC001,5\n")
    return path


def publication(source, *documents, brought=True):
    """One offer that cites these terms, which come along or not."""
    return Publication(
        path=source,
        id=DATASET,
        title={"en": "Coils", "zh": "钢卷"},
        offers=(free_offer(profile=[PROFILE], obligation=cited(*documents)),),
        terms=documents if brought else (),
    )


@pytest.mark.parametrize(
    "documents",
    [
        (subscription(),),
        (free(),),
        (subscription(), bundle(agreements=[*bundle()["agreements"], SLOT])),
    ],
    ids=["subscription", "free", "own price and a bundle"],
)
async def test_terms_of_ours_about_this_dataset_are_published(steel, source, documents):
    done = await publish(steel.node, publication(source, *documents), rdf=SHAPES)
    assert len(done.dataset.offers[0].terms) == len(documents)


@pytest.mark.parametrize(
    ("document", "path", "problem"),
    [
        ({**subscription(), "model": "Auction"}, "model", "not built"),
        ({**subscription(), "arbiter": "did:web:court.example"}, "arbiter", "not known"),
        (subscription(payee=did("p-stamp")), "payee", did("p-stamp")),
        (subscription(product="another"), "product", "another"),
        (bundle(), "agreements", DATASET),
        (subscription(timezone="Europe/Atlantis"), "timezone", "no time zone"),
    ],
    ids=["kind", "member", "payee", "product", "no slot", "zone"],
)
async def test_others_are_refused_with_offer_digest_and_member(steel, source, document, path, problem):
    with pytest.raises(NotPublishableError) as caught:
        await publish(steel.node, publication(source, document), rdf=SHAPES)
    (found,) = [each for each in caught.value.problems if each.code == "terms-invalid"]
    assert (found.offer, found.facts["path"]) == (OFFER, path)
    assert problem in found.facts["problem"]
    assert found.facts["digest"].startswith("sha-256:")
    assert await steel.node.db.read(lambda tx: catalog.dataset(tx, DATASET)) is None


async def test_terms_that_are_cited_and_not_there_are_refused(steel, source):
    with pytest.raises(NotPublishableError) as caught:
        await publish(steel.node, publication(source, subscription(), brought=False), rdf=SHAPES)
    assert [each.code for each in caught.value.problems] == ["document-missing"]


async def test_terms_that_we_hold_already_are_read_again(steel, source):
    """What counts is what the offer cites, however it came here."""
    document = subscription(payee=did("p-stamp"))
    await steel.node.db.transact(partial(catalog.put_document, kind="terms", body=canonical(document)))
    with pytest.raises(NotPublishableError) as caught:
        await publish(steel.node, publication(source, document, brought=False), rdf=SHAPES)
    assert [(each.code, each.facts["path"]) for each in caught.value.problems] == [("terms-invalid", "payee")]
