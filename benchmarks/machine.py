"""What the figures were measured on."""

import asyncio
import os
import platform
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.floor import open_durable

PAGE_BYTES = 4096


def facts(directory: Path, repeats: int) -> list[str]:
    """Lines about this machine; `directory` lies on the disk that the benchmarks write to."""
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        (
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"event loop {type(asyncio.get_running_loop()).__name__} everywhere"
        ),
        (
            f"fsync p50 {_fsync_s(directory, repeats) * 1000:.2f} ms, "
            f"durable one-row commit p50 {_commit_s(directory, repeats) * 1000:.2f} ms"
        ),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_s(directory: Path, repeats: int) -> float:
    descriptor = os.open(directory / "synced", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        return median(_synced_s(descriptor) for _ in range(repeats))
    finally:
        os.close(descriptor)


def _synced_s(descriptor: int) -> float:
    os.write(descriptor, bytes(PAGE_BYTES))
    began = time.perf_counter()
    os.fsync(descriptor)
    return time.perf_counter() - began


def _commit_s(directory: Path, repeats: int) -> float:
    connection = open_durable(directory / "committed.db")
    times: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO kept (body) VALUES ('x')")
        connection.execute("COMMIT")
        times.append(time.perf_counter() - began)
    connection.close()
    return median(times)
