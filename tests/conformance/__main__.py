"""Runs the official Dataspace Protocol kit against a Weft daemon: `make conformance`.

Prints one line for each failed test and ends with `65 passed, 0 failed`. Exit status: 0 as expected, 1 not, 2 the kit could not
be run, and 0 with a reason where Java or Maven is missing (2 in continuous integration).
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from connector import logs
from tests.conformance.connector import ConnectorUnderTest, connector_under_test, scenarios
from tests.conformance.kit import tck
from tests.pair import free_ports

HERE = Path(__file__).parent
LIMIT_S = 240


def properties(under_test: ConnectorUnderTest) -> dict[str, str]:
    """What the kit is told about the connector, beside `dsp.properties`."""
    prefix = "dataspacetck.dsp.connector"
    return {
        f"{prefix}.agent.id": under_test.agent,
        f"{prefix}.http.url": under_test.dsp,
        f"{prefix}.http.base.url": under_test.root,
        f"{prefix}.http.headers.authorization": under_test.authorization,
        f"{prefix}.negotiation.initiate.url": under_test.negotiation_webhook,
        f"{prefix}.transfer.initiate.url": under_test.transfer_webhook,
    }


def wanted() -> set[str]:
    """The tests that must run: all but the two that the kit has disabled."""
    return {item["id"] for item in scenarios() if not item.get("disabled")}


async def run(cache: Path, only: list[str], keep: Path | None = None) -> list[tck.Outcome]:
    """One run of the kit; raises tck.KitError when it could not be run."""
    lib = await asyncio.to_thread(tck.resolve, "dsp", cache)
    with tempfile.TemporaryDirectory() as folder:
        (port,) = free_ports(1)
        address = f"http://127.0.0.1:{port}"
        async with connector_under_test(Path(folder), address) as under_test:
            told = properties(under_test) | {
                "dataspacetck.port": str(port),
                "dataspacetck.callback.address": address,
            }
            settings = [f"{name}={value}" for name, value in told.items()]
            config = HERE / "kit" / "dsp.properties"
            work = Path(folder, "kit")
            work.mkdir()
            await asyncio.to_thread(tck.execute, "dsp", lib, config, settings, only, work, LIMIT_S)
            if keep:
                shutil.copytree(work, keep, dirs_exist_ok=True)
            return tck.read_report(work / "TEST-junit-jupiter.xml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "weft-tck", help="folder for the jars")
    parser.add_argument("--only", action="append", default=[], metavar="PACKAGE", help="catalog, cn or tp")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the kit's report and log there")
    parser.add_argument("--log-level", default="critical", help="how much the connector says: info, warning")
    options = parser.parse_args()
    logs.configure("json", options.log_level)
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        print(
            f"The kit needs {' and '.join(missing)}, not found here. This installs both: "
            "apt-get install openjdk-17-jre-headless maven"
        )
        return 2 if os.environ.get("CI") else 0
    try:
        outcomes = asyncio.run(run(options.cache, options.only, options.keep))
    except tck.KitError as error:
        print(f"The kit could not be run: {error}", file=sys.stderr)
        return 2
    failed = sorted(outcome for outcome in outcomes if outcome.status == "failed")
    for outcome in failed:
        print(f"FAILED {outcome.name}: {outcome.reason}")
    passed = {outcome.name for outcome in outcomes if outcome.status == "passed"}
    unplayed = wanted() - passed - {outcome.name for outcome in failed} if not options.only else set()
    for name in sorted(unplayed):
        print(f"NOT RUN {name}")
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed or unplayed else 0


if __name__ == "__main__":
    sys.exit(main())
