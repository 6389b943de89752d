"""Puts what `make demo` prints into README.md: `make demo | .venv/bin/python -m tests.docs.demo`."""

import re
import sys

from tests.docs.pages import ROOT, page, with_block


def without_table(told: str) -> str:
    """What the demo tells, without the table of its checks: that is long, and stands in report.json."""
    return re.sub(r"^ +Check +expected +got\n(?:.+\n)+\n", "", told, count=1, flags=re.MULTILINE)


def main() -> None:
    told = sys.stdin.read().rstrip("\n")
    sys.stdout.write(f"{told}\n")
    shown = without_table(f"{told}\n").rstrip("\n")
    (ROOT / "README.md").write_text(with_block(page("README.md"), "demo", f"```\n{shown}\n```"), encoding="utf-8")


if __name__ == "__main__":
    main()
