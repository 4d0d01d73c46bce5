"""The real restore of volumes: staged beside, compared, and only then put in place.

Volume by volume; one that fails its comparison changes nothing.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from onyx_pipelines.core.errors import RestoreError, SourceError
from onyx_pipelines.core.settings import Settings, VolumeSettings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.scratch import shortage_bytes
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import (
    Leftover,
    Note,
    Placed,
    PlannedChange,
    Restoring,
    Work,
    in_place_since,
    sweep,
)
from onyx_pipelines.restore.findings import outcome
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.restore.volumes.choosing import placements_of, selection_in
from onyx_pipelines.restore.volumes.keeping import kept_paths, kept_sentence, stay_with
from onyx_pipelines.restore.volumes.locating import RestoreTarget, made_volume, targets_of
from onyx_pipelines.restore.volumes.planning import path_changes, volume_change
from onyx_pipelines.restore.volumes.selection import Parts
from onyx_pipelines.restore.volumes.staged_volume import StagedVolume, refusals
from onyx_pipelines.restore.volumes.swap_record import PlacedVolume
from onyx_pipelines.restore.volumes.swapping import (
    Staging,
    folder_for,
    leftovers_at,
    staging_for,
)
from onyx_pipelines.restore.volumes.volume_findings import shown
from onyx_pipelines.restore.volumes.volume_objects import needed_bytes
from onyx_pipelines.sources.source import Component
from onyx_pipelines.sources.volumes.containers import (
    ContainerPause,
    PauseSession,
    names_of_users,
)
from onyx_pipelines.sources.volumes.read_volume import known_places
from onyx_pipelines.vault.reading import SetObjects

# Who is to read every difference before it is let pass is told every one, up to here.
_MOST_NAMED: Final = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VolumesRestoration:
    """The chosen volumes, or paths of one, and where each goes.

    A volume whose data does not pass, or that its place does not take, is not put there: its
    findings say so, and the next ones are restored all the same. Containers that have the
    directory mounted are stopped while the restored data takes its place, and started again.
    """

    objects: SetObjects
    choice: RestoreChoice
    settings: Settings
    targets: Sequence[RestoreTarget]

    @classmethod
    def of(cls, objects: SetObjects, choice: RestoreChoice, settings: Settings) -> Self:
        return cls(objects, choice, settings, targets_of(objects, choice, settings))

    @property
    def identity(self) -> str:
        return repr([str(each.directory) for each in self.targets])

    def plan(self) -> list[PlannedChange]:
        """One change for each volume, or for each path that is restored alone."""
        changes: list[PlannedChange] = []
        for target in self.targets:
            if self.choice.paths:
                changes += path_changes(self.objects, self.choice.paths, target, self.settings)
            else:
                changes.append(volume_change(self.objects, target, self.settings))
        return changes

    def restore(self, work: Work, journal: RestoreJournal) -> ComponentResult:
        items = [
            RestoredVolume(
                work,
                target.volume,
                make_devices=self.choice.make_devices,
                most_named=_MOST_NAMED,
                selection=selection_in(self.objects, target.volume, self.choice.paths),
                target=target,
            )
            for target in self.targets
        ]
        with work.clock.step(Step.PREPARE, "staging"):
            directories = [target.directory for target in self.targets]
            sweep(leftovers(self.settings))
            sweep(leftovers_at(directories))
            for item in items:
                if not in_place_since(journal, item):
                    item.prepare()
        restoring = Restoring(journal)
        for item in items:
            try:
                restoring.run(item)
            except RestoreError as error:
                said = f"Not restored: {error.what} {error.remedy}"
                restoring.leave(item.name, outcome(Verdict.COULD_NOT_VERIFY, item.name, said))
        return restoring.result(
            work,
            plain_bytes=sum(target.volume.plain_bytes for target in self.targets),
            versions={"restore_python": platform.python_version()},
        )


restoration = VolumesRestoration.of


def leftovers(settings: VolumeSettings) -> Iterator[Leftover]:
    """At the configured volumes."""
    places = known_places(settings.docker_host)
    configured = (places.data_of(path) for path in settings.volume_paths.values())
    return leftovers_at(Path(os.path.realpath(path)) for path in configured)


@dataclass
class RestoredVolume(StagedVolume):
    """One from its archive to its place."""

    component = Component.VOLUMES
    target: RestoreTarget
    _open: ExitStack = field(default_factory=ExitStack)
    _keep: tuple[Callable[[], None], ...] = ()
    _staging: Staging | None = None

    @property
    def place(self) -> str:
        return shown(os.fsencode(self.target.directory))

    def prepare(self) -> None:
        """Refuse what cannot go well before anything is touched. Raises as `restore`."""
        directory = self.target.directory
        self._kept_paths()
        names_of_users(self.work.settings, directory, self.target.configured_as)
        shortage = shortage_bytes(
            folder_for(directory), needed_bytes(self.work.objects, self.volume)
        )
        if shortage and self.selection.chosen is None:
            raise RestoreError(
                f"The file system of {directory} is {count_text(shortage, 'byte')} too small to"
                f" hold the restored volume {self.volume.name!r} beside what is there.",
                remedy="Free space there, or restore into another directory.",
            )

    def is_there(self, placed: Placed) -> bool:
        return PlacedVolume.model_validate(placed).is_there()

    def compare_in_place(self, placed: Placed) -> tuple[Finding, ...]:
        known = PlacedVolume.model_validate(placed)
        with self._refusals():
            directory = self.target.directory
            return self.compared(directory, known.limits, kept=known.kept)

    def stage(self) -> None:
        with self._refusals():
            self._keep = (
                self._open.enter_context(made_volume(self.work.settings, self.target.missing)),
                self._open.enter_context(_parents(self.target)),
            )
            self._staging = self._open.enter_context(staging_for(self.target.directory))
            self.extract(self._staging.new, link_sources=self._staging.link_sources)

    def compare(self) -> tuple[Finding, ...]:
        with self._refusals():
            return self.compared(self._staged.new, self.limits)

    def swap(self, note: Note) -> list[Finding]:
        name, staging = self.volume.name, self._staged
        with self._refusals():
            with (
                self.work.clock.step(Step.RESTORE, f"{name} (put in place)"),
                _containers_stopped(self.target, self.work.settings),
            ):
                kept = self._swap(staging, note)
                # Here already: a container that does not start again takes no data away.
                for keep in self._keep:
                    keep()
            with self.work.clock.step(Step.CLEAN_UP, name):
                self._open.close()
        rest = f"; {kept_sentence(kept)}" if kept else ""
        said = outcome(Verdict.PASSED, self.name, f"Put in place: {self.place}{rest}.")
        return [said, *_left_over(self.target, staging)]

    def complete(self) -> Sequence[Finding]:
        return ()

    def discard(self) -> None:
        with self._refusals():
            self._open.close()

    def _swap(self, staging: Staging, note: Note) -> Sequence[Parts]:
        target, selection = self.target, self.selection
        # Looked at again: hours may have passed.
        kept = self._kept_paths()
        if selection.chosen is None and staging.is_inside:
            staging.swap.place_contents(stay_with(kept, (), target.directory, staging.new))
            # It is the same directory before and after, so only now does this say anything.
            inodes = {target.directory: target.directory.lstat().st_ino}
            note(PlacedVolume.at(inodes, self.limits, kept).as_json())
            return kept
        placements = placements_of(target.directory, selection, staging.directory, kept)
        inodes = {
            staging.directory.parent.joinpath(*map(os.fsdecode, item.live)): item.inode
            for item in placements
        }
        note(PlacedVolume.at(inodes, self.limits, kept).as_json())
        staging.swap.place(placements)
        return kept

    def _kept_paths(self) -> tuple[Parts, ...]:
        """What is to stay there. Raises RestoreError: something would be lost."""
        work, directory = self.work, self.target.directory
        return kept_paths(work.objects, self.volume, directory, self.selection, work.settings)

    @property
    def _staged(self) -> Staging:
        assert self._staging is not None, "not staged"  # noqa: S101  (the engine's order)
        return self._staging

    def _refusals(self) -> AbstractContextManager[None]:
        return refusals(
            f"The volume {self.volume.name!r} could not be restored to {self.target.directory}",
            "; what was there is as it was",
            remedy="Check that this user may create, rename and remove files there.",
        )


@contextmanager
def _containers_stopped(target: RestoreTarget, settings: VolumeSettings) -> Iterator[None]:
    """Those that use the directory, for as long as it takes to change places."""
    pause = ContainerPause.for_restore(settings)
    is_done = False
    try:
        with ExitStack() as stack:
            if pause is not None:
                session = stack.enter_context(pause.session())
                stack.callback(_log_warnings, session)
                stack.enter_context(session.stopped_for(target.directory, target.configured_as))
            yield
            is_done = True
    except SourceError as error:
        if not is_done:
            raise
        raise SourceError(
            f"The restored data is in place: {target.directory}. But {error.what}",
            remedy=error.remedy,
        ) from None


def _log_warnings(session: PauseSession) -> None:
    for warning in session.warnings:
        _log.warning("%s", warning)


@contextmanager
def _parents(target: RestoreTarget) -> Iterator[Callable[[], None]]:
    """Make the directories above the target, and take those away again that nothing came into: call
    what this gives when something did."""
    made: list[Path] = []
    mode = 0o700 if target.is_recipe else 0o777
    for folder in reversed(target.directory.parents):
        if not folder.exists():
            folder.mkdir(mode=mode, exist_ok=True)
            made.append(folder)
    try:
        yield made.clear
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


def _left_over(target: RestoreTarget, staging: Staging) -> list[Finding]:
    if not staging.directory.exists():
        return []
    place = shown(os.fsencode(staging.directory))
    return [
        Finding.passed(
            shown(target.volume.name.encode("utf-8", "surrogateescape")),
            "left over",
            f"Of what was replaced, this user could not remove everything: see {place}.",
        )
    ]
