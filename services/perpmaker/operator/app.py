"""The operator as a process: settings in, checks, then the engine until SIGTERM.

Exit codes: 0 told to stop, 1 failed, 2 could not start (the text says why and what to do).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvloop

from perpmaker.common import logs, metrics
from perpmaker.common.config import load_part
from perpmaker.common.service import StartError
from perpmaker.operator import preflight
from perpmaker.operator.kube import credentials
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.memory import give_back_early
from perpmaker.operator.runtime.engine import Build, Engine, take_signals
from perpmaker.operator.runtime.health import Health
from perpmaker.operator.runtime.kopf_settings import quieten
from perpmaker.operator.settings import OperatorSettings

COMPONENT = "operator"

_log = logs.get(__name__)


def main(config_path: Path) -> None:
    """Run the operator, then exit the process. Raises ConfigError."""
    from perpmaker.operator.reconcile import build

    run(load_part(config_path, OperatorSettings), build)


def run(settings: OperatorSettings, build: Build) -> None:
    """Run the operator with these reconcilers, then exit the process."""
    give_back_early()
    logs.configure(COMPONENT, settings.log_level)
    quieten()
    try:
        uvloop.run(_live(settings, build))
    except (StartError, credentials.CredentialsError) as error:
        _log.error("operator.cannot_start", reason=str(error))
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 (the process ends here, and its last words go through the same pipeline)
        _log.error("operator.failed", exc_info=error)
        sys.exit(1)


async def _live(settings: OperatorSettings, build: Build) -> None:
    stop = asyncio.Event()
    take_signals(stop)
    who = credentials.find()
    async with ApiServer(who) as api:
        engine = Engine(settings, who, api, build, instance=socket.gethostname())
        health = Health(engine.pulse, lambda: engine.store.is_synced, settings.resync_seconds)
        try:
            metrics_port = metrics.serve(COMPONENT, "0.0.0.0", settings.metrics_port)
            health_port = await health.serve("0.0.0.0", settings.health_port)
        except OSError as error:
            raise StartError(
                f"health_port {settings.health_port} or metrics_port {settings.metrics_port} cannot be opened:"
                f" {error.strerror}; choose others"
            ) from error
        _log.info("operator.listening", health_port=health_port, metrics_port=metrics_port)
        try:
            if await _checked(api, settings, stop):
                _log.info("operator.started", namespaces=settings.watch_namespaces or "all", identity=engine.identity)
                await engine.run(stop, own_signals=True)
        finally:
            await health.close()
    _log.info("operator.stopped")


async def _checked(api: ApiServer, settings: OperatorSettings, stop: asyncio.Event) -> bool:
    """Check what a start needs; False when told to stop meanwhile. Raises StartError."""
    checking = asyncio.create_task(preflight.check(api, settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((checking, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not checking.done():
        checking.cancel()
        return False
    checking.result()
    return True
