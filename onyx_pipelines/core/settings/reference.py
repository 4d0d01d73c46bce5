"""docs/configuration.md, written from the settings themselves: `make docs`."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from onyx_pipelines.core.settings.part import Part, is_secret, variable
from onyx_pipelines.core.settings.whole import PARTS, own_names

_HEAD = """# Configuration

Generated from `onyx_pipelines/core/settings/` by `make docs`; do not edit.

A setting comes from the environment, or from one optional file that `ONYX_CONFIG` names; the
environment wins. `onyx config show` prints what holds and where each value came from, `onyx config
check` all that is wrong at once, and `onyx doctor` tries what is set. A list in a variable is
comma-separated. Each variable may also be given as `NAME_FILE`, the path of a file that holds the
value, as Docker secrets are (for secrets, prefer that).

## The file

`onyx config init` writes a sample with every setting as a comment. A key is the variable's name
without `ONYX_`, in lower case; lists are lists. [onyx.schema.json](onyx.schema.json) is its JSON
Schema, for editors. An unknown key is an error that names the nearest known one.

```yaml
pg_host: db.internal
pg_databases: [onyx, litellm]
pg_password_file: /run/secrets/pg_password
volumes:
  documents: /var/lib/docker/volumes/documents/_data
  uploads:
    path: /srv/uploads
    exclude: ["cache/**"]            # of this volume, beside volume_excludes
hooks:
  - component: volumes               # or postgresql, qdrant
    before: [[docker, exec, app, app-admin, flush]]
    after: [[docker, exec, app, app-admin, resume]]
    time_limit_s: 60                 # of each command
```

A secret may stand in the file itself only if no one else can read it (`chmod 600`): a file that was
made readable by mistake is refused, before it is used. Otherwise give `NAME_file`, the path of a
file that holds it.

**Hooks** are commands before and after the backup of one component, without a shell; their output
is in the log, without the secrets of the settings. One that fails before, or takes too long, stops
the component: nothing of it becomes part of a set. Those after always run, also after a failure or
when the run is ended; one that fails is in the log, and fails the component unless that failed
already. They are given no variable of ours. A file with hooks that group or others can write is
refused.
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
    secret = " **Secret.**" if is_secret(field) else ""
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{variable(name)}` | {_default(field)} | {meaning}{secret} |"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return "none" if is_secret(field) or value in (None, "", {}) else f"`{value}`"
