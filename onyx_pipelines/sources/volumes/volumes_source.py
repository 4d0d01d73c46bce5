"""The volumes component: each volume becomes a tar archive and a file of facts.

Files that change, vanish or cannot be read make it `completed_with_warnings`; a volume that is not
there makes it fail.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from onyx_pipelines.archive.block_writer import BlockWriter
from onyx_pipelines.core.errors import SettingsError, SourceError
from onyx_pipelines.core.progress import Meter, ProgressCallback
from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.sources.source import (
    USUAL_WARNINGS,
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)
from onyx_pipelines.sources.volumes.archiving import VolumeArchiver
from onyx_pipelines.sources.volumes.containers import ContainerPause, PauseSession
from onyx_pipelines.sources.volumes.excludes import exclude_rule
from onyx_pipelines.sources.volumes.facts import Counts, FactsHeader, end_line, header_line
from onyx_pipelines.sources.volumes.read_volume import ReadVolume, known_places
from onyx_pipelines.sources.volumes.recipe import RECIPE, Recipe
from onyx_pipelines.sources.volumes.walking import measure_bytes

ARCHIVE_MEDIA_TYPE: Final = "application/x-tar"
FACTS_MEDIA_TYPE: Final = "application/x-ndjson"
# Of the archives that this package writes; raised when a reader could notice a change.
TAR_WRITER_VERSION: Final = "1"
# A larger tree is read without saying which share is done: finding out would take too long.
_MEASURED_ENTRIES: Final = 200_000


class VolumesSource:
    """Reads the volumes one after the other, in the order of their names.

    Args:
        volumes: directory by name, as Docker mounts them on this host.
        excludes: patterns that hold in each of them, see excludes.py.
        own_excludes: those that hold in one, by its name, in the place of `excludes`.
        pause: stops containers while their volume is read; None stops none.
        docker_host: of the engine that knows what the volumes are; empty: there is none.
        recipe: what the stack is made from, backed up as one more volume.
    """

    component = Component.VOLUMES

    def __init__(
        self,
        volumes: Mapping[str, Path],
        *,
        excludes: Sequence[str] = (),
        own_excludes: Mapping[str, Sequence[str]] = MappingProxyType({}),
        pause: ContainerPause | None = None,
        docker_host: str = "",
        recipe: Recipe | None = None,
    ) -> None:
        if RECIPE in volumes:
            raise SettingsError(
                f"A volume cannot be called {RECIPE}: that is what the stack is made from.",
                remedy="Give it another name in ONYX_VOLUMES.",
            )
        self._volumes = dict(sorted(volumes.items()))
        self._excludes = {name: tuple(own_excludes.get(name, excludes)) for name in self._volumes}
        for patterns in (tuple(excludes), *self._excludes.values()):
            exclude_rule(patterns)  # refused at once
        self._pause = pause
        self._docker_host = docker_host
        self._recipe = recipe

    @classmethod
    def from_settings(cls, settings: VolumeSettings) -> Self:
        """The directories of `ONYX_VOLUMES`, and the stack's recipe.

        Raises:
            SettingsError: a name or a path does not fit.
        """
        return cls(
            settings.volume_paths,
            excludes=settings.volume_excludes,
            own_excludes={name: settings.excludes_of(name) for name in settings.volumes},
            pause=ContainerPause.from_settings(settings),
            docker_host=settings.docker_host,
            recipe=Recipe.from_settings(settings),
        )

    def describe(self) -> str:
        """Which volumes; opens each directory.

        Raises:
            SourceError: one is not there.
        """
        with ExitStack() as stack:
            return f"volumes {', '.join(volume.name for volume in self._opened(stack))}"

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write `volumes/<name>.tar` and `facts/volumes/<name>.jsonl` for each volume.

        Raises:
            SourceError: a volume is missing, was replaced while it was read, or a container could
                not be stopped or started again.
            AlreadyRunningError: another process has containers stopped.
        """
        with ExitStack() as stack:
            # All of them first: no container stops for a volume that is not there, and what is
            # mounted for its containers alone stays readable through what was opened before.
            volumes = self._opened(stack)
            if not volumes:
                raise SourceError(
                    "No volumes are configured.",
                    remedy="Set ONYX_VOLUMES, or leave this component out of the backup.",
                )
            session = None if self._pause is None else stack.enter_context(self._pause.session())
            with _stopped(session, ""):
                counts = {
                    volume.name: self._back_up_volume(volume, sink, progress, session)
                    for volume in volumes
                }
        warnings = [warning for volume in volumes for warning in volume.warnings]
        return _report(counts, (*warnings, *(() if session is None else session.warnings)))

    def _opened(self, stack: ExitStack) -> list[ReadVolume]:
        places = known_places(self._docker_host)
        volumes = [
            ReadVolume.open(stack, name, path, places, self._excludes[name])
            for name, path in self._volumes.items()
        ]
        if self._recipe is not None:
            found = self._recipe.found(self._docker_host, self._volumes.values())
            if found is not None:
                volumes.append(ReadVolume.open_recipe(stack, found))
        return volumes

    def _back_up_volume(
        self,
        volume: ReadVolume,
        sink: ComponentSink,
        progress: ProgressCallback,
        session: PauseSession | None,
    ) -> Counts:
        name = volume.name
        archive_path = object_path("volumes", name, suffix=".tar")
        facts_path = object_path("facts", "volumes", name, suffix=".jsonl")
        with (
            _stopped(session, name, volume.used),
            sink.object(archive_path, name=name, media_type=ARCHIVE_MEDIA_TYPE) as tar_sink,
            sink.object(facts_path, name=name, media_type=FACTS_MEDIA_TYPE) as facts_sink,
        ):
            meter = Meter(
                progress,
                component=self.component,
                item=name,
                total_bytes=measure_bytes(
                    volume.root_fd, volume.is_excluded, max_entries=_MEASURED_ENTRIES
                ),
            )
            facts = BlockWriter(facts_sink)
            facts.write(
                header_line(FactsHeader(name, archive_path, volume.excludes, volume.docker))
            )
            archiver = VolumeArchiver(BlockWriter(tar_sink), facts, meter)
            counts = archiver.archive(volume.root_fd, volume.is_excluded)
            volume.check_it_is_still_there()
            facts.write(end_line(counts))
            facts.flush()
            meter.finish()
        return counts


def _stopped(
    session: PauseSession | None, volume: str, directory: Path | None = None
) -> AbstractContextManager[None]:
    return nullcontext() if session is None else session.stopped(volume, directory)


def _report(counts: Mapping[str, Counts], others: Iterable[str]) -> ComponentReport:
    unread = _warnings(counts, {"unreadable": "could not be read"})
    moved = _warnings(
        counts, {"changed": "changed while being read", "vanished": "vanished before being read"}
    )
    warnings = (*unread, *others, *moved)
    summary: dict[str, int | float | str] = {
        "volumes_count": len(counts),
        "file_count": sum(c.files for c in counts.values()),
        "directories_count": sum(c.directories for c in counts.values()),
        "plain_bytes": sum(c.file_bytes for c in counts.values()),
        "changed_count": sum(c.changed for c in counts.values()),
        "vanished_count": sum(c.vanished for c in counts.values()),
        "unreadable_count": sum(c.unreadable for c in counts.values()),
        "skipped_count": sum(c.skipped for c in counts.values()),
        "excluded_count": sum(c.excluded for c in counts.values()),
        # Files that are in use move.
        USUAL_WARNINGS: len(moved),
    }
    for name, volume in counts.items():
        summary[f"volume.{name}.files"] = volume.files
        summary[f"volume.{name}.bytes"] = volume.file_bytes
    return ComponentReport(
        component=Component.VOLUMES,
        status=ComponentStatus.COMPLETED_WITH_WARNINGS if warnings else ComponentStatus.COMPLETED,
        summary=summary,
        versions={"tar_writer": TAR_WRITER_VERSION, "python": platform.python_version()},
        warnings=warnings,
    )


def _warnings(counts: Mapping[str, Counts], kinds: Mapping[str, str]) -> list[str]:
    """Numbers only: names of files may be personal, and stand in the sealed facts."""
    warnings = []
    for name, volume in counts.items():
        parts = [
            f"{number} {what}" for kind, what in kinds.items() if (number := getattr(volume, kind))
        ]
        if parts:
            warnings.append(f"volume {name}: {', '.join(parts)} (named in its facts)")
    return warnings
