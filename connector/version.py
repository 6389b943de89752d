"""Which version of Weft this is."""

import tomllib
from pathlib import Path


def version() -> str:
    """The version of the installed distribution, or that of the source tree this runs from."""
    from importlib import metadata  # noqa: PLC0415  it reads e-mail headers: a start need not wait for that

    try:
        return metadata.version("weft")
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
