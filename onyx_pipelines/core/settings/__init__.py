"""Every setting: its environment variable (or key in a file), default and meaning, in parts.

`Settings` is one of each part, so that a function asks for the part that it needs and is given the
whole. docs/configuration.md is generated from here.
"""

from onyx_pipelines.core.settings.api import ApiSettings, DagsterSettings
from onyx_pipelines.core.settings.backups import (
    BackupSettings,
    ExpectationSettings,
    Hook,
    HookSettings,
    RetentionSettings,
)
from onyx_pipelines.core.settings.errors import ErrorSettings
from onyx_pipelines.core.settings.host import EngineSettings, HostSettings, ReportSettings
from onyx_pipelines.core.settings.launch import LaunchSettings
from onyx_pipelines.core.settings.load_tests import LoadTestSettings, ObjectiveSettings
from onyx_pipelines.core.settings.loading import load_settings, load_stacks
from onyx_pipelines.core.settings.monitoring import (
    CHAT_BUCKETS_S,
    IncidentsApi,
    MonitoringSettings,
    PrometheusSettings,
    Receivers,
    Thresholds,
    Window,
)
from onyx_pipelines.core.settings.notifications import NotificationSettings
from onyx_pipelines.core.settings.part import PREFIX
from onyx_pipelines.core.settings.readiness import RehearsalSettings
from onyx_pipelines.core.settings.restores import DrillSettings, RestoreSettings
from onyx_pipelines.core.settings.sources import (
    PostgresSettings,
    QdrantSettings,
    SourceSettings,
    Volume,
    VolumeSettings,
)
from onyx_pipelines.core.settings.stores import (
    KeySettings,
    StorePlace,
    StoreSettings,
    TransferSettings,
    VaultSettings,
)
from onyx_pipelines.core.settings.whole import NAMES, PARTS, Settings

__all__ = [
    "CHAT_BUCKETS_S",
    "NAMES",
    "PARTS",
    "PREFIX",
    "ApiSettings",
    "BackupSettings",
    "DagsterSettings",
    "DrillSettings",
    "EngineSettings",
    "ErrorSettings",
    "ExpectationSettings",
    "Hook",
    "HookSettings",
    "HostSettings",
    "IncidentsApi",
    "KeySettings",
    "LaunchSettings",
    "LoadTestSettings",
    "MonitoringSettings",
    "NotificationSettings",
    "ObjectiveSettings",
    "PostgresSettings",
    "PrometheusSettings",
    "QdrantSettings",
    "Receivers",
    "RehearsalSettings",
    "ReportSettings",
    "RestoreSettings",
    "RetentionSettings",
    "Settings",
    "SourceSettings",
    "StorePlace",
    "StoreSettings",
    "Thresholds",
    "TransferSettings",
    "VaultSettings",
    "Volume",
    "VolumeSettings",
    "Window",
    "load_settings",
    "load_stacks",
]
