"""`make rehearse-disaster`: the whole sandbox is lost but for the second store; what was kept
elsewhere (the private key, the store's credentials) and the command line bring it back.

A sandbox of its own: the one of `make demo` is left alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import duration_text, limit_text
from onyx_pipelines.sandbox.application_data import application_data, differences
from onyx_pipelines.sandbox.sample_postgres import DATABASES
from onyx_pipelines.sandbox.stack import Sandbox, default_state_dir
from onyx_pipelines.terminal.ending import as_process
from onyx_pipelines.terminal.output import out

_SHOWN = 20
# What a person keeps away from the machine: without it nothing opens or reaches the second store.
_KEPT = ("ONYX_OFFSITE_URL", "ONYX_S3_ENDPOINT_URL", "ONYX_S3_REGION", "ONYX_S3_ACCESS_KEY_ID")


@dataclass(frozen=True)
class Loss:
    """After the disaster: what the applications had, and the environment of the new machine."""

    data: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Rehearsal:
    """What was lost and came back. `seconds`: from the empty servers to the data, restored."""

    things: int
    lost: tuple[str, ...]
    seconds: float


class CommandError(OnyxError):
    """A command of the rehearsed procedure failed (`make rehearse-disaster`).

    Cause: whatever that command said, which is quoted.
    Remedy: read what it printed, which stands above.
    """

    code = "rehearsal"


def rehearse(
    sandbox: Sandbox, elsewhere: Path, *, size: float, say: Callable[[str], None]
) -> Rehearsal:
    """Lose everything but the second store, restore into empty servers, compare.

    Raises:
        OnyxError: a server did not start, or a command of the procedure failed.
    """
    loss = lose_everything(sandbox, elsewhere, size=size, say=say)
    say("`onyx restore` …")
    begun = time.monotonic()
    onyx(
        loss.environment,
        "restore", "latest", "--from", "offsite", "--confirm", "--no-safety-backup",
    )  # fmt: skip
    seconds = time.monotonic() - begun
    say("what the applications find now …")
    return Rehearsal(len(loss.data), tuple(differences(loss.data, data_of(sandbox))), seconds)


def lose_everything(
    sandbox: Sandbox, elsewhere: Path, *, size: float, say: Callable[[str], None]
) -> Loss:
    """A stack with data, its backup in the second store; then nothing but that store, an empty
    PostgreSQL, an empty Qdrant, and what a person kept elsewhere.

    Args:
        sandbox: a new one; it is destroyed.
        elsewhere: where the private key's escrow copy lies, off that machine.
        size: of the sample data, 1.0 is about 20 MB.
    """
    say("a stack with sample data …")
    sandbox.up(size=size, application=False)
    there = sandbox.environment()
    say("its backup, to the second store, and the key's escrow copy …")
    onyx(there, "backup", "run")
    elsewhere.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = elsewhere / "escrow.json"
    onyx(there, "keys", "escrow", str(key))
    secret = elsewhere / "s3.secret"
    shutil.copyfile(there["ONYX_S3_SECRET_ACCESS_KEY_FILE"], secret)
    secret.chmod(0o600)
    data = data_of(sandbox)
    say(f"DISASTER: {len(data)} things are lost, with the local backups, keys and Dagster …")
    _destroy(sandbox)
    say("an empty PostgreSQL, an empty Qdrant, no volume …")
    sandbox.postgres.start()
    sandbox.qdrant.start()
    return Loss(data, _new_machine(sandbox, there, key, secret))


def data_of(sandbox: Sandbox) -> dict[str, str]:
    """What its applications find."""
    return application_data(
        sandbox.postgres, DATABASES, sandbox.qdrant.url, sandbox.state_dir / "volumes"
    )


def _destroy(sandbox: Sandbox) -> None:
    """Everything but the second store's own server, which stands somewhere else."""
    for server in (sandbox.qdrant, sandbox.postgres):
        server.stop()
    for path in sandbox.state_dir.iterdir():
        if path.name == "s3":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _new_machine(
    sandbox: Sandbox, there: Mapping[str, str], key: Path, secret: Path
) -> dict[str, str]:
    """The environment of docs/restore.md. No Dagster, no state, no recipients, no signers but
    those of the escrow copy."""
    return {
        **{name: there[name] for name in _KEPT},
        "ONYX_S3_SECRET_ACCESS_KEY_FILE": str(secret),
        "ONYX_PRIVATE_KEY_FILE": str(key),
        "ONYX_STATE_DIR": str(sandbox.state_dir / "state"),
        "ONYX_BACKUP_DIR": str(sandbox.state_dir / "backups"),
        "ONYX_PG_HOST": sandbox.postgres.host,
        "ONYX_PG_PORT": str(sandbox.postgres.port),
        "ONYX_PG_USER": sandbox.postgres.user,
        "ONYX_PG_PASSWORD_FILE": str(sandbox.postgres.password_path),
        "ONYX_QDRANT_URL": sandbox.qdrant.url,
        "ONYX_VOLUMES": there["ONYX_VOLUMES"],
    }


def onyx(environment: Mapping[str, str], *arguments: str) -> None:
    """The command line with this environment alone.

    Raises:
        CommandError: it ended with another status than 0.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ONYX_", "DAGSTER_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", "from onyx_pipelines.cli import main; main()", *arguments],
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(
            f"`onyx {' '.join(arguments)}` ended with {done.returncode}:\n{done.stdout[-3000:]}",
            remedy="Read what it printed.",
        )


def main() -> int:
    """Exit status 0 if everything came back and within the objective."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="of the sample data; 1 is 20 MB")
    arguments = parser.parse_args()
    home = default_state_dir()
    sandbox = Sandbox(home.with_name(f"{home.name}-rehearsal"))
    elsewhere = home.with_name(f"{home.name}-elsewhere")
    sandbox.down()
    try:
        rehearsal = rehearse(
            sandbox,
            elsewhere,
            size=arguments.size,
            say=lambda text: out.line("   ", text),
        )
    finally:
        sandbox.down()
        shutil.rmtree(elsewhere, ignore_errors=True)
    objective_s = load_settings({}).recovery_time_objective_minutes * 60
    for line in rehearsal.lost[:_SHOWN]:
        out.line(line)
    in_time = rehearsal.seconds <= objective_s
    good = not rehearsal.lost and in_time
    out.line(
        f"{'PASSED' if good else 'FAILED'}: {rehearsal.things - len(rehearsal.lost)} of"
        f" {rehearsal.things} tables, collections and files are the same,"
        f" {duration_text(rehearsal.seconds)} after the empty machine"
        f" (objective {limit_text(objective_s)})."
    )
    return 0 if good else 1


if __name__ == "__main__":
    as_process(main)
