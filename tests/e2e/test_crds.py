"""Both CustomResourceDefinitions on a real API server: what it takes, what it refuses and says, what it shows."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from tests.e2e.api import Api, Refused, condition_of, documents_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.crd_rules import CHANGE_RULES, CHANGES, RULES, VALID, Change, Placed, exercised
from tests.support.api import BREACHES, Breach, account_document, changed, maker_document
from tests.support.waiting import until

from perpmaker.api.schema import CRDS

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CRD_FILES = sorted((ROOT / "charts/perpmaker/crds").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "deploy/examples").rglob("*.yaml"))

Json = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(control_cluster: Cluster) -> Cluster:
    """The cluster with both definitions established."""
    files = [f"--filename={file}" for file in CRD_FILES]
    control_cluster.kubectl("apply", "--server-side", "--validate=strict", *files)
    control_cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)
    return control_cluster


@pytest_asyncio.fixture
async def api(cluster: Cluster, control_api: Api) -> Api:
    """Administrator who knows both kinds."""

    async def served() -> bool:
        await control_api.resource("MarketMaker")
        await control_api.resource("TradingAccount")
        return True

    await until("both kinds are served", served, within_s=15, ignoring=LookupError)
    return control_api


@pytest_asyncio.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    async with api.namespace(f"crd-{secrets.token_hex(4)}") as name:
        yield name


def _in(namespace: str, document: Json) -> Json:
    return changed(document, {"metadata.namespace": namespace})


def _messages_of_rules(refused: Refused) -> set[str]:
    return {rule.message for rule in RULES | CHANGE_RULES if rule.message in refused.message}


class TestRules:
    """The rules that the schema carries in CEL."""

    def test_every_rule_has_an_object_that_breaks_it(self) -> None:
        broken = {(breach.kind, breach.message) for breach in BREACHES}
        assert {rule for rule in RULES if (rule.kind, rule.message) not in broken} == set()

    def test_every_rule_is_evaluated_on_an_object_that_is_taken(self) -> None:
        kept = {rule for document in VALID.values() for rule in exercised(document)}
        assert RULES - kept == set()

    def test_every_rule_on_changes_has_a_change_that_breaks_it(self) -> None:
        broken = {Placed(change.old["kind"], change.refused_at, change.message) for change in CHANGES}
        assert CHANGE_RULES - broken == set()

    @pytest.mark.parametrize("name", VALID)
    async def test_an_object_that_keeps_the_rules_is_taken(self, api: Api, namespace: str, name: str) -> None:
        (taken,) = await api.apply(_in(namespace, VALID[name]))
        assert taken["metadata"]["generation"] == 1

    @pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.kind}-{breach.path}")
    async def test_an_object_that_breaks_a_rule_is_refused_with_its_message(
        self, api: Api, namespace: str, breach: Breach
    ) -> None:
        with pytest.raises(Refused) as refused:
            await api.apply(_in(namespace, breach.document))
        assert refused.value.status == 422
        assert _messages_of_rules(refused.value) == {breach.message}

    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.old['kind']}-{change.field}")
    async def test_what_identifies_an_object_cannot_be_changed(self, api: Api, namespace: str, change: Change) -> None:
        await api.apply(_in(namespace, change.old))
        with pytest.raises(Refused) as refused:
            await api.apply(_in(namespace, changed(change.old, {change.field: change.value})))
        assert refused.value.status == 422
        assert _messages_of_rules(refused.value) == {change.message}
        assert {cause["field"] for cause in refused.value.causes} == {change.refused_at}


class TestFields:
    """Single fields: defaults, unknown ones, ranges."""

    @pytest.mark.parametrize("document", [account_document(), maker_document()], ids=lambda one: one["kind"])
    async def test_what_is_left_out_is_stored_with_the_default_of_the_model(
        self, api: Api, namespace: str, document: Json
    ) -> None:
        (stored,) = await api.apply(_in(namespace, document))
        spec = next(crd.spec for crd in CRDS if crd.kind == document["kind"])
        expected = spec.model_validate(document["spec"]).model_dump(mode="json", by_alias=True, exclude_none=True)
        assert stored["spec"] == expected

    @pytest.mark.parametrize(
        ("path", "value"),
        [("spec.quoting.orderNotionall", "250"), ("spec.levrage", {"value": 2}), ("spec.risk.maxLoss", "1")],
    )
    async def test_an_unknown_field_is_refused_by_name(self, api: Api, namespace: str, path: str, value: Any) -> None:
        with pytest.raises(Refused, match=path.rpartition(".")[2]) as refused:
            await api.apply(_in(namespace, changed(maker_document(), {path: value})))
        assert refused.value.status in {400, 500}

    def test_kubectl_refuses_an_unknown_field_by_name(self, cluster: Cluster) -> None:
        document = yaml.safe_dump(changed(maker_document(), {"spec.quoting.level": 3}))
        with pytest.raises(Exception, match=r'unknown field "spec\.quoting\.level"'):
            cluster.kubectl("apply", "--dry-run=server", "--filename=-", stdin=document)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("spec.quoting.orderNotional", 250),
            ("spec.quoting.orderNotional", "1e3"),
            ("spec.quoting.levels", 11),
            ("spec.mode", "Off"),
            ("spec.market.symbol", "B C"),
            ("spec.leverage", {"value": 51}),
        ],
    )
    async def test_a_value_out_of_range_is_refused_at_its_field(
        self, api: Api, namespace: str, path: str, value: Any
    ) -> None:
        with pytest.raises(Refused) as refused:
            await api.apply(_in(namespace, changed(maker_document(), {path: value})))
        assert refused.value.status in {422, 500}
        assert path in refused.value.message

    @pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT / "deploy/examples")))
    async def test_every_example_passes_strict_validation(self, api: Api, namespace: str, file: Path) -> None:
        documents = documents_of(file)
        assert documents
        for document in documents:
            resource = await api.resource(document["kind"])
            placed = _in(namespace, document) if resource.namespaced else document
            (taken,) = await api.apply(placed, dry_run=True)
            assert taken["kind"] == document["kind"]


class TestWriting:
    """Generations, status, and definitions applied again."""

    @pytest.mark.parametrize("document", [account_document(), maker_document()], ids=lambda one: one["kind"])
    async def test_applying_the_same_twice_changes_nothing(
        self, cluster: Cluster, api: Api, namespace: str, document: Json
    ) -> None:
        text = yaml.safe_dump(document)
        here = f"--namespace={namespace}"
        for mode in ("--server-side=false", "--server-side=true"):
            words = ("apply", mode, "--force-conflicts" if mode.endswith("true") else "--validate=strict", here)
            await asyncio.to_thread(cluster.kubectl, *words, "--filename=-", stdin=text)
            once = await api.read(document["kind"], document["metadata"]["name"], namespace)
            await asyncio.to_thread(cluster.kubectl, *words, "--filename=-", stdin=text)
            twice = await api.read(document["kind"], document["metadata"]["name"], namespace)
            assert twice["metadata"]["resourceVersion"] == once["metadata"]["resourceVersion"]
            assert twice["metadata"]["generation"] == once["metadata"]["generation"] == 1

    async def test_a_change_of_the_spec_raises_the_generation_and_one_of_the_status_does_not(
        self, api: Api, namespace: str
    ) -> None:
        maker = _in(namespace, maker_document())
        await api.apply(maker)
        (changed_maker,) = await api.apply(changed(maker, {"spec.mode": "Paused"}))
        assert changed_maker["metadata"]["generation"] == 2
        with_status = await api.apply_status({**_identity(maker), "status": {"observedGeneration": 2}})
        assert with_status["metadata"]["generation"] == 2
        assert with_status["status"]["observedGeneration"] == 2

    async def test_a_status_in_a_document_is_ignored_by_apply(self, api: Api, namespace: str) -> None:
        maker = _in(namespace, maker_document())
        await api.create({**maker, "status": {"observedGeneration": 7}})
        stored = await api.read("MarketMaker", maker["metadata"]["name"], namespace)
        assert "status" not in stored

    async def test_a_spec_in_a_status_is_ignored(self, api: Api, namespace: str) -> None:
        maker = _in(namespace, maker_document())
        await api.apply(maker)
        change = {"spec": {"mode": "Paused"}, "status": {"observedGeneration": 1}}
        stored = await api.merge("MarketMaker", maker["metadata"]["name"], change, namespace, "status")
        assert stored["spec"]["mode"] == "Active"
        assert stored["metadata"]["generation"] == 1

    async def test_two_writers_of_the_status_keep_their_own_conditions(self, api: Api, namespace: str) -> None:
        maker = _in(namespace, maker_document())
        await api.apply(maker)
        for manager, condition in (("first", "Ready"), ("second", "KeyLoaded")):
            status = {"conditions": [_condition(condition)]}
            await api.apply_status({**_identity(maker), "status": status}, manager=manager)
        stored = await api.read("MarketMaker", maker["metadata"]["name"], namespace)
        assert {one["type"] for one in stored["status"]["conditions"]} == {"Ready", "KeyLoaded"}
        await api.apply_status({**_identity(maker), "status": {"conditions": []}}, manager="second")
        stored = await api.read("MarketMaker", maker["metadata"]["name"], namespace)
        assert {one["type"] for one in stored["status"]["conditions"]} == {"Ready"}

    async def test_the_same_status_applied_twice_changes_nothing(self, api: Api, namespace: str) -> None:
        maker = _in(namespace, maker_document())
        await api.apply(maker)
        document = {**_identity(maker), "status": {"observedGeneration": 1, "conditions": [_condition("Ready")]}}
        once = await api.apply_status(document)
        twice = await api.apply_status(document)
        assert twice["metadata"]["resourceVersion"] == once["metadata"]["resourceVersion"]

    async def test_objects_survive_definitions_that_are_applied_again(
        self, cluster: Cluster, api: Api, namespace: str
    ) -> None:
        maker = _in(namespace, maker_document())
        (before,) = await api.apply(maker)
        files = [f"--filename={file}" for file in CRD_FILES]
        told = await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", *files)
        assert told.count("serverside-applied") == len(CRD_FILES)
        after = await api.read("MarketMaker", maker["metadata"]["name"], namespace)
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]

    async def test_an_older_definition_is_upgraded_in_place_and_the_objects_get_the_new_defaults(
        self, cluster: Cluster, api: Api, namespace: str
    ) -> None:
        newest = yaml.safe_load((ROOT / "charts/perpmaker/crds/marketmakers.yaml").read_text())
        older = yaml.safe_load((ROOT / "charts/perpmaker/crds/marketmakers.yaml").read_text())
        spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        del spec["properties"]["rollout"]
        await asyncio.to_thread(_apply_definition, cluster, older)
        maker = _in(namespace, maker_document())

        async def stored_without() -> bool:
            (stored,) = await api.apply(changed(maker, {"spec.quoting.levels": 1}))
            if "rollout" not in stored["spec"]:
                return True
            await api.delete("MarketMaker", maker["metadata"]["name"], namespace)
            return False

        try:
            await until("the older schema is served", stored_without, within_s=15)
        finally:
            await asyncio.to_thread(_apply_definition, cluster, newest)

        async def read_with() -> bool:
            stored = await api.read("MarketMaker", maker["metadata"]["name"], namespace)
            return bool(stored["spec"].get("rollout") == {"strategy": "CancelAndReplace"})

        await until("the newer schema is served", read_with, within_s=15)


class TestServing:
    """How the kinds are found and shown."""

    @pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
    async def test_the_schema_is_taken_as_structural_and_the_names_are_accepted(self, api: Api, crd: Any) -> None:
        definition = await api.read("CustomResourceDefinition", f"{crd.plural}.perpmaker.io")
        conditions = {one["type"]: one["status"] for one in definition["status"]["conditions"]}
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert (conditions["NamesAccepted"], conditions["Established"]) == ("True", "True")
        assert condition_of(definition, "KubernetesAPIApprovalPolicyConformant").get("status", "True") == "True"

    async def test_makers_are_selected_by_account_and_by_symbol(self, api: Api, namespace: str) -> None:
        makers = [maker_document("eth", "ETH", "main"), maker_document("btc", "BTC", "other")]
        await api.apply(*(_in(namespace, maker) for maker in makers))
        for selector, name in (("spec.accountRef.name=other", "btc"), ("spec.market.symbol=ETH", "eth")):
            found = await api.objects("MarketMaker", namespace, field=selector)
            assert [one["metadata"]["name"] for one in found] == [name]

    async def test_short_names_and_categories_find_the_objects(
        self, cluster: Cluster, api: Api, namespace: str
    ) -> None:
        await api.apply(_in(namespace, account_document()), _in(namespace, maker_document()))
        here = (f"--namespace={namespace}", "--output=name")
        maker, account = "marketmaker.perpmaker.io/eth", "tradingaccount.perpmaker.io/main"
        assert cluster.kubectl("get", "mm", *here).split() == [maker]
        assert cluster.kubectl("get", "ta", *here).split() == [account]
        for category in ("perpmaker", "trading"):
            assert set(cluster.kubectl("get", category, *here).split()) == {maker, account}

    @pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
    async def test_kubectl_get_shows_the_columns(self, cluster: Cluster, api: Api, namespace: str, crd: Any) -> None:
        await api.apply(_in(namespace, account_document() if crd.short_name == "ta" else maker_document()))
        here = f"--namespace={namespace}"
        narrow = _header(cluster.kubectl("get", crd.short_name, here))
        wide = _header(cluster.kubectl("get", crd.short_name, here, "--output=wide"))
        assert narrow == ["NAME", *(column.name.upper() for column in crd.columns if not column.wide)]
        assert sorted(wide) == sorted(["NAME", *(column.name.upper() for column in crd.columns)])

    async def test_the_columns_are_filled_from_the_object(self, cluster: Cluster, api: Api, namespace: str) -> None:
        maker = _in(namespace, maker_document())
        await api.apply(maker)
        status = {
            "conditions": [{**_condition("Ready"), "reason": "Quoting"}],
            "summary": {"openOrders": 6, "positionNotional": "-250.5"},
            "quoter": {"appliedGeneration": 1},
        }
        await api.apply_status({**_identity(maker), "status": status})
        shown = cluster.kubectl("get", "mm", "eth", f"--namespace={namespace}", "--output=wide")
        for value in ("ETH", "main", "Quoting", "-250.5"):
            assert value in shown.splitlines()[1], shown

    @pytest.mark.parametrize(
        ("path", "says"),
        [("mm.spec.quoting", "minHalfSpreadBps"), ("mm.spec.quoting.levels", "count"), ("ta.spec.risk", "USDC")],
    )
    def test_kubectl_explains_the_fields(self, cluster: Cluster, path: str, says: str) -> None:
        assert says in cluster.kubectl("explain", path)

    def test_kubectl_tells_the_default_and_the_unit(self, cluster: Cluster) -> None:
        text = re.sub(r"\s+", " ", cluster.kubectl("explain", "mm.spec.quoting"))
        assert 'basis points of the mid. Default "1.5".' in text


def _identity(document: Json) -> Json:
    return {key: document[key] for key in ("apiVersion", "kind", "metadata")}


def _condition(name: str) -> Json:
    return {
        "type": name,
        "status": "True",
        "reason": "Test",
        "message": "For a test.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def _header(shown: str) -> list[str]:
    return re.split(r"\s{2,}", shown.splitlines()[0].strip())


def _apply_definition(cluster: Cluster, definition: Json) -> None:
    words = ("apply", "--server-side", "--force-conflicts", "--filename=-")
    cluster.kubectl(*words, stdin=yaml.safe_dump(definition))
