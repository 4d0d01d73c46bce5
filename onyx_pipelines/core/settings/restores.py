"""Settings of drills and restores."""

from __future__ import annotations

from pydantic import Field, SecretStr

from onyx_pipelines.core.settings.part import OptionalPath, Part


class DrillSettings(Part):
    """Where drills restore to, how often, and what is expected of them."""

    scratch_dir: OptionalPath = Field(
        None,
        description="Where drills restore to, on a disk with room for the largest component; empty:"
        " a directory of this user's in /var/tmp. PostgreSQL does not run as root: then another"
        " user must be able to enter it.",
    )
    drill_pg_host: str = Field(
        "",
        description="PostgreSQL server that drills restore to, never the one that is backed up."
        " Empty: a throw-away cluster.",
    )
    drill_pg_port: int = Field(5432, ge=1, le=65535, description="Its port.")
    drill_pg_user: str = Field("postgres", description="Role that may create databases there.")
    drill_pg_password: SecretStr = Field(SecretStr(""), description="Its password.")
    drill_pg_sslmode: str = Field("prefer", description="libpq sslmode of that server.")
    drill_qdrant_url: str = Field(
        "",
        description="Qdrant server that drills restore to, under names of their own, instead of the"
        " embedded engine; never the one that is backed up. Empty: the embedded engine.",
    )
    drill_qdrant_api_key: SecretStr = Field(
        SecretStr(""), description="API key that may create and drop collections there."
    )
    drill_max_age_days: float = Field(
        35, gt=0, description="A newest passed drill older than this is overdue."
    )
    drill_every_backup: bool = Field(
        default=True, description="Drill each new set, not only on the 1st of the month."
    )
    recovery_time_objective_minutes: float = Field(
        60, gt=0, description="How long a full restore may take (AC9.4.2)."
    )


class RestoreSettings(Part):
    """Restores to other servers, and how long they wait."""

    restore_pg_password: SecretStr = Field(
        SecretStr(""),
        description="Password for `onyx restore --into postgresql://…`; empty: ONYX_PG_PASSWORD.",
    )
    restore_qdrant_api_key: SecretStr = Field(
        SecretStr(""),
        description="API key for `onyx restore --into http://…`; empty: ONYX_QDRANT_API_KEY.",
    )
    restore_qdrant_index_wait_s: float = Field(
        0,
        ge=0,
        description="How long a restore of Qdrant waits, when everything is in place, until its"
        " vectors are indexed as before. 0: not at all, as the data answers already, and what comes"
        " after the restore need not wait for what may take hours; the result says how far it is.",
    )
