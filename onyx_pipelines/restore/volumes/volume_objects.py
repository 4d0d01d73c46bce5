"""The objects of each volume in a backup set: its archive, and the facts to compare it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sources.source import Component
from onyx_pipelines.sources.volumes.facts import Entry, FactsHeader, read_facts
from onyx_pipelines.vault.layout import SEALED_SUFFIX
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines.vault.stores.store import ObjectReader

_ARCHIVES = "volumes/"
_FACTS = "facts/volumes/"
_BLOCK_BYTES = 1 << 20
# A file's last block is half empty on average, and each has an inode.
_BYTES_PER_FILE = 2048 + 512
# One entry with thousands of attributes is long; a line without an end would fill the memory.
_MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True)
class VolumeObjects:
    """Both records of a complete volume; one is None where the set lacks it."""

    name: str
    archive: ObjectRecord | None
    facts: ObjectRecord | None

    @property
    def plain_bytes(self) -> int:
        return self.archive.plain_bytes if self.archive else 0


def volumes_of(objects: SetObjects) -> list[VolumeObjects]:
    """Every volume of the set, sorted by name."""
    archives = _by_path(objects, _ARCHIVES, ".tar")
    facts = _by_path(objects, _FACTS, ".jsonl")
    found = []
    for path in archives.keys() | facts.keys():
        archive, listed = archives.get(path), facts.get(path)
        named = archive or listed
        if named is not None:
            found.append(VolumeObjects(named.name, archive, listed))
    return sorted(found, key=lambda volume: volume.name)


@contextmanager
def open_facts(
    objects: SetObjects, volume: VolumeObjects
) -> Iterator[tuple[FactsHeader, Iterator[Entry]]]:
    """The volume's facts as a stream; trust what was read only after the iterator has ended.

    Raises:
        IntegrityError: there are none, they are of another volume, or they are damaged.
    """
    if volume.facts is None:
        raise IntegrityError(
            f"The set has no facts of the volume {volume.name}.",
            remedy="Verify the backup set, and use its other copy or another set.",
        )
    with objects.open(volume.facts) as reader:
        header, entries = read_facts(lines_of(reader))
        if volume.archive and header.archive + SEALED_SUFFIX != volume.archive.key:
            raise IntegrityError(
                f"The facts of the volume {volume.name} belong to {header.archive}.",
                remedy="Verify the backup set, and use its other copy or another set.",
            )
        yield header, entries


def lines_of(reader: ObjectReader) -> Iterator[bytes]:
    """Lines with their ends, the last one as it is. Memory: one block, or one line."""
    rest = b""
    while block := reader.read(_BLOCK_BYTES):
        lines = (rest + block).splitlines(keepends=True)
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if len(rest) > _MAX_LINE_BYTES:
            raise IntegrityError(
                "The volume facts have a line of an absurd length.",
                remedy="Verify the backup set, and use its other copy or another set.",
            )
        yield from lines
    if rest:
        yield rest


def needed_bytes(objects: SetObjects, volume: VolumeObjects) -> int:
    """What it takes on a disk once it is restored."""
    record = objects.manifest.component(Component.VOLUMES)
    files = record.summary.get(f"volume.{volume.name}.files", 0) if record else 0
    per_file = int(files) * _BYTES_PER_FILE if isinstance(files, int | float) else 0
    return volume.plain_bytes + per_file


def _by_path(objects: SetObjects, folder: str, suffix: str) -> dict[str, ObjectRecord]:
    """Records by what their keys have in common: the volume's safe name."""
    return {
        record.key.removeprefix(folder).removesuffix(suffix + SEALED_SUFFIX): record
        for record in objects.records(Component.VOLUMES, prefix=folder, suffix=suffix)
    }
