"""A collection that cannot be restored is named with the reason, and the others are restored."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Progress
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.collections import collections_of
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.qdrant_standin.snapshot_files import disk_usage
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_qdrant import MakeCollection, set_alias
from onyx_pipelines_tests.planting import flip_a_byte
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

LARGE_POINTS = 30


@dataclass(frozen=True)
class Two:
    """Collections in a set; the small one has an alias. The server has lost both."""

    large: str
    small: str
    sets: QdrantSets
    objects: SetObjects
    standin: QdrantStandIn

    def restore(self) -> ComponentResult:
        return self.sets.restore(self.objects)

    @property
    def large_bytes(self) -> int:
        """Of its snapshot."""
        return collections_of(self.objects).whole[0].snapshot.plain_bytes

    def leave_room(self, snapshots: float) -> None:
        """For so many of the large one."""
        used = disk_usage(self.standin.data_dir)
        self.standin.set_faults(disk_bytes=used + int(snapshots * self.large_bytes))

    def leave_no_room_for_the_large_one(self) -> None:
        self.leave_room(2)

    def sealed(self, collection: str, *, facts: bool = False) -> Path:
        kind = "json" if facts else "snapshot"
        return next((self.sets.root / "store").rglob(f"{collection}.{kind}*"))


@pytest.fixture
def two(
    faulty_sets: QdrantSets, make_faulty_collection: MakeCollection, standin: QdrantStandIn
) -> Two:
    text = random.Random(12).randbytes(40_000).hex()
    points = [
        models.PointStruct(id=n, vector=[float(n)] * 8, payload={"text": text})
        for n in range(LARGE_POINTS)
    ]
    large, small = make_faulty_collection("a-large-one", points=points), make_faulty_collection()
    set_alias(faulty_sets.server, f"{small}-live", small)
    objects = faulty_sets.of(large, small)
    for name in (large, small):
        faulty_sets.server.client.delete_collection(name)
    return Two(large, small, faulty_sets, objects, standin)


def said(result: ComponentResult) -> list[tuple[str, Verdict]]:
    return [(f.item, f.verdict) for f in result.problems()]


class TestACollectionThatTheServerHasNoRoomFor:
    def test_is_named_with_the_reason(self, two: Two) -> None:
        two.leave_no_room_for_the_large_one()

        result = two.restore()

        assert said(result) == [(two.large, Verdict.COULD_NOT_VERIFY)]
        message = result.problems()[0].message
        needed = f"{int(2.4 * two.large_bytes):,} bytes free at its peak, 2.4 times the snapshot"
        assert "its disk is probably full: HTTP 500" in message
        assert f"the upload needs {needed}, besides what is there" in message
        assert (result.verdict, result.unfinished) == (Verdict.COULD_NOT_VERIFY, (two.large,))

    def test_does_not_stop_the_others_nor_their_aliases(self, two: Two) -> None:
        two.leave_no_room_for_the_large_one()

        two.restore()

        assert two.sets.count(f"{two.small}-live") == 20
        assert two.large not in two.sets.collections()

    def test_is_finished_by_the_next_call_which_leaves_the_others_alone(self, two: Two) -> None:
        two.leave_no_room_for_the_large_one()
        two.restore()
        two.sets.server.client.delete(two.small, points_selector=[1], wait=True)

        two.standin.set_faults()
        result = two.restore()

        # The other one was compared again, and is not what it was: that is no pass.
        assert {f.item for f in result.problems()} == {two.small}
        assert (result.verdict, result.unfinished) == (Verdict.FAILED, ())
        assert (two.sets.count(two.large), two.sets.count(two.small)) == (LARGE_POINTS, 19)
        assert list((two.sets.root / "state" / "restores").iterdir()) == []


class TestACollectionThatIsDamagedInTheSet:
    def test_fails_and_does_not_stop_the_others(self, two: Two) -> None:
        flip_a_byte(two.sealed(two.large))

        result = two.restore()

        assert said(result) == [(two.large, Verdict.FAILED)]
        assert two.sets.count(f"{two.small}-live") == 20

    def test_in_what_it_was_fails_is_in_the_plan_and_does_not_stop_the_others(
        self, two: Two
    ) -> None:
        flip_a_byte(two.sealed(two.large, facts=True))

        plan = {each.what: each.detail for each in two.sets.plan(two.objects)}
        result = two.restore()

        assert "is damaged in the set and stays" in plan[f"collection {two.large}"]
        assert (said(result), result.unfinished) == (
            [(two.large, Verdict.FAILED)],
            (two.large,),
        )
        assert two.sets.count(f"{two.small}-live") == 20

    def test_in_what_it_was_stops_no_drill_of_the_others(self, two: Two) -> None:
        flip_a_byte(two.sealed(two.large, facts=True))

        in_engine = two.sets.drill(two.objects)
        on_server = two.sets.drill(two.objects, qdrant_url="", drill_qdrant_url=two.standin.url)

        assert said(in_engine) == said(on_server) == [(two.large, Verdict.FAILED)]
        assert {f.item for f in in_engine.findings} == {two.large, two.small}

    def test_is_finished_by_a_call_that_reads_it_whole(self, two: Two) -> None:
        flip_a_byte(two.sealed(two.large))
        two.restore()

        flip_a_byte(two.sealed(two.large))
        result = two.restore()

        assert result.verdict is Verdict.PASSED, result.problems()
        assert two.sets.count(two.large) == LARGE_POINTS


def sharded_by_keys(facts: dict[str, Any]) -> None:
    facts["config"]["params"]["sharding_method"] = "custom"


def test_one_of_an_earlier_set_that_is_sharded_by_keys_is_not_sent_to_a_server(two: Two) -> None:
    two.restore()
    objects = two.sets.of(two.large, two.small, edit=sharded_by_keys)
    two.sets.server.client.delete(two.large, points_selector=[1], wait=True)

    result = two.sets.restore(objects)

    assert said(result) == [(two.large, Verdict.COULD_NOT_VERIFY)]
    assert "sharded by keys of its own" in result.problems()[0].message
    assert two.sets.count(two.large) == LARGE_POINTS - 1


def test_aliases_that_are_damaged_in_the_set_do_not_stop_the_collections(two: Two) -> None:
    flip_a_byte(two.sealed("aliases", facts=True))

    plan = {each.what: each.detail for each in two.sets.plan(two.objects)}
    result = two.restore()

    assert "is damaged in the set" in plan["aliases"]
    assert (said(result), result.unfinished) == ([("aliases", Verdict.FAILED)], ("aliases",))
    assert two.sets.count(two.small) == 20


def test_a_collection_that_is_gone_and_cannot_be_made_anew_is_named_with_the_copy_beside(
    two: Two, make_faulty_collection: MakeCollection
) -> None:
    """The one that is there is smaller than the copy: room for two uploads is not enough."""
    make_faulty_collection(two.large, points=1)
    set_alias(two.sets.server, "of-the-large-one", two.large)
    two.leave_room(2.45)
    result = two.restore()
    (beside,) = (n for n in two.sets.collections() if n.startswith("onyx-restore-"))
    points_beside = two.sets.count(beside)

    two.standin.set_faults()
    after = two.restore()

    assert said(result) == [(two.large, Verdict.FAILED)]
    assert f"was compared, is in the collection {beside}" in result.problems()[0].message
    assert points_beside == LARGE_POINTS
    assert after.verdict is Verdict.PASSED, after.problems()
    assert two.sets.count("of-the-large-one") == LARGE_POINTS
    assert beside not in two.sets.collections()


def test_a_server_that_stops_answering_ends_the_restore(two: Two) -> None:
    def stop(_: Progress) -> None:
        two.standin.set_faults(all_status=503)

    with pytest.raises(SourceError, match="HTTP 503"):
        two.sets.restore(two.objects, progress=stop)
    two.standin.set_faults()


def test_a_drill_on_a_server_names_what_it_has_no_room_for(two: Two) -> None:
    two.leave_no_room_for_the_large_one()

    result = two.sets.drill(two.objects, qdrant_url="", drill_qdrant_url=two.standin.url)

    assert said(result) == [(two.large, Verdict.COULD_NOT_VERIFY)]
