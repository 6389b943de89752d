"""The documents at the root of the repository, and what stands between two markers of one."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "OPERATIONS.md",
    "THREAT_MODEL.md",
    "DECISIONS.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def block(text: str, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`, without the blank lines around it."""
    found = _marked(name).search(text)
    assert found, f"no block {name}"
    return found[2].strip("\n")


def with_block(text: str, name: str, content: str) -> str:
    """The page with other content between these markers."""
    return _marked(name).sub(lambda found: f"{found[1]}{content}\n{found[3]}", text)


def code(text: str) -> str:
    """The content of the one fenced block of a text."""
    found: str
    (found,) = re.findall(r"^```\w*\n(.*?)^```$", text + "\n", re.MULTILINE | re.DOTALL)
    return found.rstrip("\n")


def outside_code(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _marked(name: str) -> re.Pattern[str]:
    return re.compile(
        rf"(<!-- {re.escape(name)} -->\n)(.*?)(<!-- /{re.escape(name.split(':', maxsplit=1)[0])} -->)", re.DOTALL
    )
