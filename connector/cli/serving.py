"""`weft serve`: the daemon in the foreground, until SIGTERM or Ctrl-C."""

import asyncio
import signal
from typing import Literal

import typer

from connector import logs
from connector.cli.connect import settings
from connector.cli.shell import Shell
from connector.daemon import Daemon


async def serve(
    ctx: typer.Context,
    protocol_port: int | None = None,
    management_port: int | None = None,
    log_format: Literal["auto", "json", "pretty"] | None = None,
    log_level: Literal["debug", "info", "warning", "error"] | None = None,
) -> None:
    """Start the daemon; the first signal stops it within ten seconds."""
    shell: Shell = ctx.obj
    found = settings(
        shell,
        protocol_port=protocol_port,
        management_port=management_port,
        log_format=log_format,
        log_level=log_level,
    )
    logs.configure(found.log_format, found.log_level, clock=found.clock())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Daemon(found) as daemon:
        shell.tell(
            "serving",
            participant=found.participant,
            dsp=found.dsp,
            protocol=f"{found.protocol_host}:{daemon.protocol_port}",
            management=f"{found.management_host}:{daemon.management_port}",
            key=found.management_key,
        )
        if not found.production:
            shell.tell("not-production")
        await stop.wait()
        shell.tell("stopping")
