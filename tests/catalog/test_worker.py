"""The RDF worker: checks, exports and reads in a process of its own, and the daemon never loads an RDF library."""

import subprocess
import sys
from pathlib import Path

import pytest

from connector.errors import RefusedError, WeftError
from connector.rdf import Publisher, RdfWorker
from tests.catalog.samples import DATASET, ENDPOINT, PUBLISHER, STEEL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WHO = Publisher(STEEL, dict(PUBLISHER.name), ENDPOINT, ENDPOINT)
DAEMON_SIDE = (
    "catalog.entry", "catalog.errors", "catalog.messages", "catalog.model", "catalog.namespaces", "catalog.publish",
    "catalog.query", "catalog.reader", "catalog.text", "connector.rdf", "connector.store.catalog",
    "connector.store.federation", "connector.federation.crawler", "connector.federation.index",
)  # fmt: skip


async def test_check_export_and_read():
    """Findings by dataset, both forms, and the same record back."""
    worker = RdfWorker()
    assert await worker.check([DATASET], WHO) == []
    bare = DATASET.model_copy(update={"sha256": None, "keywords": ()})
    findings = await worker.check([bare], WHO)
    assert {(finding.dataset, finding.severity) for finding in findings} == {
        (DATASET.id, "violation"),
        (DATASET.id, "warning"),
    }
    for form in ("turtle", "json-ld"):
        text = await worker.export([DATASET], WHO, form=form, operator=True)
        assert await worker.read(text, base=ENDPOINT, form=form) == [DATASET]
    assert "dcat:Catalog" not in await worker.export([DATASET], WHO, alone=True)


async def test_refusals_come_back_as_refusals():
    """What is wrong with a text is told, not that a process ended."""
    worker = RdfWorker()
    with pytest.raises(RefusedError, match="graph-invalid"):
        await worker.read("no turtle {", base=ENDPOINT)
    with pytest.raises(RefusedError, match="remote-context"):
        await worker.read('{"@context": "http://127.0.0.1:9/c", "@id": "urn:a"}', base=ENDPOINT, form="json-ld")


async def test_a_worker_that_takes_too_long_is_killed():
    """The daemon waits for so long and no longer."""
    with pytest.raises(WeftError, match="rdf-worker-slow"):
        await RdfWorker(timeout_s=0.01).check([DATASET], WHO)


async def test_a_fault_of_the_worker_is_told():
    """An exit code becomes an error with the last line of its traceback."""
    with pytest.raises(WeftError, match="rdf-worker-failed"):
        await RdfWorker()._ask({"do": "dance"})


def test_the_daemon_side_loads_no_rdf_library():
    """Importing everything that the daemon uses leaves rdflib and pySHACL on the disk."""
    script = (
        f"import sys, {', '.join(DAEMON_SIDE)}; print(*(m for m in sys.modules if m.startswith(('rdflib', 'pyshacl'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ""
