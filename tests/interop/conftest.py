"""Live peers: unmodified EDC connectors, started once for a run, and a Weft daemon that knows them.

They run with `make interop` only: the files are called `live_*.py`.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.authority import space
from connector.daemon import Daemon
from connector.identity.setup import initialise
from connector.settings import Settings
from tests.interop.edc import edc_peer
from tests.interop.peer import Edc
from tests.pair import free_ports

CACHE = Path.home() / ".cache" / "weft-edc"
WEFT = "weft"
WAIT_MS, HEAP = 50, "256m"


def _absent(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def launch(tmp_path_factory):
    """`launch(name, **settings)` starts an EDC of that participant id; all are stopped at the end."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        _absent(f"a live EDC needs {' and '.join(missing)}: apt-get install openjdk-17-jre-headless maven")
    work = tmp_path_factory.mktemp("edc")
    folders: list[Path] = []

    def one(name: str, wait_ms: int | None = WAIT_MS, **settings: str) -> Edc:
        """`settings` are EDC's, with two underscores for a dot; `wait_ms` None leaves its loops at a second."""
        plain = name.replace(":", "-")
        given = {key.replace("__", "."): value for key, value in settings.items()}
        if plain != name:
            given["edc.participant.id"] = name
        options = ["--names", plain, "--xmx", HEAP, "--cache", str(CACHE)]
        options += [] if wait_ms is None else ["--wait", str(wait_ms)]
        options += ["--edc", os.environ["EDC"]] if os.environ.get("EDC") else []
        for key, value in given.items():
            options += ["--set", f"{key}={value}"]
        folder = work / str(len(folders))
        done = _recipe("start", folder, *options)
        if done.returncode:
            _absent(f"no live EDC: {done.stderr.strip() or done.stdout.strip()}")
        folders.append(folder)
        (peer,) = json.loads((folder / "peers.json").read_text())
        return Edc(peer | {"participantId": name})

    yield one
    for folder in folders:
        _recipe("stop", folder)


def _recipe(command: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe that starts and stops peers, in a process of its own."""
    line = [sys.executable, edc_peer.__file__, command, "--dir", str(folder), *options]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def edc(launch):
    """An EDC that takes every policy: by default it refuses to store terms that no extension has bound."""
    return launch("acme", edc__policy__validation__enabled="false")


def members(root: Path, peers: list[Edc], *, participant: str = WEFT, **changes) -> Settings:
    """Settings of a Weft daemon in a space with these peers; the peers' keys in the list are never used."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    key = space.create_space(root / "space", "interop")
    protocol, management = free_ports(2)
    ours = f"http://127.0.0.1:{protocol}/dsp/2025-1"
    for name, dsp in ((participant, ours), *((peer.participant, peer.dsp) for peer in peers)):
        member = initialise(
            root / name.replace(":", "-"),
            participant=name,
            names={"en": name},
            region="CN-32",
            dsp=dsp,
            space_key=key,
            members=str(root / "space" / "members.json"),
            now=now,
            protocol_port=protocol,
            management_port=management,
        )
        space.add_member(root / "space", member.read_bytes(), now)
    space.sign(root / "space", "P3650D", now)
    test = {
        "production": False,
        "test_mock_identity": True,
        "test_synchronous": "OFF",
        "crawl_interval_s": 86400,
        "retry_first_s": 0.2,
        "retry_limit_s": 2,
        "push_destinations": ["127.0.0.0/8"],
    }
    return Settings.load(root / participant.replace(":", "-"), {**test, **changes})


@pytest.fixture
async def weft(tmp_path, edc):
    """A Weft daemon beside the EDC, with the mock identity."""
    async with Daemon(members(tmp_path, [edc])) as daemon:
        yield daemon


@contextlib.asynccontextmanager
async def quickly(limit_s: float = 60):
    """Nothing between two connectors on one machine takes longer."""
    async with asyncio.timeout(limit_s):
        yield
