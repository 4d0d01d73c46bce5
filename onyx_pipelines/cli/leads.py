"""`onyx keys leads`: whose own key signs off a launch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.cli.public_key_file import read_public_key
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.readiness.launch.checklist import Role
from onyx_pipelines.readiness.launch.leads import Lead, add_lead, known_leads, remove_lead
from onyx_pipelines.terminal.output import JsonOption, out, print_json, storable
from onyx_pipelines.vault.signing import create_signing_key

app = typer.Typer(help="Whose own key signs off a launch, and for which role (public keys only).")


@app.callback(invoke_without_command=True)
def list_leads(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the leads. Where a role has none, the host's key signs for it."""
    if context.invoked_subcommand is None:
        _show(known_leads(load_settings()), as_json=as_json)


@app.command("create")
def create(
    path: Annotated[Path, typer.Argument(help="The new key file: yours alone, on your machine.")],
    *,
    name: Annotated[str, typer.Option(callback=storable, help="Your name.")],
) -> None:
    """Make a key of your own, and print its public half: that goes to the host, in a file."""
    out.verbatim(create_signing_key(path, name).public_keyset)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(callback=storable, help="The lead's name.")],
    public_key: Annotated[
        Path, typer.Argument(help="What `onyx keys leads create` printed there, in a file.")
    ],
    *,
    roles: Annotated[
        list[Role], typer.Option("--role", help="What they sign for; may be given several times.")
    ],
) -> None:
    """From now on only leads sign for these roles: the host's key no longer does."""
    settings = load_settings()
    text = read_public_key(public_key)
    with audited(
        settings,
        action="keys.leads.add",
        origin=cli_origin(),
        parameters={"name": name, "file": public_key, "roles": roles},
    ) as entry:
        leads = add_lead(settings, name, text, roles)
        entry.result(verdict="added", detail=str(leads[-1]))
    _show(leads, as_json=False)


@app.command("remove")
def remove(name_or_id: Annotated[str, typer.Argument(help="Name or id.")]) -> None:
    """Count nothing that they signed. The last lead of a list cannot be removed."""
    settings = load_settings()
    with audited(
        settings,
        action="keys.leads.remove",
        origin=cli_origin(),
        parameters={"name": name_or_id},
    ) as entry:
        leads = remove_lead(settings, name_or_id)
        entry.result(verdict="removed", detail=f"left: {', '.join(map(str, leads))}")
    _show(leads, as_json=False)


def _show(leads: Sequence[Lead], *, as_json: bool) -> None:
    if as_json:
        print_json([each.model_dump(mode="json") for each in leads])
        return
    if not leads:
        out.line("No lead has a key of their own: the host's key signs for every role.")
        return
    rows = [(each.id, each.name, ", ".join(each.roles)) for each in leads]
    out.table("leads", ("id", "name", "signs for"), rows)
