"""The skeleton of every service: ordered start, health where ready means tradable, ordered stop, crash means exit.

Order of life: logs, gRPC server listening, metrics, `Service.start`, then until SIGTERM or SIGINT; then not ready,
`Service.stop`, server drained. A background task that fails ends the process with exit code 1: the supervisor (kubelet
or the local runner) starts it again from durable state, which is simpler to reason about than half a service.
"""

from __future__ import annotations

import abc
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import uvloop
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from perpmaker.common import logs, metrics, rpc
from perpmaker.common.authorisation import PeerCheck
from perpmaker.common.certificate_files import CertificateFiles, server_credentials, watch_expiry
from perpmaker.common.config import Part
from perpmaker.common.tls import Tls, TlsError

LIVENESS = "liveness"
"""Health service name that is SERVING as long as the event loop turns; the empty name is readiness."""

_CANCEL_AGAIN_S = 0.5

_log = logs.get(__name__)


class Endpoint(Part):
    """Where a service listens and how much it says."""

    listen: str
    """gRPC address: `host:port` or `unix:/path`."""
    health_listen: str | None = None
    """Plaintext gRPC address that serves health and nothing else, for probes; none when absent."""
    tls: Tls | None = None
    """Plaintext without."""
    metrics_host: str = "127.0.0.1"
    """Address of the Prometheus endpoint; loopback unless told otherwise."""
    metrics_port: int = 0
    """Port of the Prometheus endpoint; 0 takes any free one."""
    log_level: str = "info"
    """Standard level name."""


class StartError(Exception):
    """The service cannot start; the text says why and what to do. Ends the process with exit code 2."""


class Runtime:
    """What the skeleton offers to a service."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.stopping = asyncio.Event()
        self.health = health.aio.HealthServicer()
        self.is_ready = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a background task for the life of the service; its failure ends the process."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("task.failed", task=task.get_name(), exc_info=error)
            if not self._failed.done():
                self._failed.set_result(error)

    async def set_ready(self, ready: bool, reason: str = "") -> None:
        """Say whether the service may take part in trading; one that was told to stop may not."""
        if ready and (self.stopping.is_set() or self.has_failed):
            return
        if ready != self.is_ready:
            _log.info("service.ready" if ready else "service.not_ready", reason=reason)
        self.is_ready = ready
        metrics.set_ready(self.component, ready)
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.health.set("", status)

    @property
    def has_failed(self) -> bool:
        """Whether a background task has failed."""
        return self._failed.done()

    async def wait_for_end(self) -> BaseException | None:
        """Wait for a stop signal (None) or for the failure of a task (its error)."""
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((stop, self._failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        return self._failed.result() if self._failed.done() else None

    async def cancel_tasks(self) -> None:
        """End all background tasks."""
        while self._tasks:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            # A library may swallow a cancellation (asyncio.wait_for did before Python 3.12), so it is repeated.
            await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_S)


class Service(abc.ABC):
    """One service."""

    stop_deadline_s: ClassVar[float] = 20.0
    """Longest time that `stop` may take; less than what the kubelet grants from SIGTERM to SIGKILL."""

    @abc.abstractmethod
    def register(self, server: aio.Server) -> None:
        """Add servicers; nothing may be called yet."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Begin work; the server listens already. Raises StartError. Calls `Runtime.set_ready` when tradable."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """End work in order; the server still answers, readiness is withdrawn already."""


def _own_certificates(component: str, tls: Tls | None) -> CertificateFiles | None:
    if tls is None:
        return None
    try:
        files = CertificateFiles(tls)
    except TlsError as error:
        raise StartError(str(error)) from error
    identity = files.newest().identity
    if identity.role.value != component:
        raise StartError(
            f"{tls.certificate_file} is the certificate of {identity.uri}, and this is a {component};"
            f" mount the Secret that was made for the {component}"
        )
    return files


def _server(address: str, runtime: Runtime, certificates: CertificateFiles | None) -> aio.Server:
    """A server with health on it, listening as soon as it is started. Raises StartError."""
    interceptors = () if certificates is None else (PeerCheck(certificates.newest().identity),)
    server = aio.server(options=rpc.SERVER_OPTIONS, interceptors=interceptors)
    health_pb2_grpc.add_HealthServicer_to_server(runtime.health, server)
    try:
        if certificates is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, server_credentials(certificates))
    except RuntimeError as error:
        raise StartError(
            f"cannot listen on {address}: {error}; choose another address or end the process that holds it"
        ) from error
    return server


async def _live(component: str, endpoint: Endpoint, build: Callable[[Runtime], Service]) -> int:
    runtime = Runtime(component)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stopping.set)
    lookups = ThreadPoolExecutor(thread_name_prefix="lookup")
    loop.set_default_executor(lookups)
    certificates = _own_certificates(component, endpoint.tls)
    try:
        service = build(runtime)
    except TlsError as error:
        raise StartError(str(error)) from error
    server = _server(endpoint.listen, runtime, certificates)
    service.register(server)
    probes = None if endpoint.health_listen is None else _server(endpoint.health_listen, runtime, None)
    try:
        metrics_port = metrics.serve(component, endpoint.metrics_host, endpoint.metrics_port)
    except OSError as error:
        raise StartError(
            f"metrics endpoint {endpoint.metrics_host}:{endpoint.metrics_port} cannot be opened ({error.strerror});"
            " choose another metrics_port or 0 for any free one"
        ) from error
    await runtime.set_ready(False, "starting")
    await runtime.health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    if probes is not None:
        await probes.start()
    _log.info("service.listening", address=endpoint.listen, metrics=f"{endpoint.metrics_host}:{metrics_port}")
    runtime.spawn(metrics.watch_loop_lag(), name="loop-lag")
    if certificates is not None:
        runtime.spawn(watch_expiry(component, certificates), name="certificate")
    failure: BaseException | None = None
    try:
        starting = asyncio.create_task(service.start())
        ended = asyncio.create_task(runtime.wait_for_end())
        await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            # Everything made so far lives until the end: the collector need not visit it again in mid-trade.
            gc.collect()
            gc.freeze()
        failure = await ended
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await runtime.set_ready(False, "stopping")
        try:
            async with asyncio.timeout(service.stop_deadline_s):
                await service.stop()
        except TimeoutError:
            _log.error("service.stop_timed_out", after_s=service.stop_deadline_s)
            return 1
    finally:
        await runtime.cancel_tasks()
        await server.stop(grace=0.5)
        if probes is not None:
            await probes.stop(grace=0)
        # A process ends after its threads: names that nobody waits for any more are not looked up, and what becomes of
        # those that are is no news.
        lookups.shutdown(wait=False, cancel_futures=True)
        loop.set_exception_handler(lambda _loop, _context: None)
    _log.info("service.stopped", failed=failure is not None)
    return 0 if failure is None else 1


def run(component: str, endpoint: Endpoint, build: Callable[[Runtime], Service], **log_context: str) -> None:
    """Run a service until it is told to stop, then exit the process: 0 stopped, 1 failed, 2 could not start."""
    logs.configure(component, endpoint.log_level, **log_context)
    try:
        code = uvloop.run(_live(component, endpoint, build))
    except StartError as error:
        _log.error("service.cannot_start", reason=str(error))
        sys.exit(2)
    sys.exit(code)
