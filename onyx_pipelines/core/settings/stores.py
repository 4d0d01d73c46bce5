"""Settings of the stores that sets are kept in, and of the keys that they are sealed to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings.host import HostSettings
from onyx_pipelines.core.settings.part import SLUG, OptionalPath, Part, from_json


class TransferSettings(Part):
    """How long sources and stores may be silent."""

    stall_timeout_s: float = Field(
        300, gt=0, description="A source or store that moves no byte for this long has failed."
    )


class StorePlace(BaseModel):
    """One of several stores: where it is, how to ask for it, and what it keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=SLUG, description="What commands, metrics and reports call it.")
    url: str = Field(description="`/directory`, or `s3://bucket/prefix`.")
    lock_days: int = Field(default=0, ge=0, le=3650, description="As ONYX_OFFSITE_LOCK_DAYS.")
    keep_daily: int | None = Field(default=None, ge=0, description="Else ONYX_KEEP_DAILY.")
    keep_weekly: int | None = Field(default=None, ge=0, description="Else ONYX_KEEP_WEEKLY.")
    keep_monthly: int | None = Field(default=None, ge=0, description="Else ONYX_KEEP_MONTHLY.")
    endpoint_url: str = Field(default="", description="Else ONYX_S3_ENDPOINT_URL.")
    region: str = Field(default="", description="Else ONYX_S3_REGION.")
    access_key_id: str = Field(
        default="", description="Else ONYX_S3_ACCESS_KEY_ID with its secret."
    )
    secret_access_key_file: OptionalPath = Field(
        default=None, description="A file with the secret of `access_key_id`, for its owner alone."
    )

    def of_stack(self, stack: str) -> StorePlace:
        """The part of it that a stack has; all of it where there is only one."""
        if not stack:
            return self
        return self.model_copy(update={"url": f"{self.url.rstrip('/')}/{stack}"})

    @property
    def directory(self) -> Path | None:
        """None: it is a bucket, or no place at all."""
        if self.url.startswith("/"):
            return Path(self.url)
        url = urlsplit(self.url)
        is_here = url.scheme == "file" and url.netloc in ("", "localhost")
        return Path(unquote(url.path)) if is_here and url.path.startswith("/") else None

    @property
    def secret(self) -> str:
        """Of the access key, as its file has it now; empty: none is named.

        Raises:
            SettingsError: the file cannot be read.
        """
        if self.secret_access_key_file is None:
            return ""
        try:
            return self.secret_access_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"The secret of the store {self.name} cannot be read from"
                f" {self.secret_access_key_file} ({type(error).__name__}).",
                remedy="Give this user that file (mode 0600), or correct its path.",
            ) from None


def _once_each(stores: tuple[StorePlace, ...]) -> tuple[StorePlace, ...]:
    for key in ("name", "url"):
        said = [getattr(store, key) for store in stores]
        if twice := {each for each in said if said.count(each) > 1}:
            raise ValueError(f"{key} {min(twice)} is given twice")
    return stores


class StoreSettings(HostSettings, TransferSettings):
    """The stores: the local one and a second one, or a list."""

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
    stores: Annotated[
        tuple[StorePlace, ...], NoDecode, BeforeValidator(from_json), AfterValidator(_once_each)
    ] = Field(
        (),
        description="All stores by name, instead of `backup_dir` and the `offsite_` settings: a"
        " backup writes to the first, and is copied to each of the others (docs/stores.md). In the"
        " environment as JSON.",
        examples=[
            [
                {"name": "disk", "url": "/var/backups/onyx", "keep_monthly": 0},
                {"name": "nas", "url": "/mnt/nas/onyx"},
                {
                    "name": "vault",
                    "url": "s3://onyx-backups/prod",
                    "endpoint_url": "https://s3.example.org",
                    "lock_days": 35,
                    "access_key_id": "AKIAEXAMPLE",
                    "secret_access_key_file": "/etc/onyx-pipelines/vault-secret",
                },
            ]
        ],
    )
    s3_endpoint_url: str = Field("", description="S3-compatible endpoint; empty: Amazon's own.")
    s3_region: str = Field("us-east-1", description="Region that requests are signed for.")
    s3_access_key_id: str = Field(
        "", description="Access key id; empty: boto3's own search (profile, instance role)."
    )
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Secret of that access key.")

    @field_validator("stores")
    @classmethod
    def _one_way(
        cls, stores: tuple[StorePlace, ...], found: ValidationInfo
    ) -> tuple[StorePlace, ...]:
        if stores and found.data.get("offsite_url"):
            raise ValueError("offsite_url is given too: list every store here")
        return stores

    @property
    def places(self) -> tuple[StorePlace, ...]:
        """Of the stores; a backup writes to the first. Each stack has its own part of them."""
        return tuple(place.of_stack(self.stack) for place in self._as_configured)

    @property
    def _as_configured(self) -> tuple[StorePlace, ...]:
        if self.stores:
            return self.stores
        first = StorePlace(name="local", url=self.backup_dir.absolute().as_posix())
        if not self.offsite_url:
            return (first,)
        days = self.offsite_lock_days
        return first, StorePlace(name="offsite", url=self.offsite_url, lock_days=days)

    @property
    def has_copies(self) -> bool:
        """Whether there is a second store."""
        return len(self.places) > 1


class KeySettings(HostSettings):
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


class VaultSettings(StoreSettings, KeySettings):
    """Stores, and the keys of what lies in them."""
