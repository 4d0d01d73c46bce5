"""What is in no backup stays where it is when a restore replaces the rest, or it refuses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.immutable import immutable
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.requirements_of_tests import unavailable
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    bytes_of,
    make_vault,
    plan,
    restored,
    settings_for,
    unverified,
)
from onyx_pipelines_tests.sources.volumes.trees import tree_of
from onyx_pipelines_tests.users import NOBODY, as_another_user, without_roots_rights_to_files


def restored_in_place(
    objects: SetObjects,
    volume: Path,
    *,
    excludes: tuple[str, ...] = (),
    paths: tuple[str, ...] = (),
) -> ComponentResult:
    settings = settings_for(volume.parent, {"v": volume})
    settings = settings.model_copy(update={"volume_excludes": excludes})
    return restored(objects, RestoreChoice(volumes=("v",), paths=paths), settings)


def in_place(result: ComponentResult) -> str:
    return next(each.message for each in result.findings if each.aspect == "in place")


class TestExcluded:
    @pytest.fixture
    def cached(self, volume: Path) -> Path:
        """The volume, with a cache that backups leave out."""
        (volume / "folder" / "cache" / "of").mkdir(parents=True)
        (volume / "folder" / "cache" / "of" / "mine").write_bytes(b"cached")
        return volume

    def test_what_the_set_left_out_stays(self, vault: Vault, cached: Path) -> None:
        objects = vault.back_up({"v": cached}, excludes=("cache/",))
        before = tree_of(cached)
        (cached / "a.txt").write_bytes(b"newer")
        (cached / "folder" / "cache" / "new").write_bytes(b"cached since")

        result = restored_in_place(objects, cached)

        after = tree_of(cached)
        assert result.verdict is Verdict.PASSED
        assert after.pop(b"folder/cache/new")
        assert after.pop(b"folder/cache").mtime_ns >= before.pop(b"folder/cache").mtime_ns
        assert after == before
        assert in_place(result).endswith(
            "; 1 path is in no backup and stays as it is: folder/cache."
        )

    def test_the_way_to_it_is_made_where_the_set_lacks_it(self, vault: Vault, cached: Path) -> None:
        objects = vault.back_up({"v": cached}, excludes=("*.tmp",))
        (cached / "since" / "then").mkdir(parents=True)
        (cached / "since" / "then" / "x.tmp").write_bytes(b"mine")
        (cached / "since" / "then" / "x.txt").write_bytes(b"in the safety backup")
        (cached / "since").chmod(0o750)
        os.utime(cached / "since" / "then", ns=(1, 2))

        restored_in_place(objects, cached)

        after = tree_of(cached)
        assert {path for path in after if path.startswith(b"since")} == {
            b"since", b"since/then", b"since/then/x.tmp",
        }  # fmt: skip
        assert (after[b"since"].mode, after[b"since/then"].mtime_ns) == (0o750, 2)

    def test_what_is_left_out_today_stays_too(self, vault: Vault, cached: Path) -> None:
        objects = vault.back_up({"v": cached})
        (cached / "new.tmp").write_bytes(b"in no backup")

        restored_in_place(objects, cached, excludes=("*.tmp",))

        assert (cached / "new.tmp").read_bytes() == b"in no backup"

    @pytest.mark.parametrize("paths", [(), ("folder",)])
    def test_where_the_set_has_something_else_the_restore_refuses(
        self, vault: Vault, cached: Path, paths: tuple[str, ...]
    ) -> None:
        objects = vault.back_up({"v": cached})
        (cached / "folder" / "cache" / "of" / "mine").write_bytes(b"newer, in no backup")
        before = tree_of(cached)

        with pytest.raises(RestoreError, match=r"1 path .* would be lost.*\(folder/cache\)"):
            restored_in_place(objects, cached, excludes=("cache/",), paths=paths)

        assert tree_of(cached) == before

    def test_where_the_set_has_a_file_on_the_way_the_restore_refuses(
        self, vault: Vault, cached: Path
    ) -> None:
        objects = vault.back_up({"v": cached}, excludes=("*.tmp",))
        (cached / "a.txt").unlink()
        (cached / "a.txt").mkdir()
        (cached / "a.txt" / "x.tmp").write_bytes(b"mine")

        with pytest.raises(RestoreError, match=r"a\.txt/x\.tmp"):
            restored_in_place(objects, cached)

        assert (cached / "a.txt" / "x.tmp").read_bytes() == b"mine"

    def test_in_a_chosen_directory_it_stays_as_well(self, vault: Vault, cached: Path) -> None:
        objects = vault.back_up({"v": cached}, excludes=("cache/",))
        (cached / "folder" / "b.bin").unlink()
        (cached / "a.txt").write_bytes(b"newer")

        restored_in_place(objects, cached, paths=("folder", "link"))

        assert (cached / "folder" / "cache" / "of" / "mine").read_bytes() == b"cached"
        assert (cached / "folder" / "b.bin").exists()
        assert (cached / "a.txt").read_bytes() == b"newer"

    def test_in_a_mount_point_it_stays_as_well(self, vault: Vault, tmp_path: Path) -> None:
        point = tmp_path / "point"
        point.mkdir()
        with mounted(Kind.BIND, point, tmp_path / "beside"):
            (point / "cache").mkdir()
            (point / "cache" / "mine").write_bytes(b"cached")
            (point / "a").write_bytes(b"as it was")
            objects = vault.back_up({"v": point}, excludes=("cache/**", "*.lock"))
            (point / "a").write_bytes(b"newer")
            before = tree_of(point)[b"cache"]

            restored_in_place(objects, point)

            assert bytes_of(point) == {"a": b"as it was", "cache/mine": b"cached"}
            assert tree_of(point)[b"cache"] == before

    def test_a_plan_names_it(self, vault: Vault, cached: Path, tmp_path: Path) -> None:
        objects = vault.back_up({"v": cached}, excludes=("folder/cache/**",))

        (change,) = plan(objects, RestoreChoice(), settings_for(tmp_path, {"v": cached}))

        assert "1 path is in no backup and stays as it is: folder/cache/of" in change.detail

    def test_what_cannot_be_moved_leaves_everything_as_it_was(
        self, vault: Vault, cached: Path
    ) -> None:
        objects = vault.back_up({"v": cached}, excludes=("cache/", "*.tmp"))
        (cached / "x.tmp").write_bytes(b"mine")
        (cached / "a.txt").write_bytes(b"newer")
        before = tree_of(cached)

        with immutable(cached / "x.tmp"):
            result = restored_in_place(objects, cached)

        assert "as it was" in in_place(result)
        assert (result.unfinished, tree_of(cached)) == (("v",), before)


def test_what_root_may_not_read_stays_as_well(vault: Vault, volume: Path) -> None:
    with without_roots_rights_to_files():
        objects = vault.back_up({"v": volume})
        (volume / "new").write_bytes(b"secret")
        (volume / "new").chmod(0o600)
        os.chown(volume / "new", NOBODY, NOBODY)

        result = restored_in_place(objects, volume)

    assert result.verdict is Verdict.PASSED
    assert (volume / "new").read_bytes() == b"secret"


def test_what_vanishes_while_it_is_looked_at_is_in_nobodys_way(
    vault: Vault, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who uses the volume is stopped only when data changes places."""
    objects, before = vault.back_up({"v": volume}), tree_of(volume)
    access = os.access

    def after_its_end(name: bytes, mode: int, **options: Any) -> bool:
        if name == b"a.txt":
            (volume / "a.txt").unlink(missing_ok=True)
        return access(name, mode, **options)

    monkeypatch.setattr(os, "access", after_its_end)

    result = restored_in_place(objects, volume)

    assert result.verdict is Verdict.PASSED
    assert tree_of(volume) == before


class TestUnreadable:
    """By a user who owns the volume and not every file in it."""

    @pytest.fixture
    def owned(self) -> Iterator[Path]:
        """A directory of nobody's that nobody can reach, unlike pytest's own."""
        folder = Path(tempfile.mkdtemp())
        try:
            if os.geteuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
                with as_another_user(NOBODY):
                    yield folder
            else:
                yield folder
        finally:
            shutil.rmtree(folder)

    @pytest.fixture
    def mine(self, owned: Path) -> Path:
        (owned / "v" / "d").mkdir(parents=True)
        (owned / "v" / "a").write_bytes(b"as it was")
        return owned / "v"

    @pytest.fixture
    def vault(self, owned: Path) -> Vault:
        return make_vault(owned / "vault")

    def test_a_file_that_no_backup_could_read_stays(self, vault: Vault, mine: Path) -> None:
        closed(mine / "d" / "secret")
        objects = vault.back_up({"v": mine})
        (mine / "a").write_bytes(b"newer")

        result = restored_in_place(objects, mine)

        assert result.verdict is Verdict.COULD_NOT_VERIFY
        assert "could not be read when it was backed up" in unverified(result)[0].message
        assert "d/secret" in in_place(result)
        assert content(mine / "d" / "secret") == b"secret"
        assert (mine / "a").read_bytes() == b"as it was"

    def test_one_that_came_since_then_stays_too(self, vault: Vault, mine: Path) -> None:
        objects = vault.back_up({"v": mine})
        closed(mine / "new")

        result = restored_in_place(objects, mine)

        assert result.verdict is Verdict.PASSED
        assert content(mine / "new") == b"secret"

    def test_one_that_the_set_has_makes_the_restore_refuse(self, vault: Vault, mine: Path) -> None:
        objects = vault.back_up({"v": mine})
        (mine / "a").unlink()
        closed(mine / "a")

        with pytest.raises(RestoreError, match=r"would be lost.*\(a\)"):
            restored_in_place(objects, mine)

        assert content(mine / "a") == b"secret"

    def test_a_directory_that_cannot_be_moved_makes_the_restore_refuse(
        self, vault: Vault, mine: Path
    ) -> None:
        closed(mine / "d" / "secret")
        objects = vault.back_up({"v": mine})
        with root():
            os.chown(mine / "d", 0, 0)
            (mine / "d").chmod(0o700)

        with pytest.raises(RestoreError, match=r"would be lost.*\(d\)"):
            restored_in_place(objects, mine)

        assert content(mine / "d" / "secret") == b"secret"

    def test_what_a_directory_held_that_could_not_be_listed_stays(
        self, vault: Vault, mine: Path
    ) -> None:
        closed(mine / "d" / "secret")
        with root():
            os.chown(mine / "d", 0, 0)
            (mine / "d").chmod(0o700)
        objects = vault.back_up({"v": mine})

        with root():
            result = restored_in_place(objects, mine)

        assert "d/secret" in in_place(result)
        assert content(mine / "d" / "secret") == b"secret"


@contextmanager
def root() -> Iterator[None]:
    if os.getuid() != 0:
        unavailable("this needs root")
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(NOBODY)


def closed(path: Path) -> None:
    """A file that this user cannot read."""
    if os.getuid() != 0:
        path.write_bytes(b"secret")
        path.chmod(0)
        return
    with root():
        path.write_bytes(b"secret")
        path.chmod(0o600)


def content(path: Path) -> bytes:
    if os.getuid() != 0:
        path.chmod(0o600)
        return path.read_bytes()
    with root():
        return path.read_bytes()
