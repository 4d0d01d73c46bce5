"""A backup set as the spec's `backup_metadata` tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from onyx_pipelines.api.models import (
    PostgresqlAnswer,
    QdrantAnswer,
    SetAnswer,
    VolumeAnswer,
)
from onyx_pipelines.quantities import BYTES_PER_GB
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import CatalogRow
from onyx_pipelines.vault.manifest import ComponentRecord, Manifest

Answer = PostgresqlAnswer | QdrantAnswer | VolumeAnswer


def set_answer(row: CatalogRow, manifest: Manifest) -> SetAnswer:
    """Only finished sets are listed, so each is completed; its warnings are told beside that."""
    return SetAnswer.model_validate(
        {
            **row.as_json(),
            "timestamp": manifest.timestamp,
            "components": dict(_components(manifest)),
            "status": "completed",
            "retention_days": manifest.retention_days,
            "warnings": warnings_of(manifest),
        }
    )


def warnings_of(manifest: Manifest) -> list[str]:
    return [warning for record in manifest.components.values() for warning in record.warnings]


def _components(manifest: Manifest) -> Iterator[tuple[str, Answer]]:
    for record in manifest.components.values():
        match record.component:
            case Component.POSTGRESQL:
                yield (
                    record.component.value,
                    PostgresqlAnswer(
                        size_gb=record.size_gb,
                        checksum=record.checksum,
                        tables_count=_count(record, "tables_count"),
                    ),
                )
            case Component.QDRANT:
                yield (
                    record.component.value,
                    QdrantAnswer(
                        size_gb=record.size_gb,
                        vector_count=_count(record, "vector_count"),
                        collections_count=_count(record, "collections_count"),
                    ),
                )
            case Component.VOLUMES:
                yield from _volumes(record)


def _volumes(record: ComponentRecord) -> Iterator[tuple[str, VolumeAnswer]]:
    """Each by its name; one that is called like another component has a prefix."""
    for name in dict.fromkeys(each.name for each in record.objects):
        sealed = sum(each.sealed_bytes for each in record.objects if each.name == name)
        taken = name in {Component.POSTGRESQL, Component.QDRANT}
        yield (
            f"volumes/{name}" if taken else name,
            VolumeAnswer(
                volume_name=name,
                size_gb=sealed / BYTES_PER_GB,
                file_count=_count(record, f"volume.{name}.files"),
            ),
        )


def _count(record: ComponentRecord, name: str) -> int | None:
    value = record.summary.get(name)
    return value if isinstance(value, int) else None
