"""The component as a whole: its objects, its report, and what makes it fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SettingsError, SourceError
from onyx_pipelines.core.progress import Progress, silent
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.sources.source import Component, Source
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.sources.volumes.trees import archive, extract_with_gnu_tar, make_tree


def test_each_volume_becomes_an_archive_and_facts(tmp_path: Path) -> None:
    make_tree(tmp_path / "one", {b"a": b"12345", b"d": {b"b": b"678"}})
    make_tree(tmp_path / "two", {b"c": b"9"})
    source: Source = VolumesSource({"one": tmp_path / "one", "Two": tmp_path / "two"})
    sink = RecordingSink()

    report = source.back_up(sink, silent)

    assert sorted(re.sub("~[0-9a-f]{16}", "~", path) for path in sink.objects) == [
        "facts/volumes/Two~.jsonl",
        "facts/volumes/one.jsonl",
        "volumes/Two~.tar",
        "volumes/one.tar",
    ]
    assert sink.objects["volumes/one.tar"].media_type == "application/x-tar"
    assert {stored.name for stored in sink.objects.values()} == {"one", "Two"}
    assert report.component is Component.VOLUMES
    assert report.warnings == ()
    assert dict(report.summary) == {
        "volumes_count": 2,
        "file_count": 3,
        "directories_count": 3,
        "plain_bytes": 9,
        "changed_count": 0,
        "vanished_count": 0,
        "unreadable_count": 0,
        "skipped_count": 0,
        "excluded_count": 0,
        "usual_warnings_count": 0,
        "volume.Two.files": 1,
        "volume.Two.bytes": 1,
        "volume.one.files": 2,
        "volume.one.bytes": 8,
    }


def test_an_empty_volume_is_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    archived = archive(tmp_path / "empty")

    assert archived.report.status == "completed"
    assert list(extract_with_gnu_tar(archived.tar, tmp_path / "gnu").iterdir()) == []


def test_a_missing_volume_fails_the_component_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    sink = RecordingSink()

    with pytest.raises(SourceError, match=r"Volume z: directory .*/gone cannot be read") as failure:
        VolumesSource({"a": tmp_path / "a", "z": tmp_path / "gone"}).back_up(sink, silent)

    assert "ONYX_VOLUMES" in failure.value.remedy
    assert sink.objects == {}


def test_a_volume_that_is_a_file_fails_the_component(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SourceError, match="Not a directory"):
        archive(tmp_path / "file")


def test_no_volumes_is_an_error_and_no_empty_success() -> None:
    with pytest.raises(SourceError, match="No volumes are configured"):
        VolumesSource({}).back_up(RecordingSink(), silent)


def test_a_bad_exclude_pattern_is_refused_before_the_backup(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can match nothing"):
        VolumesSource({"v": tmp_path}, excludes=["../other"])


def test_settings_name_volumes_and_excludes(tmp_path: Path) -> None:
    make_tree(tmp_path / "v", {b"keep": b"1", b"drop.tmp": b"2"})
    settings = load_settings(
        {"volumes": f"v={tmp_path / 'v'}", "volume_excludes": "*.tmp", "state_dir": tmp_path}
    )

    report = VolumesSource.from_settings(settings).back_up(RecordingSink(), silent)

    assert report.summary["volume.v.files"] == 1
    assert report.summary["excluded_count"] == 1


def test_progress_ends_at_the_whole_of_each_volume(tmp_path: Path) -> None:
    make_tree(tmp_path / "one", {b"a": b"x" * 100_000})
    make_tree(tmp_path / "two", {b"b": b"y" * 50})
    reports: list[Progress] = []

    VolumesSource({"one": tmp_path / "one", "two": tmp_path / "two"}).back_up(
        RecordingSink(), reports.append
    )

    finished = [(r.component, r.item, r.done_bytes, r.total_bytes) for r in reports if r.finished]
    assert finished == [("volumes", "one", 100_000, 100_000), ("volumes", "two", 50, 50)]


def test_memory_does_not_grow_with_the_number_and_size_of_files(tmp_path: Path) -> None:
    make_tree(tmp_path / "small", {b"a": b"1"})
    make_tree(
        tmp_path / "large",
        {b"d%d" % d: {b"f%04d" % f: b"" for f in range(500)} for d in range(12)}
        | {b"large": b"x" * (200 << 20)},
    )

    small, large = (
        int(
            subprocess.run(
                [sys.executable, "-c", _PEAK_MEMORY, tmp_path / name],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for name in ("small", "large")
    )

    assert large - small < 8_000
    assert large < 150_000


_PEAK_MEMORY = """
import sys
from contextlib import nullcontext
from pathlib import Path
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.volumes import VolumesSource

class Nowhere:
    def write(self, data):
        return len(data)

class NullSink:
    def object(self, path, **_):
        return nullcontext(Nowhere())

VolumesSource({"v": Path(sys.argv[1])}).back_up(NullSink(), silent)
# Not getrusage, which still counts the process that this one was forked from.
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak.split()[1])
"""
