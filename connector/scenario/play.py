"""One run of a package: chapter by chapter, then everything stops, and the table says what was expected and what came."""

import asyncio
import contextlib
import shutil
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from connector.errors import WeftError
from connector.scenario import weft
from connector.scenario.acts import ACTS
from connector.scenario.errors import PackageError
from connector.scenario.package import Package
from connector.scenario.stage import Stage
from connector.scenario.tell import Teller

REPORT = "report.json"
# Only a folder that a run has made is replaced by the next.
MARK = ".weft-demo"
# What a connector or a partner may do to the story; anything else is a fault of the player, and shows where.
EXPECTED = (weft.CommandError, PackageError, WeftError, aiohttp.ClientError, OSError, TimeoutError)


def cleared(build: Path) -> Path:
    """An empty folder for the run, in place of that of an earlier one; raises PackageError."""
    root = build.absolute()
    if root.exists():
        if any(root.iterdir()) and not (root / MARK).exists():
            raise PackageError("folder-taken", path=root)
        shutil.rmtree(root)
    root.mkdir(parents=True)
    (root / MARK).touch()
    return root


async def play(package: Package, root: Path, tell: Teller, *, keep: bool) -> int:
    """Play it; 0 when every check holds. With `keep` the connectors go on running until this task is cancelled."""
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as closing:
        http = await closing.enter_async_context(aiohttp.ClientSession())
        stage = Stage(package, root, tell, http, closing)
        await closing.enter_async_context(weft.ended(stage.daemons))
        stage.offset_s = (package.clock - datetime.now(UTC)).total_seconds()
        tell.title(package.title, package.say)
        try:
            await _chapters(stage)
            if not keep:
                await _stopped(stage)
        except Exception as error:  # noqa: BLE001  whatever breaks the story is a finding of the report
            if not isinstance(error, EXPECTED):
                traceback.print_exc()
            stage.check("played", tell.word("to-its-end"), f"{type(error).__name__}: {error}")
        checks = stage.checks
        checks.write(root / REPORT)
        tell.table(checks)
        seconds = f"{time.monotonic() - began:.1f}"
        good = not checks.failed
        tell.verdict("good" if good else "bad", good=good, number=len(checks), failed=checks.failed, seconds=seconds)
        _afterwards(stage)
        if keep:
            _while_running(stage)
            with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how this ends
                await asyncio.Event().wait()
        return 0 if good else 1


async def _chapters(stage: Stage) -> None:
    for chapter in stage.package.chapters:
        stage.tell.chapter(chapter.title, chapter.say)
        for step in chapter.steps:
            await ACTS[type(step)](stage, step)


async def _stopped(stage: Stage) -> None:
    """SIGTERM for all at once: each ends in order, and leaves nothing running."""
    codes = await asyncio.gather(*(daemon.stop() for daemon in stage.daemons.values()))
    left = [daemon.pid for daemon in stage.daemons.values() if weft.alive(daemon.pid)]
    expected = ", ".join("0" for _ in codes)
    stage.check("ended", f"{expected}; 0 left", f"{', '.join(map(str, codes))}; {len(left)} left")


def _afterwards(stage: Stage) -> None:
    """What can be looked at without any daemon."""
    if not stage.agreements:
        return
    agreement = next(iter(stage.agreements))
    consumer = stage.package.agreements[agreement].consumer
    here = f"{_weft()} -C {stage.shown(stage.folder(consumer))}"
    received = sorted((stage.root / "received").glob("*.csv"))
    stage.tell.commands(
        "afterwards",
        [
            f"{here} audit search --type delivery",
            f"{here} db rows usage",
            f"{_weft()} audit verify {stage.shown(stage.root / 'logs')}/{consumer}.jsonl --members {stage.shown(stage.members)}",
            *(f"head -3 {stage.shown(path)}" for path in received[:1]),
        ],
    )


def _while_running(stage: Stage) -> None:
    """What can be asked of the daemons that go on running."""
    lines = [f"{_weft()} -C {stage.shown(stage.folder(name))} status" for name in stage.package.participants]
    for name in stage.agreements:
        consumer = stage.folder(stage.package.agreements[name].consumer)
        lines += [
            f"{_weft()} -C {stage.shown(consumer)} agreements",
            f"{_weft()} -C {stage.shown(consumer)} deliveries",
        ]
        break
    stage.tell.commands("running", lines)


def _weft() -> str:
    """The command as a person types it here."""
    installed, here = Path(sys.executable).with_name("weft"), Path.cwd()
    return str(installed.relative_to(here)) if installed.is_relative_to(here) else "weft"
