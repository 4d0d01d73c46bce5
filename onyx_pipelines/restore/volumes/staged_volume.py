"""One volume out of a backup set into an empty directory, then compared with its facts."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from onyx_pipelines.archive.reading import Archive, ArchiveBlocks
from onyx_pipelines.core.errors import IntegrityError, NotFoundError, RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.directories import opened
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.volumes.comparison import Comparison
from onyx_pipelines.restore.volumes.extraction import Extractor
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.selection import WHOLE, Parts, Selection
from onyx_pipelines.restore.volumes.volume_findings import MAX_NAMED, VolumeFindings, shown
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, open_facts
from onyx_pipelines.vault.manifest import ObjectRecord


@dataclass
class StagedVolume:
    """What drills and real restores have in common.

    Args:
        most_named: differences that are named one by one.
        damage: why it was not extracted to its end; then there is nothing to compare.
        limits: what could not be restored here.
    """

    work: Work
    volume: VolumeObjects
    _: KW_ONLY
    make_devices: bool
    most_named: int = MAX_NAMED
    selection: Selection = WHOLE
    damage: tuple[Finding, ...] = ()
    limits: AbstractSet[Limit] = frozenset()

    @property
    def name(self) -> str:
        return shown(self.volume.name.encode("utf-8", "surrogateescape"))

    def extract(self, directory: Path, *, link_sources: Path | None = None) -> None:
        """Into a directory that exists and is empty, and may then hold a part of it.

        Args:
            link_sources: another empty directory beside it, needed where not all is selected.

        Raises:
            RestoreError: the file system of `directory` refuses.
            StoreError, KeyFileError: the set cannot be read.
        """
        volume = self.volume
        if volume.archive is None:
            self.damage = self._failed("archive", "The set has its facts, but not its archive.")
            return
        try:
            with (
                self.work.clock.step(Step.RESTORE, volume.name, plain_bytes=volume.plain_bytes),
                refusals(
                    f"The file system of {directory} does not take the volume",
                    remedy="Free space there, or name a directory on a file system like the"
                    " volume's own.",
                ),
            ):
                self._extract(volume.archive, directory, link_sources)
        except (IntegrityError, NotFoundError) as error:
            self.damage = self._failed("archive", error.what)

    def compared(
        self, directory: Path, limits: AbstractSet[Limit], *, kept: frozenset[Parts] | None = None
    ) -> tuple[Finding, ...]:
        """What is wrong with it there. `kept`: as `Comparison` has it."""
        if self.damage:
            return self.damage
        findings = VolumeFindings(self.volume.name, most_named=self.most_named)
        meter = self.work.meter(f"{self.volume.name} (comparison)", self.volume.plain_bytes)
        comparison = Comparison(
            findings, limits, selection=self.selection, kept=kept, count_bytes=meter.add
        )
        size = self.volume.plain_bytes
        try:
            with (
                self.work.clock.step(Step.COMPARE, self.volume.name, plain_bytes=size),
                opened(directory) as root_fd,
                open_facts(self.work.objects, self.volume) as (_, entries),
            ):
                comparison.run(root_fd, entries)
                meter.finish()
        except (IntegrityError, NotFoundError) as error:
            # What damaged facts seemed to tell is worth nothing.
            return self._failed("facts", error.what)
        return findings.finish()

    def _extract(self, record: ObjectRecord, directory: Path, link_sources: Path | None) -> None:
        meter = self.work.meter(self.volume.name, record.plain_bytes)
        with (
            opened(directory) as root_fd,
            opened(link_sources or directory) as link_sources_fd,
            self.work.objects.open(record) as reader,
        ):
            extractor = Extractor(
                root_fd,
                make_devices=self.make_devices,
                selection=self.selection,
                link_sources_fd=None if link_sources is None else link_sources_fd,
            )
            extractor.extract(Archive(ArchiveBlocks(reader, record.plain_bytes, meter.add)))
        meter.finish()
        self.limits = extractor.limits

    def _failed(self, aspect: str, what: str) -> tuple[Finding, ...]:
        findings = VolumeFindings(self.volume.name)
        findings.add(Verdict.FAILED, aspect, what)
        return findings.finish()


@contextmanager
def refusals(what: str, rest: str = "", *, remedy: str) -> Iterator[None]:
    """Raises RestoreError for an OSError of the block: `what` happened, why, and the rest."""
    try:
        yield
    except OSError as error:
        raise RestoreError(f"{what} ({error.strerror}){rest}.", remedy=remedy) from None
