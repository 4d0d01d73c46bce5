"""`onyx config`: what the settings are, whether they are right, and a file to begin with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import NAMES, Settings, load_settings
from onyx_pipelines.core.settings.layers import config_path, origins
from onyx_pipelines.core.settings.sample import sample_yaml
from onyx_pipelines.terminal.output import JsonOption, out, print_json

app = typer.Typer(help="What is configured, and where it comes from.")


@app.command("show")
def show(*, as_json: JsonOption = False) -> None:
    """Every setting, its value and where that came from; no secret is printed."""
    settings, known = load_settings(), origins(Settings)
    rows = [(name, _shown(settings, name), known.get(name, "default")) for name in NAMES]
    if as_json:
        print_json([dict(zip(("name", "value", "origin"), row, strict=True)) for row in rows])
        return
    out.table("Settings", ("setting", "value", "from"), rows)


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return "(secret)" if value.get_secret_value() else ""
    if isinstance(value, (tuple, dict)):
        return json.dumps(settings.model_dump(mode="json", include={name})[name])
    return "" if value is None else str(value)


@app.command("check")
def check() -> None:
    """Exit code 0 if every setting can be read, 2 with all that is wrong otherwise."""
    load_settings()
    path = config_path()
    out.line("The settings are valid", f" ({path} and the environment)." if path else ".")


@app.command("init")
def init(
    path: Annotated[
        Path | None, typer.Argument(help="Default: what ONYX_CONFIG names, or onyx.yaml here.")
    ] = None,
) -> None:
    """Write a sample with every setting as a comment, for its owner alone; overwrites nothing."""
    path = path or config_path() or Path("onyx.yaml")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}.",
            remedy="Give the path of a new file in a directory that this user may write.",
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(sample_yaml())
    out.line(f"Written: {path}. Name it in ONYX_CONFIG.")
