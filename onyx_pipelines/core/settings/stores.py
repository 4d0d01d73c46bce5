"""Settings of the stores that sets are kept in, and of the keys that they are sealed to."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from onyx_pipelines.core.settings.host import HostSettings
from onyx_pipelines.core.settings.part import OptionalPath, Part


class TransferSettings(Part):
    """How long sources and stores may be silent."""

    stall_timeout_s: float = Field(
        300, gt=0, description="A source or store that moves no byte for this long has failed."
    )


class StoreSettings(HostSettings, TransferSettings):
    """The local store and the second one."""

    backup_dir: Path = Field(
        Path("/var/backups/onyx"),
        description="Root of the local store.",
    )
    offsite_url: str = Field(
        "",
        description="Second store: `s3://bucket/prefix`, or `file:///path` (another disk or mount)."
        " Empty: no second copy, and the check `offsite_copy_is_current` says so.",
    )
    offsite_lock_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="Each sealed object, manifest and audit copy in the second store is locked for"
        " so many days from its copy on (S3 Object Lock, COMPLIANCE: nobody shortens it, not even"
        " the account's owner). 35 is recommended; 0: off. See docs/object_lock.md.",
    )
    s3_endpoint_url: str = Field("", description="S3-compatible endpoint; empty: Amazon's own.")
    s3_region: str = Field("us-east-1", description="Region that requests are signed for.")
    s3_access_key_id: str = Field(
        "", description="Access key id; empty: boto3's own search (profile, instance role)."
    )
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Secret of that access key.")


class KeySettings(Part):
    """Whom sets are sealed to, who signs them, and whose count."""

    recipients_file: Path = Field(
        Path("/etc/onyx-pipelines/recipients.json"),
        description="Public keys that backups are sealed to. Needed to write backups.",
    )
    private_key_file: OptionalPath = Field(
        None,
        description="A recipient's private key. Needed to open backups and to run drills; a host"
        " without it can still write them. Must not be readable by group or others.",
    )
    signing_key_file: OptionalPath = Field(
        None,
        description="What this host signs its sets with. Needed to write backups; must not be"
        " readable by group or others. Empty: `signing-key.json` beside the recipients.",
    )
    signers_file: OptionalPath = Field(
        None,
        description="Public keys of the hosts whose sets count. Empty: `signers.json` beside the"
        " recipients.",
    )

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key_file or self.recipients_file.with_name("signing-key.json")

    @property
    def signers_path(self) -> Path:
        return self.signers_file or self.recipients_file.with_name("signers.json")
