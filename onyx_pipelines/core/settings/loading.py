"""From the environment and the configuration file to settings, or to one error that names all that
is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings.layers import (
    Problem,
    config_path,
    named_file,
    origins,
    stack_names,
)
from onyx_pipelines.core.settings.part import variable
from onyx_pipelines.core.settings.whole import NAMES, Settings

# Of the configuration file.
KEYS: tuple[str, ...] = (*NAMES, *filter(None, map(named_file, NAMES)))


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment and from the file that ONYX_CONFIG names.

    Args:
        overrides: win over both. `stack` chooses among the files of several.

    Raises:
        SettingsError: names each setting and what is wrong with it, never its value.
    """
    given = overrides or {}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "; ".join(_problems(error, str(given.get("stack", ""))))
        raise SettingsError(
            f"The configuration is not valid: {problems}.",
            remedy="See docs/configuration.md for each variable.",
        ) from None


def load_stacks() -> list[Settings]:
    """Of each stack that this process looks after, in the order of their names.

    Raises:
        SettingsError: those of one are not valid.
    """
    return [load_settings({"stack": name}) for name in stack_names()] or [load_settings()]


def _problems(error: ValidationError, stack: str) -> list[str]:
    places = {name: index for index, name in enumerate(NAMES)}
    found = error.errors(include_url=False, include_context=False)
    known, file = origins(Settings, stack), config_path(stack)
    return [
        _problem(item, known, file)
        for item in sorted(found, key=lambda item: places.get(str(item["loc"][0]), -1))
    ]


def _problem(item: ErrorDetails, known: Mapping[str, str], file: Path | None) -> str:
    name, *inner = map(str, item["loc"])
    if item["type"] == "extra_forbidden" and not inner:
        near = get_close_matches(name, KEYS, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"{name} in {file} is no setting{meant}"
    if isinstance(item["input"], Problem):
        said = item["input"].text
        return said if variable(name) in said else f"{known.get(name, variable(name))}: {said}"
    place = known.get(name, variable(name))
    where = f"{place} ({'.'.join(inner)})" if inner else place
    return f"{where}: {item['msg']}"
