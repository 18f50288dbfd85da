"""The life of an installation: upgrades, other images, its end, its end in disorder, and life without Helm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml
from tests.e2e import helm
from tests.e2e.api import Api, Json, Refused, condition_of
from tests.e2e.cluster import node
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.house import ACCOUNT, OURS, START_S, House, Installation, installed
from tests.e2e.measure import Measure
from tests.e2e.watching import EVERY_S, UNDISTURBED_S, holds, passed, watched
from tests.e2e.workloads import IMAGE
from tests.support.chart import CHART, ROOT

from perpmaker.operator import names

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OPERATOR: Final = "perpmaker-operator"
NEXT_TAG: Final = "e2e-next"
ROLLOUT_S: Final = 180.0
UNINSTALL_S: Final = 10
"""How long the hook tries in the test in which it cannot succeed."""


@pytest.fixture(scope="module")
def installation(node_cluster: Cluster) -> Iterator[Installation]:
    """One release, upgraded and removed by the tests in their order."""
    with installed(node_cluster, IMAGE) as made:
        yield made


async def test_an_upgrade_of_the_operator_touches_nothing_that_trades(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    trading = await _uids(house)
    operator = trading.pop(OPERATOR)
    passwords = await house.api.read("Secret", "perpmaker-store", house.namespace)
    async with watched(house) as seen:
        # The two lines of the documentation.
        house.cluster.kubectl("apply", "--server-side", "-f", str(CHART / "crds"))
        await asyncio.to_thread(house.installation.upgrade, operator={"summarySeconds": 5, "logLevel": "debug"})
        began = time.monotonic()
        await house.until("another operator runs", lambda: _is_replaced(house, operator), within_s=START_S)
        measured("operator replaced by an upgrade in", f"{time.monotonic() - began:.1f} s")
        generation = await house.patch("MarketMaker", "eth", quoting={"levels": 3})
        await house.applied("eth", generation, within_s=START_S)
    now = await _uids(house)
    now.pop(OPERATOR)
    assert now == trading
    assert max(seen.longest_empty_s("eth"), seen.longest_empty_s("btc")) < UNDISTURBED_S
    after = await house.api.read("Secret", "perpmaker-store", house.namespace)
    assert after["data"] == passwords["data"], "nobody could sign in to a store with other passwords"


async def test_another_image_replaces_one_market_after_the_other_and_never_doubles_a_quoter(
    house: House, measured: Measure
) -> None:
    await house.quoting("eth", "btc")
    passwords = await house.api.read("Secret", "perpmaker-store", house.namespace)
    repository = IMAGE.rpartition(":")[0]
    other = f"{repository}:{NEXT_TAG}"
    house.cluster.run("ctr", "--namespace", "k8s.io", "images", "tag", "--force", IMAGE, other)
    image = {"repository": repository, "tag": NEXT_TAG, "pullPolicy": "Never"}
    began = time.monotonic()
    async with watched(house) as seen, _quoters_watched(house) as quoters:
        await asyncio.to_thread(house.installation.upgrade, image=image)

        async def replaced() -> bool:
            pods = await house.api.objects("Pod", house.namespace, label=OURS)
            images = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}
            return set(images.values()) == {other}

        await house.until("every pod runs the other image", replaced, within_s=ROLLOUT_S)
        for name in ("eth", "btc"):
            await house.ready(name, within_s=ROLLOUT_S)
            await house.two_sided(name)
        measured("another image for an account and two markets, rolled out in", f"{time.monotonic() - began:.1f} s")
    for name in ("eth", "btc"):
        assert all(len(epochs) == 1 for epochs in seen.sessions(name)), f"two sessions of {name} in one book"
        assert quoters.most_at_once[name] == 1, name
    started = {name: await _when(house, "RolloutStarted", name) for name in ("eth", "btc")}
    first, second = sorted(started, key=started.__getitem__)
    assert started[second] >= await _when(house, "RolloutFinished", first), "one market after the other"
    after = await house.api.read("Secret", "perpmaker-store", house.namespace)
    assert after["data"] == passwords["data"]


async def test_uninstalling_empties_the_books_before_the_operator_goes_and_leaves_nothing(
    house: House, measured: Measure
) -> None:
    address = await house.quoting("eth", "btc")
    began = time.monotonic()
    looks: list[tuple[int, bool]] = []

    async def look() -> None:
        with contextlib.suppress(OSError, aiohttp.ClientError, Refused, AssertionError):
            orders = await house.venue.open_orders(address)
            operator = await house.api.get("Deployment", OPERATOR, house.namespace)
            looks.append((len(orders), operator is not None and "deletionTimestamp" not in operator["metadata"]))

    ending = asyncio.create_task(asyncio.to_thread(house.installation.uninstall))
    while not ending.done():
        await look()
    await ending
    measured("helm uninstall with two makers", f"{time.monotonic() - began:.1f} s")
    assert looks[0][0] > 0
    assert looks[-1] == (0, True), "the exchange's last answer: no order, and the operator was still there"
    assert all(has_operator for _, has_operator in looks)
    await _nothing_is_left(house)
    assert house.cluster.kubectl("get", "crd", "marketmakers.perpmaker.io", "-o", "name")
    assert not house.cluster.kubectl("get", "clusterrole,clusterrolebinding", "-l", OURS, "-o", "name")


async def test_an_uninstallation_without_an_operator_fails_says_what_is_left_and_can_be_repeated(house: House) -> None:
    # In the same place as the one before.
    house.installation.admit(ACCOUNT)
    again = {**house.installation.values, "uninstall": {"timeoutSeconds": UNINSTALL_S}}
    await asyncio.to_thread(helm.run, "install", house.cluster.kubeconfig, house.namespace, again)
    await house.quoting("eth")
    house.cluster.kubectl("scale", f"deployment/{OPERATOR}", "--replicas=0", "-n", house.namespace)
    with pytest.raises(AssertionError, match="helm uninstall"):
        await asyncio.to_thread(house.installation.uninstall)
    told = house.cluster.kubectl("logs", "job/perpmaker-uninstall", "-n", house.namespace)
    assert f"MarketMaker {house.namespace}/eth: the operator has not begun with it" in told
    assert "make sure the operator runs, and run this again" in told
    # Nothing but the object is marked: who trades goes on.
    await house.two_sided("eth")
    await holds("orders rest", lambda: _has_orders(house, "eth"), 3)
    house.cluster.kubectl("scale", f"deployment/{OPERATOR}", "--replicas=1", "-n", house.namespace)
    await house.api.until_gone("MarketMaker", "eth", house.namespace, within_s=START_S)
    await house.empty("eth")
    await house.quoting("btc")
    await house.delete("MarketMaker", "btc")
    await house.api.until_gone("MarketMaker", "btc", house.namespace, within_s=START_S)
    await asyncio.to_thread(house.installation.uninstall)
    await _nothing_is_left(house)


async def test_the_manifests_install_quote_and_go_without_helm(
    node_cluster: Cluster, house: House, tmp_path: Path, measured: Measure
) -> None:
    plain = House(Installation(node_cluster, "perpmaker"), house.api)
    kubectl = node_cluster.kubectl
    overlay = _overlay(tmp_path)
    began = time.monotonic()
    # As deploy/README.md says.
    kubectl("apply", "--server-side", "-k", str(ROOT / "deploy/crds"))
    kubectl("apply", "-k", str(overlay))
    plain.installation.admit(ACCOUNT)
    kubectl("create", "-f", "-", stdin=node.run(str(ROOT / "deploy/store-secret.sh"), "perpmaker"))
    kubectl("apply", "-n", "perpmaker", "-f", str(ROOT / "deploy/examples/kubernetes/simulated.yaml"))
    address = await plain.address()
    await plain.two_sided("eth", within_s=START_S)
    measured("raw manifests to two-sided quotes", f"{time.monotonic() - began:.1f} s")
    kubectl("wait", "mm/eth", "--for=condition=Ready", "--timeout=60s", "-n", "perpmaker")
    looks: list[int] = []
    ending = asyncio.create_task(
        asyncio.to_thread(kubectl, "delete", "mm,ta", "--all", "-n", "perpmaker", "--timeout=90s")
    )
    while not ending.done():
        with contextlib.suppress(OSError, AssertionError):
            looks.append(len(await plain.venue.open_orders(address)))
    await ending
    assert looks[0] > 0
    assert looks[-1] == 0
    kubectl("delete", "-k", str(overlay), "--timeout=90s")
    assert not kubectl("get", "namespace", "perpmaker", "--ignore-not-found")


# Looking.


async def _uids(house: House) -> dict[str, str]:
    """Uid of the pod of each workload."""
    pods = await house.api.objects("Pod", house.namespace, label=OURS)
    return {_workload(pod): pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def _workload(pod: Json) -> str:
    owner = pod["metadata"]["ownerReferences"][0]
    name: str = owner["name"]
    return name.rsplit("-", 1)[0] if owner["kind"] == "ReplicaSet" else name


async def _is_replaced(house: House, operator_uid: str) -> bool:
    pods = await house.api.objects("Pod", house.namespace, label=f"{OURS},app.kubernetes.io/component=operator")
    return [pod["metadata"]["uid"] == operator_uid for pod in pods] == [False] and (
        condition_of(pods[0], "Ready").get("status") == "True"
    )


async def _has_orders(house: House, name: str) -> bool:
    return not (await house.resting(name)).is_empty


async def _when(house: House, reason: str, name: str) -> str:
    """Time of the newest Event of a maker."""
    return max(str(event["lastTimestamp"]) for event in await house.events(reason, name))


class Quoters:
    """Pods of quoters while they are replaced, as seen again and again."""

    def __init__(self) -> None:
        self.most_at_once: dict[str, int] = {}

    def look(self, pods: list[Json]) -> None:
        """Take in all quoter pods of one moment."""
        by_maker: dict[str, list[Json]] = {}
        for pod in pods:
            by_maker.setdefault(pod["metadata"]["labels"]["perpmaker.io/marketmaker"], []).append(pod)
        for name, mine in by_maker.items():
            alive = [pod for pod in mine if pod["status"].get("phase") in {"Pending", "Running"}]
            self.most_at_once[name] = max(self.most_at_once.get(name, 0), len(alive))


@asynccontextmanager
async def _quoters_watched(house: House) -> AsyncIterator[Quoters]:
    seen = Quoters()

    async def go_on() -> None:
        while True:
            label = "app.kubernetes.io/component=quoter"
            with contextlib.suppress(aiohttp.ClientError, Refused):
                seen.look(await house.api.objects("Pod", house.namespace, label=label))
            await passed(EVERY_S)

    task = asyncio.create_task(go_on())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _nothing_is_left(house: House) -> None:
    """Nothing but the certificates, which are whoever's who made them; a simulated account's store goes with it."""
    left: set[str] = set()

    async def none() -> bool:
        nonlocal left
        left = {name for name in await asyncio.to_thread(_left, house) if not name.endswith("-tls")}
        return not left

    try:
        # Pods end after the objects they belong to.
        await house.until("nothing is left", none, within_s=START_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {sorted(left)}") from error


def _left(house: House) -> set[str]:
    """Everything in the namespace but what Kubernetes itself keeps in every one, and Events."""
    kinds = house.cluster.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    listed = ",".join(kind for kind in kinds if not kind.startswith("events"))
    names = set(house.cluster.kubectl("get", listed, "-n", house.namespace, "-o", "name").split())
    return names - {"configmap/kube-root-ca.crt", "serviceaccount/default"}


def _overlay(folder: Path) -> Path:
    """What a user writes who has the image under another name: the name, twice."""
    repository, _, tag = IMAGE.rpartition(":")
    file = ROOT / "deploy/manifests/operator-configmap.yaml"
    config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings = json.loads(config["data"]["operator.json"])
    settings["image"]["reference"] = IMAGE
    change = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": config["metadata"]["name"], "namespace": config["metadata"]["namespace"]},
        "data": {"operator.json": json.dumps(settings)},
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(Path("../" * len(folder.parts[1:])) / Path(*ROOT.parts[1:]) / "deploy")],
        "images": [{"name": "perpmaker", "newName": repository, "newTag": tag}],
        "patches": [{"path": "image.yaml"}],
    }
    (folder / "image.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return folder


@pytest.fixture
def doomed(node_cluster: Cluster) -> Iterator[Installation]:
    """A release whose namespace the test deletes."""
    with installed(node_cluster, IMAGE) as made:
        yield made


async def test_a_namespace_deleted_with_all_in_it_waits_for_a_person_and_says_for_what(
    doomed: Installation, node_cluster: Cluster, node_api: Api, tmp_path: Path, measured: Measure
) -> None:
    house = House(doomed, node_api)
    address = await house.quoting("eth")
    log = tmp_path / "gateway"
    following = _follow(node_cluster, house.namespace, "main-gateway", log)
    resting = 0
    began = time.monotonic()
    await node_api.delete("Namespace", house.namespace)
    with contextlib.suppress(OSError, AssertionError):
        while True:
            resting = len(await house.venue.open_orders(address))

    async def pods_are_gone() -> bool:
        return not await node_api.objects("Pod", house.namespace)

    await house.until("all pods are gone", pods_are_gone, within_s=START_S)
    measured("namespace deleted, pods gone after", f"{time.monotonic() - began:.1f} s")
    await asyncio.to_thread(following.wait, 30)
    # The exchange went with the rest, so the gateway's last words have to do.
    said = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert said[-1]["event"] == "service.stopped"
    left = [entry.get("open_orders", 0) for entry in said if entry["event"] == "dead_mans_switch.left_armed"]
    assert left or not resting, "who leaves orders leaves the dead man's switch armed"

    async def waits() -> Json | None:
        found = condition_of(await node_api.read("Namespace", house.namespace), "NamespaceFinalizersRemaining")
        return found if found.get("status") == "True" else None

    condition = await house.until("the namespace says what it waits for", waits, within_s=START_S)
    assert names.FINALIZER in condition["message"]
    # Break glass, as the documentation says: the operator went, too.
    released = '[{"op":"remove","path":"/metadata/finalizers"}]'
    for kind, name in (("mm", "eth"), ("ta", ACCOUNT)):
        node_cluster.kubectl("patch", kind, name, "--type=json", "-p", released, "-n", house.namespace)
    await node_api.until_gone("Namespace", house.namespace, within_s=START_S)


def _follow(cluster: Cluster, namespace: str, deployment: str, into: Path) -> subprocess.Popen[bytes]:
    """Write a pod's log to a file until the pod ends."""
    words = [str(cluster.layout.assets / "kubectl"), f"--kubeconfig={cluster.kubeconfig}", "-n", namespace]
    with into.open("wb") as file:
        return subprocess.Popen([*words, "logs", "--follow", f"deployment/{deployment}"], stdout=file)
