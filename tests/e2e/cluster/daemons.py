"""How each process of the cluster is started. Commands only; nothing runs here."""

from __future__ import annotations

import sys
from typing import Final, assert_never

from tests.e2e.cluster.layout import NODE_NAME, Layout
from tests.e2e.cluster.names import Daemon

# A node that is silent this long is NotReady; the default of 40 s would only make tests slow.
_NODE_GRACE_S: Final = 16
# The defaults (20 and 30) delay the first minute of a cluster by seconds.
_CONTROLLER_QPS: Final = 200


def command(daemon: Daemon, layout: Layout) -> list[str]:
    """Words of the command line."""
    match daemon:
        case Daemon.ETCD:
            return _etcd(layout)
        case Daemon.API_SERVER:
            return _api_server(layout)
        case Daemon.CONTROLLER_MANAGER:
            return _controller_manager(layout)
        case Daemon.SCHEDULER:
            return [
                *_program(layout, daemon, "scheduler"),
                "--leader-elect=false",
                "--secure-port=0",
                "--profiling=false",
            ]
        case Daemon.CONTAINERD:
            return ["containerd", f"--config={layout.seen('containerd.toml')}"]
        case Daemon.KUBELET:
            return [
                *_program(layout, daemon, "kubelet"),
                f"--config={layout.seen('kubelet.json')}",
                f"--root-dir={layout.seen('kubelet')}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={layout.node_ip}",
                "--v=2",
            ]
        case Daemon.PROXY:
            return [
                str(layout.assets / daemon),
                f"--config={layout.seen('proxy.json')}",
                f"--hostname-override={NODE_NAME}",
            ]
        case Daemon.NETWORK_POLICY:
            return [sys.executable, "-m", "tests.e2e.cluster.netpol", f"--state={layout.seen()}"]
        case _:
            assert_never(daemon)


def _program(layout: Layout, daemon: Daemon, user: str) -> list[str]:
    return [str(layout.assets / daemon), f"--kubeconfig={layout.seen(f'{user}.kubeconfig')}"]


def _etcd(layout: Layout) -> list[str]:
    client = f"http://127.0.0.1:{layout.ports.etcd}"
    peer = f"http://127.0.0.1:{layout.ports.etcd_peer}"
    return [
        "etcd",
        "--name=only",
        f"--data-dir={layout.seen('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=only={peer}",
        "--logger=zap",
        "--log-level=warn",
    ]


def _api_server(layout: Layout) -> list[str]:
    pki = layout.seen("pki")
    return [
        str(layout.assets / Daemon.API_SERVER),
        f"--etcd-servers=http://127.0.0.1:{layout.ports.etcd}",
        f"--bind-address={layout.node_ip}",
        f"--advertise-address={layout.node_ip}",
        f"--secure-port={layout.ports.api}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={pki / 'tokens.csv'}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={layout.service_net}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-log-path={layout.seen('log', 'audit.jsonl')}",
        f"--audit-policy-file={layout.seen('audit.json')}",
        "--profiling=false",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.seen("pki")
    return [
        *_program(layout, Daemon.CONTROLLER_MANAGER, "controller-manager"),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--node-monitor-grace-period={_NODE_GRACE_S}s",
        f"--kube-api-qps={_CONTROLLER_QPS}",
        f"--kube-api-burst={2 * _CONTROLLER_QPS}",
        "--profiling=false",
    ]
