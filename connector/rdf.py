"""RDF work in a process of its own: SHACL checks, Turtle and JSON-LD, reading a catalog file.

The process lives for one request and is killed when it takes too long; the daemon never imports rdflib or pySHACL. Starting
it costs about a third of a second, which publishing, importing and exporting can afford and nothing else needs.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from catalog.model import Dataset
from connector.errors import RefusedError, WeftError

Format = Literal["turtle", "json-ld"]

TIMEOUT_S = 30.0
# One more worker at a time would not be faster on the machines this runs on, only larger.
WORKERS_MAX = 2


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose datasets they are, for the head of a graph: `name` by language, `base` of IRIs, DSP `endpoint`."""

    participant_id: str
    name: dict[str, str]
    base: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the SHACL check: a `violation` blocks publishing, a `warning` is a hint."""

    dataset: str
    node: str
    property: str
    message: str
    severity: str


class RdfWorker:
    """Asks worker processes; at most WORKERS_MAX at a time, each for `timeout_s` at most."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(WORKERS_MAX)

    async def check(self, datasets: Sequence[Dataset], publisher: Publisher) -> list[Finding]:
        """What the shapes say about these datasets; raises WeftError `rdf-worker-failed` or `rdf-worker-slow`."""
        answer = await self._ask({"do": "check", **_request(datasets, publisher)})
        return [Finding(**finding) for finding in answer["findings"]]

    async def export(
        self,
        datasets: Sequence[Dataset],
        publisher: Publisher,
        *,
        form: Format = "turtle",
        operator: bool = False,
        alone: bool = False,
    ) -> str:
        """The datasets as Turtle or JSON-LD. Give it what the viewer may see: it shows every offer it is given.

        `operator` adds audience and decision, for the owner's own backup; `alone` leaves the catalog around one dataset out.
        """
        given = {"do": "export", "format": form, "operator": operator, "alone": alone}
        answer = await self._ask({**given, **_request(datasets, publisher)})
        return str(answer["text"])

    async def read(self, text: str, *, base: str, form: Format = "turtle") -> list[Dataset]:
        """The datasets of a Turtle or JSON-LD text; raises RefusedError `graph-invalid` or `remote-context`."""
        answer = await self._ask({"do": "read", "text": text, "base": base, "format": form})
        return [Dataset.model_validate(dataset) for dataset in answer["datasets"]]

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "connector.rdf_worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(),
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    output, errors = await process.communicate(orjson.dumps(request))
            except TimeoutError as error:
                raise WeftError("rdf-worker-slow", limit_s=self._timeout_s) from error
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:]
            raise WeftError("rdf-worker-failed", problem=last[0] if last else f"exit code {process.returncode}")
        answer: dict[str, Any] = orjson.loads(output)
        if "error" in answer:
            raise RefusedError(answer["error"]["code"], **answer["error"]["facts"])
        return answer


def _request(datasets: Sequence[Dataset], publisher: Publisher) -> dict[str, Any]:
    return {
        "base": publisher.base,
        "publisher": {
            "participantId": publisher.participant_id,
            "name": publisher.name,
            "endpoint": publisher.endpoint,
        },
        "datasets": [dataset.to_dict() for dataset in datasets],
    }


def _environment() -> dict[str, str]:
    """Where our packages are, and nothing of the daemon's environment: it may hold secrets."""
    root = str(Path(__file__).resolve().parents[1])
    return {"PYTHONPATH": os.pathsep.join((root, *filter(None, sys.path))), "PATH": os.defpath, "LANG": "C.UTF-8"}
