"""A client of the daemon that the configuration directory describes."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from connector.cli.shell import Shell
from connector.identity.bearer import read_management_key
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.client import Client

# A daemon that listens everywhere is asked where it certainly is.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, never bound to


def settings(shell: Shell, **overrides: object) -> Settings:
    """The settings in the configuration directory; raises SettingsError."""
    return Settings.load(shell.directory, overrides)


@asynccontextmanager
async def connect(shell: Shell) -> "AsyncIterator[Client]":
    """A client of our daemon, with the key from WEFT_KEY or the key file; raises SettingsError, ClientError."""
    from connector.client import Client  # noqa: PLC0415  `weft serve` and `weft init` need settings only
    from connector.client.session import KEY_VARIABLE  # noqa: PLC0415

    found = settings(shell)
    context = None
    if found.management_tls_cert is not None:
        # The daemon is ours and its certificate lies in our directory: that one is trusted, no other.
        context = ssl.create_default_context(cafile=str(found.management_tls_cert))
        context.check_hostname = False
    host = _EVERYWHERE.get(found.management_host, found.management_host)
    address = (
        f"{'http' if context is None else 'https'}://{f'[{host}]' if ':' in host else host}:{found.management_port}"
    )
    key = os.environ.get(KEY_VARIABLE) or read_management_key(found.management_key)
    async with Client(address, key=key, ssl_context=context) as client:
        yield client
