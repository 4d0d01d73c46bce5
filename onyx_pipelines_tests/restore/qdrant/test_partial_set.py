"""What a set lacks is told by whoever plans to restore it, with the reason."""

from __future__ import annotations

import pytest

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_qdrant import MakeCollection
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

LACKED = "sharded-by-keys"


@pytest.fixture
def partial(
    faulty_sets: QdrantSets, make_faulty_collection: MakeCollection, standin: QdrantStandIn
) -> SetObjects:
    """A set of one collection, which another one is missing in."""
    names = make_faulty_collection(LACKED, points=2), make_faulty_collection("whole", points=2)
    standin.set_faults(custom_sharding=[LACKED])
    return faulty_sets.of(*names)


def test_the_plan_names_it_and_why(faulty_sets: QdrantSets, partial: SetObjects) -> None:
    details = {each.what: each.detail for each in faulty_sets.plan(partial)}

    assert set(details) == {"collection whole", f"collection {LACKED}"}
    assert "stays as it is" in details[f"collection {LACKED}"]
    assert "sharded by keys" in details[f"collection {LACKED}"]


def test_the_rest_is_restored(faulty_sets: QdrantSets, partial: SetObjects) -> None:
    assert faulty_sets.restore(partial).verdict is Verdict.PASSED
    assert faulty_sets.count(LACKED) == 2


def test_who_asks_for_it_is_told_why_it_is_not_there(
    faulty_sets: QdrantSets, partial: SetObjects
) -> None:
    with pytest.raises(NotFoundError, match=r"no collection sharded-by-keys.*sharded by keys"):
        faulty_sets.restore(partial, collections=(LACKED,))
