"""Configuration files of the cluster's processes. Values only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tests.e2e.cluster.layout import INSIDE, NODE_NAME, Layout

CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
PAUSE_IMAGE: Final = "localhost/pause:1"
ADMIN: Final = "admin"
"""User who may do everything."""
STRANGER: Final = "stranger"
"""User without any right."""
POLICY_AGENT: Final = "network-policy"
"""User of the process that enforces NetworkPolicy."""

_CNI_FOLDERS: Final = ("/usr/lib/cni", "/opt/cni/bin")


def cni_folder() -> Path | None:
    """Where this machine keeps the plugins for pod networks."""
    return next((Path(one) for one in _CNI_FOLDERS if (Path(one) / "bridge").is_file()), None)


def audit_policy() -> dict[str, Any]:
    """Who asked for what, without bodies: lets a test say which verbs a Role needs. The cluster itself is left out."""
    components = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", POLICY_AGENT]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": components},
            {"level": "None", "userGroups": ["system:nodes"]},
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "Metadata"},
        ],
    }


def kubeconfig(layout: Layout, who: str, ca: Path, user: dict[str, str]) -> dict[str, Any]:
    """Credentials of one user as Kubernetes' programs read them."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {"server": layout.api_url, "certificate-authority": str(ca)}}],
        "users": [{"name": who, "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": who}}],
    }


def containerd(cni: Path) -> str:
    """containerd.toml, with everything kept apart from the host's own containerd."""
    return f"""version = 2
root = "{INSIDE}/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  # A root without CAP_SYS_RESOURCE cannot lower a score, and every pod would fail to start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{INSIDE}/cni"
"""


def cni_network(layout: Layout) -> dict[str, Any]:
    """One bridge with an address for each pod."""
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni",
        "ranges": [[{"subnet": layout.pod_net}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "e2e",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(layout: Layout) -> dict[str, Any]:
    """KubeletConfiguration: a node that shares a machine, and that tells news within seconds."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_ip,
        "readOnlyPort": 0,
        "healthzPort": 10248,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{INSIDE}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{INSIDE}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{INSIDE}/pki/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.link}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "seccompDefault": True,
        "clusterDomain": "cluster.local",
        "clusterDNS": [layout.dns_ip],
        "resolvConf": f"{INSIDE}/resolv.conf",
        "podLogsDir": "/var/log/pods",
        "volumePluginDir": f"{INSIDE}/kubelet/volume-plugins",
        # The disk is the host's: how full it is must not evict a pod or collect an image.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
            "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "5s",
        "fileCheckFrequency": "5s",
        "nodeStatusUpdateFrequency": "4s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "shutdownGracePeriod": "0s",
    }


def proxy(layout: Layout) -> dict[str, Any]:
    """KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": f"{INSIDE}/proxy.kubeconfig"},
        "clusterCIDR": layout.pod_net,
        "oomScoreAdj": 0,
        "iptables": {"minSyncPeriod": "0s"},
        # The limits of connection tracking exist in the first network namespace only.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
