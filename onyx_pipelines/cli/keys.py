"""`onyx keys`: make keys, choose who can open backups, keep a copy where the host is not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.audit import Entry, audited, cli_origin
from onyx_pipelines.cli import leads as leads_commands
from onyx_pipelines.cli import signers as signers_commands
from onyx_pipelines.cli.public_key_file import read_public_key
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    Styled,
    YesOption,
    bold,
    finish,
    out,
    print_json,
    storable,
    yellow,
)
from onyx_pipelines.vault.host_keys import (
    make_missing_keys,
    private_key_path,
    required_private_key,
)
from onyx_pipelines.vault.keys import (
    RECIPIENTS,
    Recipient,
    check_private_key,
    copy_to_escrow,
)
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.public_keys import PublicKey
from onyx_pipelines.vault.recipients import add_recipient, load_recipients, remove_recipient
from onyx_pipelines.vault.rewrapping import RewrapOutcome, Rewrapper
from onyx_pipelines.vault.rewrapping import rewrap as rewrap_sets
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.trust import Trust, known_signers

app = typer.Typer(help="Keys that backups are sealed to, opened and signed with.")
recipients = typer.Typer(help="Whom new backups are sealed to (public keys only).")
app.add_typer(recipients, name="recipients")
app.add_typer(signers_commands.app, name="signers")
app.add_typer(leads_commands.app, name="leads")
app.command("sign")(signers_commands.sign)


@app.command("create")
def create(
    *,
    name: Annotated[
        str,
        typer.Option(
            callback=storable, help="What people call these keys; default: this host's name."
        ),
    ] = "",
    path: Annotated[
        Path | None, typer.Option(help="The new private key; default: ONYX_PRIVATE_KEY_FILE.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the keys that this host lacks: one that opens backups (the public half goes among the
    recipients), and one that signs them (the public half goes among the signers).

    A host that is to write backups and not open them has no ONYX_PRIVATE_KEY_FILE: it gets the
    signing key alone.
    """
    settings = load_settings()
    called = name or settings.host
    with _audited(settings, "keys.create", path=path or settings.private_key_file) as entry:
        made = make_missing_keys(settings, called, private=path)
        recipient, signer = made.recipient, made.signer
        entry.result(verdict="created", detail=f"recipient {recipient}, signer {signer}")
    private, signing = path or settings.private_key_file, settings.signing_key_path
    if as_json:
        print_json({**_made(recipient, private), "signer": _made(signer, signing) or None})
        return
    if signer is not None:
        out.line(f"Signing key {signer} is in {signing}: the sets that it signs count here")
        out.line(f"({settings.signers_path}).")
    if recipient is None:
        out.line("No private key was made: ", _why_none(private))
        return
    out.line(f"Private key {recipient} is in {private}.")
    out.line(f"New backups are sealed to it ({settings.recipients_file}).")
    out.line(Styled("Whoever loses this key loses the backups.", "bold red"))
    out.line("Keep a copy away from this host: ", bold("onyx keys escrow /media/usb/onyx.key"))


@app.command("escrow")
def escrow(
    destination: Annotated[Path, typer.Argument(help="A new file, not on this host.")],
) -> None:
    """Copy the private key to a new file, with the signers whose sets count, and read the copy
    back. The copy opens every backup: lock it up."""
    settings = load_settings()
    signers = known_signers(settings)
    with _audited(settings, "keys.escrow", destination=destination) as entry:
        recipient = copy_to_escrow(private_key_path(settings), destination, signers)
        entry.result(
            verdict="copied", detail=f"{recipient}; signers: {', '.join(map(str, signers))}"
        )
    out.line(f"Copied {recipient} to {destination}; read back and the same.")
    out.line("Whoever holds this file can open every backup that is sealed to it.")
    if signers:
        out.line(f"On a new machine it also says whose sets count: {', '.join(map(str, signers))}.")
        out.line("Copy it again whenever a signer is added.")
    else:
        out.line(
            yellow("It says of nobody whose sets count:"), " this host has no list of signers."
        )


@app.command("check")
def check(*, as_json: JsonOption = False) -> None:
    """Does the private key of this host open what is sealed to the recipients?"""
    settings = load_settings()
    listed = load_recipients(settings.recipients_file)
    recipient = check_private_key(required_private_key(settings), listed)
    if as_json:
        print_json({"ok": True, "id": recipient.id, "name": recipient.name})
    else:
        out.line(f"{recipient.name} ({recipient.id}) opens what is sealed to the recipients.")


@app.command("rewrap")
def rewrap(*, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Wrap the keys of every set for the present recipients. Touches manifests, never data."""
    settings = load_settings()
    trust = Trust.of(settings)
    rewrapper = Rewrapper(
        required_private_key(settings),
        load_recipients(settings.recipients_file),
        trust.signers,
        trust.signing_key(),
    )
    recording = _audited(settings, "keys.rewrap") if yes else nullcontext(Entry(None))
    with recording as entry, ExclusiveLock(settings.state_dir, "rewrap"):
        results = rewrap_sets(open_stores(settings), rewrapper, dry_run=not yes)
        failed = [result for result in results if result.outcome is RewrapOutcome.FAILED]
        signers_commands.note_changes(entry, len(results), failed)
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
    text = read_public_key(public_key)
    settings = load_settings()
    with _audited(settings, "keys.recipients.add", name=name, file=public_key) as entry:
        recipient = RECIPIENTS.make(name, text)
        listed = add_recipient(settings.recipients_file, recipient)
        entry.result(verdict="added", detail=str(recipient))
    _show(listed, as_json=False)
    out.line("Sets that exist already open for it after ", bold("onyx keys rewrap --yes"), ".")


@recipients.command("remove")
def remove(name_or_id: Annotated[str, typer.Argument(help="Name or id.")]) -> None:
    """Seal new backups to it no longer. Old ones close for it with a rewrap."""
    settings = load_settings()
    with _audited(settings, "keys.recipients.remove", name=name_or_id) as entry:
        listed = remove_recipient(settings.recipients_file, name_or_id)
        entry.result(verdict="removed", detail=f"left: {', '.join(map(str, listed))}")
    _show(listed, as_json=False)
    out.line("Sets that exist already close for it with ", bold("onyx keys rewrap --yes"), ";")
    out.line("whoever holds copies of their manifests and the key can still open those.")


@app.command("public")
def public() -> None:
    """Print the public half of this host's private key, to be added elsewhere."""
    key = required_private_key(load_settings())
    out.verbatim(key.recipient.public_keyset)


def _audited(
    settings: Settings, action: str, **parameters: object
) -> AbstractContextManager[Entry]:
    return audited(settings, action=action, origin=cli_origin(), parameters=parameters)


def _made(key: PublicKey | None, path: Path | None) -> dict[str, str]:
    return {"id": key.id, "name": key.name, "path": str(path)} if key else {}


def _why_none(private: Path | None) -> str:
    if private is None:
        return "ONYX_PRIVATE_KEY_FILE is not set. This host writes backups and opens none."
    return f"{private} is there already."


def _show(listed: Sequence[Recipient], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": r.id, "name": r.name, "public_keyset": r.public_keyset} for r in listed])
    else:
        out.table("recipients", ("id", "name"), [(r.id, r.name) for r in listed])
