"""One volume out of a backup set into an empty directory, then compared with its facts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError, RestoreError
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.restore.volumes.archive_blocks import ArchiveBlocks
from onyx_pipelines.restore.volumes.archive_reading import Archive
from onyx_pipelines.restore.volumes.comparison import Comparison
from onyx_pipelines.restore.volumes.extraction import Extractor
from onyx_pipelines.restore.volumes.metadata import Limits
from onyx_pipelines.restore.volumes.placed import Placed
from onyx_pipelines.restore.volumes.selection import WHOLE, Parts, Selection
from onyx_pipelines.restore.volumes.volume_findings import MAX_NAMED, VolumeFindings
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, open_facts
from onyx_pipelines.sources.source import Component

_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Recreated:
    """What was found, and what could not be restored here."""

    findings: tuple[Finding, ...]
    limits: Limits


class VolumeRecreation:
    """Extracts and compares volumes of one set."""

    def __init__(
        self,
        objects: SetObjects,
        clock: StepClock,
        progress: ProgressCallback,
        *,
        make_devices: bool,
        most_named: int = MAX_NAMED,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._progress = progress
        self._make_devices = make_devices
        self._most_named = most_named

    def run(
        self,
        volume: VolumeObjects,
        directory: Path,
        *,
        selection: Selection = WHOLE,
        shelf: Path | None = None,
    ) -> Recreated:
        """What is wrong with the data is a finding; then `directory` may hold a part of it.

        Args:
            directory: exists and is empty.
            shelf: another empty directory beside it, needed where not all is selected.

        Raises:
            RestoreError: the file system of `directory` refuses.
            StoreError, KeyFileError: the set cannot be read.
        """
        limits = Limits()
        if volume.archive is None:
            what = "The set has its facts, but not its archive."
            return Recreated(_failed(volume, "archive", what), limits)
        try:
            with (
                self._clock.step(Step.RESTORE, volume.name, plain_bytes=volume.plain_bytes),
                _refusals_of(directory),
            ):
                limits = self._extract(volume, directory, selection, shelf)
        except (IntegrityError, NotFoundError) as error:
            return Recreated(_failed(volume, "archive", error.what), limits)
        return Recreated(self._compared(volume, directory, selection, limits, None), limits)

    def compare_in_place(
        self, volume: VolumeObjects, directory: Path, selection: Selection, placed: Placed
    ) -> tuple[Finding, ...]:
        """What is wrong with one that was put in place, beside what lies there too."""
        kept = placed.kept_parts()
        return self._compared(volume, directory, selection, placed.limits_met(), kept)

    def _extract(
        self, volume: VolumeObjects, directory: Path, selection: Selection, shelf: Path | None
    ) -> Limits:
        record = volume.archive
        assert record is not None  # noqa: S101  (looked at by the caller)
        meter = Meter(
            self._progress,
            component=Component.VOLUMES,
            item=volume.name,
            total_bytes=record.plain_bytes,
        )
        with (
            _opened(directory) as root_fd,
            _opened(shelf or directory) as shelf_fd,
            self._objects.open(record) as reader,
        ):
            extractor = Extractor(
                root_fd,
                make_devices=self._make_devices,
                selection=selection,
                shelf_fd=None if shelf is None else shelf_fd,
            )
            extractor.extract(Archive(ArchiveBlocks(reader, record.plain_bytes, meter.add)))
        meter.finish()
        return extractor.limits

    def _compared(
        self,
        volume: VolumeObjects,
        directory: Path,
        selection: Selection,
        limits: Limits,
        kept: frozenset[Parts] | None,
    ) -> tuple[Finding, ...]:
        findings = VolumeFindings(volume.name, most_named=self._most_named)
        meter = Meter(
            self._progress,
            component=Component.VOLUMES,
            item=f"{volume.name} (comparison)",
            total_bytes=volume.plain_bytes,
        )
        comparison = Comparison(
            findings, limits, selection=selection, kept=kept, count_bytes=meter.add
        )
        try:
            with (
                self._clock.step(Step.COMPARE, volume.name, plain_bytes=volume.plain_bytes),
                _opened(directory) as root_fd,
                open_facts(self._objects, volume) as (_, entries),
            ):
                comparison.run(root_fd, entries)
                meter.finish()
        except (IntegrityError, NotFoundError) as error:
            # What damaged facts seemed to tell is worth nothing.
            return _failed(volume, "facts", error.what)
        return findings.finish()


def _failed(volume: VolumeObjects, aspect: str, what: str) -> tuple[Finding, ...]:
    findings = VolumeFindings(volume.name)
    findings.add(Verdict.FAILED, aspect, what)
    return findings.finish()


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, _DIRECTORY_FLAGS)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _refusals_of(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RestoreError(
            f"The file system of {directory} does not take the volume ({error.strerror}).",
            remedy="Free space there, or name a directory on a file system like the volume's own.",
        ) from None
