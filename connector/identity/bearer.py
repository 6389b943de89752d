"""Management keys: random texts that open the management side. The daemon keeps their hashes only."""

import hashlib
import secrets
import shlex
from pathlib import Path

from connector.identity.secretfile import read_private

PREFIX = "weft_"
_BYTES = 32


def new_key() -> str:
    """A fresh management key: `weft_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_key(key: str) -> str:
    """What is stored of a key, 64 hex digits. A plain hash is enough: nobody guesses 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_management_key(path: Path) -> str:
    """The key in `management.key`; raises SettingsError key-missing, key-readable."""
    command = f"(umask 077; echo {PREFIX}$(openssl rand -hex {_BYTES}) > {shlex.quote(str(path))})"
    return read_private(path, command).decode(errors="replace").strip()
