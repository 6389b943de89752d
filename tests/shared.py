"""Where the tests find the shared reference data: a folder `shared` beside the checkout, read in place, never copied."""

import os
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(relative_path: str) -> Path:
    """The path of shared test data; skips the test when it is missing, fails it in continuous integration."""
    path = _SHARED / relative_path
    if not path.exists():
        reason = f"shared/{relative_path} is not beside this checkout"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
