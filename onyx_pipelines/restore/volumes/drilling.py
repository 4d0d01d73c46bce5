"""The drill of volumes: each into scratch, compared file by file, thrown away before the next."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import RestoreError
from onyx_pipelines.host.scratch import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.host.tree_removal import remove_tree
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.engine import drilled
from onyx_pipelines.restore.findings import no_room, nothing_to_drill
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step, share_of
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.restore.volumes.room import missing_bytes
from onyx_pipelines.restore.volumes.staged_volume import StagedVolume
from onyx_pipelines.restore.volumes.volume_objects import volumes_of
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component

# Of its own, so that what other components leave is theirs to sweep.
_PREFIX: Final = "onyx-scratch-volumes-"


def drill(
    objects: SetObjects,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore every volume of the set into scratch below `workdir`, and compare it.

    A volume that scratch has no room for is left out as could-not-verify, and `share` says so.

    Raises:
        SettingsError: `workdir` lies in a configured volume; nothing was touched.
        RestoreError: there is no place for scratch, or it fails.
        StoreError, KeyFileError: the set cannot be read.
    """
    refuse_inside_volumes(workdir, settings.volumes)
    begun = len(clock.timings())
    volumes = volumes_of(objects)
    findings: list[Finding] = []
    restored_bytes = 0
    with clock.step(Step.PREPARE, "scratch"):
        sweep_workdirs(workdir, prefix=_PREFIX)
    with private_workdir(workdir, prefix=_PREFIX) as scratch:
        for number, volume in enumerate(volumes):
            item = DrilledVolume(
                objects,
                clock,
                progress,
                volume,
                make_devices=True,
                directory=scratch / str(number),
            )
            shortage = missing_bytes(objects, volume, free_bytes(scratch))
            if shortage:
                findings.append(no_room(item.name, scratch.parent, shortage))
                continue
            findings += drilled(item)
            restored_bytes += volume.plain_bytes
    total_bytes = sum(volume.plain_bytes for volume in volumes)
    return ComponentDrill(
        component=Component.VOLUMES,
        findings=tuple(findings) or (nothing_to_drill(Component.VOLUMES),),
        steps=clock.timings()[begun:],
        plain_bytes=restored_bytes,
        share=share_of(restored_bytes, total_bytes),
        versions=versions(objects),
    )


def versions(objects: SetObjects) -> dict[str, str]:
    """What wrote the archives, and what reads them here."""
    record = objects.manifest.component(Component.VOLUMES)
    return {**(record.versions if record else {}), "restore_python": platform.python_version()}


@dataclass
class DrilledVolume(StagedVolume):
    """One in a directory of its own in scratch."""

    directory: Path

    def stage(self) -> None:
        with self._refusals():
            self.directory.mkdir(mode=0o700)
            self.extract(self.directory)

    def compare(self) -> tuple[Finding, ...]:
        with self._refusals():
            return self.compared(self.directory, self.limits)

    def discard(self) -> None:
        with self._refusals(), self.clock.step(Step.CLEAN_UP, self.volume.name):
            remove_tree(self.directory)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RestoreError(
                f"The scratch directory {self.directory.parent} cannot be used ({error.strerror}).",
                remedy="Check that disk, or name another scratch directory.",
            ) from None
