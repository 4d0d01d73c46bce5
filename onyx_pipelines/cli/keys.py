"""`onyx keys`: make keys, choose who can open backups, keep a copy where the host is not."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.audit import Entry, Outcome, audited, cli_origin
from onyx_pipelines.backup.host import open_stores, required_private_key
from onyx_pipelines.cli.output import (
    EXIT_BAD,
    JsonOption,
    Styled,
    YesOption,
    bold,
    finish,
    out,
    print_json,
    storable,
)
from onyx_pipelines.errors import KeyFileError
from onyx_pipelines.settings import Settings, load_settings
from onyx_pipelines.vault.keys import (
    Recipient,
    check_private_key,
    copy_to_escrow,
    create_private_key,
    load_private_key,
    make_recipient,
)
from onyx_pipelines.vault.recipients import add_recipient, load_recipients, remove_recipient
from onyx_pipelines.vault.rewrapping import RewrapOutcome
from onyx_pipelines.vault.rewrapping import rewrap as rewrap_sets

app = typer.Typer(help="Keys that backups are sealed to and opened with.")
recipients = typer.Typer(help="Whom new backups are sealed to (public keys only).")
app.add_typer(recipients, name="recipients")


@app.command("create")
def create(
    *,
    name: Annotated[
        str,
        typer.Option(
            callback=storable, help="What people call this key; default: this host's name."
        ),
    ] = "",
    path: Annotated[
        Path | None, typer.Option(help="The new file; default: ONYX_PRIVATE_KEY_FILE.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key pair: the private half into a new file, the public one among the recipients."""
    settings = load_settings()
    target = path or settings.private_key_file
    if target is None:
        raise KeyFileError(
            "There is no path for the new private key.",
            remedy="Give --path, or set ONYX_PRIVATE_KEY_FILE.",
        )
    with _audited(settings, "keys.create", path=target) as entry:
        recipient = create_private_key(target, name or settings.host_name or socket.gethostname())
        add_recipient(settings.recipients_file, recipient)
        entry.result(verdict="created", detail=_named(recipient))
    if as_json:
        print_json({"id": recipient.id, "name": recipient.name, "path": str(target)})
        return
    out.line(f"Private key {recipient.name} ({recipient.id}) is in {target}.")
    out.line(f"New backups are sealed to it ({settings.recipients_file}).")
    out.line(Styled("Whoever loses this key loses the backups.", "bold red"))
    out.line("Keep a copy away from this host: ", bold("onyx keys escrow /media/usb/onyx.key"))


@app.command("escrow")
def escrow(
    destination: Annotated[Path, typer.Argument(help="A new file, not on this host.")],
) -> None:
    """Copy the private key file and read the copy back. The copy opens every backup: lock it up."""
    settings = load_settings()
    with _audited(settings, "keys.escrow", destination=destination) as entry:
        recipient = copy_to_escrow(_private_key_path(settings), destination)
        entry.result(verdict="copied", detail=_named(recipient))
    out.line(f"Copied {recipient.name} ({recipient.id}) to {destination}; read back and the same.")
    out.line("Whoever holds this file can open every backup that is sealed to it.")


@app.command("check")
def check(*, as_json: JsonOption = False) -> None:
    """Does the private key of this host open what is sealed to the recipients?"""
    settings = load_settings()
    listed = load_recipients(settings.recipients_file)
    recipient = check_private_key(load_private_key(_private_key_path(settings)), listed)
    if as_json:
        print_json({"ok": True, "id": recipient.id, "name": recipient.name})
    else:
        out.line(f"{recipient.name} ({recipient.id}) opens what is sealed to the recipients.")


@app.command("rewrap")
def rewrap(*, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Wrap the keys of every set for the present recipients. Touches manifests, never data."""
    settings = load_settings()
    recording = _audited(settings, "keys.rewrap") if yes else nullcontext(Entry(None))
    with recording as entry:
        results = rewrap_sets(
            open_stores(settings),
            required_private_key(settings),
            load_recipients(settings.recipients_file),
            dry_run=not yes,
        )
        failed = [result for result in results if result.outcome is RewrapOutcome.FAILED]
        entry.result(
            verdict=f"{len(results) - len(failed)} of {len(results)} manifests are right",
            detail="; ".join(f"{each.store} {each.backup_id}: {each.problem}" for each in failed),
            outcome=Outcome.FAILED if failed else Outcome.OK,
        )
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        rows = [(r.store, r.backup_id, r.outcome.value, r.problem or "") for r in results]
        out.table("onyx keys rewrap", ("store", "set", "outcome", "problem"), rows)
        if not yes:
            out.line("Nothing was changed. Run again with --yes to do it.")
    finish(EXIT_BAD if failed else 0)


@recipients.callback(invoke_without_command=True)
def list_recipients(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the recipients."""
    if context.invoked_subcommand is None:
        _show(load_recipients(load_settings().recipients_file), as_json=as_json)


@recipients.command("add")
def add(
    name: Annotated[
        str,
        typer.Argument(
            callback=storable,
            help="What people call this key.",
        ),
    ],
    public_key: Annotated[
        Path, typer.Argument(help="File with the public keyset (JSON), or a recipients.json entry.")
    ],
) -> None:
    """Seal new backups to this public key as well. Old ones open for it after a rewrap."""
    try:
        text = public_key.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"The public key {public_key} cannot be read ({type(error).__name__}).",
            remedy="Give the file that the recipient's `onyx keys public` wrote.",
        ) from None
    settings = load_settings()
    with _audited(settings, "keys.recipients.add", name=name, file=public_key) as entry:
        recipient = make_recipient(name, text)
        listed = add_recipient(settings.recipients_file, recipient)
        entry.result(verdict="added", detail=_named(recipient))
    _show(listed, as_json=False)
    out.line("Sets that exist already open for it after ", bold("onyx keys rewrap --yes"), ".")


@recipients.command("remove")
def remove(name_or_id: Annotated[str, typer.Argument(help="Name or id.")]) -> None:
    """Seal new backups to it no longer. Old ones close for it with a rewrap."""
    settings = load_settings()
    with _audited(settings, "keys.recipients.remove", name=name_or_id) as entry:
        listed = remove_recipient(settings.recipients_file, name_or_id)
        entry.result(verdict="removed", detail=f"left: {', '.join(map(_named, listed))}")
    _show(listed, as_json=False)
    out.line("Sets that exist already close for it with ", bold("onyx keys rewrap --yes"), ";")
    out.line("whoever holds copies of their manifests and the key can still open those.")


@app.command("public")
def public() -> None:
    """Print the public half of this host's private key, to be added elsewhere."""
    key = load_private_key(_private_key_path(load_settings()))
    out.verbatim(key.recipient.public_keyset)


def _audited(
    settings: Settings, action: str, **parameters: object
) -> AbstractContextManager[Entry]:
    return audited(settings, action=action, origin=cli_origin(), parameters=parameters)


def _named(recipient: Recipient) -> str:
    return f"{recipient.name} ({recipient.id})"


def _private_key_path(settings: Settings) -> Path:
    if settings.private_key_file is None:
        raise KeyFileError(
            "This host has no private key (ONYX_PRIVATE_KEY_FILE is not set).",
            remedy="Run this where a recipient's private key is, or set the variable.",
        )
    return settings.private_key_file


def _show(listed: Sequence[Recipient], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": r.id, "name": r.name, "public_keyset": r.public_keyset} for r in listed])
    else:
        out.table("recipients", ("id", "name"), [(r.id, r.name) for r in listed])
