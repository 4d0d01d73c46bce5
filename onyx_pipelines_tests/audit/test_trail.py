"""Many processes append to the file, any of them may be killed, and nothing is lost or hidden."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines.audit.chain import Chain, Severity, examine
from onyx_pipelines.audit.trail import AuditError, Trail
from onyx_pipelines_tests.audit.trails import event

APPENDER = """
import sys
from pathlib import Path
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines_tests.audit.trails import event
trail = Trail(Path(sys.argv[1]), "vps")
for number in range(int(sys.argv[2])):
    trail.append(event(number))
    print(number, flush=True)
"""

FULL_DISK = """
import resource, sys
from pathlib import Path
from onyx_pipelines.audit.trail import AuditError, Trail
from onyx_pipelines_tests.audit.trails import event
trail = Trail(Path(sys.argv[1]), "vps")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    trail.append(event(2))
except AuditError as error:
    print(error)
"""


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "state" / "audit", "vps")


def state_of(trail: Trail) -> Chain:
    lines, head = trail.snapshot()
    return examine(lines, head=head)


def problems(trail: Trail) -> list[str]:
    return [each.what for each in state_of(trail).findings if each.severity is Severity.PROBLEM]


def python(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_records_are_numbered_and_chained(trail: Trail) -> None:
    first, second = trail.append(event(1)), trail.append(event(2))

    assert (first.sequence, second.sequence) == (1, 2)
    assert second.previous == first.hash
    assert first.trail == second.trail
    assert list(trail.records()) == [first, second]
    assert state_of(trail).findings == ()


def test_the_time_is_in_utc(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Chatham")

    trail.append(event())

    assert json.loads(trail.path.read_bytes())["time"].endswith("Z")


def test_a_host_that_never_recorded_anything_has_an_empty_trail(trail: Trail) -> None:
    assert (trail.lines(), trail.head()) == ([], None)
    assert not trail.folder.exists()


def test_only_the_owner_reads_it_whatever_the_umask_says(trail: Trail) -> None:
    before = os.umask(0)
    try:
        trail.append(event())
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in trail.folder.iterdir()}
    assert modes == {"trail.jsonl": 0o600, "head.json": 0o600, "lock": 0o600}
    assert stat.S_IMODE(trail.folder.stat().st_mode) == 0o700


def test_what_root_writes_belongs_to_the_user_of_the_state_directory(trail: Trail) -> None:
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    trail.folder.parent.mkdir()
    os.chown(trail.folder.parent, owner, -1)

    trail.append(event())

    assert {path.stat().st_uid for path in [trail.folder, *trail.folder.iterdir()]} == {owner}


def test_processes_that_append_at_once_make_one_chain(trail: Trail) -> None:
    writers = [python(APPENDER, trail.folder, 15) for _ in range(6)]

    statuses = [writer.wait(timeout=60) for writer in writers]
    for writer in writers:
        writer.communicate()

    assert statuses == [0] * 6
    assert len(state_of(trail).records) == 90
    assert state_of(trail).findings == ()


def test_a_line_torn_at_any_byte_is_sealed_off_and_named(tmp_path: Path) -> None:
    model = Trail(tmp_path / "model" / "audit", "vps")
    model.append(event(1))
    whole = model.path.read_bytes()
    head = (model.folder / "head.json").read_bytes()
    model.append(event(2))
    second = model.path.read_bytes()[len(whole) :]

    outcomes = []
    for length in range(1, len(second) - 1):
        torn = Trail(tmp_path / str(length) / "audit", "vps")
        torn.folder.mkdir(parents=True)
        torn.path.write_bytes(whole + second[:length])
        (torn.folder / "head.json").write_bytes(head)
        before = state_of(torn).findings
        record = torn.append(event(3))
        after = state_of(torn)
        outcomes.append(
            {
                *((each.severity, each.line) for each in (*before, *after.findings)),
                record.sequence,
                len(after.records),
                torn.path.read_bytes().startswith(whole + second[:length] + b"\n"),
            }
        )

    assert all(outcome == {(Severity.NOTICE, 2), 2, True} for outcome in outcomes), outcomes[:1]


def test_a_record_that_lacks_only_its_line_break_counts(trail: Trail) -> None:
    trail.append(event(1))
    trail.append(event(2))
    trail.path.write_bytes(trail.path.read_bytes()[:-1])

    trail.append(event(3))

    assert len(state_of(trail).records) == 3
    assert state_of(trail).findings == ()


def test_two_writers_killed_in_a_row_leave_two_torn_lines_and_one_chain(trail: Trail) -> None:
    trail.append(event(1))
    with trail.path.open("ab") as file:
        file.write(b'{"action":"ho' + b"\n" + b'{"action":"hold","back')

    trail.append(event(2))

    report = state_of(trail)
    assert [(each.severity, each.line) for each in report.findings] == [
        (Severity.NOTICE, 2),
        (Severity.NOTICE, 3),
    ]
    assert problems(trail) == []


def test_a_writer_killed_after_the_line_break_that_ends_a_torn_line_changes_nothing(
    trail: Trail,
) -> None:
    trail.append(event(1))
    with trail.path.open("ab") as file:
        file.write(b'{"action":"ho' + b"\n")

    trail.append(event(2))

    assert [(each.severity, each.line) for each in state_of(trail).findings] == [
        (Severity.NOTICE, 2)
    ]
    assert problems(trail) == []


def test_the_very_first_line_may_be_torn(trail: Trail) -> None:
    trail.folder.mkdir(parents=True)
    trail.path.write_bytes(b'{"action":"keys.cre')

    trail.append(event(1))

    assert [(each.severity, each.line) for each in state_of(trail).findings] == [
        (Severity.NOTICE, 1)
    ]


@pytest.mark.parametrize("length", [1, 64 * 1024 - 1, 64 * 1024, 300_000])
def test_a_torn_line_of_any_length_is_sealed_behind_the_last_record(
    trail: Trail, length: int
) -> None:
    """Longer than what is read of the file's end at first."""
    trail.append(event(1))
    with trail.path.open("ab") as file:
        file.write(b"x" * length)

    assert trail.append(event(2)).sequence == 2
    assert problems(trail) == []


def test_removing_a_sealed_torn_line_is_found(trail: Trail) -> None:
    trail.append(event(1))
    with trail.path.open("ab") as file:
        file.write(b'{"action":"ho')
    trail.append(event(2))
    kept = trail.path.read_bytes().splitlines(keepends=True)

    trail.path.write_bytes(kept[0] + kept[2])

    assert problems(trail) == ["this record seals a torn line that is gone"]


def test_records_cut_off_at_the_end_stay_missed_after_the_next_one(trail: Trail) -> None:
    for number in range(5):
        trail.append(event(number))
    kept = trail.path.read_bytes().splitlines(keepends=True)[:3]
    trail.path.write_bytes(b"".join(kept))
    cut = problems(trail)

    trail.append(event(9))

    assert cut == ["records are missing at the end: 4 to 5, by the head file"]
    assert problems(trail) == ["this is record 6, where record 4 belongs"]


def test_a_last_record_made_anew_stays_visible_after_the_next_one(trail: Trail) -> None:
    trail.append(event(1))
    other = Trail(trail.folder.parent / "other", "vps")
    other.folder.mkdir()
    other.path.write_bytes(trail.path.read_bytes())
    trail.append(event(2))
    other.append(event(3))
    trail.path.write_bytes(other.path.read_bytes())

    trail.append(event(4))

    assert problems(trail) == ["record 3 does not continue what stands before"]


def test_a_trail_that_was_removed_is_missed_by_its_head(trail: Trail) -> None:
    trail.append(event(1))
    trail.append(event(2))
    trail.path.unlink()

    trail.append(event(3))

    assert problems(trail) == ["this is record 3, where record 1 belongs"]


def test_a_damaged_head_file_is_made_anew(trail: Trail) -> None:
    trail.append(event(1))
    (trail.folder / "head.json").write_bytes(b'{"trail": 1, "sequence": -4, "hash": []}')

    record = trail.append(event(2))

    assert record.sequence == 2
    assert problems(trail) == []


@pytest.mark.parametrize("after_records", [1, 7, 23])
def test_a_killed_writer_loses_nothing_that_it_was_told_is_written(
    trail: Trail, after_records: int
) -> None:
    with python(APPENDER, trail.folder, 10_000) as writer:
        assert writer.stdout
        told = [writer.stdout.readline() for _ in range(after_records)]
        writer.send_signal(signal.SIGKILL)

    trail.append(event(0))

    assert len(told) == after_records
    assert len(state_of(trail).records) >= after_records + 1
    assert problems(trail) == []


@pytest.mark.parametrize("room_bytes", [0, 1, 200])
def test_a_full_disk_is_one_error_and_leaves_the_trail_as_it_was(
    trail: Trail, room_bytes: int
) -> None:
    trail.append(event(1))
    before = trail.path.read_bytes()

    with python(FULL_DISK, trail.folder, len(before) + room_bytes) as writer:
        said = writer.communicate()[0]

    assert "cannot be written (File too large)" in said
    assert trail.path.read_bytes() == before
    assert state_of(trail).findings == ()


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="utf-8")

    with pytest.raises(AuditError, match=r"cannot be written.*ONYX_STATE_DIR"):
        Trail(tmp_path / "state" / "audit", "vps").append(event())


def test_a_link_in_place_of_the_trail_is_not_followed(trail: Trail, tmp_path: Path) -> None:
    trail.folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("", encoding="utf-8")
    trail.path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(AuditError):
        trail.append(event())

    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == ""


def test_a_long_trail_is_appended_to_by_its_end_alone(trail: Trail) -> None:
    trail.append(event(1))
    line = trail.path.read_bytes()
    rubbish = b"x" * 200_000 + b"\n"
    trail.path.write_bytes(rubbish + line)

    record = trail.append(event(2))

    assert record.sequence == 2
