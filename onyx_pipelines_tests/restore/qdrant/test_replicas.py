"""A restored collection is compared when the other nodes have it, and not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.journaled_server import once_settled
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets


class Cluster:
    """Its replica elsewhere is in one state after the other, the last one for ever."""

    def __init__(self, states: Iterable[str], *, found: Iterable[str] = ("the same",)) -> None:
        self._states = list(states)
        self._found = list(found)
        self.compared_in: list[str] = []

    def told(self) -> dict[str, Any]:
        remote = [{"shard_id": 0, "state": self._states[0]}] if self._states else []
        return {
            "local_shards": [{"shard_id": 0, "state": "Active"}],
            "remote_shards": remote,
            "shard_transfers": [],
        }

    def next(self) -> dict[str, Any]:
        told = self.told()
        if len(self._states) > 1:
            self._states.pop(0)
        self._last = told["remote_shards"][0]["state"] if told["remote_shards"] else "alone"
        return told

    def compare(self) -> str:
        self.compared_in.append(self._last)
        return self._found.pop(0) if len(self._found) > 1 else self._found[0]

    def settled(self, *, sleep: Callable[[float], bool] = lambda _: True, **limits: float) -> str:
        return once_settled(
            self.next, self.compare, lambda found: found == "the same", sleep, poll_s=0, **limits
        )


def test_one_node_is_compared_at_once_whatever_it_finds() -> None:
    cluster = Cluster([], found=["other points"])

    assert cluster.settled() == "other points"
    assert cluster.compared_in == ["alone"]


def test_several_are_compared_when_all_are_active() -> None:
    cluster = Cluster(["Dead", "Partial", "Recovery", "Active"])

    assert cluster.settled() == "the same"
    assert cluster.compared_in == ["Active"]


def test_what_a_replica_answers_that_does_not_know_yet_is_looked_at_again() -> None:
    cluster = Cluster(
        ["Active", "Active", "Dead", "Active"], found=["other points", "other points", "the same"]
    )

    assert cluster.settled() == "the same"
    assert cluster.compared_in == ["Active"] * 3


def test_a_difference_that_stays_is_one() -> None:
    cluster = Cluster(["Active"], found=["other points"])

    assert cluster.settled(settles_within_s=0.05) == "other points"
    assert len(cluster.compared_in) > 1


def test_a_node_that_is_gone_is_not_waited_for_for_ever() -> None:
    cluster = Cluster(["Dead"])

    assert cluster.settled(patience_s=0.05) == "the same"
    assert cluster.compared_in == ["Dead"]


def test_nor_where_others_have_been_waited_for_long_enough() -> None:
    cluster = Cluster(["Dead"])

    assert cluster.settled(sleep=lambda _: False) == "the same"
    assert cluster.compared_in == ["Dead"]


def test_a_restore_waits_for_the_other_node(
    faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
) -> None:
    objects = faulty_sets.of(faulty_collection)
    faulty_sets.server.client.delete_collection(faulty_collection)
    standin.set_faults(replica_lag_s=1)

    assert faulty_sets.restore(objects).verdict is Verdict.PASSED
