"""What keeps an object from being run, found before anything is applied; each becomes `Accepted=False`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from perpmaker.api.v1alpha1 import MarketMaker, Network, TradingAccount
from perpmaker.operator.children.overrides import pod_override_problems
from perpmaker.operator.settings import OperatorSettings, TlsMode

_SECRET_KEY: Final = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_SUBDOMAIN: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")


class RefusalReason(StrEnum):
    """Reasons of condition Accepted that can be told from the object and the installation alone."""

    INSECURE_TRANSPORT = "InsecureTransport"
    INVALID_POD_OVERRIDE = "InvalidPodOverride"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an object is not run, where, and what to do."""

    reason: RefusalReason
    field: str
    message: str


def account_refusals(account: TradingAccount, settings: OperatorSettings) -> tuple[Refusal, ...]:
    """Everything that keeps an account from being run, the gravest first; nothing when its children can be built."""
    return (
        *insecure_transport(account, settings),
        *_unusable_references(account),
        *_unusable_store(account),
        *_invalid_overrides(account),
    )


def maker_refusals(maker: MarketMaker) -> tuple[Refusal, ...]:
    """Everything that keeps a maker from being run; nothing when its children can be built."""
    return _invalid_overrides(maker)


def insecure_transport(account: TradingAccount, settings: OperatorSettings) -> tuple[Refusal, ...]:
    """Real money is not traded by services that do not prove to each other who they are."""
    if account.spec.network is not Network.MAINNET or settings.tls.mode is not TlsMode.OFF:
        return ()
    return (
        Refusal(
            RefusalReason.INSECURE_TRANSPORT,
            "spec.network",
            "Mainnet needs mutual TLS between the services, which is off in this installation; install with tls.mode"
            " certManager or existingSecret, or use Testnet",
        ),
    )


def _invalid_overrides(owner: TradingAccount | MarketMaker) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(RefusalReason.INVALID_POD_OVERRIDE, problem.field, f"{problem.field} {problem.message}")
        for problem in pod_override_problems(owner)
    )


def _unusable_references(account: TradingAccount) -> tuple[Refusal, ...]:
    wallet, external = account.spec.api_wallet, account.spec.redis.external
    found: list[Refusal] = []
    if wallet is not None:
        field = "spec.apiWallet.secretRef"
        found += _unusable_name(f"{field}.name", wallet.secret_ref.name)
        key = wallet.secret_ref.key
        if not _SECRET_KEY.match(key) or key in (".", "..") or key.startswith(".."):
            found.append(_reference(f"{field}.key", "is no entry of a Secret; use letters, digits, '-', '_' and '.'"))
    if external is not None and external.credentials_secret_ref is not None:
        found += _unusable_name("spec.redis.external.credentialsSecretRef.name", external.credentials_secret_ref.name)
    return tuple(found)


def _unusable_name(field: str, name: str) -> tuple[Refusal, ...]:
    if _SUBDOMAIN.match(name):
        return ()
    return (_reference(field, "is no object name; use lower-case letters, digits, '-' and '.'"),)


def _unusable_store(account: TradingAccount) -> tuple[Refusal, ...]:
    external = account.spec.redis.external
    if external is None:
        return ()
    try:
        places = [urlsplit(f"//{place}") for place in urlsplit(external.url).netloc.split(",")]
        usable = all(place.hostname and place.port != 0 for place in places)
    except ValueError:
        usable = False
    if usable:
        return ()
    return (_reference("spec.redis.external.url", "has no host, or a port that is none; write redis://HOST:PORT/DB"),)


def _reference(field: str, message: str) -> Refusal:
    return Refusal(RefusalReason.INVALID, field, f"{field} {message}")
