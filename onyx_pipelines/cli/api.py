"""`onyx api`: serve the REST API, and its tokens."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.audit import Outcome, audited, cli_origin
from onyx_pipelines.core.settings import load_settings, load_stacks
from onyx_pipelines.core.text import utc_minute
from onyx_pipelines.terminal.output import JsonOption, err, out, print_json

app = typer.Typer(help="The REST API.")
token = typer.Typer(help="Who may use the API, and for what.")
app.add_typer(token, name="token")


@app.command("serve")
def serve() -> None:
    """Serve on ONYX_API_HOST and ONYX_API_PORT (loopback by default) until it is stopped."""
    # Other commands need no web framework.
    from onyx_pipelines.api.app import create_app
    from onyx_pipelines.api.server import server_of

    stacks = load_stacks()
    if stacks[0].sentry_dsn.get_secret_value():
        from onyx_pipelines.errors.tracking import start_own_error_tracking, web_integrations

        service = "onyx-pipelines-api"
        start_own_error_tracking(stacks[0], service, integrations=web_integrations(stacks[0]))
    with suppress(KeyboardInterrupt):  # how it is stopped
        server_of(create_app(*stacks), host=stacks[0].api_host, port=stacks[0].api_port).run()


@token.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    *,
    scope: Annotated[
        Scope,
        typer.Option(
            help="read; operate: also start; restore: also overwrite; alert: tell of alerts."
        ),
    ] = Scope.READ,
) -> None:
    """Make a token; it is shown once, on standard output."""
    settings = load_settings()
    with audited(
        settings,
        action="api.token.create",
        origin=cli_origin(),
        parameters={"name": name, "scope": scope.value},
    ) as entry:
        text = TokenFile(settings.tokens_file).create(name, scope)
        entry.result(verdict="created", outcome=Outcome.OK)
    err.line("Keep it now: only its hash is stored.")
    out.verbatim(text)


@token.command("list")
def list_tokens(*, as_json: JsonOption = False) -> None:
    """Every token, without what is secret of it."""
    tokens = TokenFile(load_settings().tokens_file).all()
    if as_json:
        print_json([each.model_dump(mode="json", exclude={"sha256"}) for each in tokens])
        return
    rows = [(each.name, each.scope.value, utc_minute(each.created_at)) for each in tokens]
    out.table("tokens", ("name", "scope", "created (UTC)"), rows)


@token.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Make a token worthless at once."""
    settings = load_settings()
    with audited(
        settings, action="api.token.revoke", origin=cli_origin(), parameters={"name": name}
    ) as entry:
        TokenFile(settings.tokens_file).revoke(name)
        entry.result(verdict="revoked", outcome=Outcome.OK)
    out.line(f"The token {name} is revoked.")
