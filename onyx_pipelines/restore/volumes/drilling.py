"""The drill of volumes: each into scratch, compared file by file, thrown away before the next."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.scratch import shortage_bytes
from onyx_pipelines.host.tree_removal import remove_tree
from onyx_pipelines.restore.engine import Drilling, Work
from onyx_pipelines.restore.findings import ARCHIVE
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.restore.volumes.staged_volume import StagedVolume, refusals
from onyx_pipelines.restore.volumes.volume_objects import needed_bytes, volumes_of


def drill(work: Work) -> ComponentResult:
    """Restore every volume of the set into scratch, and compare it. One that scratch does not take
    could not be verified."""
    work.refuse_inside_volumes()
    drilling = Drilling()
    with work.scratch("onyx-scratch-volumes-") as scratch:
        for number, volume in enumerate(volumes_of(work.objects)):
            shortage = shortage_bytes(scratch, needed_bytes(work.objects, volume))
            item = DrilledVolume(work, volume, make_devices=True, directory=scratch / str(number))
            try:
                drilling.run(item, volume.plain_bytes, room=(scratch.parent, shortage))
            except RestoreError as error:
                said = f"{error.what} {error.remedy}"
                drilling.findings.append(Finding.unverified(item.name, ARCHIVE, said))
    return drilling.result(work, {"restore_python": platform.python_version()})


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
        with self._refusals(), self.work.clock.step(Step.CLEAN_UP, self.volume.name):
            remove_tree(self.directory)

    def _refusals(self) -> AbstractContextManager[None]:
        return refusals(
            f"The scratch directory {self.directory.parent} cannot be used",
            remedy="Check that disk, or name another scratch directory.",
        )
