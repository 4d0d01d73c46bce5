"""`onyx keys signers`: whose backup sets count on this host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from onyx_pipelines.audit import Entry, Outcome, audited, cli_origin
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.cli.public_key_file import read_public_key
from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import day_text, moment_text
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    YesOption,
    bold,
    finish,
    out,
    print_json,
    storable,
)
from onyx_pipelines.vault.endorsing import Endorsement, EndorseOutcome, endorse
from onyx_pipelines.vault.found_signers import FoundSigner, found_signers, the_one
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.rewrapping import RewrapResult
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
    name: Annotated[str, typer.Argument(callback=storable, help="What people call this host.")],
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


@app.command("found")
def found(*, as_json: JsonOption = False) -> None:
    """Who has signed the sets in the stores. For a machine that has lost its list: compare the id
    with one that does not come from the store, then `accept` it."""
    host = open_host(load_settings())
    seen = found_signers(host.catalog, host.private_key())
    known = {signer.id for signer in host.trust.signers.listed}
    if as_json:
        print_json([_found_json(each, known) for each in seen])
        return
    rows = [
        (
            each.signer.id,
            each.signer.name,
            f"{each.sets}",
            moment_text(each.newest_at),
            "no private key here" if each.authentic is None else f"{each.authentic} of {each.sets}",
            "yes" if each.signer.id in known else "no",
        )
        for each in seen
    ]
    head = ("id", "calls itself", "manifests", "newest signed", "MAC is right", "counts")
    out.table("who has signed", head, rows)


@app.command("accept")
def accept(
    signer_id: Annotated[str, typer.Argument(metavar="ID", help="Whole, as `found` shows it.")],
    *,
    name: Annotated[
        str, typer.Option(callback=storable, help="What people call it; default: its own word.")
    ] = "",
    yes: YesOption = False,
) -> None:
    """Let somebody count whose public key is known from the store alone.

    Whoever can write to the store can put sets of his own there: compare the id first, with what
    `onyx keys create` printed, with `onyx keys signers` on another host, with an escrow copy.
    """
    settings = load_settings()
    host = open_host(settings)
    seen = the_one(found_signers(host.catalog, host.private_key()), signer_id)
    signer = seen.signer.model_copy(update={"name": name or seen.signer.name})
    out.line(f"{signer}: {seen.sets} manifests, the newest signed {day_text(seen.newest_at)}")
    if not yes:
        out.line("Nothing was changed. Is this id the one that you know? Then again with --yes.")
        return
    with audited(
        settings,
        action="keys.signers.accept",
        origin=cli_origin(),
        parameters={"id": signer_id, "name": name},
    ) as entry:
        listed = add_signer(settings, SIGNERS.make(signer.name, signer.public_keyset))
        entry.result(verdict="accepted", detail=str(signer))
    _show(listed, as_json=False)


def sign(*, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Sign the sets that were written before sets were signed: until then they do not count.

    Needs the private key, which finds out whether they are what was sealed. Look at the list: one
    that you do not know may be a forgery by somebody who has read this host's recipients.
    """
    settings = load_settings()
    host = open_host(settings)
    key = required_private_key(settings)
    recording = (
        audited(settings, action="keys.sign", origin=cli_origin())
        if yes
        else nullcontext(Entry(None))
    )
    with recording as entry, ExclusiveLock(settings.state_dir, "sign"):
        results = endorse(host.catalog, key, now=datetime.now(UTC), dry_run=not yes)
        failed = [each for each in results if each.outcome is EndorseOutcome.FAILED]
        note_changes(entry, len(results), failed)
    if as_json:
        print_json([asdict(each) for each in results])
    else:
        rows = [
            (
                each.store,
                each.backup_id,
                moment_text(each.timestamp),
                each.host,
                each.outcome.value,
                each.problem or "",
            )
            for each in results
        ]
        head = ("store", "set", "recovery point", "host", "outcome", "problem")
        out.table("sets that nobody has signed", head, rows)
        if not yes:
            out.line("Nothing was changed. Run again with --yes to sign them.")
    finish(EXIT_BAD if failed else 0)


def note_changes(entry: Entry, count: int, failed: Sequence[Endorsement | RewrapResult]) -> None:
    """What came of manifests that were to be written anew, for the audit trail."""
    entry.result(
        verdict=f"{count - len(failed)} of {count} manifests are right",
        detail="; ".join(f"{each.store} {each.backup_id}: {each.problem}" for each in failed),
        outcome=Outcome.FAILED if failed else Outcome.OK,
    )


def _found_json(each: FoundSigner, known: set[str]) -> dict[str, object]:
    return {
        **each.signer.model_dump(mode="json"),
        "sets": each.sets,
        "newest_at": each.newest_at,
        "authentic": each.authentic,
        "counts": each.signer.id in known,
    }


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
        (each.id, each.name, moment_text(each.retired_at) if each.retired_at else "")
        for each in signers
    ]
    out.table("signers", ("id", "name", "counts until"), rows)
