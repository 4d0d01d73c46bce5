"""From the environment to settings, or to one error that names all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings.part import variable
from onyx_pipelines.core.settings.whole import NAMES, Settings


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: names the variable and what is wrong with it, never its value.
    """
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        problems = "; ".join(
            f"{variable('.'.join(str(part) for part in item['loc']))}: {item['msg']}"
            for item in sorted(found, key=lambda item: NAMES.index(str(item["loc"][0])))
        )
        raise SettingsError(
            f"The configuration is not valid: {problems}.",
            remedy="See docs/configuration.md for each variable.",
        ) from None
