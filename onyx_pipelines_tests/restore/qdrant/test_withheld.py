"""What a server has and does not show yet (updates in its queue, points that it hides until they
are indexed) is waited for, and is never taken for a loss."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.comparison import CONTENT, POINTS, compare_collection
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.condition import withheld
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.reading import settled_info
from onyx_pipelines.sources.qdrant.snapshot_api import open_http
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    snapshot_in,
)
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets
from onyx_pipelines_tests.restore.qdrant.test_recorded import drilled
from onyx_pipelines_tests.restore.qdrant.test_verdicts import facts, points, verdict

HIDDEN = 3


@pytest.mark.parametrize(
    ("info", "count"),
    [
        ({}, 0),
        ({"update_queue": None}, 0),
        ({"update_queue": {"length": 0}}, 0),
        ({"update_queue": {"length": 2}}, 2),
        ({"update_queue": {"length": 2, "deferred_points": 5}}, 7),
    ],
)
def test_a_server_tells_how_much_it_is(info: dict[str, object], count: int) -> None:
    assert withheld(info) == count


class TestADifference:
    @pytest.mark.parametrize(("of_the_backup", "of_the_restored"), [(1, 0), (0, 1)])
    def test_that_may_be_of_it_is_not_verified(
        self, of_the_backup: int, of_the_restored: int
    ) -> None:
        answer = EdgeAnswer(
            count=1, points=points(1), neighbours=(), engine="test", withheld=of_the_restored
        )

        findings = compare_collection(facts(points(1, 2), withheld=of_the_backup), {}, {}, answer)

        assert verdict(findings) is Verdict.COULD_NOT_VERIFY
        assert "point 2 is missing; the server had updates" in str(findings)

    def test_of_the_configuration_is_one_all_the_same(self) -> None:
        answer = EdgeAnswer(count=1, points=points(1), neighbours=(), engine="test", withheld=1)

        findings = compare_collection(facts(points(1)), {"hnsw_config": {"m": 4}}, {}, answer)

        assert verdict(findings) is Verdict.FAILED


def test_hidden_points_are_in_the_snapshot_and_pass(
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    standin: QdrantStandIn,
    faulty_sets: QdrantSets,
) -> None:
    standin.set_faults(hidden_points=HIDDEN)

    sink, _ = back_up(make_source(faulty_server, faulty_collection, patience_s=0.3))

    known = facts_in(sink, faulty_collection)
    result = drilled(faulty_sets.root, {"c": (snapshot_in(sink, faulty_collection), known)})
    assert (known.points_after, known.withheld) == (17, HIDDEN)
    assert result.verdict is Verdict.PASSED, result.problems()
    (counted,) = [f for f in result.findings if f.aspect == POINTS]
    assert counted.limits == (
        "moving: 17 points before, 17 after, 20 in the snapshot;"
        " 3 updates or points were not shown yet"
    )


def test_a_restore_compares_when_the_server_shows_everything(
    faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
) -> None:
    objects = faulty_sets.of(faulty_collection)
    faulty_sets.server.client.delete_collection(faulty_collection)
    standin.set_faults(hidden_points=HIDDEN, hidden_s=1)

    result = faulty_sets.restore(objects)

    assert result.verdict is Verdict.PASSED, result.problems()
    assert "all 20 points are the same" in [
        f.message for f in result.findings if f.aspect == CONTENT
    ]


def test_it_is_not_waited_for_longer_than_there_is_patience(
    faulty_server: QdrantServer, faulty_collection: str, standin: QdrantStandIn
) -> None:
    standin.set_faults(hidden_points=HIDDEN)
    patience, key = Patience(each_s=0.3), SecretStr("")
    with open_http(faulty_server.url, key, read_timeout_s=60) as http:
        errors = QdrantErrors(faulty_server.url, key)
        api = CollectionApi(http, errors, timeout_s=60, patience=patience)

        assert withheld(settled_info(api, faulty_collection, patience, 1e6)) == HIDDEN
