"""What each service is told when it runs as a pod: the same documents as everywhere, with addresses of the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from perpmaker.api.desired import Addressing, Revisions, ServiceAddress, Wallet, desired_parts
from perpmaker.api.parts import QuoterPart, RedisCredentials
from perpmaker.api.v1alpha1 import MarketMaker, Network, TradingAccount
from perpmaker.api.v1alpha1.tradingaccount import RedisMode
from perpmaker.common.config import Part
from perpmaker.common.tls import Tls
from perpmaker.hyperliquid import networks
from perpmaker.operator import names
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings, TlsMode

ALL_ADDRESSES: Final = "0.0.0.0"

TLS_CERTIFICATE: Final = "tls.crt"
TLS_KEY: Final = "tls.key"
TLS_AUTHORITIES: Final = "ca.crt"

_TLS: Final = Tls(
    certificate_file=Path(names.TLS_DIR) / TLS_CERTIFICATE,
    key_file=Path(names.TLS_DIR) / TLS_KEY,
    ca_file=Path(names.TLS_DIR) / TLS_AUTHORITIES,
)


def _at(owner: str, role: Role, namespace: str, settings: OperatorSettings) -> ServiceAddress:
    return ServiceAddress(
        listen=f"{ALL_ADDRESSES}:{names.GRPC_PORT}",
        target=names.target(owner, role, namespace),
        metrics_host=ALL_ADDRESSES,
        metrics_port=names.METRICS_PORT,
        health_listen=f"{ALL_ADDRESSES}:{names.HEALTH_PORT}",
        tls=None if settings.tls.mode is TlsMode.OFF else _TLS,
    )


def namespace_of(account: TradingAccount) -> str:
    """Namespace of the account. Raises ValueError for an object that is in none."""
    if not account.metadata.namespace:
        raise ValueError(f"TradingAccount {account.metadata.name} has no namespace; it was not read from an API server")
    return account.metadata.namespace


def is_simulated(account: TradingAccount) -> bool:
    """Whether the account trades on a venue of its own."""
    return account.spec.network is Network.SIMULATED


def has_managed_store(account: TradingAccount) -> bool:
    """Whether a store is run for the account."""
    return account.spec.redis.mode is RedisMode.MANAGED


def store_secret(account: TradingAccount, settings: OperatorSettings) -> str | None:
    """Name of the Secret with the passwords of order-state and risk; None for a store without passwords.

    An external store has the same two users (`order-state`, `risk`) and its Secret the same entries
    (`order-state-password`, `risk-password`) as a managed one, so that moving from one to the other is one field.
    """
    if has_managed_store(account):
        return settings.store.credentials_secret
    external = account.spec.redis.external
    if external is None or external.credentials_secret_ref is None:
        return None
    return external.credentials_secret_ref.name


def password_entry(role: Role) -> str:
    """Entry of the store's Secret with the password of one service."""
    return f"{role.value}-password"


def _redis_url(account: TradingAccount) -> str:
    external = account.spec.redis.external
    if external is not None:
        return external.url
    return f"redis://{names.host(account.metadata.name, Role.STORE, namespace_of(account))}:{names.STORE_PORT}/0"


def _credentials(account: TradingAccount, role: Role, settings: OperatorSettings) -> RedisCredentials | None:
    if store_secret(account, settings) is None:
        return None
    return RedisCredentials(user=role.value, password_file=Path(names.STORE_CREDENTIALS_DIR) / password_entry(role))


def _wallet(account: TradingAccount) -> Wallet:
    spec = account.spec
    if spec.api_wallet is None:
        if is_simulated(account):
            return Wallet(simulated_seed=account.metadata.uid)
        raise ValueError(f"TradingAccount {account.metadata.name} has no apiWallet on {spec.network.value}")
    return Wallet(
        address=spec.address,
        key_file=Path(names.KEY_DIR) / spec.api_wallet.secret_ref.key,
        expected_signer=spec.api_wallet.expected_address,
        # The kubelet gives a mounted Secret to the pod's group; no other pod has that volume.
        key_file_group_readable=True,
    )


def _api_url(account: TradingAccount) -> str:
    if is_simulated(account):
        return f"http://{names.host(account.metadata.name, Role.VENUE, namespace_of(account))}:{names.VENUE_PORT}"
    url = networks.api_url(account.spec.network)
    if url is None:
        raise ValueError(f"network {account.spec.network.value} has no public address")
    return url


def addressing(account: TradingAccount, makers: Sequence[MarketMaker], settings: OperatorSettings) -> Addressing:
    """Where everything of an account is in the cluster."""
    name, namespace = account.metadata.name, namespace_of(account)
    url = _redis_url(account)
    return Addressing(
        gateway=_at(name, Role.GATEWAY, namespace, settings),
        order_state=_at(name, Role.ORDER_STATE, namespace, settings),
        risk=_at(name, Role.RISK, namespace, settings),
        quoters={maker.metadata.name: _at(maker.metadata.name, Role.QUOTER, namespace, settings) for maker in makers},
        order_state_redis_url=url,
        risk_redis_url=url,
        api_url=_api_url(account),
        wallet=_wallet(account),
        order_state_redis_credentials=_credentials(account, Role.ORDER_STATE, settings),
        risk_redis_credentials=_credentials(account, Role.RISK, settings),
    )


def account_parts(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    settings: OperatorSettings,
    revisions: Revisions,
    left_alone: Sequence[str] = (),
) -> Mapping[Role, Part]:
    """The parts of the account's three services. `makers` are those that its markets come from, `left_alone` markets
    whose orders are to stay without one."""
    at = addressing(account, makers, settings)
    parts = desired_parts(account, makers, at, revisions=revisions, left_alone=left_alone)
    return {Role.GATEWAY: parts.gateway, Role.ORDER_STATE: parts.order_state, Role.RISK: parts.risk}


def quoter_part(
    maker: MarketMaker,
    account: TradingAccount,
    settings: OperatorSettings,
    *,
    flatten: bool = False,
    leave_orders: bool = False,
) -> QuoterPart:
    """The part of one quoter. On the way to deletion: `flatten` to close the position, `leave_orders` to stop without
    taking the orders out of the book."""
    parts = desired_parts(account, (maker,), addressing(account, (maker,), settings))
    part = parts.quoters[maker.metadata.name]
    return part.model_copy(update={"leave_orders": leave_orders, "mode": "Flatten" if flatten else part.mode})


def as_json(part: Part) -> dict[str, Any]:
    """A part as plain JSON values."""
    value: dict[str, Any] = part.model_dump(mode="json")
    return value


def document(part: Part) -> str:
    """The text of a part, as it stands in the ConfigMap and is sent by ApplyConfig."""
    return as_text(as_json(part))


def as_text(document: Mapping[str, Any]) -> str:
    """The text of a part that is plain JSON values already."""
    return json.dumps(document, indent=2) + "\n"
