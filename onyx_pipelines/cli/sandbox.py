"""`onyx sandbox`: the embedded stack for trying things out."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.terminal.output import EXIT_BAD, JsonOption, bold, err, finish, out, print_json

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

app = typer.Typer(
    help="A real PostgreSQL, a real S3 server, an Edge-backed stand-in for Qdrant, sample volumes.",
)

StateOption = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Where the sandbox lives; default: .sandbox here."),
]


@app.command("up")
def up(
    *,
    state_dir: StateOption = None,
    size: Annotated[
        float, typer.Option(help="Sample data: 1 is small (about 20 MB), 10 ten times as much.")
    ] = 1.0,
    litellm: Annotated[
        bool,
        typer.Option("--litellm", help="Put LiteLLM's real proxy before the model (750 MB once)."),
    ] = False,
    monitoring: Annotated[
        bool,
        typer.Option(
            "--monitoring",
            help="Watch it: Debian's Prometheus, Alertmanager and exporters, with the product's"
            " own configuration.",
        ),
    ] = False,
    containers: Annotated[
        bool,
        typer.Option(
            "--containers",
            help="Its services run as containers with limits, on this machine's Docker engine"
            " (ONYX_DOCKER_HOST).",
        ),
    ] = False,
    errors: Annotated[
        bool,
        typer.Option(
            "--errors",
            help="Send its errors to a real Bugsink, and those of a front end in Node (300 MB"
            " once).",
        ),
    ] = False,
) -> None:
    """Start it and fill it with sample data, unless it has some."""
    sandbox = sandbox_of(state_dir)
    sandbox.up(
        size=size,
        litellm=litellm,
        monitoring=monitoring,
        errors=errors,
        docker_host=load_settings().docker_host if containers else "",
        say=err.line,
    )
    out.line(f"The sandbox is up in {sandbox.state_dir}.")
    out.line("Settings for this shell: ", bold('eval "$(onyx sandbox env)"'))


@app.command("down")
def down(
    *,
    state_dir: StateOption = None,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Stop the servers, delete nothing.")
    ] = False,
) -> None:
    """Stop it and delete its state, backups included."""
    sandbox = sandbox_of(state_dir)
    sandbox.down(keep_data=keep_data)
    out.line("The sandbox is down" + ("." if keep_data else " and deleted."))


@app.command("status")
def status(*, state_dir: StateOption = None, as_json: JsonOption = False) -> None:
    """Which of its servers answer, and where."""
    services = sandbox_of(state_dir).status()
    if as_json:
        print_json([asdict(service) for service in services])
    else:
        rows = [(s.name, "up" if s.running else "down", s.address) for s in services]
        out.table("sandbox", ("service", "", "address"), rows)
    finish(0 if all(service.running or service.optional for service in services) else EXIT_BAD)


@app.command("env")
def env(*, state_dir: StateOption = None) -> None:
    """Lines `export NAME=value` that point onyx and Dagster at it."""
    for name, value in sandbox_of(state_dir).environment().items():
        out.verbatim(f"export {name}={shlex.quote(value)}")


def sandbox_of(state_dir: Path | None) -> Sandbox:
    # Other commands need none of its servers' libraries.
    try:
        from onyx_pipelines.sandbox.stack import Sandbox, default_state_dir
    except ModuleNotFoundError as error:
        raise NotFoundError(
            f"This installation has no sandbox ({error.name} is missing).",
            remedy="It comes with the source tree: clone the repository and run `make install`"
            " there.",
        ) from None
    return Sandbox(state_dir or default_state_dir())
