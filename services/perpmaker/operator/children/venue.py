"""The simulated exchange of an account on network Simulated: play money, in memory, for this account alone."""

from __future__ import annotations

from typing import Final

from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator import names
from perpmaker.operator.children.network_policies import network_policy
from perpmaker.operator.children.override_models import Overrides
from perpmaker.operator.children.pods import Program, pod_template, tcp_probes
from perpmaker.operator.children.workloads import child_of, deployment, service, service_account
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

CONTROL_PORT: Final = 8011
"""On the pod's own loopback, for whoever may execute commands in the pod."""

_GRACE_S: Final = 10


def venue(account: TradingAccount, settings: OperatorSettings) -> tuple[Manifest, ...]:
    """Everything of the venue, in apply order."""
    child = child_of(account, Role.VENUE, settings.image.reference)
    ports = {"http": names.VENUE_PORT}
    simulated = settings.simulated
    program = Program(
        image=settings.image.reference,
        args=(
            "venue",
            "--host=0.0.0.0",
            f"--port={names.VENUE_PORT}",
            f"--control-port={CONTROL_PORT}",
            f"--seed={simulated.seed}",
            f"--markets={','.join(simulated.markets)}",
            f"--faucet={simulated.faucet_usdc}",
        ),
        ports=ports,
        probes=tcp_probes("http"),
        grace_s=_GRACE_S,
    )
    policy = (network_policy(child, account, settings),) if settings.network_policies.enabled else ()
    return (
        service_account(child),
        service(child, ports),
        *policy,
        deployment(child, pod_template(child, program, settings, Overrides())),
    )
