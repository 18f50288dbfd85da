"""Small objects that both a real and the fake API server accept."""

from __future__ import annotations

from typing import Any

from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube.resources import CONFIG_MAP, DEPLOYMENT, MARKET_MAKER, POD, SERVICE, TRADING_ACCOUNT
from perpmaker.operator.names import ACCOUNT_LABEL, MAKER_LABEL, MANAGED_BY_LABEL, MANAGER

NAMESPACE = "trading"


def _object(api_version: str, kind: str, name: str, namespace: str, **rest: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


def account(name: str = "main", namespace: str = NAMESPACE) -> Manifest:
    """A TradingAccount on the simulated exchange."""
    spec = {"network": "Simulated", "risk": {"maxGrossNotional": "50000", "maxDailyLoss": "500"}}
    return _object(TRADING_ACCOUNT.api_version, TRADING_ACCOUNT.kind, name, namespace, spec=spec)


def maker(name: str = "eth", namespace: str = NAMESPACE, *, of: str = "main") -> Manifest:
    """A MarketMaker on an account."""
    spec = {
        "accountRef": {"name": of},
        "market": {"symbol": name.upper()},
        "quoting": {"orderNotional": "250"},
        "inventory": {"maxNotional": "5000"},
        "risk": {"maxDailyLoss": "200"},
    }
    return _object(MARKET_MAKER.api_version, MARKET_MAKER.kind, name, namespace, spec=spec)


def labels(*, account: str = "main", maker: str | None = None) -> dict[str, str]:
    """What children carry."""
    return {MANAGED_BY_LABEL: MANAGER, ACCOUNT_LABEL: account, **({MAKER_LABEL: maker} if maker else {})}


def config_map(name: str = "config", namespace: str = NAMESPACE, **data: str) -> Manifest:
    """A ConfigMap that carries our labels."""
    found = _object(CONFIG_MAP.api_version, CONFIG_MAP.kind, name, namespace, data=data)
    found["metadata"]["labels"] = labels()
    return found


def service(name: str = "main-gateway", namespace: str = NAMESPACE, port: int = 50051) -> Manifest:
    """A Service that carries our labels."""
    found = _object(SERVICE.api_version, SERVICE.kind, name, namespace)
    found["metadata"]["labels"] = labels()
    found["spec"] = {"selector": {"app": name}, "ports": [{"name": "grpc", "port": port, "protocol": "TCP"}]}
    return found


def deployment(name: str = "eth-quoter", namespace: str = NAMESPACE, replicas: int = 1) -> Manifest:
    """A Deployment of a quoter that carries our labels."""
    found = _object(DEPLOYMENT.api_version, DEPLOYMENT.kind, name, namespace)
    found["metadata"]["labels"] = labels(maker="eth")
    found["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "example/quoter:1"}]},
        },
    }
    return found


def pod(name: str = "eth-quoter-0", namespace: str = NAMESPACE) -> Manifest:
    """A pod of a quoter."""
    found = _object(POD.api_version, POD.kind, name, namespace)
    found["metadata"]["labels"] = labels(maker="eth")
    found["spec"] = {"containers": [{"name": "main", "image": "example/quoter:1"}]}
    return found


def owned_by(child: Manifest, owner: Manifest) -> Manifest:
    """The child with a controlling owner reference."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {**child, "metadata": {**child["metadata"], "ownerReferences": [reference]}}
