"""The Dagster code location: merges what the capability folders define, and nothing more.

Loading it touches no network and needs no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from onyx_pipelines.backup.definitions import backup_definitions


def build_defs(
    overrides: Mapping[str, Any] | None = None, *, retry_delay_s: float = 30
) -> dg.Definitions:
    """The graph; tests give settings that differ from the environment."""
    return dg.Definitions.merge(
        backup_definitions(dict(overrides or {}), retry_delay_s=retry_delay_s),
        # Dumps are child processes: steps in processes of their own would only add seconds.
        dg.Definitions(executor=dg.in_process_executor),
    )


defs = build_defs()
