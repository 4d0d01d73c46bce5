"""What is damaged in a server's archive is found, or harms no point, which is said.

The damage is done before the archive comes into the set, as by a disk of the server: no checksum
tells. 200 archives, one drill, one process of the engine.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import pytest

from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.results import Finding
from onyx_pipelines_tests.recorded_qdrant import ALL, Recorded
from onyx_pipelines_tests.restore.qdrant.damaged_archives import Damaged, damaged
from onyx_pipelines_tests.restore.qdrant.test_recorded import drilled

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

COUNT = 200
SMALL = [each for each in ALL if len(each.snapshot) < 130_000]
# Without these a server takes no collection, or the engine no segment.
NEEDED = ("replica_state.json", "shard_config.json", "config.json", "version.info")
IN_SEGMENT = ("snapshot/files/version.info", "snapshot/files/segment.json")


@dataclass(frozen=True)
class Outcome:
    recorded: Recorded
    damage: Damaged
    findings: tuple[Finding, ...]

    @property
    def is_found(self) -> bool:
        return worst(each.verdict for each in self.findings) is not Verdict.PASSED

    def __str__(self) -> str:
        where = f"{self.recorded.version} {self.recorded.name}"
        return f"{where}: {self.damage.kind} {self.damage.what}"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    chance = random.Random(20261126)
    made = {}
    for number in range(COUNT):
        recorded = chance.choice(SMALL)
        made[f"c{number:03}"] = (recorded, damaged(recorded.snapshot, chance))
    collections = {
        name: (
            damage.archive,
            recorded.facts(
                collection=name,
                snapshot_bytes=len(damage.archive),
                snapshot_sha256=hashlib.sha256(damage.archive).hexdigest(),
            ),
        )
        for name, (recorded, damage) in made.items()
    }
    result = drilled(tmp_path_factory.mktemp("damaged"), collections)
    return [
        Outcome(recorded, damage, tuple(f for f in result.findings if f.item == name))
        for name, (recorded, damage) in made.items()
    ]


def test_every_damage_has_a_verdict(outcomes: list[Outcome]) -> None:
    verdicts = {worst(each.verdict for each in outcome.findings) for outcome in outcomes}

    assert len(outcomes) == COUNT
    assert verdicts == {Verdict.PASSED, Verdict.FAILED}


def test_what_passes_has_every_point_as_it_was_and_says_so(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if not outcome.is_found:
            said = {each.message for each in outcome.findings}
            points = len(outcome.recorded.points)
            assert points == 0 or f"all {points} points are the same" in said, outcome
            assert any("configuration" in each for each in said), outcome


@pytest.mark.parametrize("kind", ["outer cut", "inner cut"])
def test_every_archive_that_was_cut_is_found(kind: str, outcomes: list[Outcome]) -> None:
    cut = [each for each in outcomes if each.damage.kind == kind]

    assert len(cut) > 15
    assert [str(each) for each in cut if not each.is_found] == []


def test_every_damaged_header_is_found(outcomes: list[Outcome]) -> None:
    headers = [each for each in outcomes if each.damage.what.startswith("header of")]

    assert len(headers) > 5
    assert [str(each) for each in headers if not each.is_found] == []


def test_every_file_that_is_needed_and_gone_is_found(outcomes: list[Outcome]) -> None:
    gone = [
        each
        for each in outcomes
        if (each.damage.kind == "outer drop" and each.damage.what.endswith(NEEDED))
        or (each.damage.kind == "inner drop" and each.damage.what.startswith(IN_SEGMENT))
    ]

    assert len(gone) > 10
    assert [str(each) for each in gone if not each.is_found] == []


def test_every_log_without_which_updates_are_ignored_is_found(outcomes: list[Outcome]) -> None:
    gone = [
        each
        for each in outcomes
        if each.damage.kind == "outer drop"
        and each.damage.what.endswith("wal/open-1")
        and each.recorded.points
    ]

    assert gone
    assert [str(each) for each in gone if not each.is_found] == []


def test_any_damage_is_found_where_the_servers_checksum_is_known(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    chance = random.Random(7)
    archives = {
        f"c{number}": (damaged(recorded.snapshot, chance).archive, recorded)
        for number, recorded in enumerate(SMALL)
    }

    result = drilled(
        tmp_path_factory.mktemp("known"),
        {
            name: (archive, recorded.facts(collection=name))
            for name, (archive, recorded) in archives.items()
        },
    )

    assert {each.verdict for each in result.findings} == {Verdict.FAILED}
    assert len(result.findings) == len(SMALL)
