"""The log of this process, without the secrets that its settings hold. Above `telemetry`, which
knows no settings."""

from __future__ import annotations

from contextlib import suppress

from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.logs import configure_logging
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.settings.layers import stack_names


def begin_log(*settings: Settings) -> None:
    """Once per process; again when its settings change.

    Args:
        settings: of each stack. None: from the environment; where they cannot be read, the command
            that needs them says so.
    """
    found = settings or _readable()
    configure_logging(secrets=[secret for each in found for secret in secret_values(each)])


def _readable() -> list[Settings]:
    found = []
    with suppress(SettingsError):  # whoever needs them says so
        for stack in stack_names() or ("",):
            with suppress(SettingsError):  # the others are readable
                found.append(load_settings({"stack": stack} if stack else None))
    return found


def secret_values(settings: Settings) -> list[str]:
    """Of every setting that is one."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    for store in settings.stores:
        with suppress(SettingsError):  # whoever opens that store says so
            found.append(store.secret)
    return [text for value in found for text in value.split()]
