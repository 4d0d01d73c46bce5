"""What a server tells of itself, and which of it a person should know."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.condition import (
    all_active,
    recovery_mode,
    refusal,
    troubles,
)
from onyx_pipelines.sources.qdrant.examining import count_unwell
from onyx_pipelines_tests.fixtures_qdrant import MakeSource, QdrantServer
from onyx_pipelines_tests.recorded_qdrant import DATA, VERSIONS, Recorded

METRICS = (DATA / "1.18.3" / "http" / "metrics.txt").read_text(encoding="utf-8")


def cluster(*local: dict[str, Any], remote: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """As a node tells it, of shards that are active where nothing else is said."""
    return {
        "local_shards": [{"shard_id": 0, "state": "Active", **each} for each in local],
        "remote_shards": [{"shard_id": 0, "state": "Active", **each} for each in remote or []],
        "shard_transfers": [],
    }


INFO = {"status": "green", "optimizer_status": "ok", "config": {"params": {"shard_number": 1}}}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["dense", "many_shards", "strict"])
def test_what_real_servers_told_is_fine(version: str, name: str) -> None:
    recorded = Recorded(version, name).info
    info, told = recorded["info"], recorded["cluster"]

    assert refusal(name, info, told) is None
    assert troubles(name, info, told) == []
    assert all_active(told)


def test_recovery_mode_is_read_from_the_metrics() -> None:
    in_it = METRICS.replace("app_status_recovery_mode 0", "app_status_recovery_mode 1")

    assert recovery_mode(METRICS) == []
    assert "recovery mode" in recovery_mode(in_it)[0].what
    assert recovery_mode(in_it.replace("\napp_", "\nqdrant_app_")) != []
    assert recovery_mode(None) == []


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"config": {"params": {"sharding_method": "custom"}}}, cluster({})),
        (INFO, cluster({"shard_key": "berlin"})),
    ],
)
def test_custom_sharding_is_refused(info: dict[str, Any], told: dict[str, Any]) -> None:
    refused = refusal("documents", info, told)

    assert refused is not None
    assert "sharded by keys" in refused.what


def test_automatic_sharding_is_not() -> None:
    info = {"config": {"params": {"sharding_method": "auto"}}}

    assert refusal("documents", info, cluster({})) is None


def test_shards_that_are_elsewhere_too_are_fine_and_those_elsewhere_only_are_not() -> None:
    here = cluster({}, remote=[{}])
    there = cluster({}, remote=[{}, {"shard_id": 3}])

    assert refusal("documents", INFO, here) is None
    assert "shards 3 of 'documents'" in str(refusal("documents", INFO, there))


def test_the_optimizers_own_words_are_told_of_a_red_collection() -> None:
    info = {**INFO, "status": "red", "optimizer_status": {"error": "No space left on device"}}

    [found] = troubles("documents", info, cluster({}))

    assert "No space left on device" in found.what


@pytest.mark.parametrize("state", ["Dead", "Partial", "Initializing", "Recovery", "Resharding"])
def test_replicas_that_are_not_active_are_told(state: str) -> None:
    told = cluster({"state": state}, remote=[{}])

    [found] = troubles("documents", INFO, told)

    assert f"shard 0 is {state}" in found.what
    assert not all_active(told)


def test_a_listener_is_as_it_should_be() -> None:
    assert troubles("documents", INFO, cluster({}, remote=[{"state": "Listener"}])) == []


def test_replicas_are_not_all_active_while_a_shard_is_on_its_way() -> None:
    assert not all_active({**cluster({}), "shard_transfers": [{"shard_id": 0}]})


class TestDoctor:
    @pytest.mark.parametrize(
        ("faults", "said"),
        [
            ({"recovery_mode": True}, "recovery mode"),
            ({"collection_status": {"{}": "red"}}, "is red"),
            ({"collection_status": {"{}": "grey"}}, "is grey"),
            ({"custom_sharding": ["{}"]}, "sharded by keys"),
            ({"remote_shards": [0], "remote_state": "Dead"}, "shard 0 is Dead"),
            ({"remote_shards": [5]}, "on other nodes"),
        ],
        ids=lambda each: str(each) if isinstance(each, str) else "",
    )
    def test_says_what_is_wrong_and_what_to_do(
        self,
        faults: dict[str, Any],
        said: str,
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        faulty_collection: str,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(**_named(faults, faulty_collection))

        with pytest.raises(SourceError, match=said) as caught:
            make_source(faulty_server, faulty_collection).describe()

        assert caught.value.remedy

    def test_says_all_of_it_at_once(
        self,
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        faulty_collection: str,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(recovery_mode=True, collection_status={faulty_collection: "red"})

        with pytest.raises(SourceError, match=r"recovery mode.*is red"):
            make_source(faulty_server, faulty_collection).describe()


@pytest.mark.parametrize(("status", "count"), [("red", 1), ("grey", 1), ("yellow", 0)])
def test_collections_that_are_not_well_are_counted(
    status: str,
    count: int,
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
) -> None:
    """Yellow: it is being indexed, as it should."""
    server = (faulty_server.url, SecretStr(faulty_server.api_key), None)
    before = count_unwell(*server)

    standin.set_faults(collection_status={faulty_collection: status})

    assert count_unwell(*server) == before + count


def _named(faults: Any, collection: str) -> Any:
    """With the collection's name in the place of {}."""
    if isinstance(faults, dict):
        return {k.replace("{}", collection): _named(v, collection) for k, v in faults.items()}
    if isinstance(faults, list):
        return [_named(each, collection) for each in faults]
    return faults.replace("{}", collection) if isinstance(faults, str) else faults
