"""What must be true before the operator starts; otherwise kopf would serve nothing and say nothing."""

from __future__ import annotations

import asyncio
from typing import Final

from perpmaker.common import logs
from perpmaker.common.service import StartError
from perpmaker.operator import rbac
from perpmaker.operator.interfaces import KubeError, Ref, Resource
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


async def lacking(api: ApiServer, settings: OperatorSettings) -> str | None:
    """What the operator cannot do without and the API server does not have, kind or peering object, with the remedy.

    None when all is there. Raises KubeError.
    """
    return await _lacking_kind(api, settings) or await _lacking_peering(api, settings)


async def _check(api: ApiServer, settings: OperatorSettings) -> None:
    if lack := await _lacking_kind(api, settings):
        raise StartError(lack)
    if settings.tls.mode is TlsMode.CERT_MANAGER and not await api.serves(CERTIFICATE):
        # The kill switch and the end of objects need no certificate; what does need one is told on its object.
        _log.warning(
            "preflight.no_certificates",
            reason=f"tls.mode is certManager, but the API server does not know Certificate ({CERTIFICATE.api_version});"
            " install cert-manager or choose another tls.mode",
        )
    await _check_rights(api, settings)
    if lack := await _lacking_peering(api, settings):
        raise StartError(lack)


async def _lacking_kind(api: ApiServer, settings: OperatorSettings) -> str | None:
    unknown = [resource for resource in OWNERS if not await api.serves(resource)]
    if unknown:
        named = " and ".join(resource.kind for resource in unknown)
        return (
            f"the API server does not know {named} ({unknown[0].api_version}); install the CRDs:"
            " kubectl apply --server-side -f charts/perpmaker/crds"
        )
    peering = _peering(settings)
    if settings.peering and not await api.serves(peering):
        return (
            f"peering is on, but the API server does not know {peering.kind} ({peering.api_version});"
            " install the chart's CRDs or set peering to false"
        )
    return None


async def _lacking_peering(api: ApiServer, settings: OperatorSettings) -> str | None:
    peering = _peering(settings)
    for namespace in (settings.watch_namespaces or ("",)) if settings.peering else ():
        if await api.get(Ref(peering, namespace, PEERING)) is None:
            where = f"namespace {namespace}" if namespace else "the cluster"
            return (
                f"there is no {peering.kind} named {PEERING} in {where}, and without it the operator would wait for"
                " ever; let the chart create it or set peering to false"
            )
    return None


def _peering(settings: OperatorSettings) -> Resource:
    return KOPF_PEERING if settings.watch_namespaces else CLUSTER_KOPF_PEERING


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
