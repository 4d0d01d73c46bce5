"""A program: one restore, killed (SIGKILL) at its first step, then at its second, and so on.

After each kill the old data must still be somewhere or the new data be in place; then the same
restore runs again, and must leave the new data and nothing else. Prints how many kills there were.

Arguments: a directory, and exchange, renames, contents or paths; with `-kept` behind it, something
that no backup holds lies there too, and stays.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.volumes import renaming, swapping
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.restore.killing import kill_at_every_step
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    bytes_of,
    make_vault,
    restored,
    settings_for,
)
from onyx_pipelines_tests.sources.volumes.trees import Tree, make_tree, tree_of

_NEW = {b"a": b"new a", b"d": {b"e": b"new e", b"f": b"new f"}, b"n": b"only new"}
_OLD = {b"a": b"old a", b"d": {b"e": b"old e"}, b"o": b"only old"}
_KEPT: Tree = {b"d": {b"x.tmp": b"kept"}, b"q": {b"y.tmp": b"kept too"}}
# What a restore does to the file system, as Python's audit events name it; and renameat2.
_STEPS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime"})


class _Scenario:
    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind, _, kept = kind.partition("-")
        self._kept: Tree = (
            {b"d": {b"x.tmp": b"kept"}, b"q": {b"y.tmp": b"kept too"}} if kept else {}
        )
        self.place = folder / "place"
        self.target = self.place / "v"
        self._objects, self.settings = _prepared(folder)
        if self._kind == "renames":
            renaming._renameat2 = lambda *_: False  # type: ignore[assignment]  # replaced to count
        if self._kind == "contents":
            swapping.is_mount_point = lambda path: path == self.target

    def reset(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.rmtree(self.settings.state_dir, ignore_errors=True)
        make_tree(self.target, dict(_OLD))
        make_tree(self.target, self._kept)

    def run(self) -> None:
        paths = ("a", "d") if self._kind == "paths" else ()
        request = RestoreChoice(volumes=("v",), into=str(self.target), paths=paths)
        result = restored(self._objects, request, self.settings)
        assert result.verdict is Verdict.PASSED, result.findings

    def expect_old_or_new(self) -> None:
        """Every byte of the old data is somewhere, or the new data is whole."""
        everywhere = list(bytes_of(self.place).values())
        old = ["old a", "old e", "only old"]
        has_old = all(text.encode() in everywhere for text in old)
        assert everywhere.count(b"kept") == bool(self._kept)
        assert has_old or self._is_new(), (everywhere, list(self.place.rglob("*")))

    def expect_new_and_nothing_else(self) -> None:
        assert self._is_new(), bytes_of(self.target)
        assert [path.name for path in self.place.iterdir()] == ["v"], list(self.place.iterdir())
        assert not list(self.target.glob(".onyx*"))
        assert not list(self.settings.state_dir.rglob("*.json"))

    def _is_new(self) -> bool:
        """Contents, and times of all but the root, whose own a staging directory in it changes."""
        expected = {"a": b"new a", "d/e": b"new e", "d/f": b"new f"}
        expected |= {"o": b"only old"} if self._kind == "paths" else {"n": b"only new"}
        if self._kept:
            expected |= {"d/x.tmp": b"kept", "q/y.tmp": b"kept too"}
        if not self.target.exists() or _without_staging(bytes_of(self.target)) != expected:
            return False
        times = {os.fsdecode(path): node.mtime_ns for path, node in tree_of(self.target).items()}
        return all(
            times[os.fsdecode(path)] == node.mtime_ns
            for path, node in tree_of(self._folder / "source").items()
            if os.fsdecode(path) in times and path != b"."
        )


def _without_staging(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in contents.items() if not path.startswith(".onyx-restore")}


def _prepared(folder: Path) -> tuple[SetObjects, Settings]:
    make_tree(folder / "source", dict(_NEW))
    objects = make_vault(folder / "vault").back_up({"v": folder / "source"}, excludes=("*.tmp",))
    return objects, settings_for(folder / "host")


def _count(count: Callable[[], None]) -> None:
    renameat2 = renaming._renameat2

    def counted(*arguments: object) -> bool:
        count()
        return renameat2(*arguments)  # type: ignore[arg-type]  # passed on as they came

    renaming._renameat2 = counted  # type: ignore[assignment]  # replaced to count
    sys.addaudithook(lambda event, details: count() if _changes(event, details) else None)


def _changes(event: str, details: tuple[object, ...]) -> bool:
    if event == "open":
        return isinstance(details[2], int) and bool(details[2] & (os.O_CREAT | os.O_TRUNC))
    return event in _STEPS


def main() -> None:
    # A kill, unlike a power cut, takes nothing that was written.
    swapping.sync_file_system = lambda _: None
    os.fsync = lambda _: None
    scenario = _Scenario(Path(sys.argv[1]), sys.argv[2])
    kill_at_every_step(
        scenario.run,
        _count,
        reset=scenario.reset,
        killed=scenario.expect_old_or_new,
        restored=scenario.expect_new_and_nothing_else,
    )


if __name__ == "__main__":
    main()
