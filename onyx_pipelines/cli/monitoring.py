"""`onyx monitoring`: what Prometheus, Alertmanager and Grafana read, by this host's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.terminal.output import JsonOption, out, print_json

app = typer.Typer(help="Monitoring as code.")

# Prometheus, Alertmanager and Grafana run as other users. No secret is in it.
_MODE = 0o644


@app.callback()
def _about() -> None:
    """Monitoring as code (docs/monitoring.md)."""


@app.command("render")
def render(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the files go.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the configuration of Prometheus, Alertmanager and Grafana with the thresholds,
    receivers and addresses of the settings. Files that are as they should be stay untouched."""
    from onyx_pipelines.monitoring.rendering import rendered_for

    files = rendered_for(load_settings())
    try:
        changed = [path for path, text in files.items() if _write(to / path, text)]
    except OSError as error:
        raise OnyxError(
            f"{to} cannot be written: {error.strerror}: {error.filename}.",
            remedy="Give this user the right to write there, or name another directory.",
        ) from None
    if as_json:
        print_json({"directory": str(to), "files": sorted(files), "changed": sorted(changed)})
        return
    for path in changed:
        out.line(path)
    out.line(f"{count_text(len(changed), 'file')} of {len(files)} written to {to}.")


def _write(path: Path, text: str) -> bool:
    """Whether it was another one."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, text.encode(), mode=_MODE)
    return True
