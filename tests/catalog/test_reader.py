"""Catalogs in the spellings peers really send become the same datasets; one bad dataset spoils nothing."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.entry import entry_of
from catalog.errors import UnreadableCatalogError
from catalog.messages import Service
from catalog.reader import fingerprint, read_catalog, read_dataset, read_page
from policies.errors import JsonError
from tests.shared import shared

STEEL = "did:web:steel.example"


def case(name):
    return json.loads(shared(f"cases/inputs/{name}").read_text(encoding="utf-8"))


def plain(**members):
    dataset = {
        "@id": "coil-17",
        "@type": "Dataset",
        "hasPolicy": [{"@id": "offer-1", "@type": "Offer", "permission": [{"action": "use"}]}],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "svc-1"}],
        **members,
    }
    return {"@id": "c", "@type": "Catalog", "participantId": STEEL, "dataset": [dataset]}


@pytest.mark.parametrize(
    ("name", "datasets"),
    [
        ("none", []),
        ("one_compacted", ["coil-17"]),
        ("one_expanded", ["coil-17"]),
        ("two_mixed", ["coil-17", "coil-18"]),
    ],
)
def test_four_catalogs_of_a_foreign_provider(name, datasets):
    """0, 1, 1 and 2 datasets, offers and formats complete (cases 01)."""
    page = read_catalog(case("01-catalogs.json")[name])
    assert datasets == [item.id for item in page.datasets]
    assert page.unreadable == []
    for item in page.datasets:
        assert item.formats == ("HttpData-PULL",)
        assert all(offer["permission"][0]["action"] in ("use", "odrl:use") for offer in item.offers)
        assert all(isinstance(offer["permission"], list) and "prohibition" not in offer for offer in item.offers)


def test_an_unknown_constraint_is_kept():
    """The vendor's own operand of `coil-18` is still there, in a list."""
    page = read_catalog(case("01-catalogs.json")["two_mixed"])
    expected = {"leftOperand": "https://vendor.example/ns/shift", "operator": "eq", "rightOperand": "night"}
    assert [expected] == page.datasets[1].offers[0]["permission"][0]["constraint"]
    assert (Service("svc-1", "https://steel.example/dsp"),) == page.datasets[1].services


def test_a_catalog_inside_itself_is_walked_once():
    """`furnace-log` is found once, with the participant its own catalog names (cases 02)."""
    page = read_catalog(case("02-catalog-nested.json")["foreign_catalog"])
    assert [(item.id, item.owner) for item in page.datasets] == [("furnace-log", "did:web:plant-a.example")]


def test_endless_nesting_ends():
    """Catalogs nested beyond the bound are recorded, not followed."""
    catalog = plain()
    for level in range(20):
        catalog = {"@id": f"n-{level}", "@type": "Catalog", "catalog": [catalog]}
    page = read_catalog(catalog)
    assert page.datasets == []
    assert len(page.unreadable) == 1


def recorded_catalogs():
    for path in sorted(shared("data/edc-wire").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            exchange = json.loads(line)
            body = exchange.get("response")
            # In catalogs of scenario A an offer is only named there; its file is read by another test.
            named = '"hasPolicy": ["' in json.dumps(body)
            if isinstance(body, dict) and body.get("@type") == "Catalog" and not named:
                yield f"{path.name}:{exchange['seq']}", body


def test_every_catalog_recorded_with_edc_is_read():
    """All datasets of all recorded catalogs are readable, and all offers keep their rules."""
    for name, body in recorded_catalogs():
        page = read_catalog(body)
        assert page.unreadable == [], name


def test_random_parts_of_edc_change_nothing():
    """EDC makes new offer and service ids on every request: the same dataset has the same fingerprint all the same."""
    seen = {}
    for _, body in recorded_catalogs():
        for item in read_catalog(body, participant_id="edc").datasets:
            seen.setdefault((item.id, item.model_dump_json(include={"title", "description"})), set()).add(
                (fingerprint(item), item.offers[0]["@id"])
            )
    repeated = [found for (name, _), found in seen.items() if name == "asset-1" and len(found) > 1]
    assert repeated
    assert all(len({content for content, _ in found}) == 1 for found in repeated)


def test_an_offer_in_the_right_shape_stays_word_for_word():
    """Our twelve example offers come out of the reader exactly as they went in."""
    for path in sorted(shared("scenarios/supply-chain-control/contracts/offers").glob("*.json")):
        offer = json.loads(path.read_text(encoding="utf-8"))
        assert (offer,) == read_catalog(plain(hasPolicy=[offer])).datasets[0].offers


def test_right_operands_are_texts():
    """Expanded typed values become their text; plain lists stay lists."""
    expanded = {
        "odrl:leftOperand": [{"@id": "odrl:count"}],
        "odrl:operator": [{"@id": "http://www.w3.org/ns/odrl/2/lteq"}],
        "odrl:rightOperand": [{"@value": 5, "@type": "xsd:integer"}],
    }
    offer = {"@id": "o", "permission": [{"action": "use", "constraint": expanded}]}
    found = read_catalog(plain(hasPolicy=offer)).datasets[0].offers[0]["permission"][0]["constraint"]
    assert found == [{"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "5"}]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("text", "it is not an object"),
        ({"hasPolicy": []}, "it has no @id"),
        ({"@id": "x"}, "it has no offer (hasPolicy)"),
        ({"@id": "x", "hasPolicy": ["o-1"]}, "an offer is not an object"),
        ({"@id": "x", "hasPolicy": [{"@type": "Offer"}]}, "an offer has no @id"),
    ],
)
def test_one_unreadable_dataset_is_recorded(broken, problem):
    """The page is read; the broken dataset is named with its problem."""
    catalog = plain()
    catalog["dataset"].append(broken)
    page = read_catalog(catalog)
    assert [item.id for item in page.datasets] == ["coil-17"]
    assert [problem] == [item.problem for item in page.unreadable]


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"@type": "CatalogError"}, [{}, {}], {"@graph": []}])
def test_what_is_no_catalog_is_refused(document):
    """An error, a list of two, a number: no catalog."""
    with pytest.raises(UnreadableCatalogError):
        read_catalog(document)


def test_bytes_that_are_no_json_are_refused():
    """The reading of bytes is the strict one."""
    with pytest.raises(JsonError):
        read_page(b'{"@type":"Catalog","@type":"Catalog"}', participant_id=STEEL)


def test_a_catalog_belongs_to_who_was_asked():
    """A member that sends somebody else's name as its own is recorded, and its datasets stay its own."""
    page = read_catalog(plain(), participant_id="did:web:mallory.example")
    assert [item.owner for item in page.datasets] == ["did:web:mallory.example"]
    assert len(page.unreadable) == 1


def test_prefixes_a_document_declares_are_honoured():
    """`ns1:dataset` is a dataset when the document says so."""
    dataset = plain()["dataset"]
    found = read_catalog(
        {"@context": {"ns1": "http://www.w3.org/ns/dcat#"}, "@type": "ns1:Catalog", "ns1:dataset": dataset}
    )
    assert [item.id for item in found.datasets] == ["coil-17"]


def test_one_dataset_is_read_alone():
    """The answer to GET /catalog/datasets/{id}."""
    found = read_dataset(plain(title="Coils")["dataset"][0], participant_id=STEEL)
    assert (found.title, found.owner) == ({"": "Coils"}, STEEL)
    with pytest.raises(UnreadableCatalogError):
        read_dataset({"@id": "x"}, participant_id=STEEL)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["HttpData-PULL", "dcat:Dataset"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@id", "@type", "@value", "@language", "hasPolicy", "format", "title", "permission", "constraint"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(member=st.sampled_from(["hasPolicy", "distribution", "title", "keyword", "modified", "@id"]), value=json_values)
def test_whatever_a_member_holds_it_is_read_or_recorded(member, value):
    """No value of any member makes reading a page fail."""
    catalog = copy.deepcopy(plain())
    catalog["dataset"][0][member] = value
    page = read_catalog(catalog)
    assert len(page.datasets) + len(page.unreadable) == 1
    for item in page.datasets:
        assert fingerprint(item)


@pytest.mark.parametrize(
    "members",
    [
        {"modified": "0001-01-01T00:00:00+14:00"},
        {"modified": "yesterday"},
        {"distribution": {"format": "HttpData-PULL", "dcat:byteSize": 10**40}},
        {"hasPolicy": {"@id": "o", "permission": {"action": "use", "constraint": {"rightOperand": 2**80}}}},
        {"keyword": [{"@value": "coil", "@language": "not a tag"}]},
        {"https://w3id.org/weft/catalog/v1#facts": {"@value": {"rows": "many"}}},
        {"https://w3id.org/weft/catalog/v1#prices": {"@value": [{"offer": "offer-1", "kind": 5}, "x"]}},
    ],
)
def test_extras_never_make_a_dataset_unreadable(members):
    """Times without a place in UTC, numbers without a place in 64 bits, tags that are none: the dataset is found."""
    page = read_catalog(plain(**members))
    assert [item.id for item in page.datasets] == ["coil-17"]
    assert entry_of(page.datasets[0]).digest


def test_what_a_peer_says_it_derived():
    """Whose datasets, in RDF which, under which agreements; a misspelt one is not said, and spoils nothing else."""
    said = {"dataset": "ore", "owner": "did:web:mine.example", "iri": "https://mine.example/datasets/ore"}
    facts = "https://w3id.org/weft/catalog/v1#facts"

    def read(*derivations):
        value = {"rows": 3, "inputs": ["ore"], "derivations": list(derivations)}
        document = plain(**{facts: {"@type": "@json", "@value": value}})["dataset"][0]
        return read_dataset(document, participant_id=STEEL)

    (found,) = read({**said, "agreement": "sha-256:" + "a" * 64}).derivations
    assert (found.owner, found.dataset, found.agreement) == (said["owner"], "ore", "sha-256:" + "a" * 64)
    assert fingerprint(read(said)) != fingerprint(read())
    for wrong in ({**said, "agreement": "A4"}, {**said, "iri": "no iri"}, {"dataset": "ore"}, "ore"):
        assert (read(wrong).id, read(wrong).derivations) == ("coil-17", ())
