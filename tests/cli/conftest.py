"""Lines as a person types them, against daemons that live in the same process."""

import asyncio
import json
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from connector.cli.main import main


@dataclass(frozen=True)
class Ran:
    """What a line left: its exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def quiet():
    """The daemons of these tests live in this process: their log lines must not mix with what commands print."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def weft(tmp_path, capsys, monkeypatch):
    """Run one line for a participant, in a thread of its own as its own process would."""
    monkeypatch.setenv("LANG", "C")

    async def run(name, *words):
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["-C", str(tmp_path / name), *words])
        shown = capsys.readouterr()
        return Ran(int(code), shown.out, shown.err)

    return run
