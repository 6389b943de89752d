"""Puts what `make demo` prints into README.md: `make demo | .venv/bin/python -m tests.docs.demo`."""

import sys

from tests.docs.pages import ROOT, page, with_block


def main() -> None:
    told = sys.stdin.read().rstrip("\n")
    sys.stdout.write(f"{told}\n")
    (ROOT / "README.md").write_text(with_block(page("README.md"), "demo", f"```\n{told}\n```"), encoding="utf-8")


if __name__ == "__main__":
    main()
