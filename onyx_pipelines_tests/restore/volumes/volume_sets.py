"""Builders: volumes in real backup sets, sealed by the vault into a local store, opened again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.progress import ProgressCallback, silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.results import ComponentResult, Finding, StepClock
from onyx_pipelines.restore.volumes.drilling import drill
from onyx_pipelines.sources.source import Component
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.vault.reading import SetObjects, open_set
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.restore import journaled
from onyx_pipelines_tests.restore.journaled import planned
from onyx_pipelines_tests.sources.volumes.trees import archive
from onyx_pipelines_tests.vault.sets import (
    BEGAN,
    KeyPair,
    complete,
    make_key,
    make_store,
    new_id,
    report,
    signers,
)


@dataclass(frozen=True)
class Vault:
    """A store and the key of all sets in it."""

    store: LocalStore
    key: KeyPair

    def back_up(
        self, volumes: Mapping[str, Path], *, excludes: tuple[str, ...] = (), docker_host: str = ""
    ) -> SetObjects:
        """As the real backup does it."""
        backup_id = new_id()
        writer = SetWriter(self.store, backup_id, [self.key.recipient])
        sink = writer.component(Component.VOLUMES)
        source = VolumesSource(volumes, excludes=excludes, docker_host=docker_host)
        sink.finish(source.back_up(sink, silent), BEGAN)
        complete(writer, Component.VOLUMES)
        return open_set(self.store, backup_id, self.key.private, signers())

    def seal(self, content: Mapping[str, bytes]) -> SetObjects:
        """A set of these plain objects, whoever wrote them: `volumes/v.tar` is named `v`."""
        backup_id = new_id()
        writer = SetWriter(self.store, backup_id, [self.key.recipient])
        sink = writer.component(Component.VOLUMES)
        for path, data in content.items():
            with sink.object(path, name=Path(path).stem, media_type="test/bytes") as object_sink:
                object_sink.write(data)
        sink.finish(report(Component.VOLUMES), BEGAN)
        complete(writer, Component.VOLUMES)
        return open_set(self.store, backup_id, self.key.private, signers())

    def seal_damaged(self, root: Path, damage: Damage) -> SetObjects:
        """Facts of the volume as it is, with an archive of it after the damage."""
        facts = archive(root).facts
        damage.apply(root)
        return self.seal({"volumes/v.tar": archive(root).tar, "facts/volumes/v.jsonl": facts})


class Damage:
    """Something done to one file, whose own times and whose directory's are kept."""

    def __init__(self, path: str, action: str, value: bytes | int = b"") -> None:
        self._path = path
        self._action = action
        self._value = value

    def apply(self, root: Path) -> None:
        path = root / self._path
        with _times_kept(path.parent, path):
            getattr(self, f"_{self._action}")(path)

    def _write(self, path: Path) -> None:
        path.write_bytes(bytes(self._value))

    def _chmod(self, path: Path) -> None:
        path.chmod(int(self._value))

    def _remove(self, path: Path) -> None:
        path.unlink()

    def _link(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(os.fsdecode(bytes(self._value)))

    def _set_attribute(self, path: Path) -> None:
        os.setxattr(path, "user.onyx", bytes(self._value))

    def _split(self, path: Path) -> None:
        """A file of its own in the place of a hard link, with the same content and times."""
        content, status = path.read_bytes(), path.stat()
        path.unlink()
        path.write_bytes(content)
        path.chmod(status.st_mode & 0o7777)


@contextmanager
def _times_kept(*paths: Path) -> Iterator[None]:
    times = {path: path.lstat() for path in paths if os.path.lexists(path)}
    yield
    for path, status in times.items():
        if os.path.lexists(path):
            os.utime(path, ns=(1, status.st_mtime_ns), follow_symlinks=False)


def make_vault(folder: Path) -> Vault:
    return Vault(make_store(folder / "store"), make_key(folder))


def settings_for(folder: Path, volumes: Mapping[str, Path] | None = None) -> Settings:
    return Settings(
        state_dir=folder / "state",
        backup_dir=folder / "backups",
        recipients_file=folder / "etc" / "recipients.json",
        volumes=dict(volumes or {}),
    )


def work_on(
    objects: SetObjects, workdir: Path, settings: Settings, progress: ProgressCallback = silent
) -> Work:
    return Work(Component.VOLUMES, objects, StepClock(), workdir, settings, progress)


def drilled(objects: SetObjects, folder: Path) -> ComponentResult:
    workdir = folder / "workdir"
    workdir.mkdir(exist_ok=True)
    result = drill(work_on(objects, workdir, settings_for(folder)))
    assert list(workdir.iterdir()) == []
    return result


def plan(objects: SetObjects, choice: RestoreChoice, settings: Settings) -> Sequence[PlannedChange]:
    return planned(Component.VOLUMES, objects, choice, settings)


def restored(
    objects: SetObjects, request: RestoreChoice, settings: Settings, *, force: bool = False
) -> ComponentResult:
    work = work_on(objects, settings.state_dir, settings)
    return journaled.restored(work, request, force=force)


def failed(result: ComponentResult) -> list[Finding]:
    return [finding for finding in result.findings if finding.verdict is Verdict.FAILED]


def unverified(result: ComponentResult) -> list[Finding]:
    return [f for f in result.findings if f.verdict is Verdict.COULD_NOT_VERIFY]


def bytes_of(tree: Path) -> dict[str, bytes]:
    """Contents of the regular files below, by path."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def spoil(root: Path) -> None:
    """What somebody did to the tree of the tests: changed, removed, added."""
    (root / "a.txt").write_bytes(b"wrong")
    (root / "folder.txt").unlink()
    (root / "folder" / "new").write_bytes(b"since then")
