"""Plays the supply-chain story: `python examples/supply-chain-control/demo.py`, or `make demo`. See package.toml beside it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The checkout, whether or not it is installed.
sys.path.insert(0, str(ROOT))

from connector.cli.main import main  # noqa: E402  found through the path above

if __name__ == "__main__":
    sys.exit(main(["scenario", "run", str(HERE), "--build", str(ROOT / "build" / "demo"), *sys.argv[1:]]))
