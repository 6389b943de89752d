"""Files that only their owner may read: private keys and the first management key."""

import os
import shlex
import stat
from pathlib import Path

from connector.errors import SettingsError

# The largest secret is a PEM file of a few hundred bytes.
LIMIT_BYTES = 64 * 1024


def read_private(path: Path, command: str) -> bytes:
    """The bytes of a secret file. `command` makes a missing one. Raises SettingsError key-missing, key-readable."""
    try:
        with path.open("rb") as stream:
            # The open file is judged, not the name: nobody can swap it in between.
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise SettingsError(
                    "key-readable", path=str(path), mode=f"{mode:04o}", command=f"chmod 600 {shlex.quote(str(path))}"
                )
            return stream.read(LIMIT_BYTES)
    except OSError as error:
        problem = error.strerror or str(error)
        raise SettingsError("key-missing", path=str(path), problem=problem, command=command) from error


def write_private(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600; raises SettingsError file-exists instead of overwriting."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SettingsError("file-exists", path=str(path)) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
