"""The log of this process, without the secrets that its settings hold. Above `telemetry`, which
knows no settings."""

from __future__ import annotations

from contextlib import suppress

from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.logs import configure_logging
from onyx_pipelines.core.settings import Settings, load_settings


def begin_log(settings: Settings | None = None) -> None:
    """Once per process; again when its settings change.

    Args:
        settings: None: from the environment; where they cannot be read, the command that needs
            them says so.
    """
    if settings is None:
        try:
            settings = load_settings()
        except SettingsError:
            settings = None
    configure_logging(secrets=secret_values(settings) if settings else ())


def secret_values(settings: Settings) -> list[str]:
    """Of every setting that is one."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    for store in settings.stores:
        with suppress(SettingsError):  # whoever opens that store says so
            found.append(store.secret)
    return [text for value in found for text in value.split()]
