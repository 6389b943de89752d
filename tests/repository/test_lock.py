"""`requirements.lock`: exact, hashed, for every platform, and tied to no place to download from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def pins() -> dict[str, tuple[Requirement, list[str]]]:
    """Name -> the pin and its hashes: one logical line of the lock each, continued by backslashes."""
    found = {}
    for line in LOCK.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            pin = Requirement(requirement)
            found[canonicalize_name(pin.name)] = (pin, [each.strip() for each in hashes])
    return found


def direct_dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        Requirement(text)
        for text in (
            *project["build-system"]["requires"],
            *project["project"]["dependencies"],
            *project["dependency-groups"]["dev"],
        )
    ]


@pytest.mark.parametrize("name", pins())
def test_every_pin_is_one_exact_version_with_hashes(name):
    pin, hashes = pins()[name]
    assert [specifier.operator for specifier in pin.specifier] == ["=="]
    assert pin.url is None
    assert hashes
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)


@pytest.mark.parametrize("dependency", direct_dependencies(), ids=str)
def test_what_pyproject_asks_for_is_what_the_lock_holds(dependency):
    pin, _ = pins()[canonicalize_name(dependency.name)]
    (version,) = pin.specifier
    assert dependency.specifier.contains(version.version)
    assert pin.marker is None, "a direct dependency is needed on every platform"


@pytest.mark.parametrize("name", ["aiohttp", "cffi", "cryptography", "orjson", "pydantic-core", "rpds-py"])
def test_compiled_packages_carry_the_hashes_of_many_platforms(name):
    _, hashes = pins()[name]
    assert len(hashes) > 20


def test_packages_of_one_platform_or_python_are_there_under_a_marker():
    assert str(pins()["colorama"][0].marker) == 'sys_platform == "win32"'


def test_the_lock_names_no_place_to_download_from():
    for word in ("://", "index-url", "find-links", "trusted-host", " @ ", "file:"):
        assert word not in LOCK.lower()
