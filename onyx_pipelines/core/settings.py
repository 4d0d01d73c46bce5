"""Every setting: its environment variable, default and meaning.

docs/configuration.md is generated from this file. Each variable NAME may be given as NAME_FILE
instead, the path of a file that holds the value (Docker secrets work that way).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from onyx_pipelines.core.errors import SettingsError

PREFIX = "ONYX_"


class Settings(BaseSettings):
    """The configuration of one host. Loading it touches no network and needs no secret."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    state_dir: Path = Field(
        Path("/var/lib/onyx-pipelines"),
        description="Directory for locks and journals. Local disk; every process of this host that"
        " backs up must use the same one.",
    )
    host_name: str = Field("", description="Name of this host in manifests; empty: its host name.")

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

    recipients_file: Path = Field(
        Path("/etc/onyx-pipelines/recipients.json"),
        description="Public keys that backups are sealed to. Needed to write backups.",
    )
    private_key_file: Path | None = Field(
        None,
        description="A recipient's private key. Needed to open backups and to run drills; a host"
        " without it can still write them. Must not be readable by group or others.",
    )
    signing_key_file: Path | None = Field(
        None,
        description="What this host signs its sets with. Needed to write backups; must not be"
        " readable by group or others. Empty: `signing-key.json` beside the recipients.",
    )
    signers_file: Path | None = Field(
        None,
        description="Public keys of the hosts whose sets count. Empty: `signers.json` beside the"
        " recipients.",
    )

    pg_host: str = Field(
        "", description="PostgreSQL host or socket directory. Empty: no PostgreSQL."
    )
    pg_port: int = Field(5432, ge=1, le=65535, description="PostgreSQL port.")
    pg_user: str = Field("postgres", description="Role that reads everything to be dumped.")
    pg_password: SecretStr = Field(SecretStr(""), description="Its password.")
    pg_databases: Annotated[tuple[str, ...], NoDecode] = Field(
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
    pg_bindir: Path | None = Field(
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

    qdrant_url: str = Field("", description="Qdrant's REST address. Empty: no Qdrant.")
    qdrant_api_key: SecretStr = Field(
        SecretStr(""),
        description="API key or token (JWT) that may make snapshots; to restore, one that may do"
        " everything (docs/qdrant.md).",
    )
    qdrant_collections: Annotated[tuple[str, ...], NoDecode] = Field(
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
    qdrant_ca_file: Path | None = Field(
        None,
        description="Certificates (PEM) to trust besides the system's: for a Qdrant whose"
        " certificate no public authority signed.",
    )

    volumes: Annotated[dict[str, Path], NoDecode] = Field(
        default_factory=dict,
        description="Volumes to archive, `name=/path,name=/path` (where Docker mounts them, usually"
        " /var/lib/docker/volumes/NAME/_data). A comma in a name or path is written `\\,`.",
    )
    volume_excludes: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Patterns relative to a volume's root that are left out, comma-separated, e.g."
        " `cache/**,*.tmp`. A comma in a pattern is written `\\,`.",
    )
    recipe: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="What the stack is made from beside what Compose's labels name (its files and"
        " env files): certificates, files of secrets, Dagster's and Grafana's own state;"
        " files and directories, comma-separated. All of it, with the digests of the images, is"
        " sealed as the volume `stack-recipe`.",
    )
    stop_containers_label: str = Field(
        "",
        description="Containers with this label whose value is the volume's name (or empty) are"
        " stopped while it is read. Empty: none is.",
    )
    docker_host: str = Field(
        "unix:///var/run/docker.sock",
        description="Docker API: what volumes are made with, and which containers use them; those"
        " are stopped while a restore replaces a volume. Empty, or no such socket: this host has no"
        " engine.",
    )

    stall_timeout_s: float = Field(
        300, gt=0, description="A source or store that moves no byte for this long has failed."
    )
    keep_daily: int = Field(7, ge=0, description="Days to keep a set for (see docs/retention.md).")
    keep_weekly: int = Field(4, ge=0, description="ISO weeks to keep a set for.")
    keep_monthly: int = Field(12, ge=0, description="Months to keep a set for.")
    retention_timezone: str = Field(
        "UTC", description="Time zone in which days, weeks, months end."
    )
    sweep_grace_hours: float = Field(
        24, ge=0, description="Age after which the leftovers of a killed backup are deleted."
    )
    size_drop_error_percent: float = Field(
        50,
        gt=0,
        le=100,
        description="A set smaller than the median of the last good ones by more than this fails"
        " `size_is_plausible`.",
    )
    backup_max_age_hours: float = Field(
        26, gt=0, description="A newest set older than this is overdue."
    )

    scratch_dir: Path | None = Field(
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
    reports_dir: Path = Field(
        Path("reports"), description="Where drills and load tests put their reports."
    )
    recovery_time_objective_minutes: float = Field(
        60, gt=0, description="How long a full restore may take (AC9.4.2)."
    )
    drill_max_age_days: float = Field(
        35, gt=0, description="A newest passed drill older than this is overdue."
    )
    drill_every_backup: bool = Field(
        default=True, description="Drill each new set, not only on the 1st of the month."
    )

    load_test_url: str = Field(
        "", description="Origin of the deployment that load tests send to. Empty: no load tests."
    )
    load_test_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that the load test's users sign in with."
    )
    load_test_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts, addresses or networks that may be loaded, comma-separated. Loopback"
        " always may; everything else that is not listed is refused.",
    )
    load_test_profile: str = Field("full", description="`full` (10 to 20 min) or `quick` (2 min).")
    load_test_services: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="What is watched meanwhile, `name=pidfile:/run/x.pid,name=cgroup:/sys/fs/…`;"
        " also `pid:N`, `job:NAME` or `container:NAME` as ONYX_PROMETHEUS_URL knows it, and"
        " `metrics:http://…` for the gauges of a pool, between spaces.",
    )
    load_test_chat_path: str = Field("/api/chat/send-message", description="Streams an answer.")
    load_test_rag_path: str = Field("/api/rag/search", description="Retrieval, no generation.")
    load_test_agent_path: str = Field("/api/agent/tasks", description="A task of an agent.")
    load_test_cleanup_path: str = Field(
        "",
        description="DELETE here removes what a test made; `{run}` is its key. Empty: none.",
    )
    load_test_llm: str = Field(
        "", description="Which language model answers; runs with different ones are not compared."
    )
    chat_p95_objective_ms: float = Field(1500, gt=0, description="Chat, p95 (AC9.6.2).")
    rag_p95_objective_ms: float = Field(200, gt=0, description="Retrieval, p95 (AC9.6.2).")
    peak_memory_objective_gb: float = Field(
        12, gt=0, description="All services together, in GB of 10^9 bytes (AC9.6.2)."
    )
    chat_objective_measure: Literal["", "first_token", "full_answer"] = Field(
        "",
        description="What the chat objective is about; empty: the first token where answers are"
        " streamed, else the whole answer.",
    )

    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8910, ge=1, le=65535, description="Its port.")
    api_allowed_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1"),
        description="Addresses and networks that may use the API, comma-separated.",
    )
    api_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Proxies whose X-Forwarded-For is believed, comma-separated. Empty: none.",
    )
    api_tokens_file: Path | None = Field(
        None, description="Where the API's tokens are kept, as hashes; empty: in ONYX_STATE_DIR."
    )
    api_request_timeout_s: float = Field(
        60, gt=0, description="A request that takes longer is answered with 504."
    )
    metrics_user: str = Field("admin", description="User of /metrics (basic authentication).")
    metrics_password: SecretStr = Field(
        SecretStr(""), description="Its password. Empty: /metrics is switched off."
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000", description="Dagster's web server, by which the API launches runs."
    )
    dagster_user: str = Field("", description="User of a proxy in front of it. Empty: none.")
    dagster_password: SecretStr = Field(SecretStr(""), description="Password of that user.")
    prometheus_url: str = Field(
        "", description="Prometheus, e.g. http://127.0.0.1:9090. Empty: no metrics summary."
    )

    notify_on: Annotated[tuple[str, ...], NoDecode] = Field(
        ("failed", "warned", "recovered", "cancelled", "missed"),
        description="What people are told, comma-separated: succeeded, failed, warned,"
        " recovered, cancelled, missed; of one job only: `nightly_backup:succeeded`.",
    )
    slack_notify_on: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The same for Slack; empty: ONYX_NOTIFY_ON."
    )
    mail_notify_on: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The same for mail; empty: ONYX_NOTIFY_ON."
    )
    other_notify_on: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The same for ONYX_NOTIFY_URLS; empty: ONYX_NOTIFY_ON."
    )
    notify_urls: SecretStr = Field(
        SecretStr(""),
        description="Other messengers: addresses of apprise (`ntfy://…`, `matrix://…`), between"
        " spaces or lines.",
    )
    slack_webhook_url: SecretStr = Field(
        SecretStr(""), description="Slack's incoming webhook. Empty: no Slack."
    )
    smtp_host: str = Field("", description="Mail server. Empty: no mail.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`none` only for a server on this host."
    )
    smtp_user: str = Field("", description="User of the mail server. Empty: no login.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Its password.")
    smtp_from: str = Field("onyx-pipelines@localhost", description="Sender of mail.")
    smtp_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Recipients of mail, comma-separated."
    )
    ping_url_backup: SecretStr = Field(
        SecretStr(""),
        description="Dead man's switch of backups (Healthchecks' protocol: URL, /start, /fail).",
    )
    ping_url_drill: SecretStr = Field(SecretStr(""), description="The same of restore drills.")
    ping_url_load_test: SecretStr = Field(SecretStr(""), description="The same of load tests.")
    dagster_public_url: str = Field(
        "", description="Dagster's address for people, for links in messages. Empty: no links."
    )
    playbook_url: str = Field(
        "", description="Page for on-call, linked from what failed. Empty: none."
    )

    @field_validator("notify_on", "slack_notify_on", "mail_notify_on", "other_notify_on")
    @classmethod
    def _known_outcomes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = "started, succeeded, failed, warned, recovered, cancelled, missed"
        for text in value:
            if text.rpartition(":")[2] not in known.split(", "):
                raise ValueError(f"{text!r} names none of {known}")
        return value

    @field_validator(
        "notify_on",
        "slack_notify_on",
        "mail_notify_on",
        "other_notify_on",
        "smtp_to",
        "api_allowed_addresses",
        "api_trusted_proxies",
        "pg_databases",
        "qdrant_collections",
        "volume_excludes",
        "recipe",
        "load_test_allowed_hosts",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(_parts(value))
        return value

    @field_validator("volumes", mode="before")
    @classmethod
    def _split_mapping(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        volumes: dict[str, str] = {}
        for part in _parts(value):
            name, separator, path = part.partition("=")
            if not separator or not name.strip() or not path.strip():
                raise ValueError(f"{part!r} is not of the form name=/path")
            if name.strip() in volumes:
                raise ValueError(f"volume {name.strip()!r} is given twice")
            volumes[name.strip()] = path.strip()
        return volumes

    @field_validator("load_test_services", mode="before")
    @classmethod
    def _split_services(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        services: dict[str, str] = {}
        for part in filter(None, (p.strip() for p in value.split(","))):
            name, separator, text = part.partition("=")
            if not separator or not name.strip() or not text.strip():
                raise ValueError(f"{part!r} is not of the form name=pidfile:/path")
            services[name.strip()] = text.strip()
        return services

    @property
    def signing_key_path(self) -> Path:
        return self.signing_key_file or self.recipients_file.with_name("signing-key.json")

    @property
    def signers_path(self) -> Path:
        return self.signers_file or self.recipients_file.with_name("signers.json")

    @property
    def host(self) -> str:
        """This host's name."""
        return self.host_name or socket.gethostname()

    @property
    def tokens_file(self) -> Path:
        """Of the API."""
        return self.api_tokens_file or self.state_dir / "api" / "tokens.json"

    @field_validator(
        *("private_key_file", "signing_key_file", "signers_file"),
        *("pg_bindir", "scratch_dir", "api_tokens_file"),
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (pydantic calls by keyword)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileVariants(settings_cls)


def _parts(value: str) -> list[str]:
    """Of a list with commas; `\\,` is a comma in a part."""
    parts = (part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", value))
    return [part for part in parts if part]


class _FileVariants(PydanticBaseSettingsSource):
    """Reads ONYX_X from the file named by ONYX_X_FILE, without its last line break."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  (others need it)
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        # `private_key_file` is a setting itself: ONYX_PRIVATE_KEY_FILE names the key's own file.
        if not path or field_name.endswith("_file"):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{PREFIX}{field_name.upper()}_FILE names {path}, which cannot be read"
                f" ({type(error).__name__}).",
                remedy="Create the file, readable for this user, or unset the variable.",
            ) from None

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: names the variable and what is wrong with it, never its value.
    """
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        problems = "; ".join(
            f"{PREFIX}{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise SettingsError(
            f"The configuration is not valid: {problems}.",
            remedy="See docs/configuration.md for each variable.",
        ) from None
