"""A real restore: the whole volume or a part of it, at once or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import (
    NotFoundError,
    RestoreError,
    SettingsError,
    SourceError,
    StoreError,
)
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.sources.volumes.facts import Entry
from onyx_pipelines.vault.layout import object_key
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.restore.volumes.crafted_tar import facts_of, member, tar_of
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Damage,
    Vault,
    bytes_of,
    failed,
    restored,
    settings_for,
    spoil,
    unverified,
)
from onyx_pipelines_tests.sources.volumes.trees import Node, archive, make_tree, tree_of


def test_a_volume_comes_back_to_its_own_place(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    spoil(volume)
    siblings = {path.name for path in tmp_path.iterdir()}

    result = restored(objects, RestoreChoice(), settings_for(tmp_path, {"v": volume}))

    assert result.verdict is Verdict.PASSED
    assert tree_of(volume) == before
    assert {path.name for path in tmp_path.iterdir()} == siblings | {"state"}
    assert result.findings[-1].message == f"Put in place: {volume}."


@pytest.mark.parametrize("target", ["place", "place/that/does/not/exist"])
def test_a_volume_goes_to_an_empty_or_new_directory(
    tmp_path: Path, place: Path, backed_up: tuple[SetObjects, dict[bytes, Node]], target: str
) -> None:
    objects, before = backed_up
    request = RestoreChoice(volumes=("v",), into=str(tmp_path / target))

    result = restored(objects, request, settings_for(tmp_path))

    assert result.verdict is Verdict.PASSED
    assert tree_of(tmp_path / target) == before
    assert not list((tmp_path / target).parent.glob(".onyx*"))


def test_several_volumes_go_below_one_parent(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    objects = vault.back_up({"one": volume, "two": volume})

    restored(objects, RestoreChoice(into=str(place)), settings_for(tmp_path))

    assert tree_of(place / "one") == tree_of(place / "two") == tree_of(volume)


def test_data_that_does_not_pass_leaves_what_is_there(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    objects = vault.seal_damaged(volume, Damage("folder.txt", "remove"))
    (place / "mine").write_bytes(b"mine")

    result = restored(
        objects, RestoreChoice(volumes=("v",), into=str(place)), settings_for(tmp_path)
    )

    assert [(f.item, f.aspect) for f in failed(result)] == [
        ("v/folder.txt", "missing"),
        ("v", "in place"),
    ]
    assert bytes_of(place) == {"mine": b"mine"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".onyx")]


def test_data_that_does_not_pass_is_put_in_place_for_who_has_read_the_differences(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    objects = vault.seal_damaged(volume, Damage("folder.txt", "remove"))
    (place / "mine").write_bytes(b"mine")
    request = RestoreChoice(volumes=("v",), into=str(place))
    settings = settings_for(tmp_path)
    restored(objects, request, settings)

    result = restored(objects, request, settings, force=True)

    assert (result.verdict, result.unfinished) == (Verdict.FAILED, ())
    assert [(f.item, f.aspect) for f in failed(result)] == [("v/folder.txt", "missing")]
    assert "despite 1 difference," in str(result.findings)
    assert "mine" not in bytes_of(place)


def test_an_archive_that_cannot_be_read_to_its_end_is_put_in_place_for_nobody(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    """What it lacks was never named."""
    objects = vault.back_up({"v": volume})
    vault.store.delete(object_key(objects.manifest.backup_id, "volumes/v.tar.zst.sealed"))
    (place / "mine").write_bytes(b"mine")
    request = RestoreChoice(volumes=("v",), into=str(place))
    settings = settings_for(tmp_path)
    restored(objects, request, settings)

    result = restored(objects, request, settings, force=True)

    assert result.unfinished == ("v",)
    assert bytes_of(place) == {"mine": b"mine"}


def test_one_volume_that_fails_does_not_keep_the_others_from_coming_back(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    objects = vault.back_up({"one": volume, "two": volume})
    vault.store.delete(object_key(objects.manifest.backup_id, "volumes/one.tar.zst.sealed"))

    result = restored(objects, RestoreChoice(into=str(place)), settings_for(tmp_path))

    assert result.verdict is Verdict.FAILED
    assert [path.name for path in place.iterdir()] == ["two"]


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (RestoreChoice(volumes=("w",)), NotFoundError, "no volume w"),
        (RestoreChoice(volumes=("v",), paths=("nowhere",)), NotFoundError, "nothing at nowhere"),
        (RestoreChoice(volumes=("v",), paths=("../etc",)), SettingsError, "inside of a volume"),
        (RestoreChoice(volumes=("v",), paths=("/etc",)), SettingsError, "inside of a volume"),
        (RestoreChoice(volumes=("v",), paths=(".",)), SettingsError, "inside of a volume"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    volume: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    request_: RestoreChoice,
    error: type[Exception],
    match: str,
) -> None:
    objects, before = backed_up

    with pytest.raises(error, match=match):
        restored(objects, request_, settings_for(tmp_path, {"v": volume}))

    assert tree_of(volume) == before


def test_a_volume_unknown_to_this_host_needs_a_target(
    tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    with pytest.raises(SettingsError, match="do not say where the volume 'v' is"):
        restored(backed_up[0], RestoreChoice(), settings_for(tmp_path))


@pytest.mark.parametrize("where", ["", "state", "backups", "backups/sets", "volume/.."])
def test_a_target_that_holds_or_is_something_precious_is_refused(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]], where: str
) -> None:
    objects, before = backed_up

    with pytest.raises(RestoreError, match="cannot be restored"):
        restored(
            objects,
            RestoreChoice(volumes=("v",), into=str(tmp_path / where)),
            settings_for(tmp_path, {"other": volume}),
        )

    assert tree_of(volume) == before


def test_a_disk_without_room_refuses_before_anything_is_written(
    place: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onyx_pipelines.host.scratch.free_bytes", lambda _: 1000)

    with pytest.raises(RestoreError, match="bytes too small"):
        restored(
            backed_up[0],
            RestoreChoice(volumes=("v",), into=str(place / "v")),
            settings_for(tmp_path),
        )

    assert list(place.iterdir()) == []


def _disk_is_full(*arguments: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_up_leaves_what_was_there(
    place: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (place / "mine").write_bytes(b"mine")
    monkeypatch.setattr(os, "pwrite", _disk_is_full)

    result = restored(
        backed_up[0], RestoreChoice(volumes=("v",), into=str(place)), settings_for(tmp_path)
    )

    (left,) = unverified(result)
    assert "No space left" in left.message
    assert result.unfinished == ("v",)
    assert bytes_of(place) == {"mine": b"mine"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".onyx")]


def test_a_restore_that_fails_leaves_none_of_the_directories_that_it_made(
    place: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "pwrite", _disk_is_full)

    result = restored(
        backed_up[0],
        RestoreChoice(volumes=("v",), into=str(place / "that" / "is" / "new")),
        settings_for(tmp_path),
    )

    assert (result.verdict, list(place.iterdir())) == (Verdict.COULD_NOT_VERIFY, [])


def test_a_volume_that_its_place_does_not_take_keeps_no_other_from_its_own(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    too_long, whole = "文".encode() * 100, archive(volume)
    objects = vault.seal(
        {
            "volumes/a.tar": tar_of(member(b"./" + too_long)),
            "facts/volumes/a.jsonl": facts_of(Entry(too_long, EntryType.FILE)),
            "volumes/v.tar": whole.tar,
            "facts/volumes/v.jsonl": whole.facts,
        }
    )

    result = restored(objects, RestoreChoice(into=str(place)), settings_for(tmp_path))

    assert (result.verdict, result.unfinished) == (Verdict.COULD_NOT_VERIFY, ("a",))
    assert tree_of(place / "v") == tree_of(volume)
    assert [path.name for path in place.iterdir()] == ["v"]


def test_an_interrupted_restore_goes_on_with_the_volume_where_it_stopped(
    vault: Vault,
    volume: Path,
    place: Path,
    tmp_path: Path,
) -> None:
    objects = vault.back_up({"one": volume, "two": volume})
    key = object_key(objects.manifest.backup_id, "volumes/two.tar.zst.sealed")
    settings = settings_for(tmp_path)
    _fail_once(objects, vault, key, place, settings)
    inode = (place / "one").stat().st_ino

    result = restored(objects, RestoreChoice(into=str(place)), settings)

    assert result.verdict is Verdict.PASSED
    assert (place / "one").stat().st_ino == inode
    assert tree_of(place / "two") == tree_of(volume)
    assert len([f for f in result.findings if f.aspect == "in place"]) == 2
    assert list((settings.state_dir / "restores").iterdir()) == []


def _fail_once(
    objects: SetObjects, vault: Vault, key: str, place: Path, settings: Settings
) -> None:
    """The store breaks down at the second volume."""

    class _Broken:
        name = "local"
        url = "file:///broken"

        def open(self, wanted: str) -> object:
            if wanted == key:
                raise StoreError("The store is away.", remedy="Wait.", transient=True)
            return vault.store.open(wanted)

    broken = SetObjects(_Broken(), objects.manifest, objects.key)  # type: ignore[arg-type]  # has what is called of a store
    with pytest.raises(StoreError):
        restored(broken, RestoreChoice(into=str(place)), settings)


def test_a_finished_restore_is_not_taken_for_an_interrupted_one(
    volume: Path, tmp_path: Path, backed_up: tuple[SetObjects, dict[bytes, Node]]
) -> None:
    objects, before = backed_up
    settings = settings_for(tmp_path, {"v": volume})
    restored(objects, RestoreChoice(), settings)
    spoil(volume)

    restored(objects, RestoreChoice(), settings)

    assert tree_of(volume) == before


def test_containers_are_stopped_only_while_the_data_changes_places(
    volume: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    docker: DockerWorld,
    troubled: Troubled,
) -> None:
    docker.create("app", labels={docker.label: "v"})
    docker.create("other", labels={docker.label: "w"})
    settings = _stopping(tmp_path, volume, docker, troubled)
    inode = volume.stat().st_ino
    seen: list[int] = []
    troubled.trouble.before_stop.append(lambda: seen.append(volume.stat().st_ino))

    restored(backed_up[0], RestoreChoice(), settings)

    assert troubled.trouble.calls == ["stop app", "start app"]
    assert docker.status("app") == "running"
    assert seen == [inode]
    assert volume.stat().st_ino != inode


def test_a_container_that_cannot_be_stopped_leaves_what_was_there(
    volume: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    docker: DockerWorld,
    troubled: Troubled,
) -> None:
    spoil(volume)
    before = tree_of(volume)
    docker.create("app", labels={docker.label: "v"})
    troubled.trouble.refuse_stop.add("app")

    with pytest.raises(SourceError, match="refused POST"):
        restored(
            backed_up[0],
            RestoreChoice(),
            _stopping(tmp_path, volume, docker, troubled),
        )

    assert tree_of(volume) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".onyx")]


def _stopping(folder: Path, volume: Path, docker: DockerWorld, troubled: Troubled) -> Settings:
    return settings_for(folder, {"v": volume}).model_copy(
        update={"stop_containers_label": docker.label, "docker_host": troubled.host}
    )


def test_a_mount_point_keeps_its_inode_and_gets_the_contents(
    volume: Path,
    tmp_path: Path,
    backed_up: tuple[SetObjects, dict[bytes, Node]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects, before = backed_up
    spoil(volume)
    volume.chmod(0o700)
    inode = volume.stat().st_ino
    monkeypatch.setattr(
        "onyx_pipelines.restore.volumes.swapping.is_mount_point", lambda path: path == volume
    )

    result = restored(objects, RestoreChoice(), settings_for(tmp_path, {"v": volume}))

    assert result.verdict is Verdict.PASSED
    assert volume.stat().st_ino == inode
    assert tree_of(volume) == before


def test_the_next_restore_may_be_of_another_set(
    vault: Vault, volume: Path, place: Path, tmp_path: Path
) -> None:
    make_tree(tmp_path / "other", {b"x": b"other"})
    first, second = vault.back_up({"v": volume}), vault.back_up({"v": tmp_path / "other"})
    request = RestoreChoice(volumes=("v",), into=str(place / "v"))

    restored(first, request, settings_for(tmp_path))
    restored(second, request, settings_for(tmp_path))

    assert tree_of(place / "v") == tree_of(tmp_path / "other")
    assert archive(place / "v").tar == archive(tmp_path / "other").tar
