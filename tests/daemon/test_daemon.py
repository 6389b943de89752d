"""The daemon as a whole: it starts or says why not, keeps what it was told, and goes on where it stopped."""

import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.authority import space
from connector.daemon import Daemon
from connector.errors import SettingsError, StoreError, VerificationError
from connector.exchange import command
from connector.identity.setup import initialise
from connector.store import audit
from connector.store import negotiation as negotiations
from contracts.negotiation.table import State
from tests.offers import DATASET, OFFER, publish
from tests.pair import community, did, found_space, settings, types, until

STEEL = did("p-steel")


async def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path):
    """A listener that cannot be bound stops the start with the port, and everything opened before is closed again."""
    found_space(tmp_path, ["p-steel"])
    chosen = settings(tmp_path, "p-steel")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", chosen.protocol_port))
        taken.listen()
        with pytest.raises(SettingsError) as caught:
            await Daemon(chosen).open()
    assert caught.value.code == "port-taken"
    assert caught.value.facts["port"] == chosen.protocol_port
    async with Daemon(chosen) as daemon:
        assert daemon.started


async def test_the_store_of_another_participant_is_refused(tmp_path):
    """A data folder that belongs to somebody else is not opened under our name."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with Daemon(settings(tmp_path, "p-steel")):
        pass
    shutil.copytree(tmp_path / "p-steel" / "data", tmp_path / "s-zhengshu" / "data")
    with pytest.raises(StoreError) as caught:
        await Daemon(settings(tmp_path, "s-zhengshu")).open()
    assert caught.value.code == "database-of-another"


async def test_what_waits_for_a_partner_that_is_down_leaves_after_a_restart(tmp_path):
    """A message to a partner that is down survives our own restart and is delivered when it is back."""
    found_space(tmp_path, ["p-steel", "s-zhengshu"])
    async with Daemon(settings(tmp_path, "p-steel")) as steel:
        await publish(steel, decision="person")
        async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu:
            mine = await command.request(zhengshu.node, provider=STEEL, dataset=DATASET, offer=OFFER)
            ours = await until(
                zhengshu, f"negotiation:{mine}", lambda tx: (n := negotiations.get(tx, mine)) and n.state and n
            )
    async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu:
        await command.terminate(zhengshu.node, mine, reason="no answer")
    async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu, Daemon(settings(tmp_path, "p-steel")) as steel:

        def ended(tx):
            found = negotiations.get(tx, ours.peer_pid)
            return found.state is State.TERMINATED

        await until(steel, f"negotiation:{ours.peer_pid}", ended)
        await until(zhengshu, f"negotiation:{mine}", lambda tx: negotiations.get(tx, mine).state is State.TERMINATED)


async def test_a_new_member_list_is_applied_without_a_restart(tmp_path):
    """Once the authority signs a list with a new member, that member can speak; an older list never comes back."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, _):
        old = (tmp_path / "space" / "members.json").read_bytes()
        member = initialise(
            tmp_path / "p-oem",
            participant=did("p-oem"),
            names={"zh": "沪新整车", "en": "Huxin Motors"},
            region="CN-31",
            dsp="http://127.0.0.1:1/dsp/2025-1",
            space_key=space.space_key(tmp_path / "space"),
            members=str(tmp_path / "space" / "members.json"),
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
        space.add_member(tmp_path / "space", member.read_bytes(), datetime(2026, 1, 1, tzinfo=UTC))
        space.sign(tmp_path / "space", "P3650D", datetime(2026, 1, 1, tzinfo=UTC))
        assert did("p-oem") not in steel.node.members.current().members
        assert await steel.node.members.reload()
        assert did("p-oem") in steel.node.members.current().members
        (tmp_path / "space" / "members.json").write_bytes(old)
        with pytest.raises(VerificationError, match="member-list-older"):
            await steel.node.members.reload()
        assert did("p-oem") in steel.node.members.current().members


async def test_without_a_list_the_daemon_serves_nobody_and_says_so(tmp_path):
    """A missing member list does not stop the daemon: it starts, records the reason, and takes the list when it comes."""
    found_space(tmp_path, ["p-steel"])
    listed = tmp_path / "space" / "members.json"
    kept = listed.read_bytes()
    listed.unlink()
    async with Daemon(settings(tmp_path, "p-steel")) as daemon:
        assert "admin.members-refused" in await daemon.node.db.read(types(daemon))
        with pytest.raises(VerificationError, match="member-list-missing"):
            daemon.node.members.current()
        listed.write_bytes(kept)
        assert await daemon.node.members.reload()


async def test_the_log_goes_on_after_a_restart(tmp_path):
    """A restart continues the audit log: numbers without gaps, one tree, one checkpoint after the other."""
    found_space(tmp_path, ["p-steel"])
    for _ in range(3):
        async with Daemon(settings(tmp_path, "p-steel")) as daemon:
            rows = await daemon.node.db.read(lambda tx: audit.after(tx, -1, 1000))
            assert [row.seq for row in rows] == list(range(len(rows)))
    assert len(rows) >= 3


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from connector.errors import StoreError
from connector.store.database import Database

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    database = Database(Path(sys.argv[1]) / "weft.db", synchronous="FULL")
    await database.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
    kept = -1
    try:
        for number in range(500):
            await database.transact(lambda tx: tx.run("fact.set", name=f"n{number}", value="x" * 4000))
            kept = number
    except StoreError as error:
        print(error.code, kept)
    row = await database.read(lambda tx: tx.one("fact.get", name=f"n{kept}"))
    print("kept" if row else "lost")
    await database.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is a POSIX limit")
def test_a_file_that_may_not_grow_is_an_answer(tmp_path):
    """When the system refuses more bytes, the commit fails with a reason, and what was acknowledged stays readable."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split("\n")[:2]
    assert first.startswith("store-failed ")
    assert int(first.split()[1]) > 10
    assert second == "kept"


async def test_a_catalog_can_be_asked_for_the_moment_the_daemon_runs(tmp_path):
    """A refresh that comes before the crawler has looked at the member list follows the list first."""
    async with community(tmp_path, "p-steel", "s-zhengshu") as (_, zhengshu):
        assert (await zhengshu.crawler.refresh(STEEL))[0].participant == STEEL
        with pytest.raises(LookupError):
            await zhengshu.crawler.refresh(did("nobody"))
