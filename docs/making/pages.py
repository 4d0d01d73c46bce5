"""Which pages are written from the code, and by what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from docs.making import (
    commands,
    dagster_objects,
    diagnosis,
    error_codes,
    game_days,
    incidents,
    launch,
    metrics,
    rest_api,
)
from onyx_pipelines.backup.secret_hygiene import KNOWN_PASSWORDS
from onyx_pipelines.core.settings.reference import configuration_markdown
from onyx_pipelines.core.settings.sample import schema_json
from onyx_pipelines.errors.rules import RULES_FILE
from onyx_pipelines.monitoring.rendering import rendered

DOCS: Final = Path(__file__).parents[1]
DEPLOY: Final = DOCS.parent / "deploy"
MONITORING: Final = DEPLOY / "monitoring"


def _known_passwords() -> str:
    """For services that are not written in Python."""
    return json.dumps(sorted(KNOWN_PASSWORDS), indent=2) + "\n"


GENERATED: Final[Mapping[Path, Callable[[], str]]] = {
    DOCS / "configuration.md": configuration_markdown,
    DOCS / "onyx.schema.json": schema_json,
    DOCS / "error_codes.md": error_codes.page,
    DOCS / "INCIDENTS.md": incidents.page,
    DOCS / "diagnosis.md": diagnosis.page,
    DOCS / "LAUNCH.md": launch.page,
    DOCS / "game_days.md": game_days.page,
    **{MONITORING / path: partial(str, text) for path, text in rendered().items()},
    DEPLOY / "suna" / "known_passwords.json": _known_passwords,
    DEPLOY / "suna" / "scrubbing_rules.json": RULES_FILE.read_text,
    DOCS / "reference" / "commands.md": commands.page,
    DOCS / "reference" / "dagster.md": dagster_objects.page,
    DOCS / "reference" / "metrics.md": metrics.page,
    DOCS / "reference" / "rest_api.md": rest_api.page,
}
