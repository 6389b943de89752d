"""The programs under examples/ run as they stand, against real daemons, and stay as short as the README says."""

import asyncio
import sys
from pathlib import Path

import pytest

from connector.client import Client
from connector.exchange import settlement as closing
from connector.store.settlement import State
from tests.pair import community, did
from tests.settling import OCTOBER, conclude, reaches

ROOT = Path(__file__).resolve().parents[2]
LINES = 40
OFFER = {
    "@id": "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e00e1",
    "@type": "Offer",
    "profile": ["https://w3id.org/weft/policy/v1"],
    "permission": [
        {
            "action": "odrl:use",
            "constraint": [{"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality-control"}],
        }
    ],
    "prohibition": [
        {"action": "odrl:distribute", "odrl:remedy": [{"action": "https://w3id.org/weft/policy/v1#alert"}]}
    ],
}


def client_of(daemon):
    return Client(f"http://127.0.0.1:{daemon.management_port}", key_file=daemon.settings.management_key)


async def run(program, daemon, *words, folder):
    """Its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / program),
        f"http://127.0.0.1:{daemon.management_port}",
        str(daemon.settings.management_key.absolute()),
        *words,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


@pytest.mark.parametrize("program", ["fetch_dataset.py", "what_is_owed.py"])
def test_a_program_has_at_most_forty_lines(program):
    assert len((ROOT / "examples" / program).read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.slow
async def test_a_dataset_is_found_negotiated_fetched_and_read(tmp_path):
    source = tmp_path / "coils.csv"
    source.write_text("coil_no,width\nA1,3\nA2,4\n", encoding="utf-8")
    async with community(tmp_path / "space-of-two", "p-steel", "s-zhengshu") as (steel, zhengshu):
        async with client_of(steel) as owner, client_of(zhengshu) as asker:
            await owner.publish(source, id="coils", title={"en": "Coil quality", "zh": "钢卷质量"}, offers=[OFFER])
            await asker.refresh()
        code, said = await run("fetch_dataset.py", zhengshu, "coil quality", "quality-control", folder=tmp_path)
        assert (code, said.splitlines()) == (
            0,
            [f"coils of {did('p-steel')}: 2 rows, verified: True", "{'coil_no': 'A1', 'width': '3'}"],
        )
        code, said = await run("fetch_dataset.py", zhengshu, "no such thing", "quality-control", folder=tmp_path)
        assert code == 1
        assert "no such thing" in said
    assert (tmp_path / "received.csv").read_bytes() == source.read_bytes()


@pytest.mark.slow
async def test_what_is_owed_is_listed_before_and_after_closing(tmp_path):
    """A7 of the scenario: 5,000.00 once, in October, from p-stamp to p-steel."""
    async with community(tmp_path / "space-of-two", "p-steel", "p-stamp") as (steel, stamp):
        await conclude({"p-steel": steel, "p-stamp": stamp}, ["A7"])
        code, said = await run("what_is_owed.py", stamp, OCTOBER, folder=tmp_path)
        lines = said.splitlines()
        assert code == 0, said
        assert lines[0].split() == ["A7", "fixed", "-5,000.00", "CNY"]
        assert lines[1].split() == ["total", "-5,000.00", "CNY"]
        assert lines[2].startswith("A7: open")
        for daemon in (steel, stamp):
            await closing.close(daemon.node, OCTOBER)
        for daemon in (steel, stamp):
            await reaches(daemon, "A7", State.AGREED)
        _, said = await run("what_is_owed.py", steel, OCTOBER, folder=tmp_path)
        assert said.splitlines()[1:] == ["total                                 5,000.00 CNY", "A7: agreed"]
