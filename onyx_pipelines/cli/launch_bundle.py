"""`onyx launch bundle|verify`: what a launch was decided by, for whoever was not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import count_text, moment_text, size_text, words
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    bold,
    finish,
    out,
    print_json,
    red,
    yellow,
)

if TYPE_CHECKING:
    from onyx_pipelines.core.settings import Settings
    from onyx_pipelines.readiness.launch.bundle import Bundle
    from onyx_pipelines.readiness.launch.lapses import Lapse
    from onyx_pipelines.vault.signing import Signers


BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="What `onyx launch bundle` wrote.")
]
SignerOption = Annotated[
    Path | None,
    typer.Option(
        help="The public key of the host that made it, in a file (`onyx keys signers public`);"
        " default: the signers that this machine believes."
    ),
]


def bundle(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Put what the launch is decided by into one signed file: checklist, the last review with its
    facts, evidence, the sign-offs that count. `onyx launch verify` judges it elsewhere."""
    from onyx_pipelines.readiness.launch.bundling import bundle_of, write_bundle
    from onyx_pipelines.readiness.launch.standing import launch_of

    settings = load_settings()
    with audited(
        settings, action="launch.bundle", origin=cli_origin(), parameters={"file": file}
    ) as entry:
        launch = launch_of(settings)
        data = bundle_of(settings, launch)
        digest = write_bundle(file, data)
        entry.result(verdict="bundled", detail=f"sha256 {digest}")
    if as_json:
        print_json({"file": str(file), "sha256": digest, "bytes": len(data)})
        return
    counted = count_text(len(launch.counted), "sign-off that counts", "sign-offs that count")
    out.line(f"{file}: {size_text(len(data))}, {counted}.")
    out.line(f"SHA-256 {digest}")


def verify(
    file: BundleArgument,
    *,
    signer: SignerOption = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also look again at what can be looked at from here: endpoints, stores."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a bundle again, on any machine, as of today: its signature, every file, every item by
    its facts, every sign-off. Exit code 0: it holds, 1: something does not, each is named."""
    from onyx_pipelines.readiness.launch.bundling import read_bundle
    from onyx_pipelines.readiness.launch.lapses import changed_thresholds, lapses
    from onyx_pipelines.readiness.launch.leads import known_leads

    settings = load_settings()
    brought = read_bundle(file)
    now = datetime.now(UTC)
    found = list(lapses(brought, believed(settings, signer), now, leads=known_leads(settings)))
    unseen: list[str] = []
    if live:
        from onyx_pipelines.readiness.launch.live import look_again

        again = look_again(brought, settings)
        found += again.lapses
        unseen = list(again.unseen)
    if as_json:
        print_json(
            {
                "holds": not found,
                "as_of": brought.manifest.as_of,
                "commit": brought.manifest.commit,
                "lapses": [
                    {"kind": each.kind, "what": each.what, "item": each.item_id} for each in found
                ],
                "not_looked_at": unseen,
                "other_thresholds": changed_thresholds(brought),
            }
        )
    else:
        _show(brought, found, unseen, changed_thresholds(brought))
    finish(EXIT_BAD if found else 0)


def believed(settings: Settings, path: Path | None) -> Signers:
    """Whose bundles count here.

    Args:
        path: of the public key of the only one; None: as this machine's list says.

    Raises:
        KeyFileError: there is none.
    """
    from onyx_pipelines.cli.public_key_file import read_public_key
    from onyx_pipelines.vault.signing import SIGNERS, Signers
    from onyx_pipelines.vault.trust import known_signers

    if path is not None:
        return Signers.of([SIGNERS.make(path.stem, read_public_key(path))])
    known = known_signers(settings)
    if not known:
        raise KeyFileError(
            "This machine believes no signer, so nobody's bundle can be judged.",
            remedy="Bring the host's public key by another way (`onyx keys signers public`), and"
            " name its file with --signer.",
        )
    return Signers.of(known)


def _show(brought: Bundle, found: list[Lapse], unseen: list[str], changed: list[str]) -> None:
    said, content = brought.manifest, brought.content
    out.line(f"{said.host}{f', stack {said.stack}' if said.stack else ''}, commit {said.commit}")
    out.line(f"as of {moment_text(said.as_of)}: {content.review.whole(content.asked).sentence}.")
    for signoff in content.signoffs:
        out.line(f"signed: {signoff}")
    if changed:
        out.line(yellow("asked by other figures than usual: "), ", ".join(changed))
    if unseen:
        out.line(yellow("could not be looked at from here: "), ", ".join(unseen))
    if not found:
        out.line(bold("All of it holds."))
        return
    rows = [(words(each.kind), each.item_id, each.what) for each in found]
    out.table("what does not hold", ("kind", "item", "what"), rows)
    out.line(red(f"Not all of it holds: {count_text(len(found), 'lapse')}."))
