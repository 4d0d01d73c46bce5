"""`onyx`: the commands and how errors become exit codes."""

from __future__ import annotations

import sys
import uuid

import click
import typer

from onyx_pipelines.cli.api import app as api_app
from onyx_pipelines.cli.audit import app as audit_app
from onyx_pipelines.cli.backup import app as backup_app
from onyx_pipelines.cli.backup import doctor
from onyx_pipelines.cli.catalog import app as catalog_app
from onyx_pipelines.cli.catalog import hold, prune, release, verify
from onyx_pipelines.cli.keys import app as keys_app
from onyx_pipelines.cli.load_test import app as load_test_app
from onyx_pipelines.cli.output import EXIT_UNABLE, err
from onyx_pipelines.cli.recover import restore
from onyx_pipelines.cli.restore import drill
from onyx_pipelines.cli.sandbox import app as sandbox_app
from onyx_pipelines.errors import OnyxError
from onyx_pipelines.logs import begin_log

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Backups of a self-hosted RAG stack that can be restored when everything else is down."
    " Exit codes: 0 fine, 1 the answer is bad, 2 could not do it.",
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


def main() -> None:
    """Run a command; every error that a person can act on is one message and an exit code."""
    begin_log(run=str(uuid.uuid4()))
    try:
        code = app(standalone_mode=False)
    except OnyxError as error:
        err.print(f"[red]error:[/red] {_escaped(error.what)}", highlight=False, soft_wrap=True)
        err.print(f"  {_escaped(error.remedy)}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_UNABLE)
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted; nothing half-written is listed")
        sys.exit(EXIT_UNABLE)
    sys.exit(code if isinstance(code, int) else 0)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
