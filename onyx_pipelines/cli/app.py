"""`onyx`: the commands."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from functools import cache

import typer
from typer.main import get_command

from onyx_pipelines.cli.api import app as api_app
from onyx_pipelines.cli.audit import app as audit_app
from onyx_pipelines.cli.backup import app as backup_app
from onyx_pipelines.cli.backup import doctor
from onyx_pipelines.cli.catalog import app as catalog_app
from onyx_pipelines.cli.catalog import hold, prune, release, verify
from onyx_pipelines.cli.keys import app as keys_app
from onyx_pipelines.cli.load_test import app as load_test_app
from onyx_pipelines.cli.recover import restore
from onyx_pipelines.cli.restore import drill
from onyx_pipelines.cli.sandbox import app as sandbox_app
from onyx_pipelines.logs import begin_log
from onyx_pipelines.telemetry import process_fields

app = typer.Typer(
    # Brackets in a help text are brackets.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Backups of a self-hosted RAG stack that can be restored when everything else is down."
    " Exit codes: 0 fine, 1 the answer is bad, 2 could not do it, 130 interrupted.",
)
app.add_typer(api_app, name="api")
app.add_typer(audit_app, name="audit")
app.add_typer(backup_app, name="backup")
app.add_typer(catalog_app, name="catalog")
app.add_typer(keys_app, name="keys")
app.add_typer(load_test_app, name="load-test")
app.add_typer(sandbox_app, name="sandbox")
app.command("drill")(drill)
app.command("restore")(restore)
app.command("verify")(verify)
app.command("prune")(prune)
app.command("hold")(hold)
app.command("release")(release)
app.command("doctor")(doctor)


def main() -> object:
    """Run the command that the process was given."""
    begin_log()
    with process_fields(run=str(uuid.uuid4())):
        return run(sys.argv[1:])


def run(words: Sequence[str]) -> object:
    """Run a command; gives its exit code, or raises what `ending` makes one of."""
    return command()(list(words) or ["--help"], prog_name="onyx", standalone_mode=False)


@cache
def command() -> Callable[..., object]:
    """Made once per process, which takes longer than many a command."""
    return get_command(app)
