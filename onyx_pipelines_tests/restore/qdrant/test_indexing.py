"""A restore says when the data answers, and how far it is from being as fast as before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from onyx_pipelines.cli.restore import result_json
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.job import result_markdown
from onyx_pipelines.restore.report.formatting import speed_text
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.writing import drill_page
from onyx_pipelines.restore.results import (
    ComponentResult,
    DrillResult,
    Finding,
    Indexing,
    Step,
    StepTiming,
)
from onyx_pipelines.restore.whole_restore import RestoreResult
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
)
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_host
from onyx_pipelines_tests.recorded_qdrant import Recorded, SnapshotSource
from onyx_pipelines_tests.reporting.page import Page
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets
from onyx_pipelines_tests.restore.report.drills import drill
from onyx_pipelines_tests.restore.sealed import seal

NAME = "mixed_vectors"
INDEXED = 108
HOURS_S = 1e6
NO_OTHERS = History()


@pytest.fixture
def objects(faulty_sets: QdrantSets) -> Iterator[SetObjects]:
    """A collection of a real server, of which some vectors were indexed."""
    recorded = Recorded("1.18.3", NAME)
    told = recorded.info["info"]["indexed_vectors_count"]
    assert told == INDEXED
    facts = recorded.facts(indexed_vectors=told)
    yield seal(faulty_sets.root, SnapshotSource({NAME: (recorded.snapshot, facts)}))
    faulty_sets.server.client.delete_collection(NAME)


def of_the_index(result: ComponentResult) -> Finding:
    (found,) = [f for f in result.findings if f.aspect == "index"]
    return found


class TestARestoredCollection:
    def test_that_is_not_indexed_yet_passes_with_how_far_it_is(
        self, faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(indexing_s=HOURS_S)

        result = faulty_sets.restore(objects)

        assert (result.verdict, result.indexed_after_s) == (Verdict.PASSED, None)
        (state,) = result.indexing
        assert (state.item, state.status, state.indexed_before) == (NAME, "yellow", INDEXED)
        assert result.indexed_share == 0
        assert of_the_index(result).limits == (
            "not yet as fast as before: 0 vectors indexed, 108 before: yellow;"
            " the server goes on indexing"
        )

    def test_is_waited_for_where_the_settings_say_so(
        self, faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(indexing_s=1.5)

        result = faulty_sets.restore(objects, index_wait_s=HOURS_S)

        assert (result.indexed_share, of_the_index(result).limits) == (1, "")
        assert result.indexed_after_s is not None
        assert result.indexed_after_s > 1.5

    def test_is_not_waited_for_longer_than_they_say(
        self, faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(indexing_s=HOURS_S)

        assert faulty_sets.restore(objects, index_wait_s=0.2).indexed_after_s is None

    def test_that_waits_for_a_change_is_given_one_that_changes_nothing(
        self, faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(collection_status={NAME: "grey"})

        result = faulty_sets.restore(objects)

        info = faulty_sets.server.request("GET", f"/collections/{NAME}")
        config = Recorded("1.18.3", NAME).info["info"]["config"]
        assert (result.verdict, info["status"]) == (Verdict.PASSED, "green")
        assert info["config"]["optimizer_config"] == config["optimizer_config"]
        assert result.indexed_after_s is not None

    def test_that_the_server_fails_to_index_is_no_pass(
        self, faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(collection_status={NAME: "red"})

        result = faulty_sets.restore(objects, index_wait_s=HOURS_S)

        assert (result.verdict, result.unfinished) == (Verdict.COULD_NOT_VERIFY, ())
        assert "fails to index it: injected fault" in of_the_index(result).message
        assert faulty_sets.count(NAME) == 80


def test_a_drill_on_a_server_says_how_far_it_is(
    faulty_sets: QdrantSets, objects: SetObjects, standin: QdrantStandIn
) -> None:
    standin.set_faults(indexing_s=HOURS_S)

    result = faulty_sets.drill(objects, qdrant_url="", drill_qdrant_url=standin.url)

    assert result.verdict is Verdict.PASSED, result.problems()
    assert of_the_index(result).limits.startswith("not yet as fast as before")
    assert (
        f"{NAME}: {of_the_index(result).limits}." in Page(drill_page(drill(result), NO_OTHERS)).text
    )
    assert DrillResult.model_validate_json(drill(result).model_dump_json()).components == (result,)


@pytest.fixture
def host(
    faulty_sets: QdrantSets,
    objects: SetObjects,
    monkeypatch: pytest.MonkeyPatch,
    standin: QdrantStandIn,
) -> HostUnderTest:
    """That has backed up the collection, which then was lost."""
    faulty_sets.restore(objects)
    (faulty_sets.root / "host").mkdir()
    host = make_host(faulty_sets.root / "host", monkeypatch)
    host.set(QDRANT_URL=standin.url, QDRANT_COLLECTIONS=NAME)
    host.run()
    faulty_sets.server.client.delete_collection(NAME)
    return host


class TestTheCommand:
    """Says both figures to whoever waits for it."""

    def test_when_its_data_answers_and_how_far_its_index_is(
        self, host: HostUnderTest, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(indexing_s=HOURS_S)

        answer = host.onyx("restore", "latest", "--confirm", "--no-safety-backup")

        assert answer.status == 0, answer.everything
        assert re.search(
            r"^qdrant: data answers after [\d.]+ m?s, not yet indexed as before"
            r" \(0 % of the vectors that were\): mixed_vectors is yellow$",
            answer.output,
            re.MULTILINE,
        )

    def test_and_when_it_is_as_before(self, host: HostUnderTest, standin: QdrantStandIn) -> None:
        standin.set_faults(indexing_s=1.5)
        host.set(RESTORE_QDRANT_INDEX_WAIT_S=3600)

        answer = host.onyx("restore", "latest", "--confirm", "--no-safety-backup")

        assert re.search(
            r"^qdrant: data answers after [\d.]+ m?s, indexed as before after [\d.]+ s$",
            answer.output,
            re.MULTILINE,
        )


def test_a_backup_keeps_how_many_vectors_were_indexed(
    faulty_server: QdrantServer,
    faulty_sets: QdrantSets,
    objects: SetObjects,
    make_source: MakeSource,
) -> None:
    faulty_sets.restore(objects)

    sink, _ = back_up(make_source(faulty_server, NAME))

    assert facts_in(sink, NAME).indexed_vectors == INDEXED


def state(status: str, indexed: int, before: int | None, item: str = "docs") -> Indexing:
    return Indexing(item=item, status=status, indexed_vectors=indexed, indexed_before=before)


@pytest.mark.parametrize(
    ("found", "is_as_before"),
    [
        (state("green", 150, 150), True),
        (state("green", 149, 150), True),
        (state("green", 0, None), True),
        (state("yellow", 150, 150), True),
        (state("yellow", 149, 150), False),
        (state("yellow", 0, 0), False),
        (state("grey", 149, None), False),
        (state("red", 0, 150), False),
    ],
)
def test_what_is_green_or_has_as_many_vectors_indexed_is_as_before(
    found: Indexing, is_as_before: bool
) -> None:
    assert found.is_as_before == is_as_before


class TestTheTwoFigures:
    def test_are_when_the_data_answers_and_when_it_is_indexed_as_before(self) -> None:
        said = speed_text(restored(state("green", 150, 150), after_s=75))

        assert said == "data answers after 7.0 s, indexed as before after 1 min 15 s"

    def test_are_the_share_and_what_goes_on_until_then(self) -> None:
        states = (state("yellow", 48, 150), state("grey", 0, 50, "notes"), state("green", 9, 0))

        said = speed_text(restored(*states))

        assert said == (
            "data answers after 7.0 s, not yet indexed as before (24 % of the vectors that were):"
            " docs is yellow and notes is grey"
        )

    def test_are_in_the_json_of_a_restore(self) -> None:
        waiting = restored(state("yellow", 48, 150))
        done = restored(state("green", 150, 150), after_s=75)

        told = [
            json.loads(json.dumps(result_json(result_of(each))))["components"]["qdrant"]
            for each in (waiting, done)
        ]

        assert [(each["indexed_after_seconds"], each["indexed_share"]) for each in told] == [
            (None, 0.32),
            (75, 1.0),
        ]
        assert [each["indexing"][0]["indexed_vectors"] for each in told] == [48, 150]

    def test_are_on_the_run_of_a_restore(self) -> None:
        component = restored(state("yellow", 48, 150))

        assert f"qdrant: {speed_text(component)}" in result_markdown(result_of(component))

    def test_name_no_more_than_five_collections(self) -> None:
        said = speed_text(restored(*(state("yellow", 0, 9, f"c{n}") for n in range(200))))

        assert said.endswith("c4 is yellow and 195 more")

    def test_are_not_told_of_what_has_no_index(self) -> None:
        assert speed_text(restored()) == ""


def result_of(component: ComponentResult) -> RestoreResult:
    now = datetime.now(UTC)
    return RestoreResult(
        restore_id="r",
        backup_id="b",
        store="local",
        recovery_point=now,
        started_at=now,
        finished_at=now,
        safety_backup_id="",
        components=(component,),
    )


def restored(*states: Indexing, after_s: float | None = None) -> ComponentResult:
    """Within 7 seconds."""
    return ComponentResult(
        component=Component.QDRANT,
        findings=(),
        steps=(StepTiming(step=Step.RESTORE, item="docs", offset_s=0, duration_s=7),),
        plain_bytes=1,
        indexing=states,
        indexed_after_s=after_s,
    )
