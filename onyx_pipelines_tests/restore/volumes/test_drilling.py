"""A drill of volumes passes in silence on what is healthy, and names what is not."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import KeyFileError, SettingsError
from onyx_pipelines.core.progress import Progress
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.results import Step
from onyx_pipelines.restore.volumes.differences import differences
from onyx_pipelines.restore.volumes.drilling import drill
from onyx_pipelines.sandbox.sample_volumes import make_sample_volumes
from onyx_pipelines.sources.volumes.facts import Entry, EntryStatus
from onyx_pipelines.vault.layout import object_key
from onyx_pipelines_tests.planting import flip_a_byte, planted, replaced
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.restore.volumes.crafted_tar import facts_of, member, tar_of
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Damage,
    Vault,
    drilled,
    failed,
    settings_for,
    unverified,
    work_on,
)
from onyx_pipelines_tests.sources.volumes.trees import archive, make_tree, tree_of
from onyx_pipelines_tests.vault.sets import make_key


@pytest.mark.slow
def test_the_sample_volumes_pass(vault: Vault, tmp_path: Path) -> None:
    volumes = make_sample_volumes(tmp_path / "sample", size_bytes=1_000_000)
    before = {name: tree_of(path) for name, path in volumes.items()}

    result = drilled(vault.back_up(volumes), tmp_path)

    assert result.verdict is Verdict.PASSED
    assert result.problems() == []
    assert {f.item for f in result.findings} == set(volumes)
    assert result.share == 1.0
    assert result.plain_bytes > 1_000_000
    assert {name: tree_of(path) for name, path in volumes.items()} == before


def test_each_step_is_timed_for_each_volume(vault: Vault, volume: Path, tmp_path: Path) -> None:
    result = drilled(vault.back_up({"one": volume, "two": volume}), tmp_path)

    assert [(timing.step, timing.item) for timing in result.steps] == [
        (Step.PREPARE, "scratch"),
        *((step, "one") for step in (Step.RESTORE, Step.COMPARE, Step.CLEAN_UP)),
        *((step, "two") for step in (Step.RESTORE, Step.COMPARE, Step.CLEAN_UP)),
    ]
    assert result.recovery_is_measured


def test_progress_reaches_the_end(vault: Vault, volume: Path, tmp_path: Path) -> None:
    reports: list[Progress] = []
    objects = vault.back_up({"v": volume})

    drill(work_on(objects, tmp_path, settings_for(tmp_path), reports.append))

    assert [each.item for each in reports if each.finished] == ["v", "v (comparison)"]


@pytest.mark.parametrize(
    ("damage", "path", "aspect"),
    [
        (Damage("folder/b.bin", "write", bytes(range(256)) * 39 + bytes(256)), "folder/b.bin",
         "content"),
        (Damage("folder/b.bin", "write", b"short"), "folder/b.bin", "size"),
        (Damage("folder/b.bin", "chmod", 0o644), "folder/b.bin", "mode"),
        (Damage("folder/b.bin", "chmod", 0o4640), "folder/b.bin", "mode"),
        (Damage("folder/b.bin", "set_attribute", b"new"), "folder/b.bin",
         "extended attribute user.onyx"),
        (Damage("folder/below", "chmod", 0o700), "folder/below", "mode"),
        (Damage("folder.txt", "remove"), "folder.txt", "missing"),
        (Damage("link", "remove"), "link", "missing"),
        (Damage("link", "link", b"folder.txt"), "link", "link target"),
        (Damage("folder.txt", "link", b"a.txt"), "folder.txt", "type"),
        (Damage("folder/extra", "write", b"new"), "folder/extra", "extra"),
        (Damage("second name", "split"), "second name", "hard link"),
    ],
)  # fmt: skip
def test_planted_damage_fails_and_is_named(
    vault: Vault, volume: Path, tmp_path: Path, damage: Damage, path: str, aspect: str
) -> None:
    objects = vault.seal_damaged(volume, damage)

    result = drilled(objects, tmp_path)

    assert result.verdict is Verdict.FAILED
    assert [(finding.item, finding.aspect) for finding in failed(result)] == [(f"v/{path}", aspect)]
    assert failed(result)[0].expected != failed(result)[0].found


def test_a_time_that_is_not_as_it_was_fails(vault: Vault, volume: Path, tmp_path: Path) -> None:
    facts = archive(volume).facts
    os.utime(volume / "folder.txt", ns=(1, 1_700_000_000_000_000_001))

    result = drilled(
        vault.seal({"volumes/v.tar": archive(volume).tar, "facts/volumes/v.jsonl": facts}), tmp_path
    )

    assert [(f.item, f.aspect, f.found) for f in failed(result)] == [
        ("v/folder.txt", "time", "2023-11-14 22:13:20.000000001 UTC")
    ]


def test_an_owner_that_is_not_as_it_was_fails(vault: Vault, volume: Path, tmp_path: Path) -> None:
    whole = archive(volume)
    line = next(line for line in whole.facts.splitlines() if b'"folder.txt"' in line)
    moved = planted(line, replaced(b'"uid":%d' % os.geteuid(), b'"uid":12345'))
    facts = whole.facts.replace(line, moved)

    result = drilled(
        vault.seal({"volumes/v.tar": whole.tar, "facts/volumes/v.jsonl": facts}), tmp_path
    )

    assert [(f.item, f.aspect, f.expected) for f in failed(result)] == [
        ("v/folder.txt", "owner", f"12345:{os.getegid()}")
    ]


# Of an owner who does not exist in a name space, or on a mount that maps owners.
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.EOVERFLOW])
def test_owners_that_cannot_be_set_could_not_be_verified(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    entry = Entry(
        b"file", EntryType.FILE, size_bytes=1, mode=0o644, uid=12345, gid=12345,
        mtime_ns=1_700_000_000_000_000_000, sha256=hashlib.sha256(b"x").hexdigest(),
    )  # fmt: skip
    owners = ((b"uid", b"12345"), (b"gid", b"12345"))
    tar = tar_of(member(b"./file", content=b"x", records=owners))
    monkeypatch.setattr(os, "chown", refuse)

    result = drilled(
        vault.seal({"volumes/v.tar": tar, "facts/volumes/v.jsonl": facts_of(entry)}), tmp_path
    )

    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert [finding.message for finding in unverified(result)] == [
        "1 path: owners cannot be restored by this user or on this file system (file)."
    ]


def test_a_name_that_this_file_system_cannot_hold_keeps_no_other_volume_from_its_drill(
    vault: Vault, tmp_path: Path
) -> None:
    name = "文".encode() * 100
    long, damaged = tar_of(member(b"./" + name, content=b"x")), tar_of(member(b"./../outside"))

    result = drilled(
        vault.seal(
            {
                "volumes/a.tar": long,
                "facts/volumes/a.jsonl": facts_of(Entry(name, EntryType.FILE)),
                "volumes/b.tar": damaged,
                "facts/volumes/b.jsonl": facts_of(),
            }
        ),
        tmp_path,
    )

    assert [each.item for each in failed(result)] == ["b"]
    assert ["File name too long" in each.message for each in unverified(result)] == [True]


@pytest.mark.parametrize("name", ["system.nfs4_acl", "btrfs.compression", "security.selinux"])
def test_an_attribute_that_a_host_gives_by_itself_is_no_difference(name: str) -> None:
    entry = Entry(b"f", EntryType.FILE)

    assert [*differences(entry, replace(entry, xattrs={name: "0" * 64}), frozenset())] == []


def test_a_set_that_has_the_copies_of_xfs_passes_elsewhere() -> None:
    """Earlier versions took them for attributes."""
    entry = Entry(b"f", EntryType.FILE)
    with_copy = replace(entry, xattrs={"trusted.SGI_ACL_FILE": "0" * 64})

    assert [*differences(with_copy, entry, frozenset())] == []


FAR_AWAY = 1 << 40


@contextmanager
def file_systems() -> Iterator[tuple[Path, Path]]:
    """One that holds any time, and one that does not."""
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(dir="/var/tmp") as disk,
    ):
        os.utime(disk, (FAR_AWAY, FAR_AWAY))
        if Path(disk).stat().st_mtime == FAR_AWAY:
            pytest.skip("this disk's file system holds any time")
        yield Path(memory), Path(disk)


def test_a_time_that_this_file_system_cannot_hold_could_not_be_verified(vault: Vault) -> None:
    with file_systems() as (memory, disk):
        (memory / "file").touch()
        os.utime(memory / "file", (FAR_AWAY, FAR_AWAY))

        result = drilled(vault.back_up({"v": memory}), disk)

    assert [finding.message for finding in result.problems()] == [
        "1 path: times cannot be restored by this user or on this file system (file)."
    ]
    assert result.verdict is Verdict.COULD_NOT_VERIFY


@pytest.mark.parametrize(
    ("entry", "verdict", "message"),
    [
        (Entry(b"x", EntryType.FILE, EntryStatus.VANISHED, archived=False), Verdict.PASSED,
         "1 path vanished before it was backed up; as recorded."),
        (Entry(b"x", EntryType.SOCKET, EntryStatus.SKIPPED, archived=False), Verdict.PASSED,
         "1 path left out on purpose (socket, or of the kernel); as recorded."),
        (Entry(b"x", EntryType.FILE, EntryStatus.UNREADABLE, archived=False, error="EACCES"),
         Verdict.COULD_NOT_VERIFY,
         "1 path: could not be read when it was backed up (EACCES) (x)."),
        (Entry(b"x", EntryType.CHARACTER_DEVICE, device=(1, 3)), Verdict.COULD_NOT_VERIFY,
         "1 path: device nodes were not restored (x)."),
    ],
)  # fmt: skip
def test_what_the_archive_lacks_is_judged_by_what_is_known(
    vault: Vault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entry: Entry,
    verdict: Verdict,
    message: str,
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mknod", refuse)
    device = member(b"./x", headers.CHARACTER_DEVICE, device=(1, 3))
    members = (device,) if entry.device else ()

    result = drilled(
        vault.seal({"volumes/v.tar": tar_of(*members), "facts/volumes/v.jsonl": facts_of(entry)}),
        tmp_path,
    )

    assert result.verdict is verdict
    assert message in [finding.message for finding in result.findings]


def test_a_file_that_changed_while_it_was_backed_up_passes_as_it_was_archived(
    vault: Vault, tmp_path: Path
) -> None:
    root = tmp_path / "v"
    make_tree(root, {b"log": b"L" * 3_000_000})
    actions = [lambda: os.truncate(root / "log", 5)]
    sink = RecordingSink(lambda path: actions and path.endswith(".tar") and actions.pop()())
    changed = archive(root, sink=sink)

    result = drilled(
        vault.seal({"volumes/v.tar": changed.tar, "facts/volumes/v.jsonl": changed.facts}), tmp_path
    )

    assert result.verdict is Verdict.PASSED
    assert "1 path changed while it was backed up; as recorded." in [
        finding.message for finding in result.findings
    ]


def test_many_differences_are_counted_after_the_first_ones(vault: Vault, tmp_path: Path) -> None:
    root = tmp_path / "v"
    make_tree(root, {b"%03d" % number: b"" for number in range(80)})
    facts = archive(root).facts
    for path in root.iterdir():
        path.chmod(0o600)

    result = drilled(
        vault.seal({"volumes/v.tar": archive(root).tar, "facts/volumes/v.jsonl": facts}), tmp_path
    )

    assert len(failed(result)) == 51
    assert failed(result)[-1].message == "30 more differences not named here."


def test_odd_names_are_shown_on_one_line_and_survive_json(vault: Vault, tmp_path: Path) -> None:
    root = tmp_path / "v"
    make_tree(root, {b"line\nbreak \xff\x1b[31m": b"x"})

    result = drilled(vault.seal_damaged(root, Damage(os.fsdecode(b"line\nbreak \xff\x1b[31m"),
                                                     "chmod", 0o600)), tmp_path)  # fmt: skip

    assert failed(result)[0].item == "v/line\\nbreak \\xff\\x1b[31m"
    assert type(result).model_validate_json(result.model_dump_json()) == result


def test_a_flipped_byte_in_the_store_fails_and_names_the_object(
    vault: Vault, volume: Path, tmp_path: Path
) -> None:
    objects = vault.back_up({"v": volume})
    path = vault.store.root / object_key(objects.manifest.backup_id, "volumes/v.tar.zst.sealed")
    flip_a_byte(path)

    result = drilled(objects, tmp_path)

    assert [(f.item, f.aspect) for f in failed(result)] == [("v", "archive")]
    assert "volumes/v.tar.zst.sealed" in failed(result)[0].message


@pytest.mark.parametrize(
    ("missing", "aspect"),
    [("volumes/v.tar.zst.sealed", "archive"), ("facts/volumes/v.jsonl.zst.sealed", "facts")],
)
def test_a_half_copied_set_fails_and_names_what_is_missing(
    vault: Vault, volume: Path, tmp_path: Path, missing: str, aspect: str
) -> None:
    objects = vault.back_up({"v": volume, "w": volume})
    vault.store.delete(object_key(objects.manifest.backup_id, missing))

    result = drilled(objects, tmp_path)

    assert [(f.item, f.aspect) for f in failed(result)] == [("v", aspect)]
    assert missing in failed(result)[0].message


def test_an_archive_without_facts_fails(vault: Vault, volume: Path, tmp_path: Path) -> None:
    result = drilled(vault.seal({"volumes/v.tar": archive(volume).tar}), tmp_path)

    assert [(f.item, f.aspect) for f in failed(result)] == [("v", "facts")]


def test_facts_without_an_archive_fail(vault: Vault, volume: Path, tmp_path: Path) -> None:
    result = drilled(vault.seal({"facts/volumes/v.jsonl": archive(volume).facts}), tmp_path)

    assert [(f.item, f.aspect) for f in failed(result)] == [("v", "archive")]


def test_facts_that_were_cut_prove_nothing(vault: Vault, volume: Path, tmp_path: Path) -> None:
    whole = archive(volume)
    cut = b"\n".join(whole.facts.splitlines()[:-1]) + b"\n"

    result = drilled(
        vault.seal({"volumes/v.tar": whole.tar, "facts/volumes/v.jsonl": cut}), tmp_path
    )

    assert [(f.item, f.aspect) for f in result.findings] == [("v", "facts")]
    assert result.verdict is Verdict.FAILED


def test_facts_of_another_volume_fail(vault: Vault, volume: Path, tmp_path: Path) -> None:
    whole = archive(volume)

    result = drilled(
        vault.seal({"volumes/w.tar": whole.tar, "facts/volumes/w.jsonl": whole.facts}), tmp_path
    )

    assert "belong to volumes/v.tar" in failed(result)[0].message


def test_the_wrong_key_stops_the_drill(vault: Vault, volume: Path, tmp_path: Path) -> None:
    objects = vault.back_up({"v": volume})
    stranger = replace(objects, key=make_key(tmp_path, "stranger").private)

    with pytest.raises(KeyFileError):
        drilled(stranger, tmp_path)


def test_a_volume_without_room_is_left_out_and_the_share_says_so(
    vault: Vault, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "file").write_bytes(os.urandom(3_000_000))
    objects = vault.back_up({"large": tmp_path / "large", "small": volume})
    monkeypatch.setattr("onyx_pipelines.host.scratch.free_bytes", lambda _: (64 << 20) + 1_000_000)

    result = drilled(objects, tmp_path)

    assert [(f.item, f.aspect) for f in unverified(result)] == [("large", "room")]
    assert failed(result) == []
    assert 0 < result.share < 0.05


def test_a_set_without_volumes_could_not_be_verified(vault: Vault, tmp_path: Path) -> None:
    result = drilled(vault.seal({}), tmp_path)

    assert result.verdict is Verdict.COULD_NOT_VERIFY


def test_scratch_inside_of_a_volume_is_refused_before_anything_is_touched(
    vault: Vault, volume: Path, tmp_path: Path
) -> None:
    objects = vault.back_up({"v": volume})
    before = tree_of(volume)
    (tmp_path / "other way in").symlink_to(volume / "folder")

    with pytest.raises(SettingsError, match="lies in the volume production"):
        drill(
            work_on(
                objects, tmp_path / "other way in", settings_for(tmp_path, {"production": volume})
            )
        )

    assert tree_of(volume) == before
