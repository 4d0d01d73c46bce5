"""The real restore of volumes: staged beside, compared, and only then put in place.

Volume by volume; one that fails its comparison changes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import RestoreError, SourceError
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.journal import (
    Finished,
    RestoreJournal,
    despite_differences,
    still_the_same,
)
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.restore.volumes.choosing import placements_of, replaced_paths, selection_in
from onyx_pipelines.restore.volumes.drilling import versions
from onyx_pipelines.restore.volumes.keeping import kept_paths, kept_sentence, stay_with
from onyx_pipelines.restore.volumes.live_tree import holds_anything, refuse_immovable
from onyx_pipelines.restore.volumes.locating import made_volume
from onyx_pipelines.restore.volumes.placed import Placed
from onyx_pipelines.restore.volumes.recreating import Recreated, VolumeRecreation
from onyx_pipelines.restore.volumes.requests import (
    RestoreTarget,
    VolumesRestoreRequest,
    targets_of,
)
from onyx_pipelines.restore.volumes.room import missing_bytes
from onyx_pipelines.restore.volumes.selection import Parts, Selection
from onyx_pipelines.restore.volumes.staging import (
    Staging,
    room_bytes,
    settle_interrupted,
    staging_for,
)
from onyx_pipelines.restore.volumes.wording import shown
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.sources.volumes.containers import (
    ContainerPause,
    PauseSession,
    names_of_users,
)
from onyx_pipelines.sources.volumes.read_volume import known_places

# Who is to read every difference before it is let pass is told every one, up to here.
_MOST_NAMED: Final = 1000
_log = logging.getLogger(__name__)


def target_identity(objects: SetObjects, request: VolumesRestoreRequest, settings: Settings) -> str:
    """What tells the directories that are restored into from all others. Raises as `plan`."""
    return repr([str(each.directory) for each in targets_of(request, objects, settings)])


def restore(
    objects: SetObjects,
    request: VolumesRestoreRequest,
    clock: StepClock,
    workdir: Path,  # noqa: ARG001  (staging must lie on the target's own file system)
    settings: Settings,
    progress: ProgressCallback,
    journal: RestoreJournal,
) -> ComponentDrill:
    """Restore the chosen volumes. What the journal has is compared again.

    A volume whose data does not pass is not put in place: its findings say so, and the next ones
    are restored all the same. Containers that have the directory mounted
    are stopped while the restored data takes its place, and started again.

    Raises:
        NotFoundError, SettingsError: the request fits neither the set nor this host.
        RestoreError: something is in the way, or a file system refuses; what was there is there.
        StoreError, KeyFileError: the set cannot be read.
        SourceError: a container could not be stopped, or not be started again.
    """
    begun = len(clock.timings())
    targets = targets_of(request, objects, settings)
    findings: list[Finding] = []
    unfinished: list[str] = []
    with clock.step(Step.PREPARE, "staging"):
        for path in settle_configured(settings, *(target.directory for target in targets)):
            _log.warning("an interrupted restore was settled: %s", path)
        finished = {t.volume.name: _still_there(journal, t.volume.name) for t in targets}
        selections = {
            target.volume.name: _prepare(objects, request, target, settings)
            for target in targets
            if finished[target.volume.name] is None
        }
    recreation = VolumeRecreation(
        objects, clock, progress, make_devices=request.make_devices, most_named=_MOST_NAMED
    )
    for target in targets:
        name = target.volume.name
        earlier = finished[name]
        if earlier is not None:
            selection = selection_in(objects, target.volume, request.paths)
            now = recreation.compare_in_place(
                target.volume, target.directory, selection, Placed.of(earlier)
            )
            findings += still_the_same(earlier, now)
            continue
        one = _VolumeRestore(objects, target, selections[name], journal, settings)
        found, is_placed = one.run(recreation, clock)
        findings += found
        if not is_placed:
            unfinished.append(name)
    return ComponentDrill(
        component=Component.VOLUMES,
        findings=tuple(findings),
        steps=clock.timings()[begun:],
        plain_bytes=sum(target.volume.plain_bytes for target in targets),
        versions=versions(objects),
        unfinished=tuple(unfinished),
    )


def _still_there(journal: RestoreJournal, name: str) -> Finished | None:
    """What an earlier call put in place, unless it never was, or somebody replaced it since."""
    earlier = journal.finished(Component.VOLUMES, name)
    return earlier if earlier is not None and Placed.of(earlier).is_there() else None


def settle_configured(settings: Settings, *others: Path) -> list[Path]:
    """Finish or undo what killed restores left at the configured volumes and these other targets.

    Raises:
        RestoreError: a swap cannot be completed.
    """
    places = known_places(settings.docker_host)
    configured = (places.data_of(path) for path in settings.volumes.values())
    return settle_interrupted([*others, *(Path(os.path.realpath(path)) for path in configured)])


def _prepare(
    objects: SetObjects,
    request: VolumesRestoreRequest,
    target: RestoreTarget,
    settings: Settings,
) -> Selection:
    """Refuse what cannot go well before anything is touched. Raises as `restore`."""
    selection = selection_in(objects, target.volume, request.paths)
    refuse_immovable(target.directory, selection)
    kept_paths(objects, target.volume, target.directory, selection, settings.volume_excludes)
    names_of_users(settings, target.directory, target.configured_as)
    is_replacing = (
        holds_anything(target.directory)
        if selection.chosen is None
        else bool(replaced_paths(target.directory, selection))
    )
    if is_replacing and not request.replace:
        raise RestoreError(
            f"{target.directory} already holds what is to be restored.",
            remedy="Ask for it to be replaced, or name another target.",
        )
    shortage = missing_bytes(objects, target.volume, room_bytes(target.directory))
    if shortage and selection.chosen is None:
        raise RestoreError(
            f"The file system of {target.directory} is {shortage:,} bytes too small to hold the"
            f" restored volume {target.volume.name!r} beside what is there.",
            remedy="Free space there, or restore into another directory.",
        )
    return selection


@dataclass(frozen=True)
class _VolumeRestore:
    """One volume, from its archive to its place."""

    objects: SetObjects
    target: RestoreTarget
    selection: Selection
    journal: RestoreJournal
    settings: Settings

    def run(
        self, recreation: VolumeRecreation, clock: StepClock
    ) -> tuple[tuple[Finding, ...], bool]:
        """What was found, and whether it was put in place. Raises as `restore`."""
        target, name = self.target, self.target.volume.name
        try:
            with ExitStack() as stack:
                keep_volume = stack.enter_context(made_volume(self.settings, target.missing))
                keep_parents = stack.enter_context(_parents(target))
                staging = stack.enter_context(staging_for(target.directory))
                made = recreation.run(
                    target.volume, staging.new, selection=self.selection, shelf=staging.shelf
                )
                if not self.journal.lets_pass(made.findings):
                    outcome = _outcome(target, Verdict.FAILED, "Not put in place")
                    return (*made.findings, outcome), False
                with (
                    clock.step(Step.RESTORE, f"{name} (put in place)"),
                    _containers_stopped(target, self.settings),
                ):
                    findings = self._put_in_place(staging, made)
                    # Here already: a container that does not start again takes no data away.
                    keep_volume()
                    keep_parents()
                with clock.step(Step.CLEAN_UP, name):
                    stack.close()
                findings = (*findings, *_left_over(target, staging))
        except OSError as error:
            raise RestoreError(
                f"The volume {name!r} could not be restored to {target.directory}"
                f" ({error.strerror}); what was there is as it was.",
                remedy="Check that this user may create, rename and remove files there.",
            ) from None
        return findings, True

    def _put_in_place(self, staging: Staging, made: Recreated) -> tuple[Finding, ...]:
        """The journal names what is to be there, so it is true from the instant of the rename."""
        target, selection = self.target, self.selection
        # Looked at again: hours may have passed.
        refuse_immovable(target.directory, selection)
        kept = kept_paths(
            self.objects,
            target.volume,
            target.directory,
            selection,
            self.settings.volume_excludes,
        )
        outcome = _outcome(target, Verdict.PASSED, "Put in place", kept)
        forced = despite_differences(outcome.item, made.findings)
        findings = (*made.findings, *forced, outcome)
        if selection.chosen is None and staging.is_inside:
            staying = stay_with(kept, (), target.directory, staging.new)
            staging.swap.place_contents(staying)
            # It is the same directory before and after, so the journal is true only now.
            self._note({target.directory: target.directory.lstat().st_ino}, made, kept, findings)
            return findings
        placements = placements_of(target.directory, selection, staging.directory, kept)
        inodes = {
            staging.directory.parent.joinpath(*map(os.fsdecode, item.live_parts)): item.inode
            for item in placements
        }
        self._note(inodes, made, kept, findings)
        staging.swap.place(placements)
        return findings

    def _note(
        self,
        inodes: Mapping[Path, int],
        made: Recreated,
        kept: Sequence[Parts],
        findings: tuple[Finding, ...],
    ) -> None:
        volume = self.target.volume
        self.journal.add(
            Component.VOLUMES,
            volume.name,
            findings,
            placed=Placed.at(inodes, made.limits, kept).as_json(),
        )


@contextmanager
def _containers_stopped(target: RestoreTarget, settings: Settings) -> Iterator[None]:
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


def _outcome(
    target: RestoreTarget, verdict: Verdict, what: str, kept: Sequence[Parts] = ()
) -> Finding:
    rest = "" if verdict is Verdict.PASSED else "; what was there is as it was"
    if kept:
        rest = f"; {kept_sentence(kept)}"
    return Finding(
        verdict=verdict,
        item=shown(target.volume.name.encode("utf-8", "surrogateescape")),
        aspect="in place",
        message=f"{what}: {shown(os.fsencode(target.directory))}{rest}.",
    )


def _left_over(target: RestoreTarget, staging: Staging) -> list[Finding]:
    if not staging.directory.exists():
        return []
    place = shown(os.fsencode(staging.directory))
    return [
        Finding(
            verdict=Verdict.PASSED,
            item=shown(target.volume.name.encode("utf-8", "surrogateescape")),
            aspect="left over",
            message=f"Of what was replaced, this user could not remove everything: see {place}.",
        )
    ]
