"""A report on disk: whole or absent, never in the way of the next one; and the history."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from onyx_pipelines.reporting.publish import ReportError
from onyx_pipelines.restore.report.history import History, read_history
from onyx_pipelines.restore.report.writing import write_report
from onyx_pipelines.restore.results import parse_drill_result
from onyx_pipelines_tests.restore.report.drills import (
    NOW,
    component,
    days_before,
    drill,
    failed,
    whole_stack,
)

RESULT = drill(component(findings=(failed("onyx: public.t"),)))
STEM = "20261123T040000Z-5ba91faf"


def _entries(reports_dir: Path) -> list[str]:
    return sorted(entry.name for entry in (reports_dir / "restore-drills").iterdir())


def test_a_report_is_a_page_and_its_result_in_a_directory_of_time_and_set(
    tmp_path: Path,
) -> None:
    paths = write_report(RESULT, tmp_path)

    assert paths.directory == tmp_path / "restore-drills" / STEM
    assert set(paths.directory.iterdir()) == {paths.html, paths.result}
    assert [paths.html.name, paths.result.name] == ["report.html", "drill.json"]


def test_the_result_reads_back_as_it_was(tmp_path: Path) -> None:
    paths = write_report(RESULT, tmp_path)

    assert parse_drill_result(paths.result.read_bytes()) == RESULT
    assert list(read_history(tmp_path).drills) == [RESULT]


def test_names_of_tables_and_files_are_not_for_everyone(tmp_path: Path) -> None:
    paths = write_report(RESULT, tmp_path)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths.directory.iterdir()}
    assert all(mode & 0o007 == 0 for mode in modes)
    assert stat.S_IMODE(paths.directory.stat().st_mode) & 0o007 == 0


def test_the_time_in_the_name_is_utc(tmp_path: Path) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    result = RESULT.model_copy(update={"started_at": NOW.astimezone(kolkata)})

    assert write_report(result, tmp_path).directory.name == STEM


def test_a_backup_id_cannot_lead_out_of_the_directory(tmp_path: Path) -> None:
    result = RESULT.model_copy(update={"backup_id": "../../../etc"})

    paths = write_report(result, tmp_path)

    assert paths.directory.parent == tmp_path / "restore-drills"


def test_the_same_drill_written_again_keeps_its_directory(tmp_path: Path) -> None:
    write_report(RESULT, tmp_path)
    write_report(RESULT, tmp_path)

    assert _entries(tmp_path) == [STEM, "latest"]


def test_another_drill_in_the_same_second_gets_its_own(tmp_path: Path) -> None:
    write_report(RESULT, tmp_path)
    write_report(RESULT.model_copy(update={"drill_id": "other"}), tmp_path)

    assert _entries(tmp_path) == [STEM, f"{STEM}-2", "latest"]


def test_latest_points_at_the_newest_even_if_an_older_one_is_written_later(tmp_path: Path) -> None:
    write_report(RESULT, tmp_path)
    write_report(days_before(1)[0], tmp_path)

    link = tmp_path / "restore-drills" / "latest"
    assert link.readlink() == Path(STEM)
    assert (link / "report.html").is_file()


def test_a_directory_in_the_place_of_the_link_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "restore-drills" / "latest" / "mine").mkdir(parents=True)

    paths = write_report(RESULT, tmp_path)

    assert paths.html.is_file()
    assert (tmp_path / "restore-drills" / "latest" / "mine").is_dir()
    assert "the link to the newest report could not be set" in caplog.text


def test_a_drill_that_timed_nothing_still_gets_a_report(tmp_path: Path) -> None:
    paths = write_report(drill(error="No private key fits."), tmp_path)

    assert "No private key fits." in paths.html.read_text()


def test_later_drills_and_the_drill_itself_are_not_its_history(tmp_path: Path) -> None:
    oldest, newest = days_before(2)[1], days_before(1)[0]

    for each in (RESULT, oldest, newest):
        write_report(each, tmp_path)
    paths = write_report(newest, tmp_path)

    assert "This drill and 1 earlier one." in paths.html.read_text()


def test_the_history_is_newest_first(tmp_path: Path) -> None:
    for result in (days_before(2)[1], RESULT, days_before(1)[0]):
        write_report(result, tmp_path)

    assert [result.drill_id for result in read_history(tmp_path).drills] == [
        "drill-0",
        "drill-1",
        "drill-2",
    ]


def test_no_reports_are_an_empty_history(tmp_path: Path) -> None:
    assert read_history(tmp_path / "absent") == History()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", RESULT.model_dump_json().encode()[:-40]]
)
def test_a_result_that_cannot_be_read_is_reported_not_dropped(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_report(RESULT, tmp_path)
    broken = tmp_path / "restore-drills" / "20261101T040000Z-deadbeef"
    broken.mkdir()
    (broken / "drill.json").write_bytes(content)

    history = read_history(tmp_path)

    assert history.drills == (RESULT,)
    assert [problem.directory for problem in history.unreadable] == [broken]
    assert history.unreadable[0].reason.startswith("drill.json: ")
    assert "cannot be read" in caplog.text


def test_a_result_of_a_later_version_is_reported_by_the_field_that_is_new(tmp_path: Path) -> None:
    newer = RESULT.model_dump_json().replace('{"drill_id"', '{"planet":"mars","drill_id"', 1)
    directory = tmp_path / "restore-drills" / "20270101T000000Z-5ba91faf"
    directory.mkdir(parents=True)
    (directory / "drill.json").write_text(newer)

    (problem,) = read_history(tmp_path).unreadable

    assert problem.reason == "drill.json: planet: Extra inputs are not permitted"


def test_a_directory_without_a_result_is_reported(tmp_path: Path) -> None:
    (tmp_path / "restore-drills" / "20261101T040000Z-deadbeef").mkdir(parents=True)

    (problem,) = read_history(tmp_path).unreadable

    assert problem.reason == "drill.json: No such file or directory"


def test_a_history_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "restore-drills").write_text("a file")

    with pytest.raises(ReportError, match="cannot be listed"):
        read_history(tmp_path)


@pytest.mark.parametrize("call", range(1, 5))
def test_a_failing_disk_leaves_no_half_report(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1, 1000))
    real = os.fsync

    def full(fd: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ReportError, match="No space left on device") as caught:
        write_report(RESULT, tmp_path)

    assert "need not run again" in caught.value.remedy
    assert _entries(tmp_path) == []


def test_a_place_that_is_no_directory_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ReportError, match="cannot be listed"):
        write_report(RESULT, tmp_path / "file")


def test_a_report_killed_half_way_is_no_report_and_is_swept_later(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from onyx_pipelines.restore.report.writing import write_report\n"
        "from onyx_pipelines_tests.restore.report.test_writing import RESULT\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_report(RESULT, Path(sys.argv[1]))\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    (unfinished,) = (tmp_path / "restore-drills").iterdir()
    after_the_kill = read_history(tmp_path)
    old = (NOW - timedelta(days=900)).timestamp()
    os.utime(unfinished, (old, old))

    write_report(RESULT, tmp_path)

    assert child.returncode == -signal.SIGKILL
    assert after_the_kill == History()
    assert _entries(tmp_path) == [STEM, "latest"]


def test_what_another_process_is_writing_now_is_not_swept(tmp_path: Path) -> None:
    theirs = tmp_path / "restore-drills" / ".unfinished-theirs"
    theirs.mkdir(parents=True)

    write_report(whole_stack(), tmp_path)

    assert theirs.is_dir()
