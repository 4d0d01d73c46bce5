"""docs/configuration.md, written from the settings themselves: `python -m …settings.reference`."""

from __future__ import annotations

import sys

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from onyx_pipelines.core.settings.part import Part, variable
from onyx_pipelines.core.settings.whole import PARTS, own_names

_HEAD = """# Configuration

Generated from `onyx_pipelines/core/settings/` by `make docs`; do not edit.

Everything comes from the environment. Each variable may also be given as `NAME_FILE`, the path of a
file that holds the value, as Docker secrets are (for secrets, prefer that). `onyx doctor` checks
what is set. A list is comma-separated.
"""

_TAIL = """
## Dagster's own instance

Dagster's own instance is configured by `dagster.yaml`; `DAGSTER_HOME` is the directory that holds
it. Runs and events are kept in PostgreSQL where `DAGSTER_PG_HOST`, `DAGSTER_PG_PORT`,
`DAGSTER_PG_USER`, `DAGSTER_PG_PASSWORD` and `DAGSTER_PG_DB` are set; all of them or none.

With none, as `dagster dev` in a fresh clone, they are kept in SQLite: in `DAGSTER_HOME`, or in
`.dagster/` of the working directory. Where no ONYX_ variable is set either, sensors and schedules
skip and say so. That is for a look around: production needs PostgreSQL, as several processes write
at a time.
"""


def configuration_markdown() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(part) for part in PARTS) + _TAIL


def _section(part: type[Part]) -> str:
    rows = "\n".join(_row(name, part.model_fields[name]) for name in own_names(part))
    title = (part.__doc__ or "").rstrip(".")
    return f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n{rows}\n"


def _row(name: str, field: FieldInfo) -> str:
    secret = " **Secret.**" if field.annotation is SecretStr else ""
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{variable(name)}` | {_default(field)} | {meaning}{secret} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{value}`" if value not in (None, "", {}) else "none"


if __name__ == "__main__":
    sys.stdout.write(configuration_markdown())
