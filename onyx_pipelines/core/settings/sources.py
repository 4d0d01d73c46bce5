"""Settings of what is backed up: PostgreSQL, Qdrant, volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from onyx_pipelines.core.settings.host import EngineSettings, HostSettings
from onyx_pipelines.core.settings.part import OptionalPath, Paths, Words, split_pairs
from onyx_pipelines.core.settings.stores import KeySettings, TransferSettings


class PostgresSettings(TransferSettings):
    """The PostgreSQL server that is backed up."""

    pg_host: str = Field(
        "", description="PostgreSQL host or socket directory. Empty: no PostgreSQL."
    )
    pg_port: int = Field(5432, ge=1, le=65535, description="PostgreSQL port.")
    pg_user: str = Field("postgres", description="Role that reads everything to be dumped.")
    pg_password: SecretStr = Field(SecretStr(""), description="Its password.")
    pg_databases: Words = Field(
        ("*",),
        description="Databases, comma-separated; `*`: every one that allows connections, except"
        " templates.",
    )
    pg_maintenance_database: str = Field(
        "postgres", description="Database to connect to for lists of databases and roles."
    )
    pg_sslmode: str = Field("prefer", description="libpq sslmode.")
    pg_globals: bool = Field(
        default=True, description="Dump roles and grants too (pg_dumpall --globals-only)."
    )
    pg_bindir: OptionalPath = Field(
        None,
        description="Directory of pg_dump and pg_dumpall; empty: the newest installed ones that are"
        " not older than the server.",
    )
    pg_fingerprint_max_bytes: int = Field(
        2_000_000_000,
        ge=0,
        description="Tables up to this size are fingerprinted whole, larger ones by a sample of"
        " rows, which the manifest says.",
    )
    pg_lock_timeout_s: float = Field(
        120,
        gt=0,
        description="How long a backup waits for a table that somebody has locked exclusively"
        " (ALTER TABLE, VACUUM FULL), before it fails and is tried again.",
    )


class QdrantSettings(HostSettings, TransferSettings):
    """The Qdrant server that is backed up."""

    qdrant_url: str = Field("", description="Qdrant's REST address. Empty: no Qdrant.")
    qdrant_api_key: SecretStr = Field(
        SecretStr(""),
        description="API key or token (JWT) that may make snapshots; to restore, one that may do"
        " everything (docs/qdrant.md).",
    )
    qdrant_collections: Words = Field(
        ("*",),
        description="Collections, comma-separated; `*`: all that the key sees, but for those that"
        " drills and restores make for themselves.",
    )
    qdrant_snapshot_timeout_s: float = Field(
        3600, gt=0, description="How long the server may take to make one snapshot."
    )
    qdrant_sample_points: int = Field(
        500,
        ge=0,
        description="Random points of a collection of more than 5,000 whose content is kept for"
        " comparison (500 show the loss of 1 % with 99 % certainty). Of smaller ones, all are.",
    )
    qdrant_ca_file: OptionalPath = Field(
        None,
        description="Certificates (PEM) to trust besides the system's: for a Qdrant whose"
        " certificate no public authority signed.",
    )


class Volume(BaseModel):
    """A directory, and what of it is left out beside what is left out of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    exclude: tuple[str, ...] = ()


def _of_path(value: object) -> object:
    return {"path": value} if isinstance(value, (str, Path)) else value


PlacedVolume = Annotated[Volume, BeforeValidator(_of_path, json_schema_input_type=str | Volume)]


class VolumeSettings(EngineSettings, KeySettings):
    """The volumes that are backed up."""

    volumes: Annotated[dict[str, PlacedVolume], NoDecode, BeforeValidator(split_pairs)] = Field(
        default_factory=dict,
        description="Volumes to archive, `name=/path,name=/path` (where Docker mounts them, usually"
        " /var/lib/docker/volumes/NAME/_data). A comma in a name or path is written `\\,`.",
        examples=[
            {
                "documents": "/var/lib/docker/volumes/documents/_data",
                "uploads": {"path": "/srv/uploads", "exclude": ["cache/**"]},
            }
        ],
    )
    volume_excludes: Words = Field(
        (),
        description="Patterns relative to a volume's root that are left out, comma-separated, e.g."
        " `cache/**,*.tmp`. A comma in a pattern is written `\\,`.",
    )
    recipe: Paths = Field(
        (),
        description="What the stack is made from beside what Compose's labels name (its files and"
        " env files): certificates, files of secrets, Dagster's and Grafana's own state;"
        " files and directories, comma-separated. All of it, with the digests of the images, is"
        " sealed as the volume `stack-recipe`.",
    )

    @property
    def volume_paths(self) -> dict[str, Path]:
        """The directory of each."""
        return {name: volume.path for name, volume in self.volumes.items()}

    def excludes_of(self, volume: str) -> tuple[str, ...]:
        """Patterns of what is left out of one, or was when it was configured."""
        own = self.volumes[volume].exclude if volume in self.volumes else ()
        return (*self.volume_excludes, *own)


class SourceSettings(PostgresSettings, QdrantSettings, VolumeSettings):
    """Everything that is backed up."""
