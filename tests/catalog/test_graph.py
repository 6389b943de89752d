"""The RDF forms: golden, deterministic, readable again, checked by shapes, and never a reason to open a socket."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import URIRef
from rdflib.namespace import DCTERMS, FOAF, ODRL2, RDF

from catalog.errors import InvalidGraphError, RemoteContextError
from catalog.graph import CSVW, DCAT, SPDX, WEFT, catalog_graph, dataset_graph, json_ld, turtle
from catalog.graph_reader import parse, read_datasets
from catalog.model import Column, Dataset, Offer
from catalog.namespaces import dataset_iri
from catalog.shapes import validate
from tests.catalog.samples import DATASET, ENDPOINT, PUBLISHER, STEEL, document

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]


def graph(*datasets, operator=True):
    return catalog_graph(datasets or (DATASET,), base=ENDPOINT, publisher=PUBLISHER, operator=operator)


def test_golden_turtle_and_json_ld():
    """One dataset with everything is written exactly so."""
    alone = dataset_graph(DATASET, base=ENDPOINT, publisher=PUBLISHER, operator=True)
    assert (GOLDEN / "dataset.ttl").read_text(encoding="utf-8") == turtle(alone)
    assert (GOLDEN / "dataset.jsonld").read_text(encoding="utf-8") == json_ld(alone)


def test_the_same_text_in_every_process():
    """Neither hash seed nor order of insertion shows in the output."""
    script = (
        "from tests.catalog.samples import *; from catalog.graph import *;"
        "g = catalog_graph([DATASET], base=ENDPOINT, publisher=PUBLISHER); print(turtle(g), json_ld(g))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(written) == 1


@pytest.mark.parametrize("form", ["turtle", "json-ld"])
def test_our_own_export_gives_the_same_record(form):
    """The operator's export is a whole backup."""
    text = turtle(graph()) if form == "turtle" else json_ld(graph())
    assert read_datasets(parse(text, base="https://elsewhere.example/", media=form)) == [DATASET]


def test_an_export_for_others_says_nothing_of_audiences():
    """Who else may see an offer, and who decides, is nobody's business; read back, the careful choice is taken."""
    text = turtle(graph(operator=False))
    assert "audience" not in text
    found = read_datasets(parse(text, base=ENDPOINT))[0]
    assert {((), "person")} == {(offer.audience, offer.decision) for offer in found.offers}


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(
    identifier=texts, title=texts, description=texts, column=texts, offer_id=texts,
    term=texts, right=texts, lang=st.sampled_from(["zh", "en", "de-AT", ""]),
)  # fmt: skip
def test_any_text_survives(identifier, title, description, column, offer_id, term, right, lang):
    """Whatever an id, title, column or policy holds comes back from Turtle and JSON-LD as it was."""
    rule = {"action": term, "constraint": [{"leftOperand": term, "operator": "eq", "rightOperand": right}]}
    offer = Offer(id=offer_id, document=document(offer_id, permission=[rule]), audience="all")
    dataset = Dataset(
        id=identifier, owner=STEEL, title={lang: title}, description={lang: description},
        columns=(Column(name=column),), offers=(offer,),
    )  # fmt: skip
    for form, write in (("turtle", turtle), ("json-ld", json_ld)):
        assert [dataset] == read_datasets(parse(write(graph(dataset)), base=ENDPOINT, media=form))


def test_a_file_written_by_hand_is_read():
    """Blank nodes, no offers, defaults: the form of a scenario's products.ttl."""
    text = """
        @prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
        @prefix csvw: <http://www.w3.org/ns/csvw#> . @prefix weft: <https://w3id.org/weft/catalog/v1#> .
        <A-D1> a dcat:Dataset ; dct:identifier "A-D1" ; dct:publisher <did:web:p-steel.example> ;
          dct:title "钢卷质量"@zh, "Coil quality"@en ; dct:description "逐卷"@zh ; dcat:keyword "coil"@en ;
          weft:grade "一般3级" ;
          dcat:distribution [ csvw:tableSchema [ csvw:column ( [ csvw:name "coil_no" ] [ csvw:name "rp02" ; csvw:datatype "integer" ] ) ] ] .
    """
    found = read_datasets(parse(text, base="file:///package/"))[0]
    assert (
        found.id,
        found.owner,
        found.grade,
        found.media_type,
        found.offers,
    ) == ("A-D1", STEEL, "一般3级", "text/csv", ())
    assert (Column(name="coil_no"), Column(name="rp02", type="integer")) == found.columns


@pytest.mark.parametrize("text", ["<a> <b>", "@prefix x: <", "not turtle at all {"])
def test_what_is_no_turtle_is_refused(text):
    """With what the parser stumbled over."""
    with pytest.raises(InvalidGraphError):
        parse(text, base=ENDPOINT)


def test_a_dataset_without_a_title_names_the_property():
    """The refusal says which dataset and which property."""
    found = graph()
    subject = URIRef(dataset_iri(ENDPOINT, DATASET.id))
    found.remove((subject, DCTERMS.title, None))
    with pytest.raises(InvalidGraphError, match="title") as refused:
        read_datasets(found)
    assert str(subject) == refused.value.where


# -- shapes --------------------------------------------------------------------------------------------------------------


def test_what_we_write_passes():
    """The full record without a finding; a bare one with hints only."""
    assert validate(graph()) == []
    bare = DATASET.model_copy(update={"keywords": (), "columns": ()})
    assert {"warning"} == {finding.severity for finding in validate(graph(bare))}


MANDATORY = [
    (DCAT.Catalog, DCTERMS.title),
    (DCAT.Catalog, DCTERMS.description),
    (DCAT.Catalog, DCTERMS.publisher),
    (DCAT.Catalog, DCAT.service),
    (FOAF.Agent, FOAF.name),
    (DCAT.Dataset, DCTERMS.identifier),
    (DCAT.Dataset, DCTERMS.title),
    (DCAT.Dataset, DCTERMS.description),
    (DCAT.Dataset, DCTERMS.publisher),
    (DCAT.Dataset, DCAT.distribution),
    (DCAT.Dataset, ODRL2.hasPolicy),
    (DCAT.Distribution, DCAT.accessURL),
    (DCAT.Distribution, DCAT.accessService),
    (DCAT.Distribution, DCAT.mediaType),
    (DCAT.Distribution, WEFT.transferFormat),
    (DCAT.Distribution, SPDX.checksum),
    (SPDX.Checksum, SPDX.algorithm),
    (SPDX.Checksum, SPDX.checksumValue),
    (CSVW.Schema, CSVW.column),
    (DCAT.DataService, DCTERMS.title),
    (DCAT.DataService, DCAT.endpointURL),
    (ODRL2.Offer, DCTERMS.identifier),
    (ODRL2.Offer, WEFT.document),
]


@pytest.mark.parametrize(
    ("kind", "predicate"), MANDATORY, ids=lambda iri: str(iri).rpartition("/")[2].rpartition("#")[2]
)
def test_each_mandatory_property_removed_fails_with_its_name(kind, predicate):
    """The finding is a violation at the node, and names the property."""
    found = graph()
    for node in list(found.subjects(RDF.type, kind)):
        found.remove((node, predicate, None))
    violations = [finding for finding in validate(found) if finding.severity == "violation"]
    assert {str(predicate)} == {finding.property for finding in violations}


def test_an_offer_without_rules_fails():
    """Neither permission nor prohibition."""
    found = graph()
    found.remove((None, ODRL2.permission, None))
    found.remove((None, ODRL2.prohibition, None))
    assert any("permission or a prohibition" in finding.message for finding in validate(found))


# -- nothing is fetched --------------------------------------------------------------------------------------------------


@pytest.fixture
def listener():
    """A socket that counts who comes."""
    calls = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    stop = threading.Event()

    def listen():
        while not stop.is_set():
            try:
                connection, address = server.accept()
            except TimeoutError:
                continue
            calls.append(address)
            connection.close()

    thread = threading.Thread(target=listen)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/context.jsonld", calls
    stop.set()
    thread.join()
    server.close()


def test_no_rdf_work_opens_a_socket(listener, tmp_path):
    """Remote, imported and local contexts are refused; parsing, exports and shapes call nobody."""
    address, calls = listener
    local = tmp_path / "context.jsonld"
    local.write_text(json.dumps({"@context": {}}))
    for context in (
        address,
        [address],
        {"@import": address, "@version": 1.1},
        local.as_uri(),
        {"x": {"@id": "urn:x", "@context": address}},
    ):
        hostile = json.dumps({"@context": context, "@id": "urn:a", "x": {"urn:p": "q"}})
        with pytest.raises(RemoteContextError):
            parse(hostile, base=ENDPOINT, media="json-ld")
    found = graph()
    found.add((URIRef("urn:a"), URIRef("http://www.w3.org/2002/07/owl#imports"), URIRef(address)))
    validate(found)
    parse(turtle(found), base=address)
    parse(json_ld(found), base=address, media="json-ld")
    assert calls == []
