"""`onyx metrics`: figures for node_exporter's textfile collector, where nothing of ours serves."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.settings import load_stacks
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.monitoring.instrumentation.log_counts import LogCounts
from onyx_pipelines.terminal.output import err, out

app = typer.Typer(help="Metrics in files, for node_exporter's textfile collector.")

# node_exporter runs as another user.
_MODE: Final = 0o644
_SUFFIX: Final = ".prom"

File = Annotated[Path, typer.Argument(help="In the collector's directory; ends with .prom.")]


@app.command("write")
def write(file: File) -> None:
    """What the API's /metrics says, into a file: for a timer, so that stale backups are seen when
    neither Dagster nor the API runs."""
    # Other commands need no web framework.
    from onyx_pipelines.api.catalog_cache import CatalogCache
    from onyx_pipelines.api.metrics_page import MetricsPage, exposition

    _require_suffix(file)
    pages = [MetricsPage(each, CatalogCache(each)) for each in load_stacks()]
    _publish(file, exposition(pages))
    out.line(f"{file} is written.")


@app.command("follow")
def follow(
    log: Annotated[
        Path, typer.Argument(help="A service's log of JSON lines (docs/monitoring.md).")
    ],
    file: File,
    *,
    state: Annotated[
        Path,
        typer.Option(help="Where it keeps what was counted, and up to where; of this log only."),
    ],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
) -> None:
    """Count what a service's log tells of models, retrievals and tasks, until it is stopped."""
    _require_suffix(file)
    counts = LogCounts(log, state)
    registry = CollectorRegistry()
    registry.register(counts)
    err.line(f"Following {log}; its figures are in {file}.")
    with suppress(KeyboardInterrupt):  # how it is stopped
        while True:
            try:
                counts.read_on()
            except OSError as error:
                raise OnyxError(
                    f"{log} cannot be followed: {error.strerror}: {error.filename}.",
                    remedy=_remedy(error, "read the log and write the state"),
                ) from None
            _publish(file, generate_latest(registry))
            time.sleep(every)


def _publish(file: Path, text: bytes) -> None:
    """Whole or not at all: the collector reads at any time."""
    try:
        replace_durably(file, text, mode=_MODE)
    except OSError as error:
        raise OnyxError(
            f"{file} cannot be written: {error.strerror}.",
            remedy=_remedy(error, "write into that directory"),
        ) from None


def _require_suffix(file: Path) -> None:
    if file.suffix != _SUFFIX:
        raise SettingsError(
            f"node_exporter would not read {file}.", remedy=f"Let its name end with {_SUFFIX}."
        )


def _remedy(error: OSError, right: str) -> str:
    """What is not there is no matter of rights."""
    if isinstance(error, FileNotFoundError):
        return f"Make {error.filename}, or correct the path."
    return f"Give this user the right to {right}."
