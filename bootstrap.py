"""Makes `.venv` hold what `requirements.lock` says; `make` runs this before every target. Standard library only.

The packages come through `uv` where it is installed, else through `venv` and `pip`: exact versions, checked hashes, wheels
only, so that no code outside the lock is downloaded or run. Then the project itself is installed in place (editable), built
by the back end that the lock brought.

A stamp in `.venv` records what it was made from. While that is what it would be made from now, nothing is installed and
nothing is asked of the network. In every other case (another lock, another Python, a moved checkout, a run that was
interrupted) `.venv` is made anew: nothing of an older lock is left in it.
"""

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main(root: Path = ROOT) -> None:
    venv, lock = root / ".venv", root / "requirements.lock"
    stamp, wanted = venv / "made-from.json", made_from(root)
    if (venv / "bin" / "python").exists() and stamp.is_file() and stamp.read_text() == wanted:
        return
    uv = shutil.which("uv")
    if uv is None and importlib.util.find_spec("ensurepip") is None:
        default = Path("/usr/bin/python3").resolve().name if shutil.which("apt-get") else None
        sys.exit(venv_hint(base_python(), default, superuser=os.geteuid() == 0))
    say(f"Making .venv with Python {platform.python_version()} and {'uv' if uv else 'pip'} from {lock.name} ...")
    if venv.exists():
        shutil.rmtree(venv)
    for command in commands(venv, lock, uv):
        run(command, root)
    stamp.write_text(wanted)
    say("Made .venv.")


def made_from(root: Path) -> str:
    """What decides the content of `.venv`; as text, since it is only ever compared.

    The place counts because scripts and the editable install hold absolute paths. Of `pyproject.toml` only what an
    installation reads counts: another lint rule changes nothing in `.venv`.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    installed = [project["build-system"], project["project"], project["tool"]["hatch"]]
    parts = {
        "lock": hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest(),
        "project": hashlib.sha256(json.dumps(installed).encode()).hexdigest(),
        "python": [platform.python_implementation(), platform.python_version(), platform.machine()],
        "place": str(root),
    }
    return json.dumps(parts, indent=1)


def commands(venv: Path, lock: Path, uv: str | None) -> list[list[str]]:
    """The commands that make `venv`, in order."""
    python = str(venv / "bin" / "python")
    locked = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)]
    project = ["--no-build-isolation", "--no-deps", "--editable", "."]
    if uv:
        make = [uv, "venv", "--quiet", "--no-project", "--python", base_python(), str(venv)]
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        make = [base_python(), "-m", "venv", str(venv)]
        install = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    return [make, [*install, *locked], [*install, *project]]


def base_python() -> str:
    """The interpreter outside any virtual environment: the one that runs may be in the `.venv` to be replaced."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def venv_hint(python: str, debian_default: str | None, *, superuser: bool) -> str:
    """What to do about a Python without its venv module, which Debian splits off into a package of its own.

    `debian_default` is the name of the Python that Debian's `python3` stands for ("python3.11"), None on other systems.
    """
    problem = f"{python} comes without the venv module, which Weft needs to set itself up."
    if debian_default is None or not python.startswith("/usr/bin/"):
        return f"{problem}\nInstall a complete Python 3.11 or newer, or uv."
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    package = "python3-venv" if version == debian_default else f"{version}-venv"
    return f"{problem}\nThis installs it: {'' if superuser else 'sudo '}apt-get install {package}"


def run(command: list[str], cwd: Path) -> None:
    """Runs one command to its end; its failure is ours, and its own words have said why."""
    # What runs is this file's own list of words, through no shell.
    finished = subprocess.run(command, cwd=cwd, check=False)  # noqa: S603
    if finished.returncode:
        sys.exit(f"Setting up .venv failed (exit {finished.returncode}): {' '.join(command)}")


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"Setting up .venv failed: {error}")
