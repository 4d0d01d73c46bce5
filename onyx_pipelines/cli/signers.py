"""`onyx keys signers`: whose backup sets count on this host."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.cli.output import JsonOption, bold, out, print_json
from onyx_pipelines.cli.public_key_file import read_public_key
from onyx_pipelines.errors import KeyFileError
from onyx_pipelines.settings import load_settings
from onyx_pipelines.vault.signing import SIGNERS, Signer, load_signing_key
from onyx_pipelines.vault.trust import (
    add_signer,
    known_signers,
    no_signers,
    remove_signer,
    retire_signer,
)

app = typer.Typer(help="Whose backup sets count here (public keys only).")


@app.callback(invoke_without_command=True)
def list_signers(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the signers."""
    if context.invoked_subcommand is None:
        settings = load_settings()
        signers = known_signers(settings)
        if not signers:
            raise no_signers(settings)
        _show(signers, as_json=as_json)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What people call this host.")],
    public_key: Annotated[
        Path, typer.Argument(help="What `onyx keys signers public` printed there, in a file.")
    ],
) -> None:
    """Let what another host signs count here as well."""
    text = read_public_key(public_key)
    with audited(
        load_settings(),
        action="keys.signers.add",
        origin=cli_origin(),
        parameters={"name": name, "file": public_key},
    ) as entry:
        signer = SIGNERS.make(name, text)
        listed = add_signer(load_settings(), signer)
        entry.result(verdict="added", detail=str(signer))
    _show(listed, as_json=False)
    out.line("Escrow copies made before do not know it: ", bold("onyx keys escrow"), " again.")


@app.command("retire")
def retire(
    name_or_id: Annotated[str, typer.Argument(help="Name or id.")],
    *,
    at: Annotated[
        str, typer.Option(help="ISO 8601, with a zone or in UTC; default: this moment.")
    ] = "",
) -> None:
    """Count only what it signed before a moment: for a host that is gone, or was taken over."""
    moment = _moment(at) if at else datetime.now(UTC)
    with audited(
        load_settings(),
        action="keys.signers.retire",
        origin=cli_origin(),
        parameters={"name": name_or_id, "at": moment.isoformat()},
    ) as entry:
        listed = retire_signer(load_settings(), name_or_id, at=moment)
        entry.result(verdict="retired", detail=_in_words(listed))
    _show(listed, as_json=False)
    out.line("Whoever has its key can date what it signs back: remove it if that is a stranger.")


@app.command("remove")
def remove(name_or_id: Annotated[str, typer.Argument(help="Name or id.")]) -> None:
    """Count nothing that it signed, whenever that was."""
    with audited(
        load_settings(),
        action="keys.signers.remove",
        origin=cli_origin(),
        parameters={"name": name_or_id},
    ) as entry:
        listed = remove_signer(load_settings(), name_or_id)
        entry.result(verdict="removed", detail=f"left: {_in_words(listed)}")
    _show(listed, as_json=False)
    out.line("Its sets are listed as untrusted from now on, and never pruned.")


@app.command("public")
def public() -> None:
    """Print the public half of this host's signing key, to be added elsewhere."""
    out.verbatim(load_signing_key(load_settings().signing_key_path).signer.public_keyset)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise KeyFileError(
            f"{text!r} is not a moment.", remedy="Write it as 2026-11-26T14:00:00+00:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_words(signers: Sequence[Signer]) -> str:
    return ", ".join(map(str, signers))


def _show(signers: Sequence[Signer], *, as_json: bool) -> None:
    if as_json:
        print_json([signer.model_dump(mode="json") for signer in signers])
        return
    rows = [
        (each.id, each.name, f"{each.retired_at:%Y-%m-%d %H:%M} UTC" if each.retired_at else "")
        for each in signers
    ]
    out.table("signers", ("id", "name", "counts until"), rows)
