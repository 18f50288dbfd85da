"""What must be true before the operator starts; otherwise kopf would serve nothing and say nothing."""

from __future__ import annotations

import asyncio
from typing import Final

from perpmaker.common import logs
from perpmaker.common.service import StartError
from perpmaker.operator import rbac
from perpmaker.operator.interfaces import KubeError, Ref
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.resources import (
    CERTIFICATE,
    CLUSTER_KOPF_PEERING,
    KOPF_PEERING,
    OWNERS,
)
from perpmaker.operator.runtime.kopf_settings import PEERING
from perpmaker.operator.settings import OperatorSettings, TlsMode

PATIENCE_S: Final = 60.0
RETRY_S: Final = 2.0
_AT_ONCE: Final = 16

_log = logs.get(__name__)


async def check(api: ApiServer, settings: OperatorSettings) -> None:
    """Check kinds, rights and peering objects; waits a minute for an API server that is away. Raises StartError."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await _check(api, settings)
        except KubeError as error:
            if 400 <= error.status < 429:
                raise StartError(
                    f"the API server refuses a question that every service account may ask: {error};"
                    " check the token and the cluster's system:discovery and system:basic-user bindings"
                ) from error
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(
                    f"the API server has not answered for {PATIENCE_S:.0f} s: {error}; check the network policy and the"
                    " address"
                ) from error
            _log.warning("preflight.waiting", error=str(error))
        await asyncio.sleep(RETRY_S)


async def _check(api: ApiServer, settings: OperatorSettings) -> None:
    await _check_kinds(api, settings)
    await _check_rights(api, settings)
    if settings.peering:
        await _check_peering(api, settings)


async def _check_kinds(api: ApiServer, settings: OperatorSettings) -> None:
    for resource in OWNERS:
        if not await api.serves(resource):
            raise StartError(
                f"the API server does not know {resource.kind} ({resource.api_version}); install the CRDs:"
                " kubectl apply --server-side -f charts/perpmaker/crds"
            )
    if settings.tls.mode is TlsMode.CERT_MANAGER and not await api.serves(CERTIFICATE):
        raise StartError(
            f"tls.mode is certManager, but the API server does not know Certificate ({CERTIFICATE.api_version});"
            " install cert-manager or choose another tls.mode"
        )
    peering = KOPF_PEERING if settings.watch_namespaces else CLUSTER_KOPF_PEERING
    if settings.peering and not await api.serves(peering):
        raise StartError(
            f"peering is on, but the API server does not know {peering.kind} ({peering.api_version});"
            " install the chart's CRDs or set peering to false"
        )


async def _check_rights(api: ApiServer, settings: OperatorSettings) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def lacks(rule: rbac.Rule, verb: str, namespace: str | None) -> str | None:
        async with gate:
            if await api.may(verb, rule.group, rule.resource, namespace):
                return None
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        return f"{verb} {'.'.join(filter(None, (rule.resource, rule.group)))} {where} ({rule.why})"

    answers = await asyncio.gather(
        *(
            lacks(rule, verb, namespace)
            for namespace in settings.watch_namespaces or (None,)
            for rule in rbac.required(settings)
            for verb in rule.verbs
        )
    )
    missing = [answer for answer in answers if answer is not None]
    if missing:
        raise StartError(
            f"the service account {settings.service_account} may not: {'; '.join(missing)}."
            " Grant it in the operator's Role; the chart's Role has it (rbac.create=true)"
        )


async def _check_peering(api: ApiServer, settings: OperatorSettings) -> None:
    peering = KOPF_PEERING if settings.watch_namespaces else CLUSTER_KOPF_PEERING
    for namespace in settings.watch_namespaces or ("",):
        if await api.get(Ref(peering, namespace, PEERING)) is None:
            where = f"namespace {namespace}" if namespace else "the cluster"
            raise StartError(
                f"there is no {peering.kind} named {PEERING} in {where}, and without it the operator would wait for"
                " ever; let the chart create it or set peering to false"
            )
