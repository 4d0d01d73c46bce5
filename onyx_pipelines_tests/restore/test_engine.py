"""The engine of drills and restores, with the smallest item that there is: one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import IntegrityError, RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.engine import Drilling, Leftover, Note, Placed, Restoring, sweep
from onyx_pipelines.restore.findings import outcome
from onyx_pipelines.restore.journal import RestoreJournal, request_digest
from onyx_pipelines.restore.results import ComponentResult, Finding
from onyx_pipelines.sources.source import Component


@dataclass
class File:
    """`made` is what comes out of the set, which says that it was `expected`."""

    folder: Path
    made: str = "new"
    expected: str = "new"
    steps: list[str] = field(default_factory=list)

    component = Component.VOLUMES
    name = "file"

    @property
    def live(self) -> Path:
        return self.folder / "live"

    @property
    def beside(self) -> Path:
        return self.folder / "beside"

    @property
    def place(self) -> str:
        return str(self.live)

    def stage(self) -> None:
        self.steps.append("stage")
        self.beside.write_text(self.made, encoding="utf-8")

    def compare(self) -> Sequence[Finding]:
        return self._compared(self.beside)

    def swap(self, note: Note) -> Sequence[Finding]:
        self.steps.append("swap")
        note({"inode": self.beside.stat().st_ino})
        self.beside.rename(self.live)
        return [outcome(Verdict.PASSED, self.name, f"Put in place: {self.place}.")]

    def complete(self) -> Sequence[Finding]:
        self.steps.append("complete")
        return ()

    def discard(self) -> None:
        self.steps.append("discard")
        self.beside.unlink(missing_ok=True)

    def is_there(self, placed: Placed) -> bool:
        return self.live.exists() and self.live.stat().st_ino == placed["inode"]

    def compare_in_place(self, placed: Placed) -> Sequence[Finding]:
        self.steps.append(f"compare in place {sorted(placed)}")
        return self._compared(self.live)

    def _compared(self, path: Path) -> Sequence[Finding]:
        is_same = path.read_text(encoding="utf-8") == self.expected
        verdict = Verdict.PASSED if is_same else Verdict.FAILED
        return [Finding(verdict=verdict, item=self.name, aspect="content", message="its text")]


class DamagedFile(File):
    """One that does not come out of its set."""

    def stage(self) -> None:
        raise IntegrityError("The object is damaged.", remedy="Take another set.")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "live"
    path.write_text("old", encoding="utf-8")
    return path


def journal(folder: Path) -> RestoreJournal:
    return RestoreJournal.open(folder, "a set", request_digest("asked"), datetime.now(UTC))


def run(item: File, *, force: bool = False) -> Restoring:
    """One call of the restore, to its end."""
    kept = journal(item.folder)
    if force:
        kept.force("a set")
    restoring = Restoring(kept)
    restoring.run(item)
    kept.end(
        [
            ComponentResult(
                component=item.component,
                findings=tuple(restoring.findings),
                steps=(),
                plain_bytes=0,
                unfinished=tuple(restoring.unfinished),
            )
        ]
    )
    return restoring


def failed(restoring: Restoring) -> list[str]:
    return [f.aspect for f in restoring.findings if f.verdict is Verdict.FAILED]


def test_what_is_the_same_takes_its_place(live: Path) -> None:
    item = File(live.parent)

    restoring = run(item)

    assert item.steps == ["stage", "swap", "complete", "discard"]
    assert (live.read_text(), restoring.in_place, restoring.unfinished) == ("new", ["file"], [])


def test_what_differs_is_thrown_away_and_what_was_there_stays(live: Path) -> None:
    item = File(live.parent, made="damaged")

    restoring = run(item)

    assert item.steps == ["stage", "discard"]
    assert (live.read_text(), restoring.in_place, restoring.unfinished) == ("old", [], ["file"])
    assert failed(restoring) == ["content", "in place"]


def test_what_differs_takes_its_place_for_who_has_read_the_differences(live: Path) -> None:
    run(File(live.parent, made="damaged"))

    restoring = run(File(live.parent, made="damaged"), force=True)

    assert (live.read_text(), restoring.unfinished) == ("damaged", [])
    assert failed(restoring) == ["content"]


def test_what_was_put_in_place_by_a_call_that_was_killed_is_only_compared(live: Path) -> None:
    Restoring(journal(live.parent)).run(File(live.parent))
    again = File(live.parent)

    restoring = run(again)

    assert again.steps == ["compare in place ['inode']", "complete"]
    assert (failed(restoring), restoring.in_place) == ([], ["file"])


def test_what_has_changed_since_is_left_and_said(live: Path) -> None:
    Restoring(journal(live.parent)).run(File(live.parent))
    live.write_text("somebody's", encoding="utf-8")

    restoring = run(File(live.parent))

    assert live.read_text() == "somebody's"
    assert failed(restoring) == ["content", "in place"]
    assert restoring.in_place == []


def test_what_is_another_one_since_is_restored_again(live: Path) -> None:
    Restoring(journal(live.parent)).run(File(live.parent))
    live.rename(live.with_name("taken away"))

    restoring = run(File(live.parent))

    assert (live.read_text(), failed(restoring)) == ("new", [])


def test_a_drill_compares_and_throws_away(live: Path) -> None:
    item, drilling = File(live.parent), Drilling()

    drilling.run(item, 3)

    assert [each.verdict for each in drilling.findings] == [Verdict.PASSED]
    assert (item.steps, live.read_text()) == (["stage", "discard"], "old")
    assert drilling.restored_bytes == drilling.all_bytes == 3


def test_a_drill_says_what_has_no_room_and_what_is_damaged_and_goes_on(live: Path) -> None:
    drilling = Drilling()

    drilling.run(File(live.parent), 3, room=(live.parent, 10))
    drilling.run(DamagedFile(live.parent), 5)
    drilling.run(File(live.parent), 7, room=(live.parent, 0))

    verdicts = [(each.verdict, each.aspect) for each in drilling.findings]
    assert verdicts == [
        (Verdict.COULD_NOT_VERIFY, "room"),
        (Verdict.FAILED, "archive"),
        (Verdict.PASSED, "content"),
    ]
    assert (drilling.restored_bytes, drilling.all_bytes) == (7, 15)


def test_what_fails_half_way_is_thrown_away_too(live: Path) -> None:
    item = File(live.parent / "lost")

    with pytest.raises(FileNotFoundError):
        Restoring(journal(live.parent)).run(item)
    with pytest.raises(FileNotFoundError):
        Drilling().run(item, 3)

    assert item.steps == ["stage", "discard"] * 2


def test_what_a_killed_one_left_is_discarded_and_what_resists_stops_nothing(
    live: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, folder = File(live.parent), live.parent / "folder"
    left.stage()
    folder.mkdir()

    gone = sweep([Leftover("a folder", folder.unlink), Leftover("a file", left.discard)])

    assert gone == ["a file"]
    assert not left.beside.exists()
    assert "still there: a folder" in caplog.text


def test_what_cannot_be_discarded_without_a_loss_stops_the_restore() -> None:
    def lose() -> None:
        raise RestoreError("A swap stopped half way.", remedy="Mend it.")

    with pytest.raises(RestoreError, match="half way"):
        sweep([Leftover("a swap", lose)])
