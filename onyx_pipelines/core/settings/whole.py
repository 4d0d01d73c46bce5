"""All settings of one host, made of their parts."""

from __future__ import annotations

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from onyx_pipelines.core.settings.api import ApiSettings, DagsterSettings
from onyx_pipelines.core.settings.backups import (
    BackupSettings,
    ExpectationSettings,
    HookSettings,
    RetentionSettings,
)
from onyx_pipelines.core.settings.errors import ErrorSettings
from onyx_pipelines.core.settings.host import EngineSettings, HostSettings, ReportSettings
from onyx_pipelines.core.settings.launch import LaunchSettings
from onyx_pipelines.core.settings.layers import ConfigFile, FileVariants
from onyx_pipelines.core.settings.load_tests import LoadTestSettings, ObjectiveSettings
from onyx_pipelines.core.settings.monitoring import MonitoringSettings, PrometheusSettings
from onyx_pipelines.core.settings.notifications import NotificationSettings
from onyx_pipelines.core.settings.part import PREFIX, Part
from onyx_pipelines.core.settings.readiness import RehearsalSettings
from onyx_pipelines.core.settings.restores import DrillSettings, RestoreSettings
from onyx_pipelines.core.settings.sources import PostgresSettings, QdrantSettings, VolumeSettings
from onyx_pipelines.core.settings.stores import KeySettings, StoreSettings, TransferSettings

# In the order of the documentation; a part before those that are made of it.
PARTS: tuple[type[Part], ...] = (
    HostSettings,
    TransferSettings,
    StoreSettings,
    KeySettings,
    PostgresSettings,
    QdrantSettings,
    EngineSettings,
    VolumeSettings,
    HookSettings,
    RetentionSettings,
    ExpectationSettings,
    DrillSettings,
    RestoreSettings,
    ReportSettings,
    PrometheusSettings,
    MonitoringSettings,
    ErrorSettings,
    ObjectiveSettings,
    LoadTestSettings,
    LaunchSettings,
    RehearsalSettings,
    DagsterSettings,
    ApiSettings,
    NotificationSettings,
)


def own_names(part: type[Part]) -> list[str]:
    """Of the fields that this part does not have of a part that it is made of."""
    inherited = {name for base in part.__mro__[1:] for name in getattr(base, "model_fields", ())}
    return [name for name in part.model_fields if name not in inherited]


NAMES: tuple[str, ...] = tuple(name for part in PARTS for name in own_names(part))


class Settings(
    BackupSettings,
    HookSettings,
    RetentionSettings,
    ExpectationSettings,
    DrillSettings,
    RestoreSettings,
    ErrorSettings,
    LoadTestSettings,
    LaunchSettings,
    RehearsalSettings,
    DagsterSettings,
    ApiSettings,
    NotificationSettings,
    BaseSettings,
):
    """The configuration of one host. Loading it touches no network and needs no secret."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (pydantic calls by keyword)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Whoever says which stack it is about has the file of that stack.
        file = ConfigFile(settings_cls, stack=init_settings().get("stack", ""))
        return init_settings, env_settings, FileVariants(settings_cls), file
